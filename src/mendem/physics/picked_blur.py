"""A blur measured at a place that the user picks: a bead, which is a point, or an edge, which is a step.

Both are fitted to the pixels themselves. The slant of an edge samples its profile finer than the pixels do, which is
the idea of the slanted-edge method (ISO 12233); a profile that is integrated in closed form needs no derivative, which
would amplify the noise. A pixel is the mean over its area: its variance of 1/12 px² is taken off, because the restored
image has such pixels too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.physics.blur import STD_PER_FWHM
from mendem.physics.blur_estimate import BlurEstimate

#: Half the side of the first window about a bead, and of the largest, pixels; how often it is fitted to the bead.
FIRST, LARGEST, ROUNDS = 10, 40, 5
#: Variance of a pixel, of a disc of diameter 1, in their units squared.
PIXEL, DISC = 1 / 12, 1 / 16
#: What is fitted must exceed its standard error so many times, and its width be known to this share.
SIGNIFICANT, VAGUE = 5.0, 0.3
#: From this ratio of the axes on, if it is significant, a bead's picture is not taken for round.
ELONGATED = 1.2


@dataclass(frozen=True)
class _Bead:
    """Second moments (2, 2), the relative error of a width, the centre (y, x), and whether it stands out."""

    moments: np.ndarray
    error: float
    centre: tuple[float, float]
    found: bool

    @property
    def largest(self) -> float:
        """Standard deviation along the longest axis, pixels."""
        return sqrt(max(float(np.linalg.eigvalsh(self.moments)[-1]), 0.0))


def psf_from_bead(image: np.ndarray, y: float, x: float, diameter_px: float = 0.0) -> BlurEstimate:
    """The blur at a bright or dark bead: a Gaussian on a slanted ground, fitted to the pixels around it.

    Parameters
    ----------
    image
        (H, W), any real type.
    y, x
        About where the bead is, in pixels, pixel centres at whole numbers; the fit finds its centre.
    diameter_px
        Diameter of the bead, 0 for a point. Its part in the width is taken off: it should be below the blur.

    Raises
    ------
    MendemError
        Where there is no bead, or it is cut off by the border, or it is no wider than its diameter says.
    """
    pixels = _checked(image)
    place = f"at row {y:.0f}, column {x:.0f}"
    if not (0 <= y <= pixels.shape[0] - 1 and 0 <= x <= pixels.shape[1] - 1):
        raise MendemError(f"there is no pixel {place}; pick a bead inside the image")
    half = FIRST
    for _ in range(ROUNDS):
        fitted = _fit_bead(pixels, y, x, half, place)
        wanted = int(np.clip(round(3.5 * fitted.largest) + 3, 5, LARGEST))
        if abs(wanted - half) <= 1 or not fitted.found:
            break
        half, y, x = wanted, *fitted.centre
    if not fitted.found or fitted.largest > half / 2.5:
        raise MendemError(f"no bead was found {place}; pick the middle of a small bright or dark point on even ground")
    error = fitted.error
    moments = fitted.moments - (PIXEL + DISC * diameter_px**2) * np.eye(2)
    small, large = np.linalg.eigvalsh(moments)
    if small <= 0.05:
        raise MendemError(f"the bead {place} is no wider than a sharp one of its size; pick a smaller bead, or an edge")
    width = (small * large) ** 0.25
    grown = float(np.linalg.det(fitted.moments) ** 0.5) / width**2  # what was taken off makes the rest less certain
    fwhm, std = width / STD_PER_FWHM, error * grown * width / STD_PER_FWHM / sqrt(2)
    ratio = sqrt(large / small)
    round_one = ratio < ELONGATED or ratio - 1 < 5 * sqrt(2) * error * grown
    return BlurEstimate(float(fwhm), float(std), f"bead {place}", None if round_one else _picture(moments))


def psf_from_edge(
    image: np.ndarray, start: tuple[float, float], end: tuple[float, float], width_px: float | None = None
) -> BlurEstimate:
    """The blur at an edge that a line crosses: a step through a Gaussian, fitted to the pixels beside the line.

    The edge may be slanted against the line and slightly bent; its ground may rise on either side.

    Parameters
    ----------
    image
        (H, W), any real type.
    start, end
        Ends (y, x) of the line in pixels, pixel centres at whole numbers: on either side of the edge, in even ground.
    width_px
        How broad the band along the line is, pixels; half the length of the line, at least 8 when left out.

    Raises
    ------
    MendemError
        For a line below 6 pixels or outside the image, and where there is no edge, or it is as wide as the line.
    """
    pixels = _checked(image)
    (y0, x0), (y1, x1) = start, end
    length = hypot(y1 - y0, x1 - x0)
    place = f"from row {y0:.0f}, column {x0:.0f} to row {y1:.0f}, column {x1:.0f}"
    if length < 6:
        raise MendemError(f"the line {place} is {length:.1f} px long; draw one of at least 6 px across the edge")
    band = max(8.0, length / 2) if width_px is None else width_px
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(float)
    across = ((rows - (y0 + y1) / 2) * (y1 - y0) + (columns - (x0 + x1) / 2) * (x1 - x0)) / length
    beside = ((columns - (x0 + x1) / 2) * (y1 - y0) - (rows - (y0 + y1) / 2) * (x1 - x0)) / length
    inside = (np.abs(across) <= length / 2) & (np.abs(beside) <= band / 2) & np.isfinite(pixels)
    if inside.sum() < 0.5 * length * band:
        raise MendemError(f"the line {place} leaves the image; draw it across an edge inside")
    u, v, values = across[inside], beside[inside] / (band / 2), pixels[inside]
    lift = np.polyfit(u, values, 1)[0] * length
    step = lift if lift else float(np.std(values))
    starts = [[values.mean(), step, 0.0, 0.0, 0.0, sigma, 0.0] for sigma in (1.0, length / 10)]
    fits = (_least_squares(lambda p: _edge(p, u, v, length, band) - values, begin) for begin in starts)
    found = min(fits, key=lambda f: f.cost)
    residual = np.zeros(pixels.shape)
    residual[inside] = found.fun
    error = _errors(found, residual, inside)
    height, sigma = found.x[1], abs(found.x[5])
    if (
        abs(height) < SIGNIFICANT * error[1]
        or error[5] > VAGUE * max(sigma, 0.5)
        or abs(found.x[2]) > 0.4 * length
        or sigma > length / 4
    ):
        raise MendemError(
            f"no edge was found on the line {place}; draw it straight across a step between two even areas, at least "
            "three times as long as the step is wide"
        )
    left = sigma**2 - PIXEL
    if left <= 0.05:
        raise MendemError(f"the edge {place} is as sharp as pixels can show: there is no blur to undo")
    fwhm = sqrt(left) / STD_PER_FWHM
    return BlurEstimate(fwhm, float(error[5] * sigma / sqrt(left) / STD_PER_FWHM), f"edge {place}")


def _edge(p: np.ndarray, u: np.ndarray, v: np.ndarray, length: float, band: float) -> np.ndarray:
    """Mean level, height, place, slant and bend of the edge, width, slope of the ground; ``v`` from -1 to 1."""
    from scipy.special import ndtr

    level, height, place, slant, bend, sigma, slope = p
    distance = (u - place - slant * v - bend * v**2) / np.sqrt(1 + ((slant + 2 * bend * v) / (band / 2)) ** 2)
    return level + height * (ndtr(distance / max(abs(sigma), 1e-3)) - 0.5) + slope * u / length


def _fit_bead(pixels: np.ndarray, y: float, x: float, half: int, place: str) -> _Bead:
    """A Gaussian on a slanted ground, fitted to a window of 2 ``half`` + 1 pixels."""
    top, left = round(y) - half, round(x) - half
    rows, columns = slice(max(top, 0), round(y) + half + 1), slice(max(left, 0), round(x) + half + 1)
    stamp = pixels[rows, columns]
    if min(stamp.shape) < 1.4 * half:
        raise MendemError(f"the bead {place} is too near the border; pick one farther inside")
    good = np.isfinite(stamp)
    yy, xx = np.mgrid[rows.start : rows.start + stamp.shape[0], columns.start : columns.start + stamp.shape[1]]
    yy, xx, values = yy[good] - y, xx[good] - x, stamp[good]
    rim = np.hypot(yy, xx) > 0.75 * half
    ground = float(np.median(values[rim]))
    near = np.hypot(yy, xx) <= max(2.0, half / 4)
    peak = float(np.median(values[near])) - ground

    def model(p: np.ndarray) -> np.ndarray:
        amplitude, cy, cx, a, b, c, base, down, along = p  # the Cholesky factor of the precision: always positive
        dy, dx = yy - cy, xx - cx
        return amplitude * np.exp(-((a * dy) ** 2 + (b * dy + c * dx) ** 2) / 2) + base + down * yy + along * xx

    height = peak or float(values.std())
    starts = [[height, 0, 0, 1 / sigma, 0, 1 / sigma, ground, 0, 0] for sigma in (1.0, half / 5)]
    fit = min((_least_squares(lambda p: model(p) - values, start) for start in starts), key=lambda f: f.cost)
    residual = np.zeros(stamp.shape)
    residual[good] = fit.fun
    error = _errors(fit, residual, good)
    amplitude, cy, cx, a, b, c = fit.x[:6]
    precision = np.array([[a * a + b * b, b * c], [b * c, c * c]])
    if not abs(a * c) > 1e-6:
        return _Bead(np.eye(2), np.inf, (y, x), False)
    relative = sqrt((error[3] / a) ** 2 + (error[5] / c) ** 2) / sqrt(2)
    found = abs(amplitude) > SIGNIFICANT * error[0] and relative < VAGUE and hypot(cy, cx) < half / 2
    return _Bead(np.linalg.inv(precision), relative, (float(y + cy), float(x + cx)), bool(found))


def _picture(moments: np.ndarray) -> np.ndarray:
    """A Gaussian with these second moments, odd sides, sum 1."""
    half = int(np.ceil(3.5 * sqrt(np.linalg.eigvalsh(moments)[-1]))) + 1
    place = np.arange(-half, half + 1, dtype=float)
    at = np.stack(np.meshgrid(place, place, indexing="ij"), -1)
    picture = np.exp(-np.einsum("yxi,ij,yxj->yx", at, np.linalg.inv(moments), at) / 2)
    return picture / picture.sum()


def _checked(image: np.ndarray) -> np.ndarray:
    pixels = np.asarray(image)
    if pixels.ndim != 2 or np.iscomplexobj(pixels):
        raise MendemError(f"a blur is measured on one slice of real numbers, not on the shape {pixels.shape}")
    return pixels.astype(np.float64)


def _least_squares(residual: Callable[[np.ndarray], np.ndarray], start: Any) -> Any:
    from scipy.optimize import least_squares

    return least_squares(residual, np.asarray(start, float), x_scale="jac", max_nfev=400)


def _errors(fit: Any, residual: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Standard errors of the parameters, larger where neighbouring residuals are alike: those are no independent data.

    ``residual`` and ``known`` lie on the pixel grid.
    """
    power = float((residual**2).sum()) or 1e-300
    share = 0.0
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            moved = np.roll(residual, (dy, dx), (0, 1))
            share += float((residual * moved).sum()) / power
    free = max(int(known.sum()) - len(fit.x), 1)
    covariance = np.linalg.pinv(fit.jac.T @ fit.jac) * power / free * max(share, 1.0)
    return np.sqrt(np.maximum(np.diag(covariance), 1e-30))
