"""Zarr arrays read lazily: only the chunks that are needed, with a small memory of those that were cut open."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from mendem.errors import MendemError
from mendem.io.lazy import LazyArray
from mendem.io.output import ZARR_FILES

#: Chunks of which only a part was asked for are kept, decoded, up to this many bytes in each process.
CACHE_BYTES = 256 << 20

#: Neighbouring chunks are fetched together up to about this many bytes.
FETCH_BYTES = 16 << 20

Stamp = tuple[int, ...]


class _Cache:
    """The chunks that were used last. A chunk whose file was rewritten since is not given out."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Stamp, np.ndarray]] = OrderedDict()
        self._lock = threading.Lock()
        self._nbytes = 0

    def get(self, key: str, stamp: Stamp) -> np.ndarray | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None or found[0] != stamp:
                return None
            self._kept.move_to_end(key)
            return found[1]

    def put(self, key: str, stamp: Stamp, pixels: np.ndarray) -> None:
        with self._lock:
            old = self._kept.pop(key, None)
            self._nbytes -= old[1].nbytes if old else 0
            if pixels.nbytes > CACHE_BYTES:
                return
            self._kept[key] = stamp, pixels
            self._nbytes += pixels.nbytes
            while self._nbytes > CACHE_BYTES:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._nbytes -= dropped.nbytes


_cache = _Cache()


class _Part(NamedTuple):
    """What is wanted of the chunks at one position along an axis."""

    chunk: int
    target: slice  # in the result
    source: slice  # in the chunk
    whole: bool


