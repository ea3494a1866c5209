"""MRC images, stacks, volumes and stacks of volumes; voxel sizes in Å.

Modes 0 (signed, or unsigned by IMOD's flag), 1, 2, 6 and 12 are read, in both byte orders. uint8 is *written* as
mode 6 with a note in the extended header that it was uint8: so it comes back as uint8, and a program that knows
only the standard, in which mode 0 is signed, still sees the right values.
"""

from __future__ import annotations

import bz2
import gzip
import os
import zlib
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import NM_PER_UNIT, SPATIAL_AXES, Image, VoxelSize
from mendem.io import record
from mendem.io.lazy import CastPlanes, LazyArray, RawPlanes
from mendem.io.mrc_header import HEADER, IMOD_STAMP, RMS_UNKNOWN, SIGNED_BYTES, Header, parse, set_statistics
from mendem.io.output import PartFile, plain_words
from mendem.io.writer import FileWriter, ImageWriter, Layout, Target

SUFFIXES = (".mrc", ".mrcs", ".map", ".rec", ".st", ".ali")
STACK_SUFFIXES = (".mrcs", ".st", ".ali")
VOLUME_SUFFIXES = (".map", ".rec")

#: dtype -> (mode, as stored)
WRITABLE = {
    "int8": (0, "i1"),
    "int16": (1, "<i2"),
    "float32": (2, "<f4"),
    "uint8": (6, "<u2"),
    "uint16": (6, "<u2"),
    "float16": (12, "<f2"),
}

#: Ends the extended header of a file that mendem wrote; before it are the record and its length.
FOOTER = b"MDEM"


def matches(start: bytes) -> bool:
    """Whether the first bytes of a file are those of an MRC file."""
    return start[208:211] == b"MAP"


