"""Arrays that stay on disk: only what is sliced is read, with plain reads and bounded memory.

Memory maps are not used: their pages count as resident memory, and a truncated file kills the process.
Every read opens the file anew. So an array may be shared by threads, sent to other processes, and never
holds a file open against being replaced; should the file change meanwhile, reading says so.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from mendem.errors import MendemError

#: Rows are fetched in bands of about this many bytes.
BAND_BYTES = 16 << 20


class Planes(Protocol):
    """A sequence of equally sized 2-D planes, any rectangle of which can be fetched."""

    plane_shape: tuple[int, int]
    dtype: np.dtype

    def fetch(self, plane: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Rectangle of one plane; shape (y1 - y0, x1 - x0), native byte order. Must be thread-safe."""


def file_stamp(path: str) -> tuple[int, int]:
    """What changes when a file is rewritten: its size and modification time."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def check_unchanged(path: str, stamp: tuple[int, int], file: Any) -> None:
    """Raise `MendemError` when the open file is not the one that was opened at first."""
    status = os.fstat(file.fileno())
    if (status.st_size, status.st_mtime_ns) != stamp:
        raise MendemError(f"{path} changed on disk since it was opened; open it again")


class RawPlanes:
    """Planes stored uncompressed, row after row, each in one piece.

    Parameters
    ----------
    path
        The file.
    offsets
        Byte position of each plane.
    plane_shape
        Rows and columns.
    dtype
        As stored, with byte order.
    """

    def __init__(self, path: str, offsets: Sequence[int], plane_shape: tuple[int, int], dtype: np.dtype) -> None:
        self.path = path
        self.offsets = offsets
        self.plane_shape = plane_shape
        self.stored = np.dtype(dtype)
        self.dtype = self.stored.newbyteorder("=")
        self.stamp = file_stamp(path)

    def fetch(self, plane: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        width = self.plane_shape[1]
        itemsize = self.stored.itemsize
        start = self.offsets[plane] + y0 * width * itemsize
        try:
            with open(self.path, "rb", buffering=0) as file:
                check_unchanged(self.path, self.stamp, file)
                if 2 * (x1 - x0) >= width:
                    pixels = np.empty((y1 - y0, width), self.stored)
                    self._read_into(file, start, pixels)
                    pixels = pixels[:, x0:x1]
                else:
                    pixels = np.empty((y1 - y0, x1 - x0), self.stored)
                    for i, row in enumerate(pixels):
                        self._read_into(file, start + (i * width + x0) * itemsize, row)
        except OSError as error:
            raise MendemError(f"cannot read {self.path}: {error.strerror or error}") from error
        return pixels.astype(self.dtype, copy=False)

    def _read_into(self, file: Any, position: int, target: np.ndarray) -> None:
        view = target.reshape(-1).view(np.uint8).data
        file.seek(position)
        while len(view):
            count = file.readinto(view)
            if not count:
                raise MendemError(f"{self.path} ends before its last pixel; copy it again from its source")
            view = view[count:]


class CastPlanes:
    """Planes seen with another dtype, or through a look-up table of values."""

    def __init__(self, planes: Planes, dtype: Any, table: np.ndarray | None = None) -> None:
        self.planes = planes
        self.plane_shape = planes.plane_shape
        self.dtype = np.dtype(dtype)
        self.table = table

    def fetch(self, plane: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        pixels = self.planes.fetch(plane, y0, y1, x0, x1)
        if self.table is not None:
            pixels = self.table[pixels]
        return pixels.astype(self.dtype, copy=False)


class LazyArray:
    """Array on disk with ``shape``, ``dtype``, ``ndim`` and NumPy basic slicing (no new axes).

    Slicing reads at once and returns a NumPy array; beyond that array a few bands of rows (or one compressed
    segment, if that is larger) are held in memory. Thread-safe.

    Parameters
    ----------
    planes
        Where pixels come from.
    shape
        (..., rows, columns); the leading axes count the planes in C order.
    """

    def __init__(self, planes: Planes, shape: Sequence[int]) -> None:
        self.planes = planes
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(planes.dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<LazyArray {self.shape} {self.dtype}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("an array on disk cannot be seen without copying it")
        return self[...].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, key: Any) -> np.ndarray:
        ranges, dropped = _ranges(key, self.shape)
        out = np.empty([len(r) for r in ranges], self.dtype)
        if out.size:
            self._read(out, ranges)
        return out[tuple(0 if drop else slice(None) for drop in dropped)]

    def _read(self, out: np.ndarray, ranges: list[range]) -> None:
        """Fill ``out`` with the pixels at the indices ``ranges`` of the axes; none of them is empty."""
        for position in np.ndindex(out.shape[:-2]):
            index = [r[i] for r, i in zip(ranges[:-2], position, strict=True)]
            plane = int(np.ravel_multi_index(index, self.shape[:-2])) if index else 0
            self._fill(out[position], plane, ranges[-2], ranges[-1])

    def _fill(self, out: np.ndarray, plane: int, rows: range, columns: range) -> None:
        x0, x1 = min(columns[0], columns[-1]), max(columns[0], columns[-1]) + 1
        row_bytes = (x1 - x0) * self.dtype.itemsize * abs(rows.step)
        band = max(1, BAND_BYTES // row_bytes)
        for first in range(0, len(rows), band):
            part = rows[first : first + band]
            y0, y1 = min(part[0], part[-1]), max(part[0], part[-1]) + 1
            pixels = self.planes.fetch(plane, y0, y1, x0, x1)
            out[first : first + band] = pixels[:: part.step, :: columns.step]


def _ranges(key: Any, shape: tuple[int, ...]) -> tuple[list[range], list[bool]]:
    """For each axis the indices that a basic-slicing key selects, and whether the axis is dropped."""
    keys = key if isinstance(key, tuple) else (key,)
    if sum(k is Ellipsis for k in keys) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    at = next((i for i, k in enumerate(keys) if k is Ellipsis), len(keys))
    missing = len(shape) - (len(keys) - (at < len(keys)))
    if missing < 0:
        raise IndexError(f"too many indices for an array with {len(shape)} dimensions")
    keys = (*keys[:at], *(slice(None),) * missing, *keys[at + 1 :])
    ranges, dropped = [], []
    for k, length in zip(keys, shape, strict=True):
        if isinstance(k, slice):
            ranges.append(range(length)[k])
            dropped.append(False)
        elif isinstance(k, int | np.integer) and not isinstance(k, bool | np.bool_):
            i = range(length)[int(k)]
            ranges.append(range(i, i + 1))
            dropped.append(True)
        else:
            raise TypeError(f"an array on disk takes integers and slices only, not {type(k).__name__}")
    return ranges, dropped
