"""Lists of tilt angles: IMOD's ``.tlt`` and ``.rawtlt``, and AreTomo's with the order of acquisition and the dose.

One angle in degrees on each line, in the order of the stack; or all of them on one line. AreTomo's angle files may add
a second number, when the tilt was recorded, and a third, its dose in e/Å2 (AreTomo2 manual, ``-AngFile``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mendem.errors import MendemError
from mendem.io.tilt_text import read_rows, write_text

SUFFIXES = (".tlt", ".rawtlt", ".txt")


class AngleList(NamedTuple):
    """In the order of the stack: angles in degrees, place in the order of acquisition from 0, dose in e/Å2."""

    angles: tuple[float, ...]
    order: tuple[int, ...] | None = None
    dose: tuple[float, ...] | None = None


def read(path: str | os.PathLike) -> AngleList:
    """Read a list of angles; `MendemError` where it is none."""
    path = os.fspath(path)
    rows = read_rows(path, "an angle")
    if len(rows) == 1:
        return AngleList(rows[0])
    widths = {len(row) for row in rows}
    if widths == {1}:
        return AngleList(tuple(row[0] for row in rows))
    if widths <= {2, 3} and len(widths) == 1:
        order = _order([row[1] for row in rows])
        dose = tuple(row[2] for row in rows) if widths == {3} else None
        if order is not None and (dose is None or all(np.isfinite(d) and d >= 0 for d in dose)):
            return AngleList(tuple(row[0] for row in rows), order, dose if any(dose or ()) else None)
    raise MendemError(
        f"{path} has {' or '.join(str(n) for n in sorted(widths))} numbers on a line: give one angle a line "
        "(with a decimal point), or AreTomo's angle, order of acquisition and dose"
    )


def write(path: str | os.PathLike, angles: Sequence[float], overwrite: bool = False) -> None:
    """Write angles as IMOD does, one a line with two decimals, or as many more as they need, up to four."""
    write_text(path, text(angles), overwrite)


def text(angles: Sequence[float]) -> str:
    """What `write` writes."""
    decimals = next((d for d in (2, 3) if all(abs(round(a, d) - a) < 1e-6 for a in angles)), 4)
    # Adding zero turns -0.0, and what is rounded to it, into 0.
    return "".join(f"{round(a, decimals) + 0.0:8.{decimals}f}\n" for a in angles)


def _order(column: list[float]) -> tuple[int, ...] | None:
    """Places in the order of acquisition, from 0, or None where the numbers are not such: each once, from 0 or 1."""
    first = min(column)
    if first not in (0, 1) or sorted(column) != [first + i for i in range(len(column))]:
        return None
    return tuple(int(place - first) for place in column)
