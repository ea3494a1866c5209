"""What the docks share that make tomograms of a tilt series: slice, thickness, density, live slice, layers or files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from mendem.errors import MendemError
from mendem.tomography.density import Density
from napari_mendem.preferences import preferences
from napari_mendem.widgets.dock_foot import DockFoot, scrolled, side_by_side
from napari_mendem.widgets.errand import Job
from napari_mendem.widgets.fields import Choice
from napari_mendem.widgets.layout import folded, make_button, new_form, small_label, tab_through
from napari_mendem.widgets.messages import in_words
from napari_mendem.widgets.reconstruct_fields import RowField, ThicknessField, density_fields
from napari_mendem.widgets.slice_live import SliceLive
from napari_mendem.widgets.tilt_dock import TiltDock

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer


class Shown(Protocol):
    """The growing result of a job."""

    @property
    def removed(self) -> bool: ...
    def grow(self) -> None: ...


class SliceDock(TiltDock):
    """One slice live, and everything into layers or files.

    Parameters
    ----------
    foot
        With the button that starts.
    does
        What it does, as in ``"A command line that <does> the same"``.
    file_tip
        Tooltip of the button that asks for files.
    """

    #: Writes a request as Python, and as a command line.
    script: ClassVar[ModuleType]
    #: What live slices are.
    live_kind: ClassVar[type[SliceLive]] = SliceLive

    def __init__(self, viewer: ViewerModel, foot: DockFoot, does: str, file_tip: str) -> None:
        super().__init__(viewer, foot)
        chosen = preferences()
        self._cpu_threads = chosen.cpu_threads
        #: What is wrong with the fields, and what the live slice found out.
        self._complaint: str = ""
        self._found: tuple[str, ...] = ()
        self.live = self.live_kind(self.viewer, self._wanted, self._connections, chosen.cpu_threads, self)
        order = self._make_fields()
        self.to_file = make_button("To a file…", "to_file", f"<qt>{file_tip}</qt>")
        self.copy_python = make_button("Copy as Python", "copy_python", f"Python that {does} the same")
        self.copy_command = make_button("Copy as command", "copy_command", f"A command line that {does} the same")
        self.ui.buttons.insertWidget(1, self.to_file)
        self.ui.waiting += [self.to_file, self.input.choice, self.input.angles]
        self._lay_out(order)
        self.device.setValue(chosen.device)
        self.input.changed.connect(self._series_changed)
        self.ui.live.toggled.connect(self.live.set_on)
        self.live.stage.connect(self.ui.stage.setText)
        self.live.failed.connect(self._live_failed)
        self.live.finished.connect(self._live_finished)
        self.to_file.clicked.connect(self._ask_for_file)
        self.copy_python.clicked.connect(lambda: self._copy(as_python=True))
        self.copy_command.clicked.connect(lambda: self._copy(as_python=False))
        self._ready(self.live.newest.running)
        self._series_changed()
        self.ui.live.setChecked(chosen.live)

    # What scripts and tests drive.

    def restore(self) -> None:
        """Make everything into new layers; returns at once."""
        self._start("")

    def restore_to(self, path: str) -> None:
        """Make everything into a file, or files named after it, and open them; returns at once."""
        self._start(path)

    def request(self) -> Any:
        """All that the fields say; `MendemError` where they cannot be followed."""
        raise NotImplementedError

    # Of one dock.

    def _first_fields(self) -> list[QWidget]:
        """Make the fields above the thickness."""
        raise NotImplementedError

    def _further_fields(self) -> list[QWidget]:
        """Make the fields below it."""
        return []

    def _more_buttons(self) -> list[QWidget]:
        """Buttons of the foot beside those of all docks."""
        return []

    def _show_fields(self) -> None:
        """Hide fields that have no meaning now."""

    def _estimate(self) -> None:
        """Say what there will be, and what it will take."""
        raise NotImplementedError

    def _told(self, request: Any) -> Iterable[str]:
        """What there is to know of a request before a run."""
        return ()

    def _start(self, path: str) -> None:
        """Begin, with layers for results where there is no path."""
        raise NotImplementedError

    def _ask_for_file(self) -> None:
        """Ask where results go."""
        raise NotImplementedError

    # Runs.

    def _chosen(self) -> tuple[Any, ImageLayer]:
        """The request and the layer that it is about; `MendemError` without."""
        request, layer = self.request(), self.input.layer
        assert layer is not None
        return request, layer

    def _run(self, job: Job, shown: Shown, layer: ImageLayer, end: Callable[[], None]) -> None:
        """Start a job whose result grows in the viewer; removed there, it is cancelled."""
        previewed = self.live.output.layer is not None
        self.ui.live.setChecked(False)
        if previewed:  # the view had made room for it
            self.viewer.fit_to_view()
        self.ui.say("")
        self.errand.forget()

        def grow() -> None:
            if shown.removed:
                job.cancelled.set()
            else:
                shown.grow()

        def done() -> None:
            if shown.removed:
                self.errand.say("The growing tomogram was removed: cancelled, and nothing is kept.")
            else:
                end()

        self.errand.start(job, f"{layer.name} · {self.title}", done, grow)

    def _path_for(self, caption: str, ending: str, formats: str) -> str:
        """Ask for a file; empty where none is given."""
        layer = self.input.layer
        if layer is None:
            self._refuse("there is no tilt series: open one first")
            return ""
        folder = os.path.dirname(layer.source.path or "")
        name = os.path.join(folder, f"{os.path.splitext(layer.name)[0].replace(' ', '_')}{ending}")
        path, chosen = QFileDialog.getSaveFileName(self, caption, name, formats)
        if path and not os.path.splitext(path)[1]:
            path += chosen.partition("*")[2].rstrip(")")
        return path

    def _copy(self, as_python: bool) -> None:
        try:
            request, layer = self._chosen()
            if as_python:
                self._to_clipboard(self.script.as_python(request, layer.name, self.input.file), "Python")
            else:
                self._to_clipboard(self.script.as_command(request, self.input.file), "a command line")
        except MendemError as error:
            self._refuse(str(error))

    # Between fields, preview and messages.

    def _wanted(self) -> tuple[ImageLayer, Any, int]:
        request, layer = self._chosen()
        _ = request.shape  # what is refused is refused before it waits for its turn
        return layer, request, self.row.value()

    def _series_changed(self) -> None:
        self.errand.forget()
        self._changed()

    def _changed(self) -> None:
        self._complaint, self._found = "", ()
        self._show_fields()
        self._estimate()
        self._tell()
        self.live.ask()

    def _tell(self) -> None:
        """What there is to know before a run."""
        try:
            said = tuple(self._told(self.request()))
        except MendemError as error:
            said = () if self.input.layer is None else (str(error),)
        self.ui.say("\n".join(dict.fromkeys(text for text in (*said, *self._found, self._complaint) if text)))

    def _live_failed(self, error: BaseException) -> None:
        self._complaint = in_words(error, self.title)
        self._tell()

    def _live_finished(self, frame: Any) -> None:
        if self._found != frame.notes:
            self._found = frame.notes
            self._tell()
        self._estimate()

    # The fields.

    def _make_fields(self) -> list[QWidget]:
        """All of them, in the order in which they take the keyboard."""
        self._form, self._advanced = new_form(), new_form()
        self.input.add_to(self._form)
        self.row = RowField(self)
        self._form.addRow("Slice", self.row.row())
        self.becomes = small_label()
        self.becomes.setObjectName("becomes")
        first = self._first_fields()
        self.thickness = ThicknessField(self)
        self._form.addRow("Thickness", self.thickness.row())
        further = self._further_fields()
        self.density = density_fields(self._form, self._changed, self)
        self.device = Choice(("auto", "cpu", "cuda", "mps"))
        self.device.setObjectName("device")
        self.device.setToolTip("<qt>Where it is computed; auto takes a GPU when there is one.</qt>")
        self._advanced.addRow("Device", self.device)
        for field in (self.thickness, self.device):
            field.changed.connect(self._changed)
        self.row.changed.connect(lambda: self.live.ask())
        order = [self.input.choice, self.input.angles, *self.row.parts, *first, *self.thickness.parts, *further]
        return [*order, *self.density.in_order, self.device]

    def _given_density(self) -> Density:
        density = self.density.values()
        assert isinstance(density, Density)
        return density

    def _lay_out(self, order: list[QWidget]) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 6, 6, 6)
        column.addLayout(self._form)
        column.addWidget(folded("Advanced", "advanced", self._advanced))
        column.addStretch(1)
        more = self._more_buttons()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled(inner), 1)
        outer.addLayout(self.ui.lay_out(*more, side_by_side(self.copy_python, self.copy_command)))
        start = [self.ui.live, self.ui.restore, self.to_file, self.ui.cancel]
        tab_through(*order, *start, *more, self.copy_python, self.copy_command)
