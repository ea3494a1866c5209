"""What MRC files say about their tilts: extended headers of FEI, SerialEM and others, and labels.

- ``FEI1`` and ``FEI2``: a record of 768 or 888 bytes for each section (Thermo Fisher, "MRC-2014 specifications").
- ``SERI``: short integers for each section, flags of which stand in the main header (IMOD, "MRC file format").
- Agard's and the older FEI format: integers, then reals, for each section; FEI has 1024 sections of 32 reals (ibid.).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mendem.io.mrc_header import HEADER
from mendem.io.tilt_mdoc import axis_angle, upright

#: Size of a FEI record -> the kind it belongs to.
FEI_RECORDS = {768: "FEI1", 888: "FEI2"}
#: Byte positions in a FEI record, and the bit of its mask that says whether the field is filled in.
FEI_FIELDS = {"dose": (92, 6), "alpha": (100, 7), "axis": (140, 12), "pixel": (156, 14)}

#: Flag in the main header -> bytes of the item in each section, in their order.
SERI_ITEMS = {1: 2, 2: 6, 4: 4, 8: 2, 16: 2, 32: 4, 64: 2, 128: 4, 256: 2, 512: 4, 1024: 2}

OLD_FEI_SECTIONS, OLD_FEI_REALS = 1024, 32


class HeaderTilts(NamedTuple):
    """None for what is not there: angles in degrees, dose in e/Å2, tilt axis angle as IMOD counts it, pixel in Å."""

    kind: str
    angles: tuple[float, ...] | None = None
    dose: tuple[float, ...] | None = None
    axis_angle: float | None = None
    pixel: float | None = None


def read(mrc: dict[str, Any], sections: int) -> HeaderTilts:
    """What ``Image.metadata["mrc"]`` of a stack of so many sections says; never fails, since headers are often junk."""
    axis = axis_angle(" ".join(mrc.get("labels", ())))
    raw, kind = mrc.get("extended_header", b""), mrc.get("exttyp", "").strip(" \0")
    found = HeaderTilts("")
    if len(mrc.get("header", b"")) == HEADER.itemsize and raw:
        header = np.frombuffer(mrc["header"], HEADER)[0]
        if kind in ("FEI1", "FEI2"):
            found = _fei(raw, sections)
        elif kind in ("", "SERI", "AGAR"):
            first_label = (mrc.get("labels") or [""])[0]
            found = _serialem(header, raw, sections) or _agard(header, raw, sections, first_label)
    # What a program wrote as a label is surer than what a microscope put into its records.
    return found if axis is None else found._replace(axis_angle=axis)


def _fei(raw: bytes, sections: int) -> HeaderTilts:
    for order in "<>":
        size = int(np.frombuffer(raw, f"{order}i4", 1)[0]) if len(raw) >= 4 else 0
        if size in FEI_RECORDS and len(raw) >= size * sections:
            break
    else:
        return HeaderTilts("")
    records = np.frombuffer(raw, np.uint8, size * sections).reshape(sections, size)
    mask = np.ascontiguousarray(records[:, 8:12]).view("<u4")[:, 0]

    def column(name: str) -> np.ndarray | None:
        start, bit = FEI_FIELDS[name]
        if not (mask >> np.uint32(bit) & 1).all():
            return None
        values = np.ascontiguousarray(records[:, start : start + 8]).view(f"{order}f8")[:, 0]
        return values if np.isfinite(values).all() else None

    dose, axis, pixel = column("dose"), column("axis"), column("pixel")
    return HeaderTilts(
        FEI_RECORDS[size],
        _angles(column("alpha")),
        tuple((dose * 1e-20).tolist()) if dose is not None and (dose > 0).all() else None,  # from e/m2
        upright(-float(axis[0])) if axis is not None else None,  # FEI counts clockwise
        _angstrom(float(pixel[0])) if pixel is not None else None,
    )


def _serialem(header: np.void, raw: bytes, sections: int) -> HeaderTilts | None:
    """None where the header does not say that SerialEM wrote it: the flags must add up to the size of a section."""
    for order in "<>":
        size, flags = (int(n) for n in np.frombuffer(bytes(header["extra2"])[16:20], f"{order}i2"))
        offsets, total = {}, 0
        for flag, length in SERI_ITEMS.items():
            if flags & flag:
                offsets[flag] = total
                total += length
        if flags > 0 and flags < 2048 and total == size:
            break
    else:
        return None
    if len(raw) < size * sections or 1 not in offsets:
        return HeaderTilts("SERI")
    shorts = np.frombuffer(raw, f"{order}i2", size // 2 * sections).reshape(sections, size // 2).astype(np.int64)
    dose = None
    if 32 in offsets:
        first, second = shorts[:, offsets[32] // 2], shorts[:, offsets[32] // 2 + 1]
        mantissa = np.sign(first) * (abs(first) * 256 + abs(second) % 256)
        dose = mantissa * 2.0 ** (np.sign(second) * (abs(second) // 256))
    return HeaderTilts(
        "SERI",
        _angles(shorts[:, 0] / 100),
        tuple(dose.tolist()) if dose is not None and (dose > 0).all() else None,
    )


def _agard(header: np.void, raw: bytes, sections: int, first_label: str) -> HeaderTilts:
    for order in "<>":
        integers, reals = (int(n) for n in np.frombuffer(bytes(header["extra2"])[16:20], f"{order}i2"))
        if (integers, reals) == (0, 0) and len(raw) >= OLD_FEI_SECTIONS * OLD_FEI_REALS * 4:
            reals = OLD_FEI_REALS
        width = integers + reals
        if integers < 0 or reals < 1 or width > 1024 or len(raw) < 4 * width * sections:
            continue
        values = np.frombuffer(raw, f"{order}f4", width * sections).reshape(sections, width)[:, integers:]
        angles = _angles(values[:, 0].astype(np.float64))
        if angles is None:
            continue
        axis = pixel = None
        if reals >= 12 and np.isfinite(values[0, 10:12]).all() and abs(values[0, 10]) <= 360:
            # FEI's own files count clockwise (IMOD: header).
            axis = upright(float(values[0, 10]) * (-1 if first_label.startswith("Fei ") else 1))
            pixel = _angstrom(float(values[0, 11]))
        return HeaderTilts("old FEI or Agard", angles, None, axis, pixel)
    return HeaderTilts("")


def _angles(values: np.ndarray | None) -> tuple[float, ...] | None:
    """Angles that can be such: finite, no more than half a turn, and not all the same (nor bytes in a wrong order)."""
    if values is None or not np.isfinite(values).all() or (abs(values) > 180).any():
        return None
    if (abs(values[values != 0]) < 1e-30).any() or (len(values) > 1 and (values == values[0]).all()):
        return None
    # Single precision shows digits that no stage has.
    return tuple(round(float(v), 4) for v in values)


def _angstrom(metres: float) -> float | None:
    return metres * 1e10 if 1e-12 < metres < 1e-6 else None
