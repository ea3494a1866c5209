"""Intensities along a line."""

from __future__ import annotations

import numpy as np

from mendem.errors import MendemError


def profile(x: np.ndarray, start: tuple[float, float], end: tuple[float, float], width: int = 1) -> np.ndarray:
    """Intensities at 0, 1, 2, … pixels from the start of a line, each the mean of ``width`` pixels across the line.

    Parameters
    ----------
    x
        (height, width).
    start, end
        (row, column) in pixels; pixel centres are at integer positions. The last value is at most a pixel before the
        end.
    width
        Whole number of pixels, one apart and symmetric about the line.

    Returns
    -------
    float64, linearly interpolated; NaN where nothing across the line lies inside the image and has a value.
    """
    if x.ndim != 2:
        raise MendemError(f"a line profile needs a single image of two dimensions, this has shape {x.shape}")
    if width != int(width) or width < 1:
        raise MendemError(f"the width of a line profile is {width}, but must be a whole number of pixels, at least 1")
    first, last = (np.asarray(point, np.float64) for point in (start, end))
    if not (np.isfinite(first).all() and np.isfinite(last).all()):
        raise MendemError("a line profile needs a start and an end of finite coordinates")
    length = float(np.hypot(*(last - first)))
    along = (last - first) / length if length else np.array([0.0, 1.0])
    across = np.array([-along[1], along[0]])
    steps = np.arange(int(length + 1e-9) + 1)
    offsets = np.arange(int(width)) - (width - 1) / 2
    places = first + steps[:, None, None] * along + offsets[:, None] * across
    values = interpolated(x, places[..., 0], places[..., 1])
    known = np.isfinite(values)
    counts = known.sum(1)
    sums = np.where(known, values, 0.0).sum(1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def interpolated(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Linear interpolation at any places: float64 of their shape, NaN outside the image.

    A neighbour of weight 0 does not count, whether or not it has a value.
    """
    height, width = x.shape
    near = 1e-9
    inside = (rows >= -near) & (rows <= height - 1 + near) & (columns >= -near) & (columns <= width - 1 + near)
    r, c = (np.clip(p, 0, n - 1) for p, n in ((rows, height), (columns, width)))
    top, left = np.floor(r + near).astype(int), np.floor(c + near).astype(int)
    down, right = (np.where(d < 1e-8, 0.0, d) for d in (r - top, c - left))
    total = np.zeros(np.broadcast_shapes(rows.shape, columns.shape))
    for i, weight_y in ((top, 1 - down), (np.minimum(top + 1, height - 1), down)):
        for j, weight_x in ((left, 1 - right), (np.minimum(left + 1, width - 1), right)):
            weight = weight_y * weight_x
            total += np.where(weight > 0, weight * np.where(weight > 0, x[i, j], 0.0), 0.0)
    return np.where(inside, total, np.nan)
