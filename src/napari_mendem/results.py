"""The layers of a restoration, while it grows and when it is done. No Qt."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image as ImageLayer

from napari_mendem.layers import PREVIEW, Look, Raster, along_z, residual_limits, spread_limits
from napari_mendem.workers import RestoreJob

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_mendem.preview import Frame
    from napari_mendem.preview_volume import PlaneFrame

#: A growing layer is drawn anew at most this often, seconds, and may take this share of the GUI's time.
REDRAW_EVERY = 0.4
REDRAW_SHARE = 0.1

#: Slices of more bytes are drawn anew only at the end: sending one to the graphics card would stop the window.
LARGEST_REDRAW = 64 << 20


class ResultLayers:
    """Puts a job's arrays into layers of the viewer: the result as it grows, the others at the end.

    Parameters
    ----------
    viewer
        Where the layers go.
    job
        The restoration.
    look
        Of the input layer, taken at the start.
    title
        The task's, for the names: ``<input> · <title>``.
    """

    def __init__(self, viewer: ViewerModel, job: RestoreJob, look: Look, title: str) -> None:
        self.viewer, self.job, self.title = viewer, job, title
        self.look = look.flat() if job.request.task.merges else look
        self.layer: ImageLayer | None = None
        self._changes = 0
        self._next = 0.0

    @property
    def removed(self) -> bool:
        """Whether the user has removed the growing result."""
        return self.layer is not None and self.layer not in self.viewer.layers

    def grow(self) -> None:
        """Show what has been computed since the last time."""
        job = self.job
        if job.changes == self._changes or job.result is None or self.removed:
            return
        if self.layer is None:
            self._changes = job.changes
            self.layer = self._add(job.result, "", **self.look.display)
            self._next = time.monotonic() + REDRAW_EVERY
            return
        now = time.monotonic()
        if now < self._next or self._drawn_bytes(job.result) > LARGEST_REDRAW:
            return
        self._changes = job.changes
        self.layer.refresh(thumbnail=False, extent=False)
        took = time.monotonic() - now
        self._next = now + max(REDRAW_EVERY, took / REDRAW_SHARE)

    def _drawn_bytes(self, result: np.ndarray) -> int:
        """What is sent to the graphics card: the plane that is shown, or everything in 3-D."""
        shown = self.viewer.dims.displayed
        axes = [axis - self.viewer.dims.ndim for axis in shown]
        return result.itemsize * int(np.prod([result.shape[axis] for axis in axes if -axis <= result.ndim]))

    def finish(self) -> None:
        """Everything that the job leaves behind, with its provenance; nothing where nothing was finished."""
        job = self.job
        if job.result is None or job.provenance is None or self.removed:
            return
        if not job.rows:
            if self.layer is not None:  # it showed what was not finished
                self.viewer.layers.remove(self.layer)
            return
        record = job.provenance
        if self.layer is None:
            self.layer = self._add(job.result, "", **self.look.display)
        place = self.viewer.layers.index(self.layer)
        if job.residual is not None:
            limits = residual_limits(job.residual)
            self._beside(place, job.residual, " residual", "residual", on_input=True, contrast_limits=limits)
        if job.std is not None:
            limits = spread_limits(job.std)
            self._beside(place, job.std, " spread", "standard deviation", contrast_limits=limits, colormap="magma")
        if job.samples is not None:
            self._add_samples(job.samples)
        self.layer.metadata = {**self.layer.metadata, "mendem": record}
        self.layer.name = self._name("")
        self.layer.refresh()
        self.viewer.layers.selection.active = self.layer

    def _name(self, what: str) -> str:
        summary = self.job.summary
        return f"{self.look.name} · {self.title}{what}{' (partial)' if summary and summary.partial else ''}"

    def _beside(
        self, place: int, data: np.ndarray, what: str, quantity: str, on_input: bool = False, **display: Any
    ) -> None:
        """A hidden layer below the result."""
        assert self.job.provenance is not None
        layer = self._add(data, what, on_input, visible=False, **display)
        layer.metadata = {"mendem": {**self.job.provenance, "quantity": quantity}}
        index = self.viewer.layers.index(layer)
        if index != place:
            self.viewer.layers.move(index, place)

    def _add(self, data: np.ndarray, what: str, on_input: bool = False, **display: Any) -> ImageLayer:
        shaped, raster = self._shaped(data, on_input)
        layer = self.viewer.add_image(
            shaped,
            name=self._name(what),
            metadata={"mendem": {}},
            rgb=False,
            multiscale=False,
            **self.look.at(raster),
            **display,
        )
        under_drawn(self.viewer, layer)
        return layer

    def _add_samples(self, samples: np.ndarray) -> None:
        assert self.job.provenance is not None
        shaped, raster = self._shaped(samples)
        self.viewer.add_image(
            shaped,
            name=self._name(" samples"),
            metadata={"mendem": {**self.job.provenance, "quantity": "samples"}},
            rgb=False,
            multiscale=False,
            visible=False,
            **self.look.stack_at(raster, "sample"),
            **self.look.display,
        )

    def _shaped(self, data: np.ndarray, on_input: bool = False) -> tuple[np.ndarray, Raster]:
        """The array with the input's axes, and where it lies in the input; ``on_input`` has the planes of the input."""
        run, request = self.job.run, self.job.request
        assert run is not None
        corner = run.region[0], run.region[2]
        if run.grid is not None:
            place = Raster.of((0, *corner))
            return data, place if on_input else along_z(place, run.grid)
        leading = () if request.task.merges else request.image.shape[:-2]
        rows, columns = data.shape[-2:]
        finer = rows / (run.region[1] - run.region[0])
        if request.planes is None:
            shaped = data.reshape(*data.shape[:-3], *leading, rows, columns)
            return shaped, Raster.of((*(0 for _ in leading), *corner), finer)
        index = np.unravel_index(request.planes[0], leading)
        ones = (1,) * (len(leading) - 1)
        shaped = data.reshape(*data.shape[:-3], *ones, -1, rows, columns)
        return shaped, Raster.of((*(int(i) for i in index), *corner), finer)


