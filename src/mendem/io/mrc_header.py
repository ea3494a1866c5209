"""The MRC2014 header: reading it with suspicion, and filling it in.

Source: Cheng et al., "MRC2014: Extensions to the MRC format header for electron cryo-microscopy and tomography",
J. Struct. Biol. 192 (2015); for ``imodStamp`` and ``imodFlags`` IMOD's description of its MRC files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mendem.errors import MendemError

HEADER = np.dtype(
    [
        ("n", "<i4", 3),  # columns, rows, sections
        ("mode", "<i4"),
        ("start", "<i4", 3),
        ("m", "<i4", 3),  # grid intervals along x, y, z
        ("cell", "<f4", 3),  # Å along x, y, z
        ("angles", "<f4", 3),
        ("map_axes", "<i4", 3),  # what columns, rows, sections are: 1 = x, 2 = y, 3 = z
        ("dmin", "<f4"),
        ("dmax", "<f4"),
        ("dmean", "<f4"),
        ("ispg", "<i4"),
        ("nsymbt", "<i4"),
        ("extra1", "V8"),
        ("exttyp", "S4"),
        ("nversion", "<i4"),
        ("extra2", "V40"),
        ("imod_stamp", "<i4"),
        ("imod_flags", "<i4"),
        ("extra3", "V36"),
        ("origin", "<f4", 3),
        ("map", "S4"),
        ("machst", "u1", 4),
        ("rms", "<f4"),
        ("nlabl", "<i4"),
        ("labels", "S80", 10),
    ]
)

IMOD_STAMP = 1146047817
SIGNED_BYTES = 1
RMS_UNKNOWN = 8
NIBBLES = 16

MODES = {0: "i1", 1: "<i2", 2: "<f4", 6: "<u2", 12: "<f2"}
REFUSED_MODES = {
    3: "complex integers",
    4: "complex numbers (a Fourier transform)",
    16: "RGB colours",
    101: "4-bit integers",
}


@dataclass(frozen=True)
class Header:
    """A header that has been found sane; ``fields`` is little-endian whatever the file is."""

    fields: np.void
    byte_order: Literal["<", ">"]
    notes: tuple[str, ...]

    @property
    def dtype(self) -> np.dtype:
        """Of the stored pixels, with byte order."""
        mode = int(self.fields["mode"])
        kind = "u1" if mode == 0 and self._bytes_are_unsigned else MODES[mode]
        return np.dtype(kind).newbyteorder(self.byte_order)

    @property
    def data_offset(self) -> int:
        return HEADER.itemsize + int(self.fields["nsymbt"])

    @property
    def data_bytes(self) -> int:
        return int(np.prod(self.fields["n"], dtype=object)) * self.dtype.itemsize

    @property
    def _bytes_are_unsigned(self) -> bool:
        # MRC2014 says signed; IMOD's flag says which; older files show it by a maximum beyond 127.
        if self.fields["imod_stamp"] == IMOD_STAMP:
            return not self.fields["imod_flags"] & SIGNED_BYTES
        return bool(self.fields["dmin"] >= 0 and 127 < self.fields["dmax"] <= 255)


def parse(raw: bytes, path: str) -> Header:
    """Make sense of the first 1024 bytes of a file; raises `MendemError` where there is none."""
    if len(raw) < HEADER.itemsize:
        raise MendemError(f"{path} is truncated: {len(raw)} bytes are less than an MRC header; copy it again")
    little = np.frombuffer(raw, HEADER)[0]
    big = np.frombuffer(raw, HEADER.newbyteorder(">")).astype(HEADER)[0]
    says_big = tuple(little["machst"][:2]) == (0x11, 0x11)
    notes = []
    order: Literal["<", ">"] = ">" if says_big else "<"
    fields = big if says_big else little
    if not _sane(fields):
        fields, order = (little, "<") if says_big else (big, ">")
        if not _sane(fields):
            _refuse(big if says_big else little, path)
        if little["machst"][0] in (0x11, 0x44):
            notes.append("The header states the wrong byte order; the one that makes sense was used.")
    if fields["map"][:3] != b"MAP":
        notes.append("The header lacks the letters MAP; it was read as an old MRC file.")
    mode = int(fields["mode"])
    header = Header(fields, order, ())
    if mode == 0 and fields["imod_stamp"] != IMOD_STAMP:
        kind = "unsigned, since the header's maximum is beyond 127" if header.dtype.kind == "u" else "signed"
        notes.append(f"8-bit pixels without a sign flag; they were read as {kind}.")
    if mode == 0 and fields["imod_stamp"] == IMOD_STAMP and fields["imod_flags"] & NIBBLES:
        raise MendemError(f"{path} holds 4-bit integers, which cannot be read; convert it to 8 bits (IMOD: newstack)")
    if not fields["dmin"] <= fields["dmax"] or fields["dmin"] == fields["dmax"] == 0 == fields["rms"]:
        notes.append("The header's statistics are not filled in.")
    return Header(fields, order, tuple(notes))


def _sane(fields: np.void) -> bool:
    return int(fields["mode"]) in MODES and _sizes_are_possible(fields) and int(fields["nsymbt"]) >= 0


def _sizes_are_possible(fields: np.void) -> bool:
    return all(0 < int(n) < 1 << 24 for n in fields["n"])


def _refuse(fields: np.void, path: str) -> None:
    mode = int(fields["mode"])
    sizes = tuple(int(n) for n in fields["n"])
    if fields["map"][:3] != b"MAP" and not _sizes_are_possible(fields):
        raise MendemError(f"{path} is not an MRC file: its header makes no sense in either byte order")
    if mode in REFUSED_MODES:
        raise MendemError(
            f"{path} holds {REFUSED_MODES[mode]} (MRC mode {mode}); convert it to real numbers, such as mode 2"
        )
    if mode not in MODES:
        raise MendemError(f"{path} states the pixel mode {mode}, which MRC does not have; its header is damaged")
    raise MendemError(
        f"{path} has a damaged header: {' x '.join(map(str, sizes))} pixels and an extended header of "
        f"{int(fields['nsymbt'])} bytes are not possible"
    )


def set_statistics(fields: np.void, bands: Iterable[np.ndarray]) -> None:
    """Fill in minimum, maximum, mean and standard deviation of the finite pixels, given in pieces."""
    count, mean, spread = 0, 0.0, 0.0
    low, high = np.inf, -np.inf
    for band in bands:
        values = band.astype(np.float64)
        if band.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if not values.size:
            continue
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        # Two pieces are joined by Chan's update, which does not cancel where the mean is far from zero.
        shift = float(values.mean()) - mean
        total = count + values.size
        spread += float(values.var()) * values.size + shift * shift * count * values.size / total
        mean += shift * values.size / total
        count = total
    if count:
        fields["dmin"], fields["dmax"], fields["dmean"], fields["rms"] = low, high, mean, np.sqrt(spread / count)
    else:
        # MRC2014's way to say that they are not determined.
        fields["dmin"], fields["dmax"], fields["dmean"], fields["rms"] = 0, -1, -2, -1
