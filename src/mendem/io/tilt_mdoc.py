"""SerialEM's ``.mdoc``: what the microscope noted for each tilt. Tomography 5 and others write the same format.

Keys and sections are those of "File Formats" in SerialEM's help; `axis_angle` says what is known of the tilt axis.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mendem.errors import MendemError
from mendem.io.tilt_text import read_text, to_number

SECTION = re.compile(r"\[\s*ZValue\s*=\s*(.*?)\s*\]")
TITLE = re.compile(r"\[\s*T\s*=\s*(.*)\]")
#: SerialEM and IMOD write "Tilt axis angle", Tomography 5 writes "TiltAxisAngle" and means another angle.
SERIALEM_AXIS = re.compile(r"tilt axis angle\s*=\s*([+-]?\d+\.?\d*)", re.ASCII | re.IGNORECASE)
TOMOGRAPHY_AXIS = re.compile(r"TiltAxisAngle\s*=\s*([+-]?\d+\.?\d*)", re.ASCII | re.IGNORECASE)
TIME = re.compile(r"(\d+)-([A-Za-z]{3})-(\d+)\s+(\d+):(\d+):(\d+)", re.ASCII)
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()


class Mdoc(NamedTuple):
    """In the order of the sections' Z values, which is that of the stack; None for what the file does not say.

    Angles in degrees; ``order`` is the place in the order of acquisition, from 0, by date or by the dose before;
    ``dose`` in e/Å2; ``axis_angle`` in degrees, as IMOD counts it; ``pixel`` in Å.
    """

    sections: int
    angles: tuple[float, ...] | None
    order: tuple[int, ...] | None
    dose: tuple[float, ...] | None
    axis_angle: float | None
    pixel: float | None


def read(path: str | os.PathLike) -> Mdoc:
    """Read the sections of a tilt series; `MendemError` where the file has none, or they cannot be told apart."""
    path = os.fspath(path)
    top, titles, sections = _parse(path)
    if not sections:
        raise MendemError(f"{path} has no [ZValue = …] sections: give the .mdoc of the tilt series, not of its frames")
    tilts = [sections[z] for z in sorted(sections)]

    def column(key: str) -> list[float] | None:
        found = [tilt.get(key) for tilt in tilts]
        values = [to_number(v[0].split()[0], path, v[1], f"a number for {key}") for v in found if v and v[0].split()]
        return values if len(values) == len(tilts) and np.isfinite(values).all() else None

    dose, prior, pixels = column("ExposureDose"), column("PriorRecordDose"), column("PixelSpacing")
    angles, rotations = column("TiltAngle"), column("RotationAngle")
    pixel = pixels[0] if pixels else None
    if pixel is None and "PixelSpacing" in top:
        pixel = to_number(*_first_word(top["PixelSpacing"], path), "a number for PixelSpacing")
    times = [_seconds(tilt.get("DateTime", ("", 0))[0]) for tilt in tilts]
    order = _places(times) or _places(prior)
    return Mdoc(
        len(tilts),
        tuple(angles) if angles else None,
        order,
        tuple(dose) if dose and min(dose) > 0 else None,
        axis_angle(" ".join(titles), rotations[0] if rotations else None),
        pixel if pixel is not None and np.isfinite(pixel) and pixel > 0 else None,
    )


def axis_angle(titles: str, rotation: float | None = None) -> float | None:
    """The tilt axis angle as IMOD counts it, from title lines of an .mdoc or labels of an MRC file.

    SerialEM writes it so, and ``RotationAngle`` (``rotation``) is 90° more. Versions of Tomography 5 write
    ``TiltAxisAngle`` in three ways, which IMOD's ``header`` tells by ``RotationAngle``; None where that fails.
    """
    if found := SERIALEM_AXIS.search(titles):
        return upright(float(found[1]))
    if not (found := TOMOGRAPHY_AXIS.search(titles)):
        return None if rotation is None else upright(rotation - 90)
    if rotation is None:
        return None
    stated = float(found[1])
    for expected, angle in ((-rotation - 90, rotation), (rotation - 90, stated), (90 - rotation, -stated)):
        if abs(upright(stated - expected)) < 0.11:  # the title has one decimal
            return upright(angle)
    return None


def upright(angle: float) -> float:
    """The same direction within -180 (not included) and 180 degrees."""
    return angle if -180 < angle <= 180 else 180.0 - (180.0 - angle) % 360.0


def _parse(path: str) -> tuple[dict[str, tuple[str, int]], list[str], dict[int, dict[str, tuple[str, int]]]]:
    """Entries before the first section, title lines, and the entries of each section by its Z value.

    An entry is a value and the number of its line.
    """
    top: dict[str, tuple[str, int]] = {}
    titles: list[str] = []
    sections: dict[int, dict[str, tuple[str, int]]] = {}
    current: dict[str, tuple[str, int]] = top
    for count, line in enumerate(read_text(path).splitlines(), 1):
        line = line.strip()
        if title := TITLE.match(line):
            titles.append(title[1])
        elif section := SECTION.match(line):
            if not re.fullmatch(r"\d{1,6}", section[1], re.ASCII):
                raise MendemError(f"line {count} of {path} has the Z value {section[1][:40]!r}, which is not a count")
            z = int(section[1])
            if z in sections:
                raise MendemError(f"{path} has two sections [ZValue = {z}]; remove the one that was recorded in vain")
            current = sections[z] = {}
        elif line.startswith("["):
            current = {}  # sections of another kind, such as montages
        elif "=" in line:
            key, _, value = line.partition("=")
            current[key.strip()] = (value.strip(), count)
    return top, titles, sections


def _first_word(entry: tuple[str, int], path: str) -> tuple[str, str, int]:
    return (entry[0].split() or [""])[0], path, entry[1]


def _seconds(text: str) -> float | None:
    """Seconds of a date such as ``30-Nov-15  15:21:38``, on a scale of its own."""
    found = TIME.fullmatch(text.strip())
    if not found or found[2].lower() not in MONTHS:
        return None
    day, year, hour, minute, second = (int(found[i]) for i in (1, 3, 4, 5, 6))
    days = (year % 100 * 12 + MONTHS.index(found[2].lower())) * 31 + day
    return ((days * 24 + hour) * 60 + minute) * 60.0 + second


def _places(values: Sequence[float | None] | None) -> tuple[int, ...] | None:
    """Rank of each value; None where one is missing or two are the same."""
    known = [value for value in values or () if value is not None]
    if not values or len(known) < len(values) or len(set(known)) < len(known):
        return None
    return tuple(int(i) for i in np.argsort(np.argsort(known)))
