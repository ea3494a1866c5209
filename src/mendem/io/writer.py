"""Writing pixels piece by piece: what is asked for, the interface of all formats, and files of uncompressed pixels."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import VoxelSize
from mendem.io import record
from mendem.io.output import PartFile, plain_words


@dataclass(frozen=True)
class Target:
    """An image to be written: `mendem.io.open_writer` says what the fields mean.

    ``room`` is how many bytes the provenance may grow, in formats where that is decided at the beginning.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype
    axes: tuple[str, ...]
    voxel_size: VoxelSize
    provenance: dict[str, Any] | None
    metadata: dict[str, Any]
    overwrite: bool
    room: int
    resume: bool = False
    ome_zarr: str | None = None

    def record(self, provenance: dict[str, Any] | None, size: int | None = None) -> bytes:
        """mendem's own record of the image (`mendem.io.record.pack`)."""
        return record.pack(self.axes, self.shape, self.dtype, self.voxel_size, provenance, size)

    def mismatch(self, text: bytes | str | None) -> str:
        """How the image of a record that was found in an unfinished output differs from this; empty if it does not."""
        planes = int(np.prod(self.shape[:-2], dtype=object))
        found = record.unpack(text, (planes, *self.shape[-2:]))
        if not found:
            return "it holds an image of another shape, or is damaged"
        for name in ("shape", "axes", "dtype", "voxel_size"):
            mine = getattr(self, name)
            if found[name] != mine:
                return f"its {name.replace('_', ' ')} is {found[name]} and not {mine}"
        return ""


class ImageWriter(ABC):
    """Writes boxes of an image to disk, in any order, holding little of it in memory.

    Made by `mendem.io.open_writer`; a context manager. Leaving it normally completes the output and moves it into
    place; leaving it by an exception removes what was written, or keeps it if the writer was opened with ``resume``.
    Pixels that were never put are zero. Thread-safe.

    Attributes
    ----------
    shape, dtype
        Of the image.
    path
        Where it will be.
    part_path
        Where it is until it is finished; with ``resume``, ``path`` with ``.part`` behind it.
    resumed
        Whether an unfinished output was found and is continued.
    chunks
        In what boxes (of the image's axes) the format stores pixels; ``None`` where any box costs the same. Boxes that
        begin at multiples of this, and end there or with the image, are written fastest.
    """

    chunks: tuple[int, ...] | None = None

    def __init__(self, target: Target, part: PartFile) -> None:
        self.shape = target.shape
        self.dtype = np.dtype(target.dtype)
        self.path = part.target
        self.resumed = part.found
        self._part = part
        self._planes = int(np.prod(self.shape[:-2], dtype=np.int64))
        self._lock = threading.RLock()
        self._open = True

    @property
    def part_path(self) -> str:
        return self._part.path

    def put(self, plane: int, y0: int, x0: int, pixels: np.ndarray) -> None:
        """Write a rectangle, pixels (rows, columns), of one plane: `put_box` of a single plane."""
        pixels = np.asarray(pixels)
        if pixels.ndim != 2:
            raise ValueError(f"expected 2-D pixels, not {pixels.ndim}-D")
        self.put_box(plane, y0, x0, pixels[None])

    def put_box(self, plane: int, y0: int, x0: int, pixels: np.ndarray) -> None:
        """Write a box of consecutive planes.

        Parameters
        ----------
        plane
            The first slice, counted in C order over all leading axes.
        y0, x0
            The first row and column.
        pixels
            Shape (planes, rows, columns), of the writer's dtype; it is never converted silently.

        Raises
        ------
        ValueError
            The box is not inside the image, or its dtype is another.
        MendemError
            The disk is full.
        """
        pixels = np.asarray(pixels)
        if pixels.ndim != 3 or pixels.dtype.newbyteorder("=") != self.dtype:
            raise ValueError(f"expected 3-D pixels of type {self.dtype}, not {pixels.ndim}-D {pixels.dtype}")
        height, width = self.shape[-2:]
        planes, rows, columns = pixels.shape
        inside = 0 <= plane <= self._planes - planes and 0 <= y0 <= height - rows and 0 <= x0 <= width - columns
        if not inside:
            raise ValueError(
                f"{planes} x {rows} x {columns} pixels at ({plane}, {y0}, {x0}) are outside the shape {self.shape}"
            )
        if pixels.size:
            with self._lock, plain_words(self.path):
                self._put(plane, y0, x0, pixels)

    def flush(self) -> None:
        """Make what has been put survive a power cut; a killed process loses nothing that was put before this."""
        with self._lock, plain_words(self.path):
            self._flush()

    def close(self) -> None:
        """Complete the output and move it into place."""
        with self._lock:
            if not self._open:
                return
            try:
                with plain_words(self.path):
                    self._complete()
            except BaseException:
                self._abandon()
                raise
            self._open = False
            self._part.commit()

    def discard(self) -> None:
        """Remove what was written, also with ``resume``; the target stays as it was."""
        with self._lock:
            if self._open:
                self._open = False
                self._let_go()
                self._part.discard()

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    def _abandon(self) -> None:
        """End without completing: what was written is kept where a later run can go on with it."""
        with self._lock:
            if self._open and self._part.lasts:
                self._open = False
                self._let_go()
                self._part.release()
            else:
                self.discard()

    @abstractmethod
    def set_provenance(self, provenance: dict[str, Any]) -> None:
        """Replace the provenance, say by one that knows how the run ended.

        Raises `MendemError` where the format decides its room at the beginning (MRC, TIFF) and this is more than
        about 16 kB longer than the one the file was opened with; the one before stays.
        """

    @abstractmethod
    def _put(self, plane: int, y0: int, x0: int, pixels: np.ndarray) -> None: ...

    @abstractmethod
    def _flush(self) -> None: ...

    @abstractmethod
    def _complete(self) -> None:
        """Write what is still missing, and bring everything to the disk."""

    @abstractmethod
    def _let_go(self) -> None:
        """Close what is open."""


