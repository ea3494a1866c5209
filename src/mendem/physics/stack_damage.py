"""Places of a section that differ from both neighbours far more than these differ from each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mendem.physics.stack_report import DamagedArea

#: Reduced copies are smoothed by this, pixels, before they are compared.
SMOOTH = 2.0
#: A place stands out beyond this percentile of how much places of a typical section do, and by this share of the range
#: of the stack on average.
USUAL, STRONG = 99.0, 0.3
#: What stands out together, summed up, is this many times the largest such sum of most sections (at this percentile).
MASS, MOST = 10.0, 75.0
#: Least share of a section that is damage; pixels around it that are doubtful too.
LEAST, WIDER = 5e-4, 2


def damaged_places(
    reduced: np.ndarray, shift: np.ndarray, factor: int, shape: tuple[int, int], check: Callable[[], None]
) -> dict[int, DamagedArea]:
    """Folds, holes, tears, dust and charging, by section; those that are certain.

    The first and the last section have no neighbour on one side, where what they show may go on: none is found in them.

    Parameters
    ----------
    reduced
        (sections, rows, columns), means over ``factor`` x ``factor`` pixels, at one brightness and contrast.
    shift
        (sections, 2) in reduced pixels.
    shape
        Height and width of a section in pixels.
    """
    from scipy import ndimage

    count = len(reduced)
    if count < 6:
        return {}
    smooth = [ndimage.gaussian_filter(r, SMOOTH) for r in reduced]
    low, high = np.percentile(reduced[:: max(1, count // 32), ::3, ::3], [0.5, 99.5])

    def alone(i: int) -> np.ndarray:
        """By how much a section is above, or below, both neighbours."""
        first, second = (smooth[i] - _moved(smooth[j], shift[j] - shift[i]) for j in (i - 1, i + 1))
        return np.where(first * second > 0, np.minimum(np.abs(first), np.abs(second)), 0)

    usual = np.zeros(count)
    for i in range(1, count - 1):
        check()
        usual[i] = np.percentile(alone(i)[::2, ::2], USUAL)
    level = max(float(np.median(usual[1:-1])), 1e-6 * float(high - low))
    places, largest = [], np.zeros(count)
    for i in range(1, count - 1):
        check()
        out = alone(i)
        parts, number = ndimage.label(out > level)
        index = np.arange(1, number + 1)
        mass = ndimage.sum_labels(out, parts, index) if number else np.zeros(0)
        area = ndimage.sum_labels(np.ones_like(out), parts, index) if number else np.ones(0)
        largest[i] = mass.max() if number else 0.0
        for k in np.flatnonzero((area > LEAST * out.size) & (mass > STRONG * (high - low) * area)):
            places.append((i, float(mass[k]), parts == k + 1))
    found: dict[int, np.ndarray] = {}
    for i, mass_, place in places:
        if mass_ > MASS * float(np.percentile(largest[1:-1], MOST)):
            around = ndimage.binary_propagation(place, mask=alone(i) > 0.5 * level)
            wider = ndimage.binary_dilation(around, iterations=WIDER)
            found[i] = found.get(i, np.zeros(place.shape, bool)) | wider
    return {i: DamagedArea(cells, factor, shape) for i, cells in found.items()}


def _moved(section: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """``section[p + shift]`` at each p, whole pixels, its edge continued."""
    y, x = (np.clip(np.arange(n) + int(np.rint(d)), 0, n - 1) for n, d in zip(section.shape, shift, strict=True))
    return section[np.ix_(y, x)]
