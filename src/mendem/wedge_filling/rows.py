"""Reading the slices of a tilt series: some that are spread over it, one with its neighbours, or all in blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mendem.tomography.slices import Sinograms

#: Slices that tell what kind of specimen it is, how noisy, and which filler serves it.
SAMPLE = 8


def spread(count: int, chosen: int) -> list[int]:
    """So many rows of ``count``, evenly, the middle one for one."""
    return np.unique(((np.arange(chosen) + 0.5) * count / chosen).astype(int)).tolist()


def around(rows: Sinograms, row: int, halo: int) -> np.ndarray:
    """Sinograms of a slice and ``halo`` neighbours on either side; the outermost slice is repeated beyond the ends."""
    low, high = max(0, row - halo), min(rows.count, row + halo + 1)
    return _padded(rows.read(low, high), halo - (row - low), halo - (high - 1 - row))


def windows(rows: Sinograms, halo: int, step: int) -> Iterator[tuple[int, np.ndarray]]:
    """First row of each block of ``step`` rows, and its sinograms with a halo as of `around`; each is read once."""
    held, start = rows.read(0, 0), 0
    for first in range(0, rows.count, step):
        last = min(first + step, rows.count)
        low, high, read = max(0, first - halo), min(rows.count, last + halo), start + len(held)
        new = [rows.read(read, high)] if high > read else []
        held, start = np.concatenate([held[low - start :], *new]), low
        yield first, _padded(held, halo - (first - low), halo - (high - last))


def _padded(sinograms: np.ndarray, before: int, after: int) -> np.ndarray:
    """The first and the last slice repeated."""
    return np.pad(sinograms, ((before, after), (0, 0), (0, 0)), mode="edge")
