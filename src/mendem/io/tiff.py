"""Reading TIFF: integers and floats of all sizes, pages, BigTIFF, tiles, strips, compression, both byte orders.

One-bit images are read as bool. Colour images whose channels are the same are read as one channel, and others
refused: a grey value made up from colours is not a measurement.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image
from mendem.io import record
from mendem.io.lazy import BAND_BYTES, CastPlanes, LazyArray, Planes, RawPlanes
from mendem.io.tiff_planes import SegmentPlanes, check_inside, check_pages, readable
from mendem.io.tiff_voxel import find_voxel_size
from mendem.io.tiff_write import RECORD_TAG

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")

AXES = {"Z": "z", "T": "frame", "C": "channel", "Y": "y", "X": "x"}


def matches(start: bytes) -> bool:
    """Whether the first bytes of a file are those of a TIFF or BigTIFF file."""
    return start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read(path: str) -> Image:
    """Open a TIFF file; pixels stay on disk (`LazyArray`).

    ``metadata["tiff"]`` has the description and what ImageJ, FEI/Thermo Fisher and Zeiss software wrote.
    """
    import tifffile

    notes: list[str] = []
    with readable(path), tifffile.TiffFile(path, _multifile=False) as tif:
        check_pages(path)
        if not tif.series:
            raise MendemError(f"{path} has no image in it")
        series = tif.series[0]
        if len(tif.series) > 1:
            notes.append(f"The file holds {len(tif.series)} images; the first was read.")
        page = series.keyframe
        _check_kind(page, path)
        segments = _segments(series, path)
        planes = _planes(path, page, segments)
        _check_one_channel(path, page, segments, notes)
        planes = _without_palette(planes, page, bool(tif.imagej_metadata), path, notes)
        tag = tif.pages.first.tags.get(RECORD_TAG)
        own = record.unpack(tag.value if tag else None, (len(segments), *planes.plane_shape))
        axes, shape = _axes(tif, series, len(segments), planes.plane_shape, notes)
        if own:
            axes, shape = own["axes"], own["shape"]
        if "c1" in (tif.imagej_metadata or {}):
            notes.append("ImageJ's calibration of the pixel values was not applied; they were read as stored.")
        if own.get("dtype") == np.bool_ and planes.dtype == np.uint8:
            planes = CastPlanes(planes, np.bool_)
        voxel_size = record.agreed_voxel_size(own, find_voxel_size(tif, axes, notes))
        if own:
            notes = [note for note in notes if not (voxel_size.known and "voxel size" in note)]
        about = {
            "description": tif.pages.first.description,
            "imagej": tif.imagej_metadata,
            "fei": tif.fei_metadata,
            "zeiss": tif.sem_metadata,
        }
    metadata = {"tiff": {key: value for key, value in about.items() if value}, "notes": notes}
    if own.get("provenance") is not None:
        metadata["mendem"] = own["provenance"]
    return Image(LazyArray(planes, shape), axes, voxel_size, metadata, path)


def _check_kind(page: Any, path: str) -> None:
    if page.dtype is None:
        raise MendemError(f"{path} has {page.bitspersample}-bit pixels of an unknown kind; convert it to 16 bits")
    if page.dtype.kind == "c":
        raise MendemError(f"{path} holds complex numbers; save the magnitude or the real part")
    if page.samplesperpixel > 4:
        raise MendemError(f"{path} has {page.samplesperpixel} values at each pixel; save each as an image of its own")
    if page.imagedepth > 1:
        raise MendemError(f"{path} uses the ImageDepth tag for its slices; save it as one page for each slice")


def _segments(series: Any, path: str) -> list[tuple[Any, Any]]:
    """Byte positions and byte counts of the strips or tiles of each plane."""
    page = series.keyframe
    pages = series.size // page.size
    if series.dataoffset is not None:
        return [
            (tuple(offset + i * page.nbytes for offset in page.dataoffsets), tuple(page.databytecounts))
            for i in range(pages)
        ]
    found = []
    for i in range(pages):
        plane = series[i] if i < len(series) else None
        if plane is None or len(plane.dataoffsets) == 0:
            raise MendemError(
                f"{path} lacks some of its {pages} pages; it is truncated, or one of several files of an OME set"
            )
        found.append((plane.dataoffsets, plane.databytecounts))
    return found


def _planes(path: str, page: Any, segments: list[tuple[Any, Any]]) -> Planes:
    if page.samplesperpixel > 1 or not page.is_final:
        check_inside(path, segments)
        return SegmentPlanes(path, page, segments)
    offsets = [int(offsets[0]) for offsets, _ in segments]
    check_inside(path, [((offset,), (page.nbytes,)) for offset in offsets])
    stored = page.dtype.newbyteorder(page.parent.byteorder)
    return RawPlanes(path, offsets, (page.imagelength, page.imagewidth), stored)


def _check_one_channel(path: str, page: Any, segments: list[tuple[Any, Any]], notes: list[str]) -> None:
    """Raise `MendemError` unless all samples of a pixel say the same; opacity does not count."""
    if page.photometric == 0:
        notes.append("In this file 0 is shown as white; the pixel values were left as they are.")
    opacity = sum(int(extra) in (1, 2) for extra in page.extrasamples)
    if opacity:
        notes.append("The file has an opacity channel, which was not read.")
    channels = [SegmentPlanes(path, page, segments, sample) for sample in range(page.samplesperpixel - opacity)]
    if len(channels) < 2:
        return
    height, width = page.imagelength, page.imagewidth
    rows = max(1, BAND_BYTES // (width * page.dtype.itemsize))
    for plane in range(len(segments)):
        for y in range(0, height, rows):
            box = (plane, y, min(y + rows, height), 0, width)
            first = channels[0].fetch(*box)
            if any(not np.array_equal(first, other.fetch(*box)) for other in channels[1:]):
                raise MendemError(f"{path} is a colour image; save the channel that was measured as a grey image")
    notes.append("The file is in colour with all channels the same; one of them was read.")


def _without_palette(planes: Planes, page: Any, imagej: bool, path: str, notes: list[str]) -> Planes:
    colours = page.colormap if page.photometric == 3 else None
    if colours is None:
        return planes
    red, green, blue = np.asarray(colours)
    if imagej:
        notes.append("The file has a colour table for display; the pixel values were left as they are.")
        return planes
    if not (np.array_equal(red, green) and np.array_equal(red, blue)):
        raise MendemError(f"{path} shows its pixels through a table of colours; save it as a grey image")
    grey = (red >> 8).astype(np.uint8)
    if np.array_equal(grey, np.arange(len(grey))):
        return planes
    notes.append("The file has a table of grey values; the pixels were read through it.")
    return CastPlanes(planes, np.uint8, grey)


def _axes(
    tif: Any, series: Any, count: int, plane_shape: tuple[int, int], notes: list[str]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    letters = [(letter, n) for letter, n in zip(series.axes, series.shape, strict=True) if letter != "S"]
    leading = [(letter, int(n)) for letter, n in letters if letter not in "YX"]
    if np.prod([n for _, n in leading], dtype=object) != count:
        leading = [("I", count)] if count > 1 else []
    if len(leading) == 1 and leading[0][0] in "IQ":
        leading = [(_stated_letter(tif, leading[0], notes), count)]
    axes = tuple(AXES.get(letter, "frame") for letter, _ in leading)
    return (*axes, "y", "x"), (*(n for _, n in leading), *plane_shape)


def _stated_letter(tif: Any, found: tuple[str, int], notes: list[str]) -> str:
    """What the pages of a plain stack are: z where a JSON description says so, else a note."""
    try:
        stated = json.loads(tif.pages.first.description)["axes"]
        if len(stated) == 3 and stated.endswith("YX"):
            return stated[0]
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    notes.append(f"The file does not say what its {found[1]} pages are; they were read as separate frames.")
    return "I"
