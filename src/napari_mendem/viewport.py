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


def current_slice(viewer: ViewerModel, layer: ImageLayer) -> tuple[int, ...] | None:
    """The index of the slice at the viewer's sliders, one number for each leading axis; None outside the layer."""
    shape = full_shape(layer)[:-2]
    index = np.round(_to_data(viewer, layer, viewer.dims.point)[:-2]).astype(int)
    inside = all(0 <= i < n for i, n in zip(index, shape, strict=True))
    return tuple(int(i) for i in index) if inside else None


def shows_planes(viewer: ViewerModel) -> bool:
    """Whether rows and columns are on the screen, in 2-D."""
    dims = viewer.dims
    return dims.ndisplay == 2 and set(dims.displayed) == {dims.ndim - 2, dims.ndim - 1}


def visible(viewer: ViewerModel, layer: ImageLayer) -> View | None:
    """What the canvas shows of the layer; None for nothing, and where slices other than y, x are displayed."""
    if not shows_planes(viewer):
        return None
    dims = viewer.dims
    shown = tuple(dims.displayed)
    index = current_slice(viewer, layer)
    if index is None:
        return None
    centre = viewer.scene.camera.center[-2:]
    half = np.asarray(viewer.canvas.size, float) / (2 * viewer.scene.camera.zoom)
    corners = []
    for signs in product((-1, 1), repeat=2):
        point = np.array(dims.point, float)
        for axis, c, s, h in zip(shown, centre, signs, half, strict=True):
            point[axis] = c + s * h
        corners.append(_to_data(viewer, layer, point)[-2:])
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    region = clipped(low, high, full_shape(layer)[-2:])
    if region is None:
        return None
    canvas = max(1.0, float(min(viewer.canvas.size)))
    plane = int(np.ravel_multi_index(index, full_shape(layer)[:-2])) if index else 0
    return View(plane, index, region, float(min(high - low)) / canvas)


def rectangle_of(viewer: ViewerModel, shapes: Layer, layer: ImageLayer) -> Region | None:
    """The pixels of ``layer`` under a shape: the selected one, else the one that was drawn last; None for none."""
    if not len(shapes.data):
        return None
    chosen = sorted(shapes.selected_data)[-1:] or [len(shapes.data) - 1]
    vertices = np.asarray(shapes.data[chosen[0]])
    there = _unit_factors(viewer, shapes)
    points = [_to_data(viewer, layer, np.asarray(shapes.data_to_world(v)) / there)[-2:] for v in vertices]
    return clipped(np.min(points, axis=0), np.max(points, axis=0), full_shape(layer)[-2:])


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