class ZarrArray(LazyArray):
    """A zarr array (version 2 or 3) in a folder, with NumPy basic slicing.

    Beyond the result a few chunks are held while reading, and up to `CACHE_BYTES` of chunks for all arrays together.
    Thread-safe, and can be sent to other processes. Chunks that are not there have the fill value.

    Parameters
    ----------
    path
        Folder of the array.
    dropped
        Axes of length 1 of the array that are left out.

    Raises
    ------
    MendemError
        There is no array, or it holds no real numbers.
    """

    def __init__(self, path: str, dropped: tuple[int, ...] = ()) -> None:
        self.path = path
        self._dropped = dropped
        self._stamp = _metadata_stamp(path)
        if not self._stamp:
            raise MendemError(f"{path} is missing, or is no zarr array; copy the zarr again from its source")
        array = self._array = _open(path)
        kind = getattr(array.dtype, "kind", "O")
        if kind == "c":
            raise MendemError(f"{path} holds complex numbers; save the magnitude or the real part")
        if kind not in "biuf" or array.dtype.itemsize > 8:
            raise MendemError(f"{path} holds {array.dtype}, which are not pixels; give a zarr of real numbers")
        kept = [axis for axis in range(array.ndim) if axis not in dropped]
        self._kept = kept
        self.shape = tuple(int(array.shape[axis]) for axis in kept)
        self.dtype = array.dtype.newbyteorder("=")
        #: In what boxes it is stored.
        self.chunks = tuple(int(array.chunks[axis]) for axis in kept)
        self._files = tuple(int(n) for n in array.shards or array.chunks)
        self._fill_value = self.dtype.type(0 if array.fill_value is None else array.fill_value)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_array": None}

    def __repr__(self) -> str:
        return f"<ZarrArray {self.shape} {self.dtype} {self.path}>"

    def _read(self, out: np.ndarray, ranges: list[range]) -> None:
        if _metadata_stamp(self.path) != self._stamp:
            raise MendemError(f"{self.path} changed on disk since it was opened; open it again")
        axes = [list(_parts(r, c, n)) for r, c, n in zip(ranges, self.chunks, self.shape, strict=True)]
        chunk_bytes = int(np.prod(self.chunks, dtype=object)) * self.dtype.itemsize
        for parts in product(*axes[:-1]):
            waiting: list[tuple[_Part, str, Stamp]] = []
            for last in axes[-1]:
                key, stamp = self._find((*(p.chunk for p in parts), last.chunk))
                neighbour = waiting and abs(last.chunk - waiting[-1][0].chunk) == 1
                if waiting and not (stamp and neighbour and len(waiting) * chunk_bytes < FETCH_BYTES):
                    self._fetch(out, parts, waiting)
                    waiting = []
                target = (*(p.target for p in parts), last.target)
                if not stamp:
                    out[target] = self._fill_value
                elif (pixels := _cache.get(key, stamp)) is not None:
                    out[target] = pixels[(*(p.source for p in parts), last.source)]
                else:
                    waiting.append((last, key, stamp))
            if waiting:
                self._fetch(out, parts, waiting)

    def _fetch(self, out: np.ndarray, parts: tuple[_Part, ...], row: list[tuple[_Part, str, Stamp]]) -> None:
        """Read a row of neighbouring chunks, put them into ``out``, and keep those that were not used as a whole."""
        first = min(last.chunk for last, _, _ in row)
        corner = [p.chunk * c for p, c in zip(parts, self.chunks, strict=False)]
        box = [slice(a, min(a + c, n)) for a, c, n in zip(corner, self.chunks, self.shape, strict=False)]
        width = self.chunks[-1]
        box.append(slice(first * width, min((first + len(row)) * width, self.shape[-1])))
        pixels = self._read_box(box)
        for last, key, stamp in row:
            start = (last.chunk - first) * width
            chunk = pixels[..., start : start + width]
            out[(*(p.target for p in parts), last.target)] = chunk[(*(p.source for p in parts), last.source)]
            if not (last.whole and all(p.whole for p in parts)):
                _cache.put(key, stamp, chunk.copy() if len(row) > 1 else chunk)

    def _read_box(self, box: list[slice]) -> np.ndarray:
        array = self._array
        if array is None:
            array = self._array = _open(self.path)
        key: list[Any] = [0] * array.ndim
        for axis, part in zip(self._kept, box, strict=True):
            key[axis] = part
        try:
            return np.asarray(array[tuple(key)]).astype(self.dtype, copy=False)
        except Exception as error:
            # A damaged chunk can make a decoder fail in any way.
            where = ", ".join(f"{s.start}:{s.stop}" for s in box)
            raise MendemError(
                f"{self.path} cannot be read at [{where}]: {error}; copy it again from its source"
            ) from error

    def _find(self, chunk: tuple[int, ...]) -> tuple[str, Stamp]:
        """A name for a chunk, and what changes when the file that holds it does; nothing where there is no file."""
        position = [0] * len(self._files)
        for axis, i, size in zip(self._kept, chunk, self.chunks, strict=True):
            position[axis] = i * size // self._files[axis]
        array = self._array
        if array is None:
            array = self._array = _open(self.path)
        file = os.path.join(self.path, array.metadata.encode_chunk_key(tuple(position)))
        try:
            status = os.stat(file)
        except FileNotFoundError:
            return "", ()
        except OSError as error:
            raise MendemError(f"cannot read {file}: {error.strerror or error}") from error
        return f"{self.path}:{chunk}", (*self._stamp, status.st_mtime_ns, status.st_size, status.st_ino)


def _parts(indices: range, chunk: int, length: int) -> Iterator[_Part]:
    """Split the indices along one axis by the chunks that hold them."""
    done = 0
    while done < len(indices):
        number = indices[done] // chunk
        first = number * chunk
        size = min(chunk, length - first)
        # How many more steps stay inside this chunk.
        room = (first + size - 1 - indices[done]) if indices.step > 0 else indices[done] - first
        count = min(len(indices) - done, room // abs(indices.step) + 1)
        a, b = indices[done] - first, indices[done + count - 1] - first
        stop = b + (1 if indices.step > 0 else -1)
        source = slice(a, stop if stop >= 0 else None, indices.step)
        yield _Part(number, slice(done, done + count), source, count == size)
        done += count


def _metadata_stamp(path: str) -> Stamp:
    """What changes when an array is replaced by another; nothing where there is none."""
    for name in ZARR_FILES:
        try:
            status = os.stat(os.path.join(path, name))
        except OSError:
            continue
        return status.st_mtime_ns, status.st_size, status.st_ino
    return ()


def _open(path: str) -> Any:
    import zarr

    try:
        return zarr.open_array(path, mode="r")
    except Exception as error:
        # Metadata that are not as they should be can make zarr fail in any way.
        raise MendemError(f"{path} cannot be read as a zarr array: {error}") from error
