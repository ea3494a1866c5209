"""Which pixels of a layer are on the screen. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

#: Extent of a shape along an axis, in pixels, below which it has none.
FLAT = 1e-3

#: Axes that are displayed, counted from the last, by what is seen of a volume.
DISPLAYED = {"xy": {-2, -1}, "xz": {-3, -1}, "yz": {-3, -2}}

#: (first row, last row + 1, first column, last column + 1)
Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class View:
    """What is seen of a layer.

    Attributes
    ----------
    plane
        The slice, counted in C order over the leading axes; ``index`` is the same as one number for each of them.
    region
        The pixels of that slice which are at least partly visible.
    thinning
        How many pixels of the layer fall on one of the screen, along an axis; below 1 when zoomed in.
    """

    plane: int
    index: tuple[int, ...]
    region: Region
    thinning: float


@dataclass(frozen=True)
class SideView:
    """What is seen of a volume (z, y, x) whose planes along z are displayed.

    Attributes
    ----------
    direction
        "xz", or "yz".
    position
        The row (of xz) or column (of yz) that is displayed.
    sections, across
        (start, stop) of the sections, and of the columns (or rows), that are at least partly visible.
    thinning
        As of `View`, along columns (or rows).
    """

    direction: str
    position: int
    sections: tuple[int, int]
    across: tuple[int, int]
    thinning: float


def current_slice(viewer: ViewerModel, layer: ImageLayer) -> tuple[int, ...] | None:
    """The index of the slice at the viewer's sliders, one number for each leading axis; None outside the layer."""
    shape = full_shape(layer)[:-2]
    index = np.round(_to_data(viewer, layer, viewer.dims.point)[:-2]).astype(int)
    inside = all(0 <= i < n for i, n in zip(index, shape, strict=True))
    return tuple(int(i) for i in index) if inside else None


def shows_planes(viewer: ViewerModel) -> bool:
    """Whether rows and columns are on the screen, in 2-D."""
    return shown_direction(viewer) == "xy"


def shown_direction(viewer: ViewerModel) -> str:
    """Which planes of a volume are on the screen in 2-D: "xy", "xz" or "yz"; empty for others, and in 3-D."""
    dims = viewer.dims
    if dims.ndisplay != 2:
        return ""
    axes = {axis - dims.ndim for axis in dims.displayed}
    return next((name for name, shown in DISPLAYED.items() if axes == shown), "")


def visible(viewer: ViewerModel, layer: ImageLayer) -> View | None:
    """What the canvas shows of the layer; None for nothing, and where slices other than y, x are displayed."""
    if not shows_planes(viewer):
        return None
    index = current_slice(viewer, layer)
    if index is None:
        return None
    low, high = (point[-2:] for point in _seen(viewer, layer))
    region = clipped(low, high, full_shape(layer)[-2:])
    if region is None:
        return None
    plane = int(np.ravel_multi_index(index, full_shape(layer)[:-2])) if index else 0
    return View(plane, index, region, _thinning(viewer, low, high))


def visible_side(viewer: ViewerModel, layer: ImageLayer) -> SideView | None:
    """What the canvas shows of a volume; None for nothing, and where no planes along z are displayed."""
    direction = shown_direction(viewer)
    if layer.ndim != 3 or direction not in ("xz", "yz"):
        return None
    shape = full_shape(layer)
    across, fixed = (2, 1) if direction == "xz" else (1, 2)
    position = int(np.round(_to_data(viewer, layer, viewer.dims.point)[fixed]))
    low, high = (point[[0, across]] for point in _seen(viewer, layer))
    seen = clipped(low, high, (shape[0], shape[across]))
    if seen is None or not 0 <= position < shape[fixed]:
        return None
    return SideView(direction, position, seen[:2], seen[2:], _thinning(viewer, low[1:], high[1:]))


def seen_region(viewer: ViewerModel, layer: ImageLayer) -> Region | None:
    """The rows and columns on the screen; of a plane along z those that it shows, and all of the others."""
    view, side = visible(viewer, layer), visible_side(viewer, layer)
    if view is not None:
        return view.region
    if side is None:
        return None
    height, width = full_shape(layer)[-2:]
    return (0, height, *side.across) if side.direction == "xz" else (*side.across, 0, width)


