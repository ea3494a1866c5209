"""The dock widget that aligns tilt series."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari.layers import Image as ImageLayer
from qtpy.QtWidgets import QFileDialog, QMessageBox, QVBoxLayout, QWidget

from mendem.errors import MendemError
from mendem.tomography.tilt_series import TiltSeries
from napari_mendem.alignment_checks import judge
from napari_mendem.alignments import AlignJob, AlignRequest, accept, can_undo, undo
from napari_mendem.preferences import preferences
from napari_mendem.tilt_layers import TILTS
from napari_mendem.viewport import current_slice, go_to
from napari_mendem.widgets.align_live import AlignLive, Proposal
from napari_mendem.widgets.align_panel import AlignPanel
from napari_mendem.widgets.dock_foot import DockFoot, scrolled, side_by_side
from napari_mendem.widgets.fields import Choice
from napari_mendem.widgets.layout import make_button, new_form, tab_through
from napari_mendem.widgets.reconstruct_fields import switch
from napari_mendem.widgets.tilt_dock import TiltDock

if TYPE_CHECKING:
    from napari.viewer import Viewer


KINDS = {"auto": "auto", "isolated": "isolated object", "slab": "slab that fills the view"}

AGAIN = "Refine the alignment that the series has; without this it is left as it is, and judged."

LIVE = "Show the tilts as the alignment has them, in a layer above the raw ones."


class AlignWidget(TiltDock):
    """Find shifts and tilt axis, judge them, and accept them or not."""

    title = "Align"

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer, DockFoot("Align", "Find the shifts of the tilts and the tilt axis.", LIVE))
        chosen = preferences()
        #: Alignments that are neither accepted nor given up.
        self._proposed: WeakKeyDictionary[ImageLayer, Proposal] = WeakKeyDictionary()
        self.live = AlignLive(self)
        self._make_fields()
        self.accept = make_button("Accept", "accept", "Give the tilt series this alignment; the other docks use it")
        self.undo = make_button("Undo", "undo", "Back to the alignment that was stated when the stack was opened")
        self.save = make_button("Save…", "save", "Write the alignment as IMOD does: .xf, and .tlt beside it")
        self.ui.waiting += [self.accept, self.undo, self.save, self.input.choice, self.input.angles]
        self._lay_out()
        self.input.changed.connect(self._series_changed)
        self.ui.live.toggled.connect(lambda _: self.live.refresh())
        self.accept.clicked.connect(self.take)
        self.undo.clicked.connect(self.give_up)
        self.save.clicked.connect(self._ask_for_file)
        self.panel.exclude.toggled.connect(lambda _: self._enable())
        self._connections.make(self.viewer.dims.events.current_step, self._mark)
        self._ready([])
        self.ui.live.setChecked(chosen.live)
        self._series_changed()

    # What scripts and tests drive.

    def restore(self) -> None:
        """Align the chosen series, or judge it where it is aligned; returns at once."""
        if self.busy:
            return
        try:
            request, layer = self.request(), self.input.layer
            assert layer is not None
        except MendemError as error:
            self._refuse(str(error))
            return
        before = dict(layer.metadata[TILTS])
        job = AlignJob(request)
        self.ui.say("")

        def done() -> None:
            if job.alignment is None:
                self.ui.say("Cancelled: the tilts are what they were.")
            elif layer in self.viewer.layers:
                self._proposed[layer] = Proposal(job.alignment, request.series, before)
                self._series_changed()

        self.errand.start(job, f"{layer.name} · {self.title}", done, ended=self._enable)

    def request(self) -> AlignRequest:
        """All that the fields say; `MendemError` where they cannot be followed."""
        return AlignRequest(self.input.series(), self.kind.value(), self.axis.value(), self.again.value())

    def proposal(self) -> TiltSeries | None:
        """The series as the alignment has it, less the tilts that are to be excluded; None where there is none."""
        found = self.found()
        return None if found is None else found.alignment.series.excluding(self.panel.doubtful())

    def take(self) -> None:
        """Accept the proposed alignment."""
        layer, series = self.input.layer, self.proposal()
        if layer is None or series is None:
            return
        del self._proposed[layer]
        accept(layer, series)  # the dock hears of it
        self.ui.say("Accepted: the other docks use this alignment. Save… writes it to files.")

    def give_up(self) -> None:
        """Drop the proposed alignment; or, where none is proposed, go back to what was stated."""
        layer = self.input.layer
        if layer is None:
            return
        if self._proposed.pop(layer, None) is not None:
            self._series_changed()
            self.ui.say("The proposed alignment was dropped.")
            return
        try:
            undo(layer)
        except MendemError as error:
            self._refuse(str(error))
            return
        self.ui.say("Back to the tilts as they were stated.")

    def save_to(self, path: str, overwrite: bool = False) -> None:
        """Write the proposed alignment, or that of the layer: ``.xf`` and ``.tlt``."""
        from mendem.tomography.tilt_files import alignment_files, write_alignment

        try:
            series = self.proposal() or self.input.series()
            files = alignment_files(path, series)
            write_alignment(path, series, overwrite)
        except MendemError as error:
            self._refuse(str(error))
            return
        self.ui.say(f"Written: {' and '.join(files)}.")

    def _ask_for_file(self) -> None:
        from mendem.tomography.tilt_files import alignment_files

        layer = self.input.layer
        if layer is None:
            return
        stem = os.path.splitext(layer.source.path or layer.name.replace(" ", "_"))[0]
        options = QFileDialog.Option.DontConfirmOverwrite  # asked below, about both files
        path, _ = QFileDialog.getSaveFileName(self, "Alignment", f"{stem}.xf", "IMOD (*.xf)", options=options)
        if not path:
            return
        files = alignment_files(path, self.proposal() or self.input.series())
        there = [name for name in files if os.path.exists(name)]
        if there:
            names = " and ".join(os.path.basename(name) for name in there)
            answer = QMessageBox.question(self, "Alignment", f"Replace {names}?")
            if answer != QMessageBox.StandardButton.Yes:
                return
        self.save_to(path, overwrite=bool(there))

    # Between fields, preview and messages.

    def found(self) -> Proposal | None:
        """The proposed alignment of the chosen series; one of other tilts is forgotten."""
        layer = self.input.layer
        found = None if layer is None else self._proposed.get(layer)
        if layer is None or found is None or found.tilts == layer.metadata.get(TILTS):
            return found
        del self._proposed[layer]
        return None

    def _series_changed(self) -> None:
        found = self.found()
        if found is None:
            self.panel.forget()
        else:
            self.panel.tell(judge(found.alignment, found.stated))
        self._form.setRowVisible(self.again, self._aligned())
        self.again.setValue(False)
        self._enable()
        self._tell()
        self._mark()

    def _enable(self) -> None:
        """Buttons that have a meaning now."""
        layer, found = self.input.layer, self.found()
        self.accept.setEnabled(found is not None and (found.moves or bool(self.panel.doubtful())))
        self.undo.setEnabled(found is not None or (layer is not None and can_undo(layer)))
        self.save.setEnabled(found is not None or self._aligned())

    def _aligned(self) -> bool:
        try:
            return self.input.series().aligned
        except MendemError:
            return False

    def _tell(self) -> None:
        """What there is to do next, and the preview."""
        said = ""
        try:
            series = self.input.series() if self.input.layer is not None else None
        except MendemError as error:
            series, said = None, str(error)
        found = self.found()
        if found is not None and found.moves:
            said = "Step through the tilts and look at the plots; then Accept, or Undo."
        elif found is not None:
            said = "This series is aligned and was left as it is; these are its checks."
        elif series is not None and series.aligned:
            said = "This series is aligned. Align judges it and leaves it as it is, unless Align again is ticked."
        self.ui.say(said)
        self.live.refresh()

    def _go_to(self, tilt: int) -> None:
        layer = self.input.layer
        if layer is not None:
            go_to(self.viewer, layer, 0, tilt)

    def _mark(self, _: object = None) -> None:
        layer = self.input.layer
        index = None if layer is None or layer not in self.viewer.layers else current_slice(self.viewer, layer)
        self.panel.mark(index[0] if index else None)

    # The fields.

    def _make_fields(self) -> None:
        self._form = new_form()
        self.input.add_to(self._form)
        self.kind = Choice(())
        for name, text in KINDS.items():
            self.kind.addItem(text, name)
        self.kind.setObjectName("kind")
        self.kind.setToolTip(
            "<qt>An isolated object is whole in all tilts, with empty surroundings: its mass is the same in all of "
            "them. A slab goes on beyond the view. Auto decides by the borders of the tilts.</qt>"
        )
        self._form.addRow("Specimen", self.kind)
        self.axis = switch("axis", "Find the tilt axis too", "Otherwise the stated tilt axis is kept.", True)
        self._form.addRow("", self.axis)
        self.again = switch(
            "again", "Align again", "Refine the alignment that it has; without this it is left as it is.", False
        )
        self._form.addRow("", self.again)
        self.panel = AlignPanel(self._go_to)

    def _lay_out(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 6, 6, 6)
        column.addLayout(self._form)
        column.addWidget(self.panel)
        column.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled(inner), 1)
        outer.addLayout(self.ui.lay_out(side_by_side(self.accept, self.undo, self.save)))
        tab_through(
            self.input.choice,
            self.input.angles,
            self.kind,
            self.axis,
            self.again,
            self.panel.quantity,
            self.panel.exclude,
            self.ui.live,
            self.ui.restore,
            self.ui.cancel,
            self.accept,
            self.undo,
            self.save,
        )
