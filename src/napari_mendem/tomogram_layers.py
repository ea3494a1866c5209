"""Where tomograms and their live slices lie in the viewer. No Qt."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image as ImageLayer

from mendem.image import Image
from mendem.tomography.extent import voxel_size_of
from napari_mendem.layers import PREVIEW, TOOL, layer_from_image
from napari_mendem.results import REDRAW_EVERY, REDRAW_SHARE, under_drawn
from napari_mendem.tomogram_request import TomogramRequest

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes

    from mendem.tomography.tilt_series import TiltSeries
    from napari_mendem.tomograms import LiveSlice, TomogramJob

#: Of the names of results: ``<input> · reconstruct``.
TITLE = "reconstruct"

#: Between a tilt and the live slice below it, as part of the height of the tilt.
GAP = 0.03


def tomogram_layer(volume: Any, request: TomogramRequest, series_layer: ImageLayer) -> dict[str, Any]:
    """Layer arguments of a tomogram (z, y, x): its y and x where those of the tilts are, its middle at the middle tilt.

    So the slider has both in sight.
    """
    image = Image(volume, ("z", "y", "x"), voxel_size_of(request.series, request.binning))
    _, kwargs, _ = layer_from_image(image, metadata={})
    z = beside_tilts(volume.shape[0], kwargs["scale"][0], series_layer)
    return {**kwargs, "translate": (z, *_corner(request.binning, series_layer))}


def beside_tilts(depth: int, voxel: float, series_layer: ImageLayer) -> float:
    """Where the first of ``depth`` slices lies so that the middle one has the place of the middle tilt."""
    tilt = float(series_layer.translate[0] + series_layer.data.shape[0] // 2 * series_layer.scale[0])
    return tilt - depth // 2 * voxel


def _corner(binning: int, series_layer: ImageLayer) -> tuple[float, float]:
    """Where the first binned pixel lies, along y and x of the viewer."""
    y, x = (float(t) + (binning - 1) / 2 * float(s) for t, s in zip(*_place(series_layer), strict=True))
    return y, x


def _place(layer: ImageLayer) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(layer.translate[-2:]), tuple(layer.scale[-2:])


def limits(pixels: np.ndarray) -> tuple[float, float] | None:
    """Contrast limits that 99.8 % of the finite pixels stay within; None where they are all the same."""
    seen = pixels[np.isfinite(pixels)]
    low, high = np.percentile(seen, [0.1, 99.9]) if seen.size else (0.0, 0.0)
    return (float(low), float(high)) if high > low else None


class SlicePreview:
    """The live slice (z, x): below the tilts, so that its columns are theirs, and a line on them that shows its row."""

    #: Of the layer's name.
    title = TITLE

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.layer: ImageLayer | None = None
        self._line: Shapes | None = None
        self._own_limits: tuple[float, float] | None = None
        self._seen: ImageLayer | None = None

    def show(self, frame: LiveSlice, request: TomogramRequest, source: ImageLayer) -> None:
        """Show what there is of a slice; the contrast follows it until the user sets it."""
        if source not in self.viewer.layers:
            return
        place = self._below(request, source, frame.pixels.shape)
        if self.layer is None or self.layer not in self.viewer.layers:
            self._add(frame, source, place)
        layer = self.layer
        assert layer is not None
        layer.name = f"{source.name} · {self.title} preview"
        for name in ("scale", "translate"):
            if not np.allclose(getattr(layer, name), place[name]):
                setattr(layer, name, place[name])
        layer.data = frame.pixels
        if frame.final and (self._own_limits is None or self._own_limits == tuple(layer.contrast_limits)):
            found = limits(frame.pixels)
            if found is not None:
                layer.contrast_limits = found
                self._own_limits = tuple(layer.contrast_limits)
        self.mark(request, frame.row, source)
        if self._seen is not source:  # once for each series: later the view is the user's
            self._seen = source
            self.viewer.fit_to_view()

    def mark(self, request: TomogramRequest, row: int, source: ImageLayer) -> None:
        """Draw the line where tilts see the slice's middle."""
        ends = row_ends(request.series, (row + 0.5) * request.binning - 0.5)
        (top, left), (high, wide) = _place(source)
        line = ends * [high, wide] + [top, left]
        if self._line is not None and self._line in self.viewer.layers:
            if not np.allclose(self._line.data[0], line):
                self._line.data = [line]
            return
        from napari.layers import Shapes

        shapes = Shapes(
            [line],
            shape_type="line",
            name=f"{source.name} · row of the slice",
            metadata={TOOL: True},
            units=tuple(source.units[-2:]),
            axis_labels=("y", "x"),
            edge_color="yellow",
            edge_width=max(1.0, 0.004 * request.series.image.plane_shape[1]) * wide,
            opacity=0.7,
        )
        self._line = shapes
        self._keeping_selection(lambda: self.viewer.add_layer(shapes))

    def remove(self) -> None:
        """Take the layers away."""
        for layer in (self.layer, self._line):
            if layer is not None and layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self.layer = self._line = self._own_limits = None

    def _below(self, request: TomogramRequest, source: ImageLayer, shape: tuple[int, ...]) -> dict[str, Any]:
        arguments = tomogram_layer(np.zeros((1, 1, 1), np.float32), request, source)
        (top, _), (high, _) = _place(source)
        rows = source.data.shape[-2]
        under = top + (rows - 0.5) * high + GAP * rows * high
        scale = arguments["scale"][1:]
        return {
            "scale": scale,
            "translate": (under + scale[0] / 2, arguments["translate"][2]),
            "units": arguments["units"][1:],
            "axis_labels": ("z", "x"),
        }

    def _add(self, frame: LiveSlice, source: ImageLayer, place: dict[str, Any]) -> None:
        layer = ImageLayer(
            frame.pixels,
            name=f"{source.name} · {self.title} preview",
            metadata={PREVIEW: True},
            rgb=False,
            multiscale=False,
            contrast_limits=limits(frame.pixels) or (0.0, 1.0),
            **place,
        )
        self._own_limits = tuple(layer.contrast_limits)
        self.layer = layer
        self._keeping_selection(lambda: self.viewer.add_layer(layer))

    def _keeping_selection(self, add: Any) -> None:
        selected, active = set(self.viewer.layers.selection), self.viewer.layers.selection.active
        add()
        self.viewer.layers.selection = selected
        self.viewer.layers.selection.active = active


