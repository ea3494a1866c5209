"""The coarser levels of a multiscale image: means over two pixels, along the axes that are finest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from mendem.io.lazy import LazyArray

#: The last level has at most so many pixels along each axis.
SMALL = 256

#: An axis is halved with the finest one while its voxel is less than this longer: then levels become isotropic.
SIMILAR = 2**0.5


def factors(shape: Sequence[int], lengths: Sequence[float | None]) -> list[tuple[int, ...]]:
    """For each level how many pixels of level 0 one of its pixels covers along each axis, level 0 included.

    ``lengths`` are those of the voxel; an unknown one counts as that of the last axis that has one, or as 1. Give a
    size of 1 for axes along which nothing is to be averaged.
    """
    known = [v for v in lengths if v is not None] or [1.0]
    length = np.array([v or known[-1] for v in lengths])
    size, factor = np.array(shape), np.ones(len(shape), int)
    levels = [factor]
    while size.max() > SMALL:
        # An axis that cannot be halved any more does not keep the others from it.
        coarser = (size > 1) & (length < SIMILAR * length[size > 1].min())
        step = np.where(coarser, 2, 1)
        factor, length, size = factor * step, length * step, -(-size // step)
        levels.append(factor)
    return [tuple(int(f) for f in level) for level in levels]


def halved(pixels: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Means over ``steps`` (1 or 2) neighbours along each axis, of the same dtype; integers are rounded to even.

    The last of an odd number of pixels is its own mean.
    """
    exact = np.float32 if pixels.dtype.kind in "biu" and pixels.dtype.itemsize <= 2 else np.float64
    wide: Any = pixels.astype(exact)
    # Infinities of both signs, and integers that have no double of their own, are dealt with by what they become.
    with np.errstate(invalid="ignore"):
        for axis, step in enumerate(steps):
            if step == 2:
                wide = np.moveaxis(wide, axis, 0)
                odd = wide[1::2]
                wide = wide[::2].copy()
                wide[: len(odd)] = (wide[: len(odd)] + odd) / 2
                wide = np.moveaxis(wide, 0, axis)
        if pixels.dtype.kind == "b":
            return wide >= 0.5
        if pixels.dtype.kind == "f":
            return wide.astype(pixels.dtype)
        limits = np.iinfo(pixels.dtype)
        return np.where(wide >= float(limits.max), limits.max, np.rint(wide).astype(pixels.dtype))


def fill(source: LazyArray, target: Any, steps: Sequence[int]) -> None:
    """Write the means of ``source`` to ``target``, a new zarr array, chunk by chunk; one step for each axis."""
    for start in product(*(range(0, n, c) for n, c in zip(target.shape, target.chunks, strict=True))):
        box = tuple(slice(a, min(a + c, n)) for a, c, n in zip(start, target.chunks, target.shape, strict=True))
        wide = tuple(slice(b.start * s, min(b.stop * s, n)) for b, s, n in zip(box, steps, source.shape, strict=True))
        pixels = source[wide]
        if pixels.any():
            target[box] = halved(pixels, steps)