def _seen(viewer: ViewerModel, layer: ImageLayer) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest of the layer's pixels, along all its axes, that the corners of the canvas show."""
    dims, camera = viewer.dims, viewer.scene.camera
    half = np.asarray(viewer.canvas.size, float) / (2 * camera.zoom)
    corners = []
    for signs in product((-1, 1), repeat=2):
        point = np.array(dims.point, float)
        for axis, c, s, h in zip(dims.displayed, camera.center[-2:], signs, half, strict=True):
            point[axis] = c + s * h
        corners.append(_to_data(viewer, layer, point))
    return np.min(corners, axis=0), np.max(corners, axis=0)


def _thinning(viewer: ViewerModel, low: np.ndarray, high: np.ndarray) -> float:
    return float(min(high - low)) / max(1.0, float(min(viewer.canvas.size)))


def go_to(viewer: ViewerModel, layer: ImageLayer, axis: int, index: float) -> None:
    """Move the slider of one axis of a layer to where its pixel ``index`` lies, in the middle of what is seen."""
    at = _to_data(viewer, layer, viewer.dims.point)
    for number, (place, length) in enumerate(zip(at, full_shape(layer), strict=True)):
        at[number] = index if number == axis else min(max(place, 0), length - 1)
    world = np.asarray(layer.data_to_world(at)) / _unit_factors(viewer, layer)
    number = viewer.dims.ndim - layer.ndim + axis
    viewer.dims.set_point(number, float(world[axis]))


def rectangle_of(viewer: ViewerModel, shapes: Layer, layer: ImageLayer) -> Region | None:
    """The pixels of ``layer`` under a shape: the selected one, else the one that was drawn last; None for none.

    A shape that was drawn on a plane along z has no extent along y, or x: all rows, or columns, are taken then.
    """
    if not len(shapes.data):
        return None
    chosen = sorted(shapes.selected_data)[-1:] or [len(shapes.data) - 1]
    vertices = np.asarray(shapes.data[chosen[0]])
    there = _unit_factors(viewer, shapes)
    points = np.array([_to_data(viewer, layer, np.asarray(shapes.data_to_world(v)) / there) for v in vertices])
    low, high = points.min(0), points.max(0)
    lengths = full_shape(layer)
    flat = (high - low < FLAT) if len(lengths) > 2 and high[-3] - low[-3] >= FLAT else np.zeros(len(lengths), bool)
    low, high = np.where(flat, 0, low), np.where(flat, np.array(lengths) - 1, high)
    return clipped(low[-2:], high[-2:], lengths[-2:])


def clipped(low: np.ndarray, high: np.ndarray, shape: tuple[int, int]) -> Region | None:
    """Whole pixels that a rectangle touches; pixel i reaches from i - 1/2 to i + 1/2."""
    start = np.maximum(np.floor(low + 0.5), 0).astype(int)
    stop = np.minimum(np.ceil(high + 0.5), shape).astype(int)
    if (start >= stop).any():
        return None
    return int(start[0]), int(stop[0]), int(start[1]), int(stop[1])


def full_shape(layer: ImageLayer) -> tuple[int, ...]:
    """Shape of the layer's finest level."""
    return tuple(int(n) for n in (layer.data[0] if layer.multiscale else layer.data).shape)


def _to_data(viewer: ViewerModel, layer: Layer, point: Any) -> np.ndarray:
    """A point in the viewer's world to the layer's pixels; the viewer and the layer may use different units."""
    point = np.asarray(point, float)[-layer.ndim :]
    return np.asarray(layer.world_to_data(point * _unit_factors(viewer, layer)[-len(point) :]))


def _unit_factors(viewer: ViewerModel, layer: Layer) -> np.ndarray:
    """How many of the layer's units are in one of the viewer's, for each axis of the layer."""
    import pint

    world = viewer.dims.units
    if world is None or len(world) < layer.ndim:
        return np.ones(layer.ndim)
    base = pint.get_application_registry().get_base_units
    pairs = zip(world[-layer.ndim :], layer.units, strict=True)
    return np.array([1.0 if w == u else float(base(w)[0] / base(u)[0]) for w, u in pairs])
