"""Interpolation and Wiener filters, the baselines of the tasks; where there is a choice, the truth makes it.

Pixels are areas, their centres at half-integers of the edges: the mean over k pixels lies at k i + (k - 1) / 2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.metrics import climb, psnr

#: Steps in which the strength of a Wiener filter is looked for.
STEP = 1.4


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


def wiener(y: np.ndarray, std: float, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Wiener filters against a Gaussian blur (standard deviation ``std`` px), each at the strength best for the truth.

    One takes the signal for white, the other for falling with the square of the frequency. On the mirrored image, twice
    as large, so that nothing wraps around; exact for an image that was mirrored when it was blurred.
    """
    height, width = y.shape
    mirrored = np.block([[y, y[:, ::-1]], [y[::-1], y[::-1, ::-1]]])
    f2 = np.fft.fftfreq(2 * height)[:, None] ** 2 + np.fft.rfftfreq(2 * width)[None] ** 2
    transfer = np.exp(-2 * np.pi**2 * std**2 * f2)
    spectrum = np.fft.rfft2(mirrored)

    def filtered(k: float, inverse_power: np.ndarray) -> np.ndarray:
        x = np.fft.irfft2(spectrum * transfer / (transfer**2 + k * inverse_power), s=mirrored.shape)
        return x[:height, :width]

    powers: dict[str, tuple[np.ndarray, float]] = {"flat": (np.ones_like(f2), 1e-2), "falling": (f2, 1.0)}
    results = {}
    for name, (inverse, start) in powers.items():
        score: Callable[[float], float] = lambda k, inverse=inverse: psnr(filtered(k, inverse), truth)  # noqa: E731
        k, _ = climb(score, start, STEP, most=20)
        results[f"Wiener, {name} spectrum"] = filtered(k, inverse)
    return results
