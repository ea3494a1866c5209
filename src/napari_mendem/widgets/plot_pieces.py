"""Curves as what Qt draws fast."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QLineF


def segments(px: np.ndarray, py: np.ndarray) -> list[QLineF]:
    """The line between finite points, piece by piece; of many in a pixel's column, from the lowest to the highest.

    One long path that often crosses itself would take Qt's rasteriser a second.
    """
    found = []
    fine = np.isfinite(py)
    edges = np.flatnonzero(np.diff(np.r_[False, fine, False].astype(int)))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        x, y = px[start:end], py[start:end]
        if len(x) > 2 * (x[-1] - x[0]):
            first = np.flatnonzero(np.diff(np.r_[-1.0, np.floor(x)]))
            low, high = np.minimum.reduceat(y, first), np.maximum.reduceat(y, first)
            x, y = np.repeat(np.floor(x[first]) + 0.5, 2), np.stack([low, high], axis=1).ravel()
        ends = np.stack([x[:-1], y[:-1], x[1:], y[1:]], axis=1)
        found += [QLineF(*piece) for piece in ends.tolist()]
    return found


def columns(px: np.ndarray, up: np.ndarray, down: np.ndarray) -> list[QLineF]:
    """A band as one line down each column of pixels."""
    fine = np.isfinite(up) & np.isfinite(down)
    if not fine.any():
        return []
    x = np.arange(np.ceil(px[fine][0]), np.floor(px[fine][-1]) + 1)
    ends = np.stack([x, np.interp(x, px[fine], up[fine]), x, np.interp(x, px[fine], down[fine])], axis=1)
    return [QLineF(*piece) for piece in ends.tolist()]
