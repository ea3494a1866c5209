"""A first alignment: each tilt correlated with its neighbour, stretched by the ratio of their cosines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from mendem.tomography.align_field import faded
from mendem.tomography.align_tilts import ReducedTilts

#: Steepest ratio of cosines that is still stretched; beyond it views differ too much.
LARGEST_STRETCH = 2.0


def first_shifts(
    tilts: ReducedTilts, transforms: np.ndarray, angles_deg: Sequence[float], check: Callable[[], None]
) -> np.ndarray:
    """(tilts, 2): y and x in reduced pixels by which each tilt, laid by ``transforms``, is to be moved.

    Outwards from the lowest tilt, which stays. Correlated is what has 1 to about 20 cycles in an image, halfway to
    phase correlation, since noise has all the phases there are; shifts of up to a quarter of the image are looked for.
    """
    from scipy import ndimage

    laid = tilts.laid(transforms)
    rows, columns = tilts.shape
    window = np.outer(faded(rows), faded(columns))
    radius = np.hypot(np.fft.fftfreq(rows)[:, None] * rows, np.fft.rfftfreq(columns)[None] * columns)
    band = (radius > 0.5) * np.exp(-0.5 * (radius / 10) ** 2)
    cosines = np.abs(np.cos(np.radians(angles_deg)))
    middle = (columns - 1) / 2
    shifts = np.zeros((len(laid), 2))
    lowest = int(np.argmin(np.abs(angles_deg)))
    for way in (range(lowest + 1, len(laid)), range(lowest - 1, -1, -1)):
        before = lowest
        for k in way:
            check()
            known = ndimage.shift(laid[before], shifts[before], order=1, mode="nearest")
            # The tilt as it would look at its neighbour's angle, where the neighbour's shift would put it.
            ratio = min(max(cosines[k] / max(cosines[before], 1e-3), 1 / LARGEST_STRETCH), LARGEST_STRETCH)
            moved = ndimage.shift(laid[k], shifts[before], order=1, mode="nearest")
            seen = ndimage.affine_transform(moved, [1, ratio], [0, middle * (1 - ratio)], order=1, mode="nearest")
            cross = np.fft.rfft2(window * known) * np.fft.rfft2(window * seen).conj()
            cross *= band / np.sqrt(np.abs(cross) + 1e-9 * np.abs(cross).max())
            y, x = _peak(np.fft.irfft2(cross, (rows, columns)))
            shifts[k] = shifts[before] + [y, x * ratio]
            before = k
    return shifts


def _peak(surface: np.ndarray) -> tuple[float, float]:
    """(y, x) of the highest place within a quarter of the image, between pixels by a parabola along each axis."""
    rows, columns = surface.shape
    reach = [max(1, math.ceil(n / 4)) for n in surface.shape]
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in surface.shape)
    near = np.where((y[:, None] <= reach[0]) & (x[None] <= reach[1]), surface, -np.inf)
    top, left = np.unravel_index(int(near.argmax()), near.shape)

    def refined(low: float, high: float, beyond: float) -> float:
        curve = low - 2 * high + beyond
        return 0.5 * (low - beyond) / curve if curve < 0 else 0.0

    dy = refined(surface[top - 1, left], surface[top, left], surface[(top + 1) % rows, left])
    dx = refined(surface[top, left - 1], surface[top, left], surface[top, (left + 1) % columns])
    return (top + rows // 2) % rows - rows // 2 + dy, (left + columns // 2) % columns - columns // 2 + dx
