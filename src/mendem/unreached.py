"""What a cancelled run did not get to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from mendem.blocks import Block
from mendem.engine import Run
from mendem.io import ImageWriter

#: Pixels are filled in pieces of about this many bytes.
PIECE_BYTES = 32 << 20

#: First and last + 1 of planes, rows and columns.
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def unreached(run: Run, rows: Mapping[int, int], finished: Collection[Block]) -> Iterator[Box]:
    """The boxes of a result that were never handed over.

    Parameters
    ----------
    rows
        Of each slice, how many rows were handed over; for what is restored slice by slice.
    finished
        The blocks that were handed over; for a volume.
    """
    height, width = run.shape
    if run.grid is not None:
        yield from ((b.planes, b.rows, b.columns) for b in run.blocks if b not in finished)
        return
    reached = [rows.get(plane, 0) for plane in run.planes]
    first = 0
    while first < len(reached):
        last = first + 1
        while reached[first] == 0 and last < len(reached) and reached[last] == 0:
            last += 1
        if reached[first] < height:
            yield (first, last), (reached[first], height), (0, width)
        first = last


def fill(writer: ImageWriter, box: Box) -> None:
    """NaN in all of a box, in pieces that suit the file."""
    deep, high = (writer.chunks[-3] if len(writer.chunks) > 2 else 1, writer.chunks[-2]) if writer.chunks else (1, 1)
    (z0, z1), (y0, y1), (x0, x1) = box
    for z in _steps(z0, z1, deep):
        planes = z[1] - z[0]
        band = PIECE_BYTES // (planes * (x1 - x0) * writer.dtype.itemsize)
        for y in _steps(y0, y1, max(1, band // high) * high):
            writer.put_box(z[0], y[0], x0, np.full((planes, y[1] - y[0], x1 - x0), np.nan, writer.dtype))


def _steps(first: int, last: int, step: int) -> Iterator[tuple[int, int]]:
    """From first to last, cut at the multiples of a step."""
    while first < last:
        stop = min(last, (first // step + 1) * step)
        yield first, stop
        first = stop