def read(path: str) -> Image:
    """Open an MRC file, gzip- and bzip2-compressed ones included; pixels stay on disk (`LazyArray`) unless
    compressed. ``metadata["mrc"]`` keeps header, labels and extended header for the way back."""
    opener = _opener(path)
    try:
        with opener(path, "rb") as file:
            header = parse(file.read(HEADER.itemsize), path)
            notes = list(header.notes)
            if opener is open:
                _check_size(header, os.path.getsize(path), path, notes)
            extended, text = _split_extended(file.read(int(header.fields["nsymbt"])))
            columns, rows, sections = (int(n) for n in header.fields["n"])
            if opener is open:
                start, size = header.data_offset, header.data_bytes
                offsets = range(start, start + size, size // sections)
                planes = RawPlanes(path, offsets, (rows, columns), header.dtype)
            else:
                pixels = _decompress(file, header, path)
    except (OSError, EOFError, zlib.error) as error:
        raise MendemError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error

    own = record.unpack(text, (sections, rows, columns))
    axes, shape = _axes(header, path, notes)
    if own:
        axes, shape = own["axes"], own["shape"]
    dtype = header.dtype.newbyteorder("=")
    # A program that rewrote the pixels may have kept the extended header: then uint8 may not hold them.
    if own.get("dtype") == np.uint8 and 0 <= header.fields["dmin"] and header.fields["dmax"] <= 255:
        dtype = np.dtype(np.uint8)
    if opener is open:
        data: Any = LazyArray(planes if dtype == planes.dtype else CastPlanes(planes, dtype), shape)
    else:
        data = pixels.reshape(shape).astype(dtype, copy=False)
    voxel_size = record.agreed_voxel_size(own, _voxel_size(header.fields, axes, notes))
    metadata = {
        "mrc": {
            "header": header.fields.tobytes(),
            "extended_header": extended,
            "exttyp": header.fields["exttyp"].decode("latin-1") if extended else "",
            "labels": _labels(header.fields),
        },
        "notes": notes,
    }
    if own.get("provenance") is not None:
        metadata["mendem"] = own["provenance"]
    return Image(data, axes, voxel_size, metadata, path)


def open_writer(target: Target) -> ImageWriter:
    """See `mendem.io.open_writer`. ``metadata["mrc"]`` of the input keeps origin, labels and extended header."""
    path, shape, dtype = target.path, target.shape, target.dtype
    if dtype.name not in WRITABLE:
        raise MendemError(
            f"cannot write {path}: MRC has no pixels of type {dtype.name}; write a .tif, or ask for float32 (--dtype)"
        )
    if not 2 <= len(shape) <= 4:
        raise MendemError(f"cannot write {path}: MRC holds 2 to 4 dimensions, not {len(shape)}; write a .tif")
    stored = np.dtype(WRITABLE[dtype.name][1])
    kept = _kept(target.metadata.get("mrc"), shape)
    fields, before = _new_header(shape, dtype, target.axes, target.voxel_size, kept)
    # Readers of FEI headers count whole records of 768 or 888 bytes, so the length stays a multiple of those.
    unit = {b"FEI1": 768, b"FEI2": 888}.get(bytes(fields["exttyp"]), 16) if before else 16
    total = len(before) + len(target.record(target.provenance)) + target.room + len(FOOTER) + 8
    total += -total % unit
    size = total - len(before) - len(FOOTER) - 8
    fields["nsymbt"] = total
    _add_label(fields, target.provenance)

    def finish(file: Any, writer: FileWriter) -> None:
        set_statistics(fields, writer.bands())
        file.seek(0)
        file.write(fields.tobytes())

    nbytes = HEADER.itemsize + total + int(np.prod(shape, dtype=object)) * stored.itemsize
    part = PartFile(path, nbytes, target.overwrite, target.resume)
    try:
        if part.found:
            layout, fields["nsymbt"] = _continued(part, target)
        else:
            layout = Layout(HEADER.itemsize + total, HEADER.itemsize + len(before), size)
            text = target.record(target.provenance, size)
            with plain_words(part.target), open(part.path, "r+b") as file:
                file.write(fields.tobytes() + before + text + size.to_bytes(8, "little") + FOOTER)
                file.truncate(nbytes)
            part.settle()
        return FileWriter(target, part, stored, layout, finish)
    except BaseException:
        part.give_up()
        raise


def _continued(part: PartFile, target: Target) -> tuple[Layout, int]:
    """Layout of an unfinished file and the length of its extended header; `MendemError` where it is another image."""
    with plain_words(part.target), open(part.path, "rb") as file:
        try:
            header = parse(file.read(HEADER.itemsize), part.path)
        except MendemError as error:
            raise part.refused("it is no MRC file") from error
        total = int(header.fields["nsymbt"])
        before, text = _split_extended(file.read(total))
        complete = os.fstat(file.fileno()).st_size == header.data_offset + header.data_bytes
    if why := target.mismatch(text) or ("" if complete else "it is damaged"):
        raise part.refused(why)
    return Layout(header.data_offset, HEADER.itemsize + len(before), len(text or b"")), total


def _opener(path: str) -> Any:
    with open(path, "rb") as file:
        start = file.read(3)
    return gzip.open if start[:2] == b"\x1f\x8b" else bz2.open if start == b"BZh" else open


def _check_size(header: Header, found: int, path: str, notes: list[str]) -> None:
    expected = header.data_offset + header.data_bytes
    if found < expected:
        raise MendemError(
            f"{path} is truncated: its header states {' x '.join(str(int(n)) for n in header.fields['n'])} pixels, "
            f"{expected} bytes in all, and the file has {found}; copy it again from its source"
        )
    if found > expected:
        notes.append(f"The file is {found - expected} bytes longer than its header states; the rest was not read.")


def _decompress(file: Any, header: Header, path: str) -> np.ndarray:
    pixels = bytearray()
    while len(pixels) < header.data_bytes:
        piece = file.read(min(16 << 20, header.data_bytes - len(pixels)))
        if not piece:
            raise MendemError(
                f"{path} is truncated: {header.data_bytes} bytes of pixels are stated in its header, "
                f"{len(pixels)} are there; copy it again from its source"
            )
        pixels += piece
    return np.frombuffer(pixels, header.dtype)


def _split_extended(raw: bytes) -> tuple[bytes, bytes | None]:
    """The extended header of the original file, and mendem's record behind it."""
    if raw[-len(FOOTER) :] != FOOTER or len(raw) < len(FOOTER) + 8:
        return raw, None
    end = len(raw) - len(FOOTER) - 8
    size = int.from_bytes(raw[end : end + 8], "little")
    return (raw[: end - size], raw[end - size : end]) if size <= end else (raw, None)


def _axes(header: Header, path: str, notes: list[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    columns, rows, sections = (int(n) for n in header.fields["n"])
    per_volume = int(header.fields["m"][2])
    space_group = int(header.fields["ispg"])
    name = path.lower().removesuffix(".gz").removesuffix(".bz2")
    if space_group >= 401 and 0 < per_volume < sections and sections % per_volume == 0:
        return ("frame", "z", "y", "x"), (sections // per_volume, per_volume, rows, columns)
    if sections == 1 and space_group <= 0:
        return ("y", "x"), (rows, columns)
    stated_stack = space_group == 0 and per_volume == 1 and sections > 1
    if name.endswith(STACK_SUFFIXES) or stated_stack:
        return ("frame", "y", "x"), (sections, rows, columns)
    if space_group == 0 and not name.endswith(VOLUME_SUFFIXES):
        notes.append("The header says stack of images but counts its sections along z; it was read as a volume.")
    return ("z", "y", "x"), (sections, rows, columns)


def _directions(fields: np.void) -> tuple[int, int, int]:
    """For columns, rows and sections: along which of x, y, z (0, 1, 2) they run."""
    c, r, s = (int(a) - 1 for a in fields["map_axes"])
    return (c, r, s) if {c, r, s} == {0, 1, 2} else (0, 1, 2)


def _voxel_size(fields: np.void, axes: tuple[str, ...], notes: list[str]) -> VoxelSize:
    order = _directions(fields)
    if order != (0, 1, 2):
        c, r, s = ("XYZ"[d] for d in order)
        notes.append(f"Columns run along {c}, rows along {r}, sections along {s} of the crystal; kept as in the file.")
    found = []
    for cell, count in zip(fields["cell"], fields["m"], strict=True):
        length = float(cell) / int(count) if count > 0 else 0.0
        found.append(length if np.isfinite(length) and length > 0 else None)
    by_axis = dict(zip("xyz", (found[d] for d in order), strict=True))
    values = tuple(by_axis.get(axis) for axis in axes)
    spatial = [v for axis, v in zip(axes, values, strict=True) if axis in SPATIAL_AXES]
    if not any(spatial):
        notes.append("The voxel size is unknown: the header holds none.")
    elif not all(spatial):
        notes.append("The voxel size is unknown along some axes: the header holds none.")
    elif set(spatial) == {1.0}:
        notes.append("The voxel size of 1 Å may be a placeholder; many programs write it where they know none.")
    return VoxelSize(values, "angstrom")


def _labels(fields: np.void) -> list[str]:
    return [text for text in (label.decode("latin-1").rstrip(" \0") for label in fields["labels"]) if text]


def _kept(source: dict[str, Any] | None, shape: tuple[int, ...]) -> tuple[np.void | None, bytes]:
    """Header and extended header of the input, where the output has as many sections as it had."""
    source = source or {}
    raw = source.get("header", b"")
    if len(raw) != HEADER.itemsize:
        return None, b""
    fields = np.frombuffer(raw, HEADER)[0]
    if int(fields["n"][2]) != int(np.prod(shape[:-2], dtype=object)):
        return None, b""
    return fields, source.get("extended_header", b"")


def _new_header(
    shape: tuple[int, ...],
    dtype: np.dtype,
    axes: tuple[str, ...],
    voxel_size: VoxelSize,
    kept: tuple[np.void | None, bytes],
) -> tuple[np.void, bytes]:
    source, extended = kept
    fields = np.zeros(1, HEADER)[0]
    fields["angles"], fields["map_axes"] = 90, (1, 2, 3)
    size = (shape[-1], shape[-2], int(np.prod(shape[:-2], dtype=object)))
    depth = shape[-3] if len(shape) > 2 and axes[-3] == "z" else 1
    grid = (shape[-1], shape[-2], depth)
    same_size = False
    if source is not None:
        fields = np.frombuffer(source.tobytes(), HEADER).copy()[0]
        same_size = tuple(int(n) for n in source["n"]) == size
    if not same_size:
        fields["start"] = 0
    order = _directions(fields)
    # A cell may have more or fewer intervals than the map has pixels; that is kept with the map.
    if not (same_size and all(int(m) > 0 for m in fields["m"]) and depth > 1):
        fields["m"] = [grid[order.index(d)] for d in range(3)]
    lengths = dict(zip(axes, voxel_size.values, strict=True))
    per_unit = 1.0 if voxel_size.unit == "angstrom" else NM_PER_UNIT[voxel_size.unit] * 10
    # Where there is no depth, that of a pixel's width: other programs divide by it.
    spans = [lengths.get("x"), lengths.get("y"), lengths["z"] if "z" in axes else lengths.get("x")]
    for d in range(3):
        span = spans[order.index(d)]
        fields["cell"][d] = 0 if span is None else span * per_unit * int(fields["m"][d])
    if len(shape) == 2 or axes[-3] != "z":
        fields["ispg"] = 0
    elif len(shape) == 4:
        fields["ispg"] = 401
    else:
        fields["ispg"] = int(fields["ispg"]) if 0 < int(fields["ispg"]) < 401 else 1
    fields["n"], fields["mode"], fields["nversion"] = size, WRITABLE[dtype.name][0], 20140
    fields["map"], fields["machst"] = b"MAP ", (0x44, 0x44, 0, 0)
    if fields["imod_stamp"] == IMOD_STAMP:
        flags = int(fields["imod_flags"]) & ~(SIGNED_BYTES | RMS_UNKNOWN)
        fields["imod_flags"] = flags | SIGNED_BYTES if dtype == np.int8 else flags
    if not extended:
        fields["exttyp"] = FOOTER
    return fields, extended


def _add_label(fields: np.void, provenance: dict[str, Any] | None) -> None:
    about = provenance or {}
    label = " ".join(str(word) for word in ("mendem", about.get("task"), about.get("version")) if word)
    labels = _labels(fields)[:9] + [label]
    fields["nlabl"] = len(labels)
    fields["labels"] = [text.encode("ascii", "replace")[:80].ljust(80) for text in labels] + [b""] * (10 - len(labels))
