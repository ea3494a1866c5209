"""The dock widget that fills the missing wedge."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMessageBox, QWidget

from mendem.errors import MendemError
from mendem.tomography.extent import voxel_size_of
from mendem.wedge_filling.parameters import FillWedge
from napari_mendem import fill_script
from napari_mendem import tomogram_costs as costs
from napari_mendem.fill_adapt import AdaptJob
from napari_mendem.fill_files import FillFilesJob
from napari_mendem.fill_jobs import FillJob
from napari_mendem.fill_layers import FilledLayers
from napari_mendem.fill_request import FillRequest
from napari_mendem.widgets import words
from napari_mendem.widgets.dock_foot import DockFoot
from napari_mendem.widgets.fields import Fields
from napari_mendem.widgets.fill_live import FillLive
from napari_mendem.widgets.layout import make_button
from napari_mendem.widgets.slice_dock import SliceDock

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

#: Formats of a completed series, and of what is written beside it.
FILES = "MRC (*.mrc);;TIFF (*.tif)"


class FillWedgeWidget(SliceDock):
    """The tilts that could not be taken, and the tomogram that agrees with all: one slice live, or everything."""

    title = "Fill wedge"
    script = fill_script
    live_kind = FillLive
    live: FillLive

    def __init__(self, napari_viewer: Viewer) -> None:
        foot = DockFoot(
            "Fill",
            "Fill the wedge of the whole series: the tomogram, the missing tilts, and what of it was measured.",
            "Fill one slice again after each change, and show it below the tilts: before, and filled below it.",
        )
        foot.cost.setToolTip("<qt>Memory of the results.</qt>")
        tip = (
            "Fill into files, however large: the completed tilts (…_completed), beside them their angles and what each "
            "of them is, the tomogram (…_filled) and its spread. What was written is opened, its pixels left on disk."
        )
        super().__init__(napari_viewer, foot, "fills", tip)
        self.to_file.setText("To files…")

    # What scripts and tests drive.

    def adapt(self) -> None:
        """Let the network learn from the series, until it is cancelled; returns at once."""
        if self.busy:
            return
        try:
            request, layer = self._chosen()
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
        parameters = self.parameters.values()
        assert isinstance(parameters, FillWedge)
        thickness, device = self.thickness.value(), self.device.value()
        return FillRequest(self.input.series(), parameters, thickness, self._given_density(), device)

    def _start(self, path: str) -> None:
        if self.busy:
            return
        try:
            request, layer = self._chosen()
            if not path:
                costs.check_memory(request.bytes, "or make it thinner")
        except MendemError as error:
            self._refuse(str(error))
            return
        source, threads = self.live.source, self._cpu_threads
        job = FillFilesJob(request, source, path, threads) if path else FillJob(request, source, threads)
        shown = FilledLayers(self.viewer, job, layer)

        def end() -> None:
            shown.finish()
            self._conclude(job, f"Written to {path} and beside it. " if path else "")

        self._run(job, shown, layer, end)

    def _conclude(self, job: FillJob, said: str) -> None:
        record = job.provenance
        if record is None:
            self.ui.say("Cancelled before the first slices were finished: nothing is kept.")
            return
        energy, done = record["energy_in_wedge"], record["blocks"]
        if energy is not None:
            before, after = (100 * energy[key]["missing"] for key in ("back_projection", "filled"))
            said += f"Energy in the wedge: {before:.1f} % of back-projection, {after:.1f} % filled. "
        if record["partial"]:
            said += f"Cancelled: {done['finished']} of {done['all']} slices are finished. "
        if job.completed is not None:
            generated = job.flags.count("generated")
            said += f"{generated} tilts were generated; the measured ones are kept bit for bit. "
        self.errand.say(f"{said}It took {words.duration(record['seconds'])}.")
        self.ui.say("\n".join(record["notes"]))

    def _ask_for_file(self) -> None:
        from mendem.wedge_filling.to_files import WedgeFiles

        path = self._path_for("Completed tilts", "_completed.mrc", FILES)
        others = [name for name in WedgeFiles.named_after(path).all[1:] if path and os.path.exists(name)]
        if others:
            names = ", ".join(os.path.basename(name) for name in others)
            answer = QMessageBox.question(self, "Completed tilts", f"Replace {names}?")
            path = path if answer == QMessageBox.StandardButton.Yes else ""
        if path:
            self.restore_to(path)

    # Between fields, preview and messages.

    def _wanted(self) -> tuple[ImageLayer, FillRequest, int]:
        wanted = super()._wanted()
        if wanted[1].parameters.road == "tilts":
            raise MendemError(
                "The tilt road has no live slice: it generates whole tilts, and Fill shows each as it comes."
            )
        return wanted

    def _show_fields(self) -> None:
        by_tilts = self.parameters.widgets["road"].value() == "tilts"
        self._form.setRowVisible(self.parameters.widgets["at_once"], by_tilts)
        self._form.setRowVisible(self.parameters.widgets["filler"], not by_tilts)
        drawn = self.parameters.widgets["estimate"].value() == "sample"
        self._form.setRowVisible(self.parameters.widgets["estimate"], drawn or not by_tilts)
        self._advanced.setRowVisible(self.parameters.widgets["seed"], drawn)

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
            self.ui.cost.setText(words.size(request.bytes))
        except MendemError:
            return

    def _told(self, request: FillRequest) -> Iterable[str]:
        if request.series.generated:
            yield "The wedge of this series has been filled: some of its tilts were generated."

    # The fields.

    def _first_fields(self) -> list[QWidget]:
        self.parameters = Fields(FillWedge, self._form, self._advanced, self._changed)
        self.parameters.widgets["limit"].setDecimals(1)
        self._form.addRow("", self.becomes)
        return self.parameters.in_order

    def _more_buttons(self) -> list[QWidget]:
        tip = "Let the network learn from this series, until Cancel or for ten minutes; it is taken where it is better."
        self.adapt_button = make_button("Adapt to this tomogram", "adapt", f"<qt>{tip}</qt>")
        self.adapt_button.clicked.connect(self.adapt)
        self.ui.waiting.append(self.adapt_button)
        return [self.adapt_button]


def about_missing(request: FillRequest) -> str:
    """``20 missing tilts: 10 below -60°, 10 above 60°``."""
    missing, (low, high) = request.missing, request.series.limits
    if not missing:
        return f"no tilt is missing up to {request.parameters.limit:g}°"
    below, above = sum(angle < low for angle in missing), sum(angle > high for angle in missing)
    parts = [f"{below} below {low:.4g}°", f"{above} above {high:.4g}°", f"{len(missing) - below - above} between"]
    kept = [part.replace(" ", words.NO_BREAK) for part in parts if not part.startswith("0 ")]
    return f"{len(missing)}{words.NO_BREAK}missing{words.NO_BREAK}tilts: {', '.join(kept)}"
