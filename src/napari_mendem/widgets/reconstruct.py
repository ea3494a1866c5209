"""The dock widget that reconstructs tomograms."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from mendem.errors import MendemError
from mendem.tomography.density import Density
from mendem.tomography.extent import voxel_size_of
from napari_mendem import tomogram_costs as costs
from napari_mendem import tomogram_script as script
from napari_mendem.preferences import preferences
from napari_mendem.tomogram_layers import TomogramLayer, result_name, show_middle
from napari_mendem.tomogram_request import TomogramRequest
from napari_mendem.tomograms import LiveSlice, TomogramJob
from napari_mendem.widgets import words
from napari_mendem.widgets.dock_foot import DockFoot, scrolled, side_by_side
from napari_mendem.widgets.fields import Choice, Whole
from napari_mendem.widgets.layout import folded, make_button, new_form, small_label, tab_through
from napari_mendem.widgets.reconstruct_fields import MethodFields, RowField, ThicknessField, density_fields, switch
from napari_mendem.widgets.slice_live import SliceLive, Wanted
from napari_mendem.widgets.tilt_dock import TiltDock

if TYPE_CHECKING:
    from napari.viewer import Viewer

#: Formats of a tomogram that is written slice by slice.
FILES = "MRC (*.mrc);;OME-Zarr (*.zarr);;TIFF (*.tif)"

SURROUNDINGS = (
    "SIRT and TV: reconstruct what tilted images see of a slab beyond the view too, and cut it off. An isolated object "
    "can do without, two to three times as fast."
)


class ReconstructWidget(TiltDock):
    """A tomogram from a tilt series: one slice live, the whole volume into a layer or a file."""

    title = "Reconstruct"

    def __init__(self, napari_viewer: Viewer) -> None:
        tip = "Reconstruct the whole volume into a new layer."
        live_tip = "Reconstruct one slice again after each change, and show it below the tilts."
        super().__init__(napari_viewer, DockFoot("Reconstruct", tip, live_tip))
        chosen = preferences()
        self._cpu_threads = chosen.cpu_threads
        #: What is wrong with the fields, or was found out by the live slice.
        self._complaint = self._warning = ""
        self.live = SliceLive(self.viewer, self._wanted, self._connections, chosen.cpu_threads, self)
        self._make_fields()
        self.to_file = make_button("To a file…", "to_file", "Reconstruct into an MRC, OME-Zarr or TIFF, however large")
        self.copy_python = make_button("Copy as Python", "copy_python", "Python that makes the same tomogram")
        self.copy_command = make_button("Copy as command", "copy_command", "A command line that makes the same")
        self.ui.buttons.insertWidget(1, self.to_file)
        self.ui.waiting += [self.to_file, self.input.choice, self.input.angles]
        self.ui.cost.setToolTip("<qt>Time and memory of the whole volume; the time as measured so far.</qt>")
        self._lay_out()
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
        """Reconstruct the whole volume into a new layer; returns at once."""
        self._start("")

    def restore_to(self, path: str) -> None:
        """Reconstruct the whole volume into a file, and open it; returns at once."""
        self._start(path)

    def request(self) -> TomogramRequest:
        """All that the fields say; `MendemError` where they cannot be followed."""
        density = self.density.values()
        assert isinstance(density, Density)
        return TomogramRequest(
            self.input.series(),
            self.method.value(),
            self.thickness.value(),
            density,
            self.binning.value(),
            self.surroundings.value(),
            self.device.value(),
        )

    def _start(self, path: str) -> None:
        if self.busy:
            return
        try:
            request, layer = self.request(), self.input.layer
            assert layer is not None
            if not path:
                costs.check_memory(request)
        except MendemError as error:
            self._refuse(str(error))
            return
        self.ui.live.setChecked(False)
        job = TomogramJob(request, path, self._cpu_threads)
        shown = TomogramLayer(self.viewer, job, layer)
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
                return
            if path:
                self._open(job, layer)
            else:
                shown.finish()
            self._conclude(job)

        self.errand.start(job, f"{layer.name} · {self.title}", done, grow)

    def _open(self, job: TomogramJob, source: ImageLayer) -> None:
        """Show a file that was written, its pixels left on disk."""
        from napari_mendem.readers import read

        if job.provenance is None:
            return
        for data, kwargs, _ in read(job.target):
            if data is not None:
                kwargs["name"] = result_name(source.name, job)
                show_middle(self.viewer, self.viewer.add_image(data, **kwargs))

    def _conclude(self, job: TomogramJob) -> None:
        record = job.provenance
        if record is None:
            if job.cancelled.is_set():
                self.ui.say("Cancelled before the first slices were finished: nothing is kept.")
            return
        where = f"Written to {job.target}. " if job.target else ""
        if record["partial"]:
            done = record["blocks"]
            where += f"Cancelled: {done['finished']} of {done['all']} slices are finished; the others are empty. "
        self.errand.say(f"{where}It took {words.duration(record['seconds'])}.")
        self.ui.say("\n".join(record["notes"]))
        self._estimate()

    def _ask_for_file(self) -> None:
        layer = self.input.layer
        if layer is None:
            self._refuse("there is no tilt series: open one first")
            return
        folder = os.path.dirname(layer.source.path or "")
        name = os.path.join(folder, f"{os.path.splitext(layer.name)[0].replace(' ', '_')}_reconstruct.mrc")
        path, chosen = QFileDialog.getSaveFileName(self, "Tomogram", name, FILES)
        if path:
            if not os.path.splitext(path)[1]:
                path += chosen.partition("*")[2].rstrip(")")
            self.restore_to(path)

    def _copy(self, as_python: bool) -> None:
        try:
            request, layer = self.request(), self.input.layer
            assert layer is not None
            if as_python:
                self._to_clipboard(script.as_python(request, layer.name, self.input.file), "Python")
            else:
                self._to_clipboard(script.as_command(request, self.input.file), "a command line")
        except MendemError as error:
            self._refuse(str(error))

    # Between fields, preview and messages.

    def _wanted(self) -> Wanted:
        request, layer = self.request(), self.input.layer
        assert layer is not None
        _ = request.shape  # what is refused is refused before it waits for its turn
        return layer, request, self.row.value()

    def _series_changed(self) -> None:
        self._warning = ""
        self.errand.forget()
        self._changed()

    def _changed(self) -> None:
        self._complaint = ""
        self._form.setRowVisible(self.surroundings, self.method.choice.value() != "wbp")
        self._estimate()
        self._tell()
        self.live.ask()

    def _estimate(self) -> None:
        """What the volume becomes, and what it will take."""
        try:
            request = self.request()
            shape = request.shape
            voxel = voxel_size_of(request.series, request.binning)
            _, rows, _ = TomogramRequest(request.series).shape
        except MendemError:
            self.becomes.setText("")
            self.ui.cost.setText("")
            return
        self.row.set_count(rows)
        self.thickness.set_voxel(voxel.nm[0])
        size = f"{voxel} · " if voxel.known else ""
        becomes = f"becomes {size}{' × '.join(str(n) for n in shape)} (z, y, x)"
        self.becomes.setText(becomes.replace(" ", words.NO_BREAK).replace(f"{words.NO_BREAK}·{words.NO_BREAK}", " · "))
        seconds, memory = costs.seconds_of(request), words.size(costs.bytes_of(request))
        about = "" if seconds is None or seconds < 1 else "about "
        self.ui.cost.setText(memory if seconds is None else f"{about}{words.duration(seconds)}, {memory}")

    def _tell(self) -> None:
        """What there is to know before a run."""
        try:
            said: tuple[str, ...] = self.request().notes
        except MendemError as error:
            said = () if self.input.layer is None else (str(error),)
        told = [*said, self._warning, self._complaint]
        self.ui.say("\n".join(dict.fromkeys(text for text in told if text)))

    def _live_failed(self, error: BaseException) -> None:
        from napari_mendem.widgets.messages import in_words

        self._complaint = in_words(error, self.title)
        self._tell()

    def _live_finished(self, frame: LiveSlice) -> None:
        if self._warning != frame.note:
            self._warning = frame.note
            self._tell()
        self._estimate()

    # The fields.

    def _make_fields(self) -> None:
        self._form, self._advanced = new_form(), new_form()
        self.input.add_to(self._form)
        self.row = RowField(self)
        self._form.addRow("Slice", self.row.row())
        self.method = MethodFields(self._form, self._advanced, self)
        self.surroundings = switch("surroundings", "Surroundings of a slab", SURROUNDINGS, True)
        self._form.addRow("", self.surroundings)
        self.thickness = ThicknessField(self)
        self._form.addRow("Thickness", self.thickness.row())
        self.binning = Whole(1, 64, "×")
        self.binning.setObjectName("binning")
        self.binning.setValue(1)
        self.binning.setToolTip("<qt>Average so many pixels along each side first.</qt>")
        self._form.addRow("Binning", self.binning)
        self.becomes = small_label()
        self.becomes.setObjectName("becomes")
        self._form.addRow("", self.becomes)
        self.density = density_fields(self._form, self._changed, self)
        self.device = Choice(("auto", "cpu", "cuda", "mps"))
        self.device.setObjectName("device")
        self.device.setToolTip("<qt>Where it is computed; auto takes a GPU when there is one.</qt>")
        self._advanced.addRow("Device", self.device)
        for field in (self.method, self.surroundings, self.thickness, self.binning, self.device):
            field.changed.connect(self._changed)
        self.row.changed.connect(lambda: self.live.ask())

    def _lay_out(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 6, 6, 6)
        column.addLayout(self._form)
        column.addWidget(folded("Advanced", "advanced", self._advanced))
        column.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled(inner), 1)
        outer.addLayout(self.ui.lay_out(side_by_side(self.copy_python, self.copy_command)))
        order = [self.input.choice, self.input.angles, *self.row.parts, *self.method.in_order, self.surroundings]
        order += [*self.thickness.parts, self.binning, *self.density.in_order, self.device]
        order += [self.ui.live, self.ui.restore, self.to_file, self.ui.cancel, self.copy_python, self.copy_command]
        tab_through(*order)
