"""Interpolation: the baselines of larger pixels and of missing rows.

Pixels are areas, their centres at half-integers of the edges: the mean over k pixels lies at k i + (k - 1) / 2.
"""

from __future__ import annotations

import numpy as np


def cubic_spline(y: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
    """Means over blocks magnified by SciPy's cubic B-spline (``grid_mode``: pixels are areas; edges repeated)."""
    from scipy.ndimage import zoom

    return zoom(y, factors, order=3, mode="nearest", grid_mode=True)


def bicubic(y: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
    """The same by Keys' cubic convolution (a = -1/2, as in MATLAB and Pillow; torch's antialiased mode has it)."""
    import torch
    from torch.nn import functional as F

    size = tuple(n * k for n, k in zip(y.shape, factors, strict=True))
    x = torch.from_numpy(np.ascontiguousarray(y, np.float64))[None, None]
    return F.interpolate(x, size=size, mode="bicubic", align_corners=False, antialias=True)[0, 0].numpy()


def magnified(y: np.ndarray, factors: tuple[int, int]) -> dict[str, np.ndarray]:
    """Both by name."""
    return {"bicubic": bicubic(y, factors), "cubic spline": cubic_spline(y, factors)}


def between_rows(y: np.ndarray, step: int) -> dict[str, np.ndarray]:
    """Rows at 0, step, 2 step, … and what linear and cubic interpolation put between them; ends with a measured row."""
    from scipy.interpolate import CubicSpline, interp1d

    places = np.arange(len(y)) * step
    rows = np.arange(places[-1] + 1)
    cubic = CubicSpline(places, y, axis=0) if len(y) > 3 else interp1d(places, y, axis=0, kind="quadratic")
    return {"linear": interp1d(places, y, axis=0)(rows), "cubic spline": cubic(rows)}
