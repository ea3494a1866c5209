"""IMOD's alignments: ``.xf`` (a linear transformation for each tilt) and ``.xtilt`` (tilt about x for each tilt).

A line of an ``.xf`` has A11 A12 A21 A22 DX DY. With X, Y counted from the middle of the image, the raw position (X, Y)
comes to (A11 X + A12 Y + DX, A21 X + A22 Y + DY) in the aligned image (IMOD manual, newstack and tiltalign).
"""

from __future__ import annotations

import os

import numpy as np

from mendem.errors import MendemError
from mendem.io.tilt_text import read_rows, write_text


def read_xf(path: str | os.PathLike) -> np.ndarray:
    """Transformations (tilts, 2, 3), rows and columns in the order y, x: aligned = T[:, :2] @ raw + T[:, 2].

    Positions count from the middle of the image. Raises `MendemError` where a line has not six finite numbers, or
    describes an image that is squeezed to a line.
    """
    path = os.fspath(path)
    rows = read_rows(path, "a number of a transformation")
    for count, row in enumerate(rows, 1):
        if len(row) != 6:
            raise MendemError(f"{path} has {len(row)} numbers for tilt {count}, and an .xf file has six for each")
        if not np.isfinite(row).all() or row[0] * row[3] - row[1] * row[2] < 0.1:
            raise MendemError(f"{path} has a transformation for tilt {count} that cannot be: {row}; align again")
    values = np.array(rows, np.float64)
    found = np.empty((len(rows), 2, 3))
    found[:, 1, 1], found[:, 1, 0], found[:, 0, 1], found[:, 0, 0] = values[:, :4].T
    found[:, 1, 2], found[:, 0, 2] = values[:, 4:].T
    return found


def write_xf(path: str | os.PathLike, transforms: np.ndarray, overwrite: bool = False) -> None:
    """Write transformations (tilts, 2, 3) as of `read_xf`."""
    write_text(path, xf_text(transforms), overwrite)


def xf_text(transforms: np.ndarray) -> str:
    """What `write_xf` writes."""
    return "".join(
        f"{t[1, 1]:12.7f}{t[1, 0]:12.7f}{t[0, 1]:12.7f}{t[0, 0]:12.7f}{t[1, 2]:12.3f}{t[0, 2]:12.3f}\n"
        for t in transforms
    )


def read_xtilt(path: str | os.PathLike) -> tuple[float, ...]:
    """Tilts about x, in degrees, in the order of the stack; `MendemError` where a line has not one finite number."""
    path = os.fspath(path)
    rows = read_rows(path, "an angle")
    if any(len(row) != 1 or not np.isfinite(row[0]) for row in rows):
        raise MendemError(f"{path} is not a list of tilts about x: an .xtilt file has one number on each line")
    return tuple(row[0] for row in rows)
