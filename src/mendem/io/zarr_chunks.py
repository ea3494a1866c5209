"""Boxes of pixels put into a zarr array so that every chunk is encoded about once, in little memory."""

from __future__ import annotations

import os
from itertools import product
from typing import Any

import numpy as np

from mendem.io.zarr_partial import Key, PartialChunks


class Chunks:
    """The chunks of an array of two or more axes, as boxes along its last three.

    A box that covers whole chunks is stored at once. What covers a chunk in part waits in a file of its own
    (`PartialChunks`) until the chunk is whole or `finish` is called.

    Parameters
    ----------
    folder
        Of the array.
    array
        The zarr array, open for writing.
    partial
        Folder for parts of chunks.
    """

    def __init__(self, folder: str, array: Any, partial: str) -> None:
        self._folder, self._array = folder, array
        self._ndim = len(array.shape)
        self.size = (*(1,) * (3 - self._ndim), *(int(n) for n in array.shape[-3:]))
        self._chunk = (*(1,) * (3 - self._ndim), *(int(n) for n in array.chunks[-3:]))
        self.partial_folder = partial
        self._partial = PartialChunks(partial, array.dtype)
        #: Files that were written since they were asked for last.
        self.written: set[str] = set()

    def put(self, lead: Key, corner: Key, pixels: np.ndarray) -> None:
        """Write a box of shape (z, y, x) at ``corner`` of the volume ``lead``."""
        box = tuple(slice(a, a + n) for a, n in zip(corner, pixels.shape, strict=True))
        grid = list(zip(box, self._chunk, self.size, strict=True))
        touched = [range(b.start // c, -(-b.stop // c)) for b, c, _ in grid]
        whole = [range(-(-b.start // c), -(-n // c) if b.stop == n else b.stop // c) for b, c, n in grid]
        if all(whole):
            inner = tuple(slice(r[0] * c, min((r[-1] + 1) * c, n)) for r, (_, c, n) in zip(whole, grid, strict=True))
            self._store(lead, inner, pixels[_inside(inner, box)])
            for key in product(*whole):
                self._done((*lead, *key))
        for key in product(*touched):
            if not all(k in r for k, r in zip(key, whole, strict=True)):
                self._put_part((*lead, *key), box, pixels)

    def finish(self) -> None:
        """Store the chunks that did not become whole; what never came is zero."""
        for key in self._partial.keys():
            self._store_part(key)

    def _put_part(self, key: Key, box: tuple[slice, ...], pixels: np.ndarray) -> None:
        chunk = self._box(key)
        common = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(chunk, box, strict=True))
        shape = _shape(chunk)
        if key not in self._partial:
            # A chunk that was whole and is changed now goes on from what it is.
            before = self._load(key, chunk) if os.path.exists(self._file(key)) else None
            self._partial.begin(key, shape, before)
        self.written.add(self._partial.path(key))
        corner = tuple(s.start for s in _inside(common, chunk))
        if self._partial.put(key, shape, corner, pixels[_inside(common, box)]):
            self._store_part(key)

    def _store_part(self, key: Key) -> None:
        box = self._box(key)
        self._store(key[:-3], box, self._partial.load(key, _shape(box)))
        self._done(key)

    def _store(self, lead: Key, box: tuple[slice, ...], pixels: np.ndarray) -> None:
        if self._ndim == 2:
            self._array[box[1:]] = pixels[0]
        else:
            self._array[(*lead, *box)] = pixels

    def _load(self, key: Key, box: tuple[slice, ...]) -> np.ndarray:
        pixels = self._array[box[1:] if self._ndim == 2 else (*key[:-3], *box)]
        return np.asarray(pixels).reshape(_shape(box))

    def _done(self, key: Key) -> None:
        """A chunk is stored: nothing of it is waiting."""
        self._partial.remove(key)
        self.written.discard(self._partial.path(key))
        self.written.add(self._file(key))

    def _file(self, key: Key) -> str:
        return os.path.join(self._folder, *self._array.metadata.encode_chunk_key(key[-self._ndim :]).split("/"))

    def _box(self, key: Key) -> tuple[slice, ...]:
        return tuple(
            slice(i * c, min((i + 1) * c, n)) for i, c, n in zip(key[-3:], self._chunk, self.size, strict=True)
        )


def _inside(box: tuple[slice, ...], outer: tuple[slice, ...]) -> tuple[slice, ...]:
    """A box in the coordinates of the one around it."""
    return tuple(slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))


def _shape(box: tuple[slice, ...]) -> tuple[int, ...]:
    return tuple(b.stop - b.start for b in box)
