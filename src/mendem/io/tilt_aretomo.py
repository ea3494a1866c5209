"""AreTomo's and AreTomo2's alignments (``.aln``).

A row SEC ROT GMAG TX TY SMEAN SFIT SCALE BASE TILT for each tilt that was used, sorted by angle. ROT is the tilt axis
angle as IMOD counts it. A position p in the raw tilt, counted from the middle, comes to R (p - (TX, TY)), R being the
rotation that brings the axis upright; this is how AreTomo2 itself exports it to IMOD (CSaveXF.cpp). TILT includes the
AlphaOffset. SEC counts the sections of the stack that AreTomo was given, from 0 or from 1; in some versions it counts
what is left of them without the dark ones. `_places` tells which it is.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

import numpy as np

from mendem.errors import MendemError
from mendem.io.tilt_text import read_text, to_number

COLUMNS = 10
ENTRY = re.compile(r"#\s*(RawSize|DarkFrame|AlphaOffset|BetaOffset|NumPatches)\s*=\s*(.*)")


class Aln(NamedTuple):
    """In the order of the stack; dark tilts have the angle that AreTomo lists, axis 0 and no shift.

    ``raw_size`` is (tilts, rows, columns), ``axis_angles`` and ``angles`` in degrees, ``shifts`` (tilts, 2) as (y, x).
    """

    raw_size: tuple[int, int, int]
    angles: tuple[float, ...]
    axis_angles: np.ndarray
    shifts: np.ndarray
    dark: tuple[int, ...]
    notes: tuple[str, ...]


def read(path: str | os.PathLike) -> Aln:
    """Read a global alignment; `MendemError` where the file is none, or where it lacks sections."""
    path = os.fspath(path)
    entries, rows = _parse(path)
    size = entries["RawSize"][-1] if entries["RawSize"] else []
    if len(size) < 3 or any(n < 1 or n != int(n) for n in size):
        raise MendemError(f"{path} is not an alignment of AreTomo: it has no line '# RawSize = columns rows tilts'")
    if not rows:
        raise MendemError(f"{path} has no aligned tilts in it; align again, or give another file")
    tilts = int(size[2])
    table = np.array(rows)
    darks = {int(entry[1]): entry[2] for entry in entries["DarkFrame"] if len(entry) == 3}
    places, dark_places = _places([int(s) for s in table[:, 0]], list(darks), tilts, path)
    angles, axis, shifts = np.zeros(tilts), np.zeros(tilts), np.zeros((tilts, 2))
    angles[places], axis[places], shifts[places] = table[:, 9], table[:, 1], table[:, [4, 3]]
    angles[dark_places] = _dark_angles(list(darks.values()), table[:, 9], entries["AlphaOffset"])
    return Aln(
        (tilts, int(size[1]), int(size[0])),
        tuple(angles.tolist()),
        axis,
        shifts,
        tuple(sorted(dark_places)),
        tuple(_notes(entries, table)),
    )


def _parse(path: str) -> tuple[dict[str, list[list[float]]], list[tuple[float, ...]]]:
    """The numbers after each name of the header, and the rows of the global alignment."""
    entries: dict[str, list[list[float]]] = {
        name: [] for name in ("RawSize", "DarkFrame", "AlphaOffset", "BetaOffset", "NumPatches")
    }
    rows = []
    for count, line in enumerate(read_text(path).splitlines(), 1):
        line = line.strip()
        if line.startswith("#"):
            if "Local Alignment" in line:
                break
            if found := ENTRY.match(line):
                values = [to_number(word, path, count, "a number") for word in found[2].split()]
                if not np.isfinite(values).all():
                    raise MendemError(f"line {count} of {path} has a number that is not finite; align again")
                entries[found[1]].append(values)
        elif line:
            row = tuple(to_number(word, path, count, "a number of an alignment") for word in line.split())
            if len(row) != COLUMNS or not np.isfinite(row).all() or row[0] != int(row[0]):
                raise MendemError(f"line {count} of {path} is not a row of an AreTomo alignment, which has ten numbers")
            rows.append(row)
    return entries, rows


def _places(sections: list[int], darks: list[int], tilts: int, path: str) -> tuple[list[int], list[int]]:
    """Places in the stack, from 0, of the rows and of the dark tilts."""
    named = {*sections, *darks}
    if len(set(sections)) < len(sections):
        raise MendemError(f"{path} names a section twice; align again")
    if len(sections) + len(darks) == tilts == len(named):
        first = 1 if tilts in named else 0
        if min(named) == first and max(named) == tilts - 1 + first:
            return [s - first for s in sections], [d - first for d in darks]
    elif len(sections) + len(darks) == tilts:
        # Rows are counted without the dark tilts.
        first = min(sections)
        left = [s for s in range(first, tilts + first) if s not in darks]
        if first in (0, 1) and max(sections) - first == len(sections) - 1 and len(left) == len(sections):
            return [left[s - first] - first for s in sections], [d - first for d in darks]
    raise MendemError(
        f"{path} states {tilts} tilts and has {len(sections)} of them, numbered {min(sections)} to {max(sections)}, "
        f"and {len(darks)} dark ones; align again"
    )


def _dark_angles(listed: list[float], used: np.ndarray, offset: list[list[float]]) -> np.ndarray:
    """Angles of dark tilts with the offset, which some versions leave out: what fills the gaps best is right."""
    choices = [np.array(listed), np.array(listed) + (offset[-1][0] if offset and offset[-1] else 0.0)]
    return min(choices, key=lambda dark: np.diff(np.sort(np.concatenate([used, dark]))).max(initial=0))


def _notes(entries: dict[str, list[list[float]]], table: np.ndarray) -> list[str]:
    notes = []
    values = {name: entry[-1][0] for name, entry in entries.items() if entry and entry[-1]}
    if offset := values.get("AlphaOffset"):
        notes.append(f"The angles include AreTomo's offset of {offset:g}°.")
    if offset := values.get("BetaOffset"):
        notes.append(f"AreTomo's BetaOffset of {offset:g}°, a tilt about x, is not used.")
    if patches := values.get("NumPatches"):
        notes.append(f"The local alignment of {int(patches)} patches is not used, only the global one.")
    if (table[:, 2] != 1).any():
        notes.append("The column GMAG of the alignment is not used.")
    return notes
