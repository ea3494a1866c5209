"""One slice of a layer with its place in the world, and two of them brought onto one grid. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import MendemError
from napari_mendem.viewport import current_slice, full_shape

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

#: (first row, last row + 1, first column, last column + 1)
Region = tuple[int, int, int, int]

#: Grids that differ by less than this, in pixels, are the same one.
TOLERANCE = 0.02

#: Samples interpolated at once, to bound the memory of a resampling.
BAND = 1 << 20


@dataclass(frozen=True)
class Plane:
    """The current slice of a layer; nothing is read before `read`.

    Attributes
    ----------
    matrix, origin
        Position in the world, in ``unit``, of pixel p = (row, column): ``matrix @ p + origin``.
    unit
        "nm", or "px" where the layer has no length.
    region
        The pixels that are meant; all at first.
    world_units, unit_length
        The layer's own units for rows and columns, and each in ``unit``.
    """

    name: str
    data: Any
    index: tuple[int, ...]
    matrix: np.ndarray
    origin: np.ndarray
    unit: str
    region: Region
    world_units: tuple[str, str]
    unit_length: np.ndarray

    @property
    def pixel(self) -> float:
        """Edge of a pixel in ``unit``: that of the square with the same area."""
        return float(abs(np.linalg.det(self.matrix)) ** 0.5)

    @property
    def shape(self) -> tuple[int, int]:
        top, bottom, left, right = self.region
        return bottom - top, right - left

    @property
    def affine(self) -> np.ndarray:
        """The 3x3 matrix from a pixel of the region to the world, in the layer's own units."""
        whole = np.eye(3)
        whole[:2, :2] = self.matrix / self.unit_length[:, None]
        whole[:2, 2] = (self.matrix @ np.array(self.region[::2], float) + self.origin) / self.unit_length
        return whole

    def cropped(self, region: Region) -> Plane:
        return replace(self, region=region)

    def holding(self, pixels: np.ndarray, step: int = 1) -> Plane:
        """A plane of other pixels in the place of the region, each ``step`` x ``step`` of these large."""
        height, width = pixels.shape
        corner = np.array(self.region[::2]) + (step - 1) / 2
        return replace(
            self,
            data=pixels,
            index=(),
            matrix=self.matrix * step,
            origin=self.matrix @ corner + self.origin,
            region=(0, height, 0, width),
        )

    def to_world(self, points: np.ndarray) -> np.ndarray:
        return np.asarray(points, float) @ self.matrix.T + self.origin

    def to_pixel(self, points: np.ndarray) -> np.ndarray:
        return (np.asarray(points, float) - self.origin) @ np.linalg.inv(self.matrix).T

    def read(self) -> np.ndarray:
        """The pixels of the region; a view where the layer holds an array."""
        top, bottom, left, right = self.region
        return np.asarray(self.data[(*self.index, slice(top, bottom), slice(left, right))])


def plane_of(viewer: ViewerModel, layer: ImageLayer) -> Plane:
    """The slice of a layer at the viewer's sliders.

    Raises
    ------
    MendemError
        For colours and complex numbers, and where the sliders are outside the layer.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    if layer.rgb:
        raise MendemError(f"{layer.name} is a colour image; split it (right click › Split RGB) and compare one channel")
    if data.dtype.kind == "c":
        raise MendemError(f"{layer.name} holds complex numbers; compare their magnitude or phase")
    index = current_slice(viewer, layer)
    if index is None:
        raise MendemError(f"the sliders are outside {layer.name}: move to one of its slices")
    lengths, unit = unit_lengths(layer)
    before = np.array(index, float)
    corner, down, right = (
        np.asarray(layer.data_to_world(np.concatenate([before, p])))[-2:] for p in ((0, 0), (1, 0), (0, 1))
    )
    matrix = np.stack([down - corner, right - corner], axis=1) * lengths[:, None]
    height, width = full_shape(layer)[-2:]
    own = str(layer.units[-2]), str(layer.units[-1])
    return Plane(layer.name, data, index, matrix, corner * lengths, unit, (0, height, 0, width), own, lengths)


def unit_lengths(layer: Layer) -> tuple[np.ndarray, str]:
    """Of a layer's last two axes: the length of their units in nm, and "nm"; ones and "px" where they have none."""
    import pint

    nanometre = pint.get_application_registry().Unit("nm")
    units = layer.units[-2:]
    if any(str(unit) == "pixel" or not unit.is_compatible_with(nanometre) for unit in units):
        return np.ones(2), "px"
    return np.array([float((1 * unit).to(nanometre).magnitude) for unit in units]), "nm"


def same_unit(a: Plane, b: Plane) -> None:
    """Raise where one has a pixel size and the other has none: they have no common place in the world."""
    if a.unit != b.unit:
        known, unknown = (a.name, b.name) if a.unit == "nm" else (b.name, a.name)
        raise MendemError(
            f"{unknown} has no pixel size and {known} has one: give both the same (layer scale and units)"
        )