@dataclass(frozen=True)
class Layout:
    """Where in a file the pixels begin, and where mendem's record lies and how long it is."""

    pixels: int
    record: int
    record_size: int


class FileWriter(ImageWriter):
    """Pixels one after the other in one file, uncompressed, in C order.

    Parameters
    ----------
    target, part
        What is written and where; the file has its header and its full length already.
    stored
        Data type in the file.
    layout
        Where things are in the file.
    finish
        Called with the open file and the writer before the end.
    """

    def __init__(
        self,
        target: Target,
        part: PartFile,
        stored: np.dtype,
        layout: Layout,
        finish: Callable[[Any, FileWriter], None] = lambda file, writer: None,
    ) -> None:
        super().__init__(target, part)
        self._target = target
        self._stored = np.dtype(stored)
        self._layout = layout
        self._finish = finish
        with plain_words(self.path):
            self._file = open(part.path, "r+b", buffering=0)

    def set_provenance(self, provenance: dict[str, Any]) -> None:
        text = self._target.record(provenance, self._layout.record_size)
        with self._lock, plain_words(self.path):
            self._write(self._layout.record, np.frombuffer(text, np.uint8))

    def bands(self, nbytes: int = 8 << 20) -> Iterator[np.ndarray]:
        """What has been written so far, from the first pixel to the last, in 1-D pieces of about ``nbytes``."""
        left = int(np.prod(self.shape, dtype=np.int64))
        step = max(1, nbytes // self._stored.itemsize)
        self._file.seek(self._layout.pixels)
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

    def _put(self, plane: int, y0: int, x0: int, pixels: np.ndarray) -> None:
        height, width = self.shape[-2:]
        itemsize = self._stored.itemsize
        for i, rectangle in enumerate(np.ascontiguousarray(pixels, self._stored)):
            start = self._layout.pixels + (((plane + i) * height + y0) * width + x0) * itemsize
            if rectangle.shape[1] == width:
                self._write(start, rectangle)
            else:
                for j, row in enumerate(rectangle):
                    self._write(start + j * width * itemsize, row)

    def _flush(self) -> None:
        os.fsync(self._file.fileno())

    def _complete(self) -> None:
        self._finish(self._file, self)
        os.fsync(self._file.fileno())
        self._file.close()

    def _let_go(self) -> None:
        self._file.close()

    def _write(self, position: int, array: np.ndarray) -> None:
        view = array.reshape(-1).view(np.uint8).data
        self._file.seek(position)
        while len(view):
            view = view[self._file.write(view) :]
