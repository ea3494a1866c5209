"""Brightness and contrast of each section of a stack against its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Sections are compared with those up to so many away.
REACH = 3
#: Reduced copies are smoothed by this before they are compared, pixels; about so many of their pixels are looked at.
SMOOTH, PIXELS = 1.5, 16_000
#: Of two sections, the half of the pixels that agree best is taken, found in so many rounds.
AGREEING, ROUNDS = 0.5, 4


@dataclass(frozen=True, eq=False)
class Levels:
    """Course of contrast and brightness along the stack, relative to its first section.

    Attributes
    ----------
    log_gain
        (sections,) natural logarithm of the contrast.
    brightness
        (sections,) where a section shows what is at ``middle`` in the stack as a whole, less ``middle``.
    middle, spread
        Median of all, and the distance between their 0.5th and 99.5th percentile.
    """

    log_gain: np.ndarray
    brightness: np.ndarray
    middle: float
    spread: float


def section_levels(reduced: np.ndarray, shift: np.ndarray, at: np.ndarray, check: Callable[[], None]) -> Levels:
    """Contrast and brightness of the sections whose reduced copies (sections, rows, columns) are given.

    Pairs up to `REACH` apart are compared where they agree: the line through the pixels of both has the ratio of their
    standard deviations as its slope (reduced major axis), from the half of the pixels nearest to it. So what is in one
    section alone does not count. All pairs together give the course, by least squares.

    Parameters
    ----------
    shift
        (sections, 2) in reduced pixels; what lies at p in the first lies at p + shift - shift[0] in another.
    at
        (sections,) places along z.
    """
    from scipy.ndimage import gaussian_filter

    smooth: dict[int, np.ndarray] = {}
    medians = np.array([float(np.median(r[::3, ::3])) for r in reduced])
    middle = float(np.median(medians))
    low, high = np.percentile(reduced[:: max(1, len(reduced) // 32), ::3, ::3], [0.5, 99.5])
    pairs: list[tuple[int, int, float]] = []
    found: list[tuple[float, float, float]] = []
    for j in range(len(reduced)):
        check()
        smooth[j] = gaussian_filter(reduced[j], SMOOTH)
        smooth.pop(j - REACH - 1, None)
        for i in range(max(0, j - REACH), j):
            apart = at[j] - at[i]
            if apart <= REACH:
                pairs.append((i, j, 1.0 / apart))
                found.append(_pair(*_overlap(smooth[i], smooth[j], shift[j] - shift[i])))
    if not pairs:
        zero = np.zeros(len(reduced))
        return Levels(zero, zero, middle, float(high - low))
    slope, first, second = (np.array(f) for f in zip(*found, strict=True))
    log_gain = _course(pairs, np.log(slope), len(reduced))
    gain = np.exp(log_gain - np.median(log_gain))
    index = np.array([p[0] for p in pairs])
    other = np.array([p[1] for p in pairs])
    content = (first - medians[index]) / gain[index]
    brightness = _course(pairs, second - first - (gain[other] - gain[index]) * content, len(reduced))
    return Levels(log_gain, brightness, middle, float(high - low))


def _overlap(a: np.ndarray, b: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """About `PIXELS` pixels that both show; ``b`` has at p + shift what ``a`` has at p."""
    cuts: list[list[slice]] = [[], []]
    for axis, n in enumerate(a.shape):
        d = int(np.clip(np.rint(shift[axis]), -(n - 1), n - 1))
        cuts[0].append(slice(max(0, -d), n - max(0, d)))
        cuts[1].append(slice(max(0, d), n - max(0, -d)))
    a, b = a[tuple(cuts[0])], b[tuple(cuts[1])]
    step = max(1, int(np.sqrt(a.size / PIXELS)))
    return a[::step, ::step].ravel().astype(float), b[::step, ::step].ravel().astype(float)


def _pair(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Slope of ``b`` over ``a``, and the means of both, over the pixels where they agree."""
    keep = np.ones(a.shape, bool)
    for _ in range(ROUNDS):
        mean_a, mean_b = a[keep].mean(), b[keep].mean()
        spread_a, spread_b = max(a[keep].std(), 1e-30), max(b[keep].std(), 1e-30)
        away = np.abs((b - mean_b) / spread_b - (a - mean_a) / spread_a)
        keep = away <= np.quantile(away, AGREEING)
    return float(spread_b / spread_a), float(mean_a), float(mean_b)


def _course(pairs: list[tuple[int, int, float]], steps: np.ndarray, count: int) -> np.ndarray:
    """The course (count,) whose differences come nearest to ``steps``; 0 at its first section."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import spsolve

    first, second, weight = (np.array(p) for p in zip(*pairs, strict=True))
    number = np.arange(len(pairs))
    rows = np.r_[number, number]
    table = coo_matrix((np.r_[-weight, weight], (rows, np.r_[first, second])), (len(pairs), count)).tocsr()
    square = (table.T @ table).tolil()
    square.setdiag(square.diagonal() + 1e-9)
    course = spsolve(square.tocsc(), table.T @ (weight * steps))
    return np.asarray(course - course[0])
