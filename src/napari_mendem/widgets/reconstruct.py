"""The dock widget that reconstructs tomograms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from mendem.errors import MendemError
from mendem.tomography.extent import voxel_size_of
from napari_mendem import tomogram_costs as costs
from napari_mendem import tomogram_script
from napari_mendem.tomogram_layers import TomogramLayer, result_name, show_middle
from napari_mendem.tomogram_request import TomogramRequest
from napari_mendem.tomograms import TomogramJob
from napari_mendem.widgets import words
from napari_mendem.widgets.dock_foot import DockFoot
from napari_mendem.widgets.fields import Whole
from napari_mendem.widgets.reconstruct_fields import MethodFields, switch
from napari_mendem.widgets.slice_dock import SliceDock

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

#: Formats of a tomogram that is written slice by slice.
FILES = "MRC (*.mrc);;OME-Zarr (*.zarr);;TIFF (*.tif)"

SURROUNDINGS = (
    "SIRT and TV: reconstruct what tilted images see of a slab beyond the view too, and cut it off. An isolated object "
    "can do without, two to three times as fast."
)


class ReconstructWidget(SliceDock):
    """A tomogram from a tilt series: one slice live, the whole volume into a layer or a file."""

    title = "Reconstruct"
    script = tomogram_script

    def __init__(self, napari_viewer: Viewer) -> None:
        foot = DockFoot(
            "Reconstruct",
            "Reconstruct the whole volume into a new layer.",
            "Reconstruct one slice again after each change, and show it below the tilts.",
        )
        foot.cost.setToolTip("<qt>Time and memory of the whole volume; the time as measured so far.</qt>")
        tip = "Reconstruct into an MRC, OME-Zarr or TIFF, however large."
        super().__init__(napari_viewer, foot, "reconstructs", tip)

    def request(self) -> TomogramRequest:
        """All that the fields say; `MendemError` where they cannot be followed."""
        return TomogramRequest(
            self.input.series(),
            self.method.value(),
            self.thickness.value(),
            self._given_density(),
            self.binning.value(),
            self.surroundings.value(),
            self.device.value(),
        )

    def _start(self, path: str) -> None:
        if self.busy:
            return
        try:
            request, layer = self._chosen()
            if not path:
                costs.check_memory(costs.bytes_of(request), "make it thinner, or choose a larger binning")
        except MendemError as error:
            self._refuse(str(error))
            return
        job = TomogramJob(request, path, self._cpu_threads)
        shown = TomogramLayer(self.viewer, job, layer)

        def end() -> None:
            if path:
                self._open(job, layer)
            else:
                shown.finish()
            self._conclude(job)

        self._run(job, shown, layer, end)

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
        path = self._path_for("Tomogram", "_reconstruct.mrc", FILES)
        if path:
            self.restore_to(path)

    def _show_fields(self) -> None:
        self._form.setRowVisible(self.surroundings, self.method.choice.value() != "wbp")

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

    def _told(self, request: TomogramRequest) -> Iterable[str]:
        return request.notes

    def _first_fields(self) -> list[QWidget]:
        self.method = MethodFields(self._form, self._advanced, self)
        self.surroundings = switch("surroundings", "Surroundings of a slab", SURROUNDINGS, True)
        self._form.addRow("", self.surroundings)
        for field in (self.method, self.surroundings):
            field.changed.connect(self._changed)
        return [*self.method.in_order, self.surroundings]

    def _further_fields(self) -> list[QWidget]:
        self.binning = Whole(1, 64, "×")
        self.binning.setObjectName("binning")
        self.binning.setValue(1)
        self.binning.setToolTip("<qt>Average so many pixels along each side first.</qt>")
        self.binning.changed.connect(self._changed)
        self._form.addRow("Binning", self.binning)
        self._form.addRow("", self.becomes)
        return [self.binning]
