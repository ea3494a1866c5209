"""Writing TIFF so that dtype, axes and voxel size survive, in the form that most programs understand.

- ImageJ's form where it holds the pixels: uint8, uint16, float32 up to 4 GB. Fiji shows size and unit.
- OME-TIFF (BigTIFF where needed) for other integers, float64, and anything larger.
- Plain TIFF with a JSON description for float16 and 64-bit integers, which neither has. bool is stored as uint8.

In all three one private tag of the first page holds mendem's record: the exact voxel size, axes and provenance.
"""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import VoxelSize
from mendem.io.output import PartFile, plain_words
from mendem.io.writer import FileWriter, ImageWriter, Layout, Target

#: In the range that TIFF leaves to anyone; no known program gives it a meaning.
RECORD_TAG = 65123

LETTERS = {"z": "Z", "frame": "T", "tilt": "T", "channel": "C", "y": "Y", "x": "X"}
IMAGEJ_DTYPES = ("uint8", "uint16", "float32")
OME_DTYPES = ("uint8", "uint16", "float32", "int8", "int16", "int32", "uint32", "float64")
IMAGEJ_UNITS = {"um": "micron", "angstrom": "\\u00C5"}
OME_UNITS = {"um": "µm", "angstrom": "Å"}

#: Room below 4 GiB for what is not pixels.
CLASSIC_LIMIT = (1 << 32) - (1 << 24)


def open_writer(target: Target) -> ImageWriter:
    """See `mendem.io.open_writer`."""
    path, dtype = target.path, target.dtype
    stored = np.dtype(np.uint8) if dtype == np.bool_ else dtype
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise MendemError(f"cannot write {path}: TIFF has no pixels of type {dtype.name}; ask for float32 (--dtype)")
    # A tag of up to four bytes would lie elsewhere; a record never is that short.
    size = len(target.record(target.provenance)) + target.room
    nbytes = int(np.prod(target.shape, dtype=object)) * stored.itemsize + size
    part = PartFile(path, nbytes, target.overwrite, target.resume)
    try:
        with plain_words(part.target):
            if part.found:
                layout = _continued(part, target, nbytes - size)
            else:
                layout = _begun(part, target, stored, nbytes, size)
                part.settle()
        return FileWriter(target, part, stored.newbyteorder("<"), layout)
    except BaseException:
        part.give_up()
        raise


def _begun(part: PartFile, target: Target, stored: np.dtype, nbytes: int, size: int) -> Layout:
    """Write all of the file but its pixels."""
    import tifffile

    style = _style(target.path, stored, nbytes)
    with tifffile.TiffWriter(
        part.path, bigtiff=nbytes > CLASSIC_LIMIT, byteorder="<", imagej=style == "imagej", ome=style == "ome"
    ) as writer:
        stored_shape, letters = _stored_axes(target.shape, target.axes)
        span: Any = writer.write(
            None,
            shape=stored_shape,
            dtype=stored,
            photometric="minisblack",
            software="mendem",
            extratags=[(RECORD_TAG, "s", size + 1, target.record(target.provenance, size) + b"\0", True)],
            returnoffset=True,
            **_descriptions(style, letters, target.axes, target.voxel_size),
        )
    with tifffile.TiffFile(part.path) as tif:
        return Layout(span[0], tif.pages.first.tags[RECORD_TAG].valueoffset, size)


def _continued(part: PartFile, target: Target, pixel_bytes: int) -> Layout:
    """Layout of an unfinished file; `MendemError` where it is another image."""
    import tifffile

    try:
        with tifffile.TiffFile(part.path) as tif:
            page = tif.pages.first
            tag = page.tags[RECORD_TAG]
            text, layout = tag.value, Layout(page.dataoffsets[0], tag.valueoffset, tag.count - 1)
    except (tifffile.TiffFileError, KeyError, IndexError) as error:
        raise part.refused("it is no TIFF file of mendem") from error
    complete = os.path.getsize(part.path) >= layout.pixels + pixel_bytes
    if why := target.mismatch(text) or ("" if complete else "it is damaged"):
        raise part.refused(why)
    return layout


def _style(path: str, stored: np.dtype, nbytes: int) -> str:
    wants_ome = ".ome." in os.path.basename(path).lower()
    if stored.name in IMAGEJ_DTYPES and nbytes <= CLASSIC_LIMIT and not wants_ome:
        return "imagej"
    if stored.name in OME_DTYPES:
        return "ome"
    return "shaped"


def _stored_axes(shape: tuple[int, ...], axes: tuple[str, ...]) -> tuple[tuple[int, ...], str]:
    """Shape and axis letters as other programs see them; leading axes that they do not know become one of frames."""
    letters = "".join(LETTERS.get(axis, "?") for axis in axes)
    if letters in ("YX", "ZYX", "TYX", "CYX", "TZYX", "TCYX", "ZCYX", "TZCYX"):
        return shape, letters
    return (int(np.prod(shape[:-2], dtype=object)), *shape[-2:]), "TYX"


def _descriptions(style: str, letters: str, axes: tuple[str, ...], voxel_size: VoxelSize) -> dict[str, Any]:
    lengths = dict(zip(axes, voxel_size.values, strict=True))
    metadata: dict[str, Any] = {"axes": letters}
    options: dict[str, Any] = {"metadata": metadata}
    if style == "imagej":
        if lengths["x"] and lengths["y"]:
            metadata["unit"] = IMAGEJ_UNITS.get(voxel_size.unit, voxel_size.unit)
            options["resolution"] = (_per_length(lengths["x"]), _per_length(lengths["y"]))
            options["resolutionunit"] = 1
            if "Z" in letters and (depth := lengths.get("z")):
                metadata["spacing"] = repr(float(depth))
    else:
        for axis in "xyz":
            if length := lengths.get(axis):
                metadata[f"PhysicalSize{axis.upper()}"] = float(length)
                unit = OME_UNITS.get(voxel_size.unit, voxel_size.unit) if style == "ome" else voxel_size.unit
                metadata[f"PhysicalSize{axis.upper()}Unit"] = unit
    return options


def _per_length(length: float) -> tuple[int, int]:
    """Pixels per unit as the nearest ratio of two 32-bit integers."""
    exact = 1 / Fraction(length)
    large = max(exact, 1 / exact)
    # The larger of the two integers stays below 2^32 when the smaller is bounded by their ratio.
    near = large.limit_denominator(max(1, int(((1 << 32) - 2) / large)))
    ratio = near if exact >= 1 else 1 / near
    return ratio.numerator, ratio.denominator
