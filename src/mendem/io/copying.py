"""Copying an image to a writer in pieces that suit both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from mendem.image import Image
from mendem.io.writer import ImageWriter

#: Pixels are copied in pieces of about this many bytes.
COPY_BYTES = 16 << 20


def copy(image: Image, writer: ImageWriter) -> None:
    """Put all pixels of an image of the writer's shape and dtype."""
    depth = image.shape[-3] if len(image.shape) > 2 else 1
    smallest = _common(writer.chunks, chunk_shape(image.data), len(image.shape))
    for lead in np.ndindex(image.shape[:-3]):
        first = int(np.ravel_multi_index(lead, image.shape[:-3])) * depth if lead else 0
        for z, y, x in boxes((depth, *image.plane_shape), smallest, COPY_BYTES // image.dtype.itemsize):
            key = (*lead, z, y, x) if len(image.shape) > 2 else (y, x)
            pixels = np.asarray(image.data[key])
            writer.put_box(first + z.start, y.start, x.start, pixels.reshape(-1, *pixels.shape[-2:]))


def chunk_shape(data: Any) -> tuple[int, ...] | None:
    """The boxes in which an array is stored or computed, the largest where they differ; None where any box will do."""
    chunks = getattr(data, "chunks", None)
    return None if chunks is None else tuple(max(c) if isinstance(c, tuple) else int(c) for c in chunks)


def boxes(shape: Sequence[int], smallest: Sequence[int], pixels: int) -> Iterator[tuple[slice, ...]]:
    """Boxes that cover a shape, in C order: multiples of ``smallest`` of about ``pixels`` pixels, longest along x."""
    step = [min(n, s) for n, s in zip(shape, smallest, strict=True)]
    for axis in reversed(range(len(step))):
        others = int(np.prod(step, dtype=object)) // step[axis]
        step[axis] = min(shape[axis], max(1, pixels // (others * step[axis])) * step[axis])
        if step[axis] < shape[axis]:
            break
    for start in product(*(range(0, n, s) for n, s in zip(shape, step, strict=True))):
        yield tuple(slice(a, min(a + s, n)) for a, s, n in zip(start, step, shape, strict=True))


def _common(target: tuple[int, ...] | None, source: tuple[int, ...] | None, ndim: int) -> tuple[int, int, int]:
    """The smallest box, along the last three axes, that splits no chunk of the target and few of the source."""
    flat = (1,) * max(3, ndim)
    wanted = [*(1,) * (len(flat) - ndim), *(target or flat[-ndim:])]
    stored = [*(1,) * (len(flat) - ndim), *(source or flat[-ndim:])]
    return tuple(-(-max(w, s) // w) * w for w, s in zip(wanted[-3:], stored[-3:], strict=True))  # type: ignore[return-value]