def overlap(a: Plane, b: Plane, region: Region | None = None) -> tuple[Plane, Plane]:
    """Both planes, each cut to whole pixels of the part that they share.

    Parameters
    ----------
    region
        Only this part of ``a``, in its pixels.

    Raises
    ------
    MendemError
        Where they share fewer than 8 x 8 pixels.
    """
    same_unit(a, b)
    a = a if region is None else a.cropped(region)
    a_part = _inside(a, b)
    b_part = _inside(b, a_part)
    if min(*a_part.shape, *b_part.shape) < 8:
        raise MendemError(
            f"{a.name} and {b.name} share too little{'' if region is None else ' in view'} to be compared"
        )
    return a_part, b_part


def _inside(one: Plane, other: Plane) -> Plane:
    """The pixels of ``one`` that lie within ``other``."""
    top, bottom, left, right = other.region
    edges = np.array([[y, x] for y in (top - 0.5, bottom - 0.5) for x in (left - 0.5, right - 0.5)])
    there = one.to_pixel(other.to_world(edges))
    low, high = there.min(axis=0), there.max(axis=0)
    start = np.maximum(np.ceil(low + 0.5 - TOLERANCE), one.region[::2]).astype(int)
    stop = np.minimum(np.floor(high + 0.5 + TOLERANCE), one.region[1::2]).astype(int)
    stop = np.maximum(start, stop)
    return one.cropped((int(start[0]), int(stop[0]), int(start[1]), int(stop[1])))


def on_common_grid(a: Plane, b: Plane, region: Region | None = None) -> tuple[Plane, np.ndarray, np.ndarray]:
    """The shared part of both as float32 arrays on the coarser grid, and where that lies.

    The finer image is averaged over the pixels of the coarser one. Where they do not lie pixel on pixel, it is
    interpolated linearly at regularly spaced points of each pixel. Outside of the finer one, values are not a number.
    """
    a, b = overlap(a, b, region)
    coarse, fine = (a, b) if a.pixel >= b.pixel * (1 - 1e-6) else (b, a)
    kept = coarse.read().astype(np.float32)
    other = averaged(fine, coarse)
    return (coarse, kept, other) if coarse is a else (coarse, other, kept)


def averaged(fine: Plane, coarse: Plane) -> np.ndarray:
    """``fine`` averaged over each pixel of ``coarse``, float32, in the shape of ``coarse``."""
    step = np.linalg.inv(fine.matrix) @ coarse.matrix  # one pixel of the coarse grid in fine pixels
    first = fine.to_pixel(coarse.to_world(np.array(coarse.region[::2], float)))
    k = max(1, round(float(abs(np.linalg.det(step)) ** 0.5)))
    corner = first - (k - 1) / 2 - np.array(fine.region[::2])
    height, width = coarse.shape
    reach = k * max(height, width)
    aligned = np.allclose(step, k * np.eye(2), atol=TOLERANCE / max(reach, 1))
    if aligned and np.all(abs(corner - np.round(corner)) < TOLERANCE):
        y, x = np.round(corner).astype(int)
        if y >= 0 and x >= 0 and y + k * height <= fine.shape[0] and x + k * width <= fine.shape[1]:
            pixels = fine.read()[y : y + k * height, x : x + k * width]
            if k == 1:
                return pixels.astype(np.float32)
            return pixels.reshape(height, k, width, k).mean(axis=(1, 3), dtype=np.float32)
    return _interpolated(fine.read().astype(np.float32), step, first - np.array(fine.region[::2]), k, coarse.shape)


def _interpolated(
    pixels: np.ndarray, step: np.ndarray, first: np.ndarray, k: int, shape: tuple[int, int]
) -> np.ndarray:
    """Means over k x k points in each pixel of the coarse grid, a band of rows at a time."""
    from scipy.ndimage import map_coordinates

    within = (np.arange(k) + 0.5) / k - 0.5
    mean = np.zeros(shape, np.float32)
    rows = max(1, BAND // shape[1])
    columns = np.arange(shape[1])
    edge = np.array(pixels.shape)[:, None, None] - 0.5
    for top in range(0, shape[0], rows):
        lines = np.arange(top, min(top + rows, shape[0]))
        for dy in within:
            for dx in within:
                y, x = np.meshgrid(lines + dy, columns + dx, indexing="ij")
                points = np.einsum("ij,jyx->iyx", step, np.stack([y, x])) + first[:, None, None]
                values = map_coordinates(pixels, points, order=1, mode="nearest")
                values[~np.all((points >= -0.5) & (points <= edge), axis=0)] = np.nan
                mean[lines[0] : lines[-1] + 1] += values / k**2
    return mean
