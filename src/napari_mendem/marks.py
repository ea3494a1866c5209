"""Which pixels of an image a Labels, Shapes or Image layer marks, on the image's own pixel grid. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image
from napari_mendem.layers import image_from_layer
from napari_mendem.outlines import Outline, filled, outlines_of
from napari_mendem.viewport import full_shape

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

#: Positions that differ by less than this, in pixels, are the same.
TOLERANCE = 0.01

#: A mark is looked for at up to so many points along each side of a pixel, where the marked grid is finer.
FINEST = 8


@dataclass(eq=False)
class Marks:
    """A boolean array (…, height, width) whose slices are computed when they are first read, and then kept.

    So a layer that is painted on meanwhile does not change it, and making one costs the window nothing.
    """

    shape: tuple[int, ...]
    plane: Callable[[tuple[int, ...]], np.ndarray]
    dtype: np.dtype = np.dtype(bool)
    _kept: dict[tuple[int, ...], np.ndarray] = field(default_factory=dict)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        *index, rows, columns = key
        at = tuple(int(i) for i in index)
        if at not in self._kept:
            self._kept[at] = np.packbits(self.plane(at), axis=-1)
        width = self.shape[-1]
        return np.unpackbits(self._kept[at][rows], axis=-1, count=width).astype(bool)[:, columns]


def marks_of(layer: Layer, image: ImageLayer) -> Image:
    """What ``layer`` marks of ``image``: labels and pixels that are not 0, and what shapes cover.

    Rotation, shear, scale, affine and units of both layers count. A layer without the leading axes of the image marks
    the same pixels of all slices. Of a layer with finer pixels than the image, one marked pixel marks all of the
    image's pixel. An Image layer that lies pixel on pixel comes as it is, with its file; all else as `Marks`.

    Raises
    ------
    MendemError
        For a layer with more axes than the image.
    """
    from napari.layers import Image as ImageLayer
    from napari.layers import Shapes

    shape = full_shape(image)
    if layer.ndim > len(shape):
        raise MendemError(
            f"{layer.name} has {layer.ndim} axes and {image.name} {len(shape)}: mark on a layer with the image's axes"
        )
    matrix = placement(layer, image)
    own = shape[-layer.ndim :]
    if isinstance(layer, Shapes):
        return Image(Marks(own, _covered(outlines_of(layer, matrix), own[-2:])), source=layer.name)
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    same = tuple(data.shape) == own and np.allclose(matrix, _unit(layer.ndim, len(shape)), atol=TOLERANCE / max(own))
    if same and isinstance(layer, ImageLayer):
        return image_from_layer(layer)
    if same:
        return Image(Marks(own, lambda index: _not_zero(data[index])), source=layer.name)
    lead = len(shape) - layer.ndim
    return Image(Marks(own, lambda index: _sampled(data, matrix, (0,) * lead + index, own[-2:])), source=layer.name)


def placement(layer: Layer, image: Layer) -> np.ndarray:
    """(axes of ``layer``, axes of ``image`` + 1): where pixels of ``image`` lie in the data of ``layer``."""
    ndim = image.ndim
    factors = _unit_ratio(image, layer)

    def there(point: np.ndarray) -> np.ndarray:
        world = np.asarray(image.data_to_world(point))[-layer.ndim :]
        return np.asarray(layer.world_to_data(world * factors))

    first = there(np.zeros(ndim))
    return np.stack([*(there(step) - first for step in np.eye(ndim)), first], axis=1)


def _unit_ratio(image: Layer, layer: Layer) -> np.ndarray:
    """Units of ``layer`` in one of ``image``, for each axis of ``layer``; 1 where napari shows numbers side by side."""
    ratios = []
    for here, there in zip(image.units[-layer.ndim :], layer.units, strict=True):
        alike = here != there and here.is_compatible_with(there)
        ratios.append(float((1 * here).to(there).magnitude) if alike else 1.0)
    return np.array(ratios)


def _unit(ndim: int, of: int) -> np.ndarray:
    """The placement of a layer with the image's own grid, without its leading axes."""
    return np.eye(of, of + 1)[of - ndim :]


def _not_zero(pixels: Any) -> np.ndarray:
    pixels = np.asarray(pixels)
    return np.isnan(pixels) | (pixels != 0) if pixels.dtype.kind == "f" else pixels != 0


def _covered(outlines: list[Outline], shape: tuple[int, int]) -> Callable[[tuple[int, ...]], np.ndarray]:
    def plane(index: tuple[int, ...]) -> np.ndarray:
        return filled([o for o in outlines if not index or o.index == index], shape)

    return plane


def _sampled(data: Any, matrix: np.ndarray, index: tuple[int, ...], shape: tuple[int, int]) -> np.ndarray:
    """Whether a pixel of slice ``index`` holds a marked one of another grid, at regular points."""
    start = matrix[:, : len(index)] @ np.array(index, float) + matrix[:, -1]
    down, right = matrix[:, -3], matrix[:, -2]
    flat = not (np.abs(matrix[:-2, -3:-1]) > TOLERANCE / max(shape)).any()
    if flat:  # all of it lies in one slice of the other layer
        there = np.round(start[:-2]).astype(int)
        if any(not 0 <= i < n for i, n in zip(there, data.shape[:-2], strict=True)):
            return np.zeros(shape, bool)
        data, start, down, right = data[tuple(there)], start[-2:], down[-2:], right[-2:]
    marked = _not_zero(data)
    count = int(np.clip(np.ceil(np.hypot(np.linalg.norm(down), np.linalg.norm(right)) / 2**0.5 - TOLERANCE), 1, FINEST))
    within = (np.arange(count) + 0.5) / count - 0.5
    found = np.zeros(shape, bool)
    columns = np.arange(shape[1])
    for row in range(shape[0]):
        for dy in within:
            for dx in within:
                at = np.round(start + (row + dy) * down + (columns + dx)[:, None] * right).astype(int)
                inside = ((at >= 0) & (at < marked.shape)).all(axis=1)
                found[row, inside] |= marked[tuple(at[inside].T)]
    return found
