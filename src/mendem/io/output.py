"""Writing pixels piece by piece into a file that appears, whole, only when everything is in it."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mendem.errors import MendemError


@contextmanager
def plain_words(path: str) -> Iterator[None]:
    """Turn the operating system's errors while writing ``path`` into a `MendemError`."""
    try:
        yield
    except OSError as error:
        folder = os.path.dirname(path) or "."
        what = {
            errno.ENOSPC: f"the disk is full; free some space or choose another folder than {folder}",
            errno.EDQUOT: f"your disk quota is used up; free some space or choose another folder than {folder}",
            errno.EACCES: f"no permission to write in {folder}; choose another folder",
            errno.EPERM: f"no permission to write in {folder}; choose another folder",
            errno.EROFS: f"{folder} is read-only; choose another folder",
            errno.ENOENT: f"the folder {folder} does not exist; create it first",
            errno.ENOTDIR: f"{folder} is not a folder; choose another one",
            errno.EFBIG: "the file system does not hold files of this size; choose another disk",
            errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
        }.get(error.errno or 0, error.strerror or str(error))
        raise MendemError(f"cannot write {path}: {what}") from error


class PartFile:
    """A temporary file beside its target: `commit` moves it into place, `discard` removes it.

    Parameters
    ----------
    path
        The target. A link is followed, so that what it points to is replaced and not the link.
    nbytes
        About how large the file will be; refused right away where the disk has less.
    overwrite
        Whether an existing target may be replaced.
    """

    def __init__(self, path: str, nbytes: int, overwrite: bool) -> None:
        self.target = os.path.realpath(path)
        self.overwrite = overwrite
        self._refuse_existing("; choose another name, or allow overwriting")
        # A name that no program takes for an image, in the same folder so that the move is atomic.
        self.path = f"{self.target}.{uuid.uuid4().hex[:8]}.part"
        with plain_words(self.target):
            with open(self.path, "xb"):
                pass
        free = shutil.disk_usage(os.path.dirname(self.target)).free
        if nbytes > free:
            self.discard()
            raise MendemError(
                f"cannot write {self.target}: it needs {nbytes / 1e9:.2f} GB and the disk has {free / 1e9:.2f} GB; "
                "free some space or choose another folder"
            )

    def commit(self) -> None:
        """Move the finished file into place. Where that is refused it is kept, since it may be hours of work."""
        kept = f"the new result is kept in {self.path}"
        self._refuse_existing(f" since the run began; {kept}")
        try:
            os.replace(self.path, self.target)
        except OSError as error:
            raise MendemError(f"cannot replace {self.target} ({error.strerror or error}); {kept}") from error

    def discard(self) -> None:
        try:
            os.remove(self.path)
        except FileNotFoundError:
            pass

    def _refuse_existing(self, what_then: str) -> None:
        if os.path.isdir(self.target):
            raise MendemError(f"{self.target} is a folder; give the name of a file")
        if not self.overwrite and os.path.exists(self.target):
            raise MendemError(f"{self.target} exists{what_then}")


class ImageWriter:
    """Writes rectangles of an image to disk, in any order, holding none of them in memory.

    Made by `mendem.io.open_writer`; a context manager. Leaving it normally completes the file and moves it into
    place; leaving it by an exception removes it. Pixels that were never put are zero. Thread-safe.
    """

    def __init__(
        self,
        part: PartFile,
        shape: tuple[int, ...],
        dtype: np.dtype,
        stored: np.dtype,
        offset: int,
        record: Callable[[dict[str, Any] | None], bytes],
        record_offset: int,
        finish: Callable[[Any, ImageWriter], None] = lambda file, writer: None,
    ) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.path = part.target
        self._part = part
        self._stored = np.dtype(stored)
        self._offset = offset
        self._planes = int(np.prod(shape[:-2], dtype=np.int64))
        self._record = record
        self._record_offset = record_offset
        self._finish = finish
        self._lock = threading.Lock()
        with plain_words(self.path):
            self._file = open(part.path, "r+b", buffering=0)

    def put(self, plane: int, y0: int, x0: int, pixels: np.ndarray) -> None:
        """Write a rectangle.

        Parameters
        ----------
        plane
            Which slice, counted in C order over all leading axes.
        y0, x0
            Its first row and column.
        pixels
            Shape (rows, columns), of the writer's dtype; it is never converted silently.

        Raises
        ------
        ValueError
            The rectangle is not inside the image, or its dtype is another.
        MendemError
            The disk is full.
        """
        pixels = np.asarray(pixels)
        height, width = self.shape[-2:]
        if pixels.ndim != 2 or pixels.dtype.newbyteorder("=") != self.dtype:
            raise ValueError(f"expected 2-D pixels of type {self.dtype}, not {pixels.ndim}-D {pixels.dtype}")
        rows, columns = pixels.shape
        if not (0 <= plane < self._planes and 0 <= y0 <= height - rows and 0 <= x0 <= width - columns):
            raise ValueError(f"{rows} x {columns} pixels at ({plane}, {y0}, {x0}) are outside the shape {self.shape}")
        pixels = np.ascontiguousarray(pixels, self._stored)
        start = self._offset + ((plane * height + y0) * width + x0) * self._stored.itemsize
        with self._lock, plain_words(self.path):
            if columns == width:
                self._write(start, pixels)
            else:
                for i, row in enumerate(pixels):
                    self._write(start + i * width * self._stored.itemsize, row)

    def set_provenance(self, provenance: dict[str, Any]) -> None:
        """Replace the provenance, say by one that knows how the run ended.

        Raises `MendemError` where it is more than about 16 kB longer than the one the file was opened with;
        the one before stays.
        """
        record = self._record(provenance)
        with self._lock, plain_words(self.path):
            self._write(self._record_offset, np.frombuffer(record, np.uint8))

    def bands(self, nbytes: int = 8 << 20) -> Iterator[np.ndarray]:
        """What has been written so far, from the first pixel to the last, in 1-D pieces of about ``nbytes``."""
        left = int(np.prod(self.shape, dtype=np.int64))
        step = max(1, nbytes // self._stored.itemsize)
        self._file.seek(self._offset)
        while left:
            pixels = np.empty(min(step, left), self._stored)
            view = pixels.view(np.uint8).data
            while len(view):
                count = self._file.readinto(view)
                if not count:
                    raise MendemError(f"{self.path} was cut short while it was being written; run again")
                view = view[count:]
            yield pixels
            left -= len(pixels)

    def close(self) -> None:
        """Complete the file and move it into place."""
        if self._file.closed:
            return
        try:
            with plain_words(self.path):
                self._finish(self._file, self)
                os.fsync(self._file.fileno())
        except BaseException:
            self.discard()
            raise
        self._file.close()
        self._part.commit()

    def discard(self) -> None:
        """Remove what was written; the target stays as it was."""
        if not self._file.closed:
            self._file.close()
            self._part.discard()

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _write(self, position: int, array: np.ndarray) -> None:
        view = array.reshape(-1).view(np.uint8).data
        self._file.seek(position)
        while len(view):
            view = view[self._file.write(view) :]
