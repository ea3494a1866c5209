"""Planes of a TIFF file that are stored in compressed strips or tiles: only the segments needed are decoded."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from mendem.errors import MendemError
from mendem.io.lazy import check_unchanged, file_stamp

#: Decoded segments kept for the next rectangle; the newest is kept however large it is.
CACHE_BYTES = 64 << 20

#: No compression makes a micrograph this many times smaller: then the stated size is wrong.
MOST_COMPRESSED = 100_000


@contextmanager
def readable(path: str) -> Iterator[None]:
    """Turn what goes wrong while reading a TIFF file into a `MendemError`, and keep tifffile off the terminal."""
    import tifffile

    logger = logging.getLogger("tifffile")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except MendemError:
        raise
    except FileNotFoundError as error:
        raise MendemError(f"{path} does not exist") from error
    except tifffile.TiffFileError as error:
        raise MendemError(f"{path} cannot be read as TIFF: {error}; it may be damaged or of another kind") from error
    except Exception as error:
        # A damaged file can make the parser and the decompressors fail in any way.
        if isinstance(error, ImportError) or "imagecodecs" in str(error):
            raise MendemError(
                f"{path} is compressed in a way that needs one more package: pip install imagecodecs"
            ) from error
        raise MendemError(f"{path} is damaged or truncated ({error}); copy it again from its source") from error
    finally:
        logger.setLevel(level)


class SegmentPlanes:
    """Planes stored in strips or tiles, compressed or not, with one or more samples a pixel.

    Parameters
    ----------
    path
        The file.
    page
        The `tifffile.TiffPage` that describes all planes; its file may be closed afterwards.
    segments
        For each plane the byte positions and byte counts of its segments.
    sample
        Which sample of a pixel to take.

    Raises `MendemError` where the segments do not cover the planes.
    """

    def __init__(self, path: str, page: Any, segments: list[tuple[Any, Any]], sample: int = 0) -> None:
        self.path = path
        self.plane_shape = (page.imagelength, page.imagewidth)
        self.dtype = np.dtype(page.dtype)
        self.sample = sample
        self.stamp = file_stamp(path)
        self._page_index = page.index
        self._segments = segments
        self._separate = page.planarconfig == 2
        self._block = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        needed = -(-self.plane_shape[0] // self._block[0]) * -(-self.plane_shape[1] // self._block[1])
        needed *= page.samplesperpixel if self._separate else 1
        if any(len(offsets) < needed or len(counts) < needed for offsets, counts in segments):
            raise MendemError(
                f"{path} is damaged: {self.plane_shape[0]} x {self.plane_shape[1]} pixels do not fit the strips or "
                "tiles that it lists; copy it again from its source"
            )
        stored = max(sum(counts) for _, counts in segments)
        if page.nbytes > MOST_COMPRESSED * max(stored, 1) and stored:
            raise MendemError(
                f"{path} is damaged: it states {page.nbytes} bytes of pixels and holds {stored}; "
                "copy it again from its source"
            )
        self._decode = page.decode
        self._tables = page.jpegtables
        self._header = page.jpegheader
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def fetch(self, plane: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        height, width = self._block
        across = -(-self.plane_shape[1] // width)
        down = -(-self.plane_shape[0] // height)
        first = self.sample * across * down if self._separate else 0
        out = np.zeros((y1 - y0, x1 - x0), self.dtype)
        for row in range(y0 // height, (y1 - 1) // height + 1):
            for column in range(x0 // width, (x1 - 1) // width + 1):
                block = self._segment(plane, first + row * across + column)
                top, left = row * height, column * width
                a, b = max(y0, top), min(y1, top + block.shape[0])
                c, d = max(x0, left), min(x1, left + block.shape[1])
                out[a - y0 : b - y0, c - x0 : d - x0] = block[a - top : b - top, c - left : d - left]
        return out

    def _segment(self, plane: int, index: int) -> np.ndarray:
        with self._lock:
            if (plane, index) in self._cache:
                self._cache.move_to_end((plane, index))
                return self._cache[plane, index]
        block = self._read_segment(plane, index)
        with self._lock:
            self._cache[plane, index] = block
            total = sum(b.nbytes for b in self._cache.values())
            while total > CACHE_BYTES and len(self._cache) > 1:
                total -= self._cache.popitem(last=False)[1].nbytes
        return block

    def _read_segment(self, plane: int, index: int) -> np.ndarray:
        offsets, counts = self._segments[plane]
        with readable(self.path):
            data = None
            # A segment of no bytes is one that was left out because it is empty.
            if counts[index]:
                with open(self.path, "rb") as file:
                    check_unchanged(self.path, self.stamp, file)
                    file.seek(offsets[index])
                    data = file.read(counts[index])
            options = {"jpegtables": self._tables, "jpegheader": self._header} if self._tables or self._header else {}
            pixels, _, shape = self._decode(data, index, **options)
        if pixels is None:
            return np.zeros(shape[1:3], self.dtype)
        sample = 0 if self._separate else self.sample
        return np.ascontiguousarray(pixels[0, :, :, sample], self.dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        # The decoder cannot be sent to another process; it is made anew there.
        return _reopen, (self.path, self._page_index, self._segments, self.sample, self.stamp)


def _reopen(path: str, page_index: int, segments: list[Any], sample: int, stamp: tuple[int, int]) -> SegmentPlanes:
    import tifffile

    with readable(path), tifffile.TiffFile(path, _multifile=False) as tif:
        planes = SegmentPlanes(path, tif.pages[page_index], segments, sample)
    planes.stamp = stamp
    return planes


def check_pages(path: str) -> None:
    """Raise `MendemError` when the chain of pages leads out of the file, of which tifffile reads the rest silently."""
    size = os.path.getsize(path)
    seen: set[int] = set()
    with open(path, "rb") as file:
        start = file.read(16)
        order: Literal["little", "big"] = "little" if start[:1] == b"I" else "big"
        big = int.from_bytes(start[2:4], order) == 43
        word, entry, counter = (8, 20, 8) if big else (4, 12, 2)
        offset = int.from_bytes(start[8:16] if big else start[4:8], order)
        while offset:
            if offset in seen:
                raise MendemError(f"{path} is damaged: its pages follow each other in a circle")
            seen.add(offset)
            file.seek(offset)
            count = file.read(counter)
            file.seek(int.from_bytes(count, order) * entry, os.SEEK_CUR)
            following = file.read(word)
            if len(count) < counter or len(following) < word:
                raise MendemError(
                    f"{path} is truncated: page {len(seen)} lies at byte {offset}, the file has {size}; "
                    "copy it again from its source"
                )
            offset = int.from_bytes(following, order)


def check_inside(path: str, segments: list[tuple[Any, Any]]) -> None:
    """Raise `MendemError` when a segment reaches beyond the end of the file."""
    size = os.path.getsize(path)
    for offsets, counts in segments:
        for offset, count in zip(offsets, counts, strict=False):
            if offset + count > size:
                raise MendemError(
                    f"{path} is truncated: its pixels reach to byte {offset + count}, the file has {size}; "
                    "copy it again from its source"
                )
