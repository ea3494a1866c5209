"""The dock widget that fills the missing wedge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from mendem.errors import MendemError
from mendem.tomography.density import Density
from mendem.tomography.extent import voxel_size_of
from mendem.wedge_filling.parameters import FillWedge
from napari_mendem import fill_script as script
from napari_mendem.fill_adapt import AdaptJob
from napari_mendem.fill_jobs import FilledSlice, FillJob
from napari_mendem.fill_layers import FilledLayers
from napari_mendem.fill_request import FillRequest
from napari_mendem.preferences import preferences
from napari_mendem.widgets import words
from napari_mendem.widgets.dock_foot import DockFoot, scrolled, side_by_side
from napari_mendem.widgets.fields import Choice, Fields
from napari_mendem.widgets.fill_live import FillLive
from napari_mendem.widgets.layout import folded, make_button, new_form, small_label, tab_through
from napari_mendem.widgets.messages import in_words
from napari_mendem.widgets.reconstruct_fields import RowField, ThicknessField, density_fields
from napari_mendem.widgets.tilt_dock import TiltDock

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer


class FillWedgeWidget(TiltDock):
    """The tilts that could not be taken, and the tomogram that agrees with all: one slice live, or everything."""

    title = "Fill wedge"

    def __init__(self, napari_viewer: Viewer) -> None:
        tip = "Fill the wedge of the whole series: the tomogram, the missing tilts, and what of it was measured."
        live_tip = "Fill one slice again after each change, and show it below the tilts: before, and filled below it."
        super().__init__(napari_viewer, DockFoot("Fill", tip, live_tip))
        chosen = preferences()
        self._cpu_threads = chosen.cpu_threads
        #: What is wrong with the fields, and what the live slice found out.
        self._complaint, self._learnt = "", ()
        self._make_fields()
        tip = "Let the network learn from this series, until Cancel or for ten minutes; it is taken where it is better."
        self.adapt_button = make_button("Adapt to this tomogram", "adapt", f"<qt>{tip}</qt>")
        self.adapt_button.clicked.connect(self.adapt)
        self.copy_python = make_button("Copy as Python", "copy_python", "Python that fills the same")
        self.copy_command = make_button("Copy as command", "copy_command", "A command line that fills the same")
        self.copy_python.clicked.connect(lambda: self._copy(as_python=True))
        self.copy_command.clicked.connect(lambda: self._copy(as_python=False))
        self.ui.waiting += [self.input.choice, self.input.angles, self.adapt_button]
        self.ui.cost.setToolTip("<qt>Memory of the results.</qt>")
        self._lay_out()
        self.live = FillLive(self.viewer, self._wanted, self._connections, chosen.cpu_threads, self)
        self.device.setValue(chosen.device)
        self.input.changed.connect(self._series_changed)
        self.ui.live.toggled.connect(self.live.set_on)
        self.live.stage.connect(self.ui.stage.setText)
        self.live.failed.connect(self._live_failed)
        self.live.finished.connect(self._live_finished)
        self._ready(self.live.newest.running)
        self._series_changed()
        self.ui.live.setChecked(chosen.live)

    # What scripts and tests drive.

    def restore(self) -> None:
        """Fill the wedge of the whole series into new layers; returns at once."""
        if self.busy:
            return
        try:
            request, layer = self.request(), self.input.layer
            assert layer is not None
        except MendemError as error:
            self._refuse(str(error))
            return
        self.ui.live.setChecked(False)
        job = FillJob(request, self.live.source, self._cpu_threads)
        shown = FilledLayers(self.viewer, job, layer)
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
            shown.finish()
            self._conclude(job)

        self.errand.start(job, f"{layer.name} · {self.title}", done, grow)

    def adapt(self) -> None:
        """Let the network learn from the series, until it is cancelled; returns at once."""
        if self.busy:
            return
        try:
            request, layer = self.request(), self.input.layer
            assert layer is not None
            if request.parameters.road != "volume":
                raise MendemError("only the network of the volume road can learn from a series: choose that road")
        except MendemError as error:
            self._refuse(str(error))
            return
        job = AdaptJob(request, self.live.source, self._cpu_threads)
        self.ui.say("")

        def done() -> None:
            self.errand.say(job.said or "Stopped before anything was learned.")
            self.live.forget()

        self.errand.start(job, f"{layer.name} · learning", done)

    def request(self) -> FillRequest:
        """All that the fields say; `MendemError` where they cannot be followed."""
        parameters, density = self.parameters.values(), self.density.values()
        assert isinstance(parameters, FillWedge) and isinstance(density, Density)
        return FillRequest(self.input.series(), parameters, self.thickness.value(), density, self.device.value())

    def _conclude(self, job: FillJob) -> None:
        record, filling = job.provenance, job.filling
        if record is None or filling is None:
            self.ui.say("Cancelled before the first slices were finished: nothing is kept.")
            return
        said, energy, done = "", record["energy_in_wedge"], record["blocks"]
        if energy is not None:
            before, after = (100 * energy[key]["missing"] for key in ("back_projection", "filled"))
            said = f"Energy in the wedge: {before:.1f} % of back-projection, {after:.1f} % filled. "
        if record["partial"]:
            said += f"Cancelled: {done['finished']} of {done['all']} slices are finished. "
        if job.completed is not None:
            generated = job.flags.count("generated")
            said += f"{generated} tilts were generated; the measured ones are kept bit for bit. "
        self.errand.say(f"{said}It took {words.duration(record['seconds'])}.")
        self.ui.say("\n".join(record["notes"]))

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

    def _wanted(self) -> tuple[ImageLayer, FillRequest, int]:
        request, layer = self.request(), self.input.layer
        assert layer is not None
        if request.parameters.road == "tilts":
            raise MendemError(
                "The tilt road has no live slice: it generates whole tilts, and Fill shows each as it comes."
            )
        _ = request.shape  # what is refused is refused before it waits for its turn
        return layer, request, self.row.value()

    def _series_changed(self) -> None:
        self.errand.forget()
        self._changed()

    def _changed(self) -> None:
        self._complaint, self._learnt = "", ()
        by_tilts = self.parameters.widgets["road"].value() == "tilts"
        self._form.setRowVisible(self.parameters.widgets["at_once"], by_tilts)
        self._form.setRowVisible(self.parameters.widgets["filler"], not by_tilts)
        self._estimate()
        self._tell()
        self.live.ask()

    def _estimate(self) -> None:
        """What there will be."""
        self.becomes.setText("")
        self.ui.cost.setText("")
        try:
            request = self.request()
            shape, voxel = request.shape, voxel_size_of(request.series, 1)
            self.row.set_count(shape[1])
            self.thickness.set_voxel(voxel.nm[0])
            self.becomes.setText(about_missing(request))
        except MendemError:
            return
        stack = request.series.image.dtype.itemsize * (request.series.count + len(request.missing))
        self.ui.cost.setText(words.size(shape[1] * shape[2] * (8 * shape[0] + stack + 4 * len(request.missing))))

    def _tell(self) -> None:
        """What there is to know before a run."""
        said = self._complaint
        try:
            self.request()
        except MendemError as error:
            said = "" if self.input.layer is None else str(error)
        self.ui.say("\n".join(text for text in (said, *self._learnt) if text))

    def _live_failed(self, error: BaseException) -> None:
        self._complaint = in_words(error, self.title)
        self._tell()

    def _live_finished(self, frame: FilledSlice) -> None:
        if self._learnt != frame.notes:
            self._learnt = frame.notes
            self._tell()

    # The fields.

    def _make_fields(self) -> None:
        self._form, self._advanced = new_form(), new_form()
        self.input.add_to(self._form)
        self.row = RowField(self)
        self._form.addRow("Slice", self.row.row())
        self.parameters = Fields(FillWedge, self._form, self._advanced, self._changed)
        self.parameters.widgets["limit"].setDecimals(1)
        self.becomes = small_label()
        self.becomes.setObjectName("becomes")
        self._form.addRow("", self.becomes)
        self.thickness = ThicknessField(self)
        self._form.addRow("Thickness", self.thickness.row())
        self.density = density_fields(self._form, self._changed, self)
        self.device = Choice(("auto", "cpu", "cuda", "mps"))
        self.device.setObjectName("device")
        self.device.setToolTip("<qt>Where it is computed; auto takes a GPU when there is one.</qt>")
        self._advanced.addRow("Device", self.device)
        for field in (self.thickness, self.device):
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
        outer.addLayout(self.ui.lay_out(self.adapt_button, side_by_side(self.copy_python, self.copy_command)))
        order = [self.input.choice, self.input.angles, *self.row.parts, *self.parameters.in_order]
        order += [*self.thickness.parts, *self.density.in_order, self.device]
        order += [self.ui.live, self.ui.restore, self.ui.cancel, self.adapt_button, self.copy_python, self.copy_command]
        tab_through(*order)


def about_missing(request: FillRequest) -> str:
    """``20 missing tilts: 10 below -60°, 10 above 60°``."""
    missing, (low, high) = request.missing, request.series.limits
    if not missing:
        return f"no tilt is missing up to {request.parameters.limit:g}°"
    below, above = sum(angle < low for angle in missing), sum(angle > high for angle in missing)
    parts = [f"{below} below {low:.4g}°", f"{above} above {high:.4g}°", f"{len(missing) - below - above} between"]
    return f"{len(missing)} missing tilts: {', '.join(part for part in parts if not part.startswith('0 '))}"
