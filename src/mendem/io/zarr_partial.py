"""Chunks of which only parts have come, kept uncompressed on disk until they are whole.

A chunk of 64 planes that grows row by row would be decoded and encoded again at each step, and holding all the chunks
that a plane crosses may take gigabytes. So what does not fill a chunk goes to a plain file of the chunk's size.
"""

from __future__ import annotations

import os

import numpy as np

Key = tuple[int, ...]


class PartialChunks:
    """One file of raw pixels for each unfinished chunk; files that a run before left in ``folder`` count."""

    def __init__(self, folder: str, dtype: np.dtype) -> None:
        self.folder = folder
        self.dtype = np.dtype(dtype)
        self._missing: dict[Key, int] = {}

    def path(self, key: Key) -> str:
        return os.path.join(self.folder, ".".join(str(n) for n in key))

    def keys(self) -> list[Key]:
        """All unfinished chunks."""
        names = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        return sorted(tuple(int(n) for n in name.split(".")) for name in names if not name.endswith(".new"))

    def __contains__(self, key: Key) -> bool:
        return os.path.exists(self.path(key))

    def begin(self, key: Key, shape: Key, pixels: np.ndarray | None) -> None:
        """Make a chunk of this shape that holds ``pixels``, or zeros."""
        os.makedirs(self.folder, exist_ok=True)
        size = int(np.prod(shape))
        # The name appears with its content, or a process killed in between would leave zeros in place of pixels.
        with open(f"{self.path(key)}.new", "wb") as file:
            if pixels is None:
                file.truncate(size * self.dtype.itemsize)
            else:
                file.write(np.ascontiguousarray(pixels, self.dtype).tobytes())
        os.replace(f"{self.path(key)}.new", self.path(key))
        self._missing[key] = size

    def put(self, key: Key, shape: Key, corner: Key, pixels: np.ndarray) -> bool:
        """Write a box at ``corner`` of a chunk that was begun.

        Returns whether as many pixels have come as the chunk has. It is whole then, unless some came twice.
        """
        z, y, x = (slice(a, a + n) for a, n in zip(corner, pixels.shape, strict=True))
        planes = np.empty((pixels.shape[0], *shape[1:]), self.dtype)
        start = z.start * planes[0].nbytes
        # What is not in the box is written as it was, so that a process killed here does it no harm.
        with open(self.path(key), "r+b") as file:
            file.seek(start)
            file.readinto(planes.data)
            planes[:, y, x] = pixels
            file.seek(start)
            file.write(planes.data)
        if key not in self._missing:  # begun by a run before, nobody knows how much is there
            return False
        self._missing[key] -= pixels.size
        return self._missing[key] <= 0

    def load(self, key: Key, shape: Key) -> np.ndarray:
        return np.fromfile(self.path(key), self.dtype).reshape(shape)

    def remove(self, key: Key) -> None:
        """Forget a chunk, if it was unfinished."""
        self._missing.pop(key, None)
        try:
            os.remove(self.path(key))
        except FileNotFoundError:
            pass