class PreviewLayer:
    """The one layer of a live preview, updated in place."""

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.layer: ImageLayer | None = None
        self._source: ImageLayer | None = None

    def show(self, frame: Frame | PlaneFrame, source: ImageLayer, title: str) -> None:
        """Lay an answer over its input."""
        if source not in self.viewer.layers:
            return
        look = Look.of(source)
        if frame.pixels.ndim < source.ndim:
            look = look.flat()
        place, data = look.at(frame.raster), frame.pixels
        if self.layer is None or self.layer not in self.viewer.layers or self._source is not source:
            self.remove()
            selected = set(self.viewer.layers.selection)
            active = self.viewer.layers.selection.active
            self.layer = self.viewer.add_image(
                data,
                name=f"{source.name} · {title} preview",
                metadata={PREVIEW: True},
                rgb=False,
                multiscale=False,
                **place,
                **look.display,
            )
            under_drawn(self.viewer, self.layer)
            self._source = source
            for event in (source.events.contrast_limits, source.events.gamma, source.events.colormap):
                event.connect(self._follow_display)
            self.viewer.layers.selection = selected
            self.viewer.layers.selection.active = active
            return
        for name, value in place.items():
            if name in ("translate", "scale", "rotate", "shear", "affine"):
                _set_if_changed(self.layer, name, value)
        self.layer.data = data

    def remove(self) -> None:
        """Take the layer away."""
        layer, self.layer = self.layer, None
        if self._source is not None:
            for event in (self._source.events.contrast_limits, self._source.events.gamma, self._source.events.colormap):
                event.disconnect(self._follow_display)
            self._source = None
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    def _follow_display(self, _: object = None) -> None:
        if self.layer is not None and self._source is not None:
            self.layer.contrast_limits = self._source.contrast_limits
            self.layer.gamma = self._source.gamma
            self.layer.colormap = self._source.colormap


def under_drawn(viewer: ViewerModel, layer: ImageLayer) -> None:
    """Move a new layer below what is painted or drawn on the images, and above all of them."""
    index = viewer.layers.index(layer)
    images = [i for i, other in enumerate(viewer.layers) if isinstance(other, ImageLayer) and other is not layer]
    place = max(images, default=-1) + 1
    if place < index:
        viewer.layers.move(index, place)


def _set_if_changed(layer: ImageLayer, name: str, value: Any) -> None:
    now = getattr(layer, name)
    now = now.affine_matrix if name == "affine" else now
    if not np.array_equal(np.asarray(now), np.asarray(value)):
        setattr(layer, name, value)