def row_ends(series: TiltSeries, raw_row: float) -> np.ndarray:
    """Ends ((y, x), (y, x)) in pixels of the raw image of what the tilt nearest to 0° sees of a row across the axis.

    ``raw_row`` counts pixels of the aligned tilts.
    """
    from mendem.tomography.aligned import AlignedRows
    from mendem.tomography.density import Density

    aligned = AlignedRows(series, Density(), (), ())
    tilt = min(series.used, key=lambda k: abs(series.true_angles[k]))
    transform = series.transforms[tilt]
    middle = (np.array(series.image.plane_shape) - 1) / 2
    x = np.array([-0.5, aligned.width - 0.5]) - (aligned.width - 1) / 2
    points = np.stack([np.full(2, raw_row - (aligned.count - 1) / 2), x], axis=1)
    return np.linalg.solve(transform[:, :2], (points - transform[:, 2]).T).T + middle


class TomogramLayer:
    """The result of a job in the viewer: as it grows, and when it is done."""

    def __init__(self, viewer: ViewerModel, job: TomogramJob, source: ImageLayer) -> None:
        self.viewer, self.job = viewer, job
        self._name, self._source = source.name, source
        self.layer: ImageLayer | None = None
        self._changes = 0
        self._next = 0.0

    @property
    def removed(self) -> bool:
        """Whether the user has removed the growing result."""
        return self.layer is not None and self.layer not in self.viewer.layers

    def grow(self) -> None:
        """Show what has been computed since the last time."""
        job, now = self.job, time.monotonic()
        if job.changes == self._changes or job.volume is None or self.removed or now < self._next:
            return
        self._changes = job.changes
        if self.layer is None:
            self._add(job.volume)
        else:
            self.layer.refresh(thumbnail=False, extent=False)
        took = time.monotonic() - now
        self._next = now + max(REDRAW_EVERY, took / REDRAW_SHARE)

    def finish(self) -> None:
        """The whole result with its provenance, at its middle slice; nothing where nothing was finished."""
        job = self.job
        if job.volume is None or job.provenance is None or self.removed:
            if self.layer is not None and not self.removed:
                self.viewer.layers.remove(self.layer)
            return
        if self.layer is None:
            self._add(job.volume)
        assert self.layer is not None
        found = limits(some(job.volume))
        if found is not None:
            self.layer.contrast_limits = found
        self.layer.metadata = {"mendem": job.provenance, "notes": job.provenance["notes"]}
        self.layer.name = result_name(self._name, job)
        self.layer.refresh()
        self.viewer.layers.selection.active = self.layer

    def _add(self, volume: np.ndarray) -> None:
        arguments = tomogram_layer(volume, self.job.request, self._source)
        arguments["contrast_limits"] = limits(some(volume)) or (0.0, 1.0)
        layer = ImageLayer(volume, name=result_name(self._name, self.job), **arguments)
        layer.metadata = {"mendem": {}}
        self.layer = layer
        self.viewer.add_layer(layer)
        under_drawn(self.viewer, layer)
        show_middle(self.viewer, layer)


def result_name(series_name: str, job: TomogramJob) -> str:
    """``<input> · reconstruct``, and whether it is partial."""
    partial = job.provenance is not None and job.provenance["partial"]
    return f"{series_name} · {TITLE}{' (partial)' if partial else ''}"


def show_middle(viewer: ViewerModel, layer: ImageLayer) -> None:
    """Move the slider to the middle slice of a volume: its first ones are often empty."""
    depth = layer.data.shape[0]
    viewer.dims.set_point(viewer.dims.ndim - 3, float(layer.translate[0] + depth // 2 * layer.scale[0]))


def some(volume: np.ndarray) -> np.ndarray:
    """Slices of the middle half along z, thinned."""
    depth, height, width = volume.shape
    step = max(1, round((depth / 2 * height * width / 4e6) ** (1 / 3)))
    return volume[depth // 4 : max(depth // 4 + 1, depth * 3 // 4) : step, ::step, ::step]
