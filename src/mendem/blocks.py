"""Fixed blocks: the unit of progress, cancel, resume and distribution. Frozen.

The blocks of an image depend on its shape alone, never on free memory. Each is computed with a halo, and
neighbours are blended where they overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mendem.errors import MendemError

#: Side of a block, context around it, and half the width over which neighbours are blended, in pixels.
BLOCK = 1024
HALO = 80
BLEND = 16
#: Largest side of a block of a volume, and what its borders are multiples of: the chunks of files.
VOLUME_BLOCK = 256
VOLUME_CELL = 64
#: Context around a block of a volume.
VOLUME_HALO = 48
#: What is computed begins and ends at whole multiples of this, the cells of any network's coarsest grid.
ALIGN = 16


#: (first row, last row + 1, first column, last column + 1) in pixels of a slice.
Region = tuple[int, int, int, int]


def checked_region(region: Region | None, shape: tuple[int, int]) -> Region:
    """The region, or the whole slice of ``shape`` where it is None; `MendemError` where it is empty or outside."""
    height, width = shape
    region = (0, height, 0, width) if region is None else region
    if isinstance(region, str) or len(region) != 4:
        raise MendemError(f"the region {region!r} must be four numbers: first row, end row, first column, end column")
    top, bottom, left, right = region
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise MendemError(f"the region {region} is empty or outside the image of {height} x {width} pixels")
    return region


@dataclass(frozen=True)
class Block:
    """The part of a result that a block keeps; of a slice, with the margins that are blended.

    ``planes``, ``rows`` and ``columns`` are (start, stop) in pixels of the result's region.
    """

    planes: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def plane(self) -> int:
        """The first of its planes."""
        return self.planes[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows and columns."""
        lengths = (b - a for a, b in (self.planes, self.rows, self.columns))
        return next(lengths), next(lengths), next(lengths)


def cuts(length: int) -> list[int]:
    """Borders of the blocks along an axis: as equal as whole multiples of 16 allow, none above `BLOCK`."""
    count = -(-length // BLOCK)
    step = -(-length // count // 16) * 16
    return [*range(0, length, step), length]


def _spans(length: int) -> list[tuple[int, int]]:
    edges = cuts(length)
    return [(max(0, a - BLEND), min(length, b + BLEND)) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def blocks_of(plane: int, shape: tuple[int, int]) -> Iterator[Block]:
    """The blocks of a slice of ``shape``, row by row."""
    for rows in _spans(shape[0]):
        for columns in _spans(shape[1]):
            yield Block((plane, plane + 1), rows, columns)


def volume_cuts(length: int) -> list[int]:
    """Borders of the blocks of a volume along an axis: whole multiples of `VOLUME_CELL`, none above `VOLUME_BLOCK`."""
    count = -(-length // VOLUME_BLOCK)
    step = -(-length // count // VOLUME_CELL) * VOLUME_CELL
    return [*range(0, length, step), length]


def volume_blocks(shape: tuple[int, int, int]) -> list[Block]:
    """The blocks of a volume of ``shape``, plane by plane and row by row; they do not overlap."""
    spans = [list(zip(edges[:-1], edges[1:], strict=True)) for edges in map(volume_cuts, shape)]
    return [Block(planes, rows, columns) for planes in spans[0] for rows in spans[1] for columns in spans[2]]


def with_halo(span: tuple[int, int], length: int, halo: int) -> tuple[int, int]:
    """What is read for what is kept: ``halo`` pixels more on each side, inside the image."""
    return max(0, span[0] - halo), min(length, span[1] + halo)


def on_grid(span: tuple[int, int], step: int) -> tuple[int, int]:
    """The span widened to whole multiples of ``step``, perhaps beyond the image.

    Then the network's coarse grids lie alike wherever a block or a region begins, also when it is flipped.
    """
    return span[0] - span[0] % step, span[1] + -span[1] % step


def _ramp(span: tuple[int, int], length: int) -> np.ndarray:
    """Weights along one axis: 1 inside, falling linearly over the 2 * BLEND pixels shared with a neighbour."""
    position = np.arange(*span, dtype=np.float32)
    weight = np.ones_like(position)
    if span[0] > 0:
        weight = np.minimum(weight, (position - span[0] + 0.5) / (2 * BLEND))
    if span[1] < length:
        weight = np.minimum(weight, (span[1] - position - 0.5) / (2 * BLEND))
    return weight


def weights(block: Block, shape: tuple[int, int]) -> np.ndarray:
    """Blending weights of what is kept, shape (rows, columns); over all blocks they add up to 1."""
    return np.outer(_ramp(block.rows, shape[0]), _ramp(block.columns, shape[1]))


class Blender:
    """Puts the blocks of one slice together, and hands over rows as soon as they are final.

    Parameters
    ----------
    shape
        (height, width) of the slice.
    channels
        How many arrays each block brings (mean, standard deviation, samples, …).
    """

    def __init__(self, shape: tuple[int, int], channels: int) -> None:
        self.shape = shape
        self.first = 0  # row of the slice that is row 0 of the buffers
        self.sums = np.zeros((channels, 0, shape[1]), np.float32)
        self.weights = np.zeros((0, shape[1]), np.float32)

    def add(self, block: Block, values: np.ndarray) -> None:
        """Take a block's arrays, shape (channels, rows, columns)."""
        missing = block.rows[1] - self.first - self.weights.shape[0]
        if missing > 0:
            self.sums = np.pad(self.sums, ((0, 0), (0, missing), (0, 0)))
            self.weights = np.pad(self.weights, ((0, missing), (0, 0)))
        part = (slice(block.rows[0] - self.first, block.rows[1] - self.first), slice(*block.columns))
        weight = weights(block, self.shape)
        self.sums[(slice(None), *part)] += weight * values
        self.weights[part] += weight

    def take(self, final_before: int) -> tuple[int, np.ndarray]:
        """First row and arrays (channels, rows, width) of all rows before ``final_before``; NaN where no block lay."""
        count = max(0, final_before - self.first)
        with np.errstate(invalid="ignore", divide="ignore"):
            done = np.where(self.weights[:count] > 0, self.sums[:, :count] / self.weights[:count], np.nan)
        start, self.first = self.first, self.first + count
        self.sums, self.weights = self.sums[:, count:], self.weights[count:]
        return start, done.astype(np.float32)
