"""Width of thin, long structures, as membranes are in section: full width at half maximum across ridges.

Ridges are found at several scales by the second derivatives of the smoothed image (Lindeberg, Int. J. Comput. Vis. 30
(1998) 117-156, with gamma = 3/4, for which the scale that answers most is the width of a Gaussian ridge). Their widths
are read from the image itself, not from what was smoothed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mendem.appraisal.line_profile import interpolated

#: Standard deviations in pixels of the ridges that are looked for.
SCALES = (1.0, 1.5, 2.2, 3.3, 5.0)
#: A ridge stands out of white noise by so much, is so much stronger along than across, and is one of the strongest.
OVER_NOISE, ELONGATION, STRONGEST = 6.0, 3.0, 0.3
#: Ridge points that are measured, at most and at least; pixels along the ridge over which a profile is averaged; the
#: smallest length of a ridge (pixels, and in its standard deviations), since ridges of noise are short.
MOST, FEWEST, ALONG, LONG, LONG_FOR_ITS_WIDTH = 600, 50, 9, 24, 8


class Ridges(NamedTuple):
    """Points on the middle lines of ridges: places (N, 2), unit vectors across (N, 2), scales (N,); all in pixels."""

    places: np.ndarray
    across: np.ndarray
    scales: np.ndarray


class Width(NamedTuple):
    """The median full width at half maximum and its spread (half of the interquartile range), in pixels; the number
    of places; where the width is None, why."""

    median: float | None
    spread: float | None
    number: int
    reason: str = ""


def find_ridges(x: np.ndarray, dark: bool) -> Ridges:
    """The ridges (dark lines where ``dark``) that stand out of the noise of an image (height, width)."""
    from scipy import ndimage

    finite = np.isfinite(x)
    nowhere = Ridges(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0))
    if min(x.shape) < 32 or finite.mean() < 0.5:
        return nowhere
    u = np.where(finite, x, np.median(x[finite])).astype(np.float64)
    u = (u - u.mean()) / (u.std() or 1.0) * (-1 if dark else 1)
    # White noise through this stencil has 6 times its standard deviation (Immerkaer 1996).
    stencil = np.outer([1, -2, 1], [1, -2, 1])
    noise = float(np.median(np.abs(ndimage.convolve(u, stencil)))) / 0.6745 / 6
    best = np.zeros(u.shape)
    scale, angle, elongated = np.zeros(u.shape), np.zeros(u.shape), np.zeros(u.shape, bool)
    for s in SCALES:
        yy, xx, xy = (ndimage.gaussian_filter(u, s, order) for order in ((2, 0), (0, 2), (1, 1)))
        middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
        sharpest, other = middle - half, middle + half
        answer = np.maximum(-sharpest, 0) * s**1.5
        # White noise of deviation 1 has a second derivative of deviation sqrt(3 / 16 pi) / s³.
        answer[-sharpest < OVER_NOISE * noise * 0.244 / s**3] = 0
        wins = answer > best
        best = np.where(wins, answer, best)
        scale[wins] = s
        angle[wins] = (0.5 * np.arctan2(2 * xy, yy - xx) + np.pi / 2)[wins]  # of the most negative curvature, from y
        elongated[wins] = (-sharpest > ELONGATION * np.abs(other))[wins]
    across = np.stack([np.cos(angle), np.sin(angle)], -1)
    rows, columns = np.nonzero((best > 0) & elongated & ndimage.binary_erosion(finite, iterations=2))
    places, normals = np.stack([rows, columns], -1).astype(float), across[rows, columns]
    middle_value = best[rows, columns]
    crest = np.ones(len(rows), bool)
    for side in (-1, 1):
        beside = places + side * normals
        crest &= middle_value >= np.nan_to_num(interpolated(best, beside[:, 0], beside[:, 1]))
    crest &= _long(rows[crest], columns[crest], scale, crest)
    reach = _reach(scale[rows, columns]) + ALONG
    border = np.min([rows, columns, x.shape[0] - 1 - rows, x.shape[1] - 1 - columns], axis=0)
    kept = np.flatnonzero(crest & (border > reach))
    if not len(kept):
        return nowhere
    kept = kept[middle_value[kept] >= STRONGEST * np.percentile(middle_value[kept], 95)]
    kept = kept[np.linspace(0, len(kept) - 1, min(len(kept), MOST)).astype(int)]
    return Ridges(places[kept], normals[kept], scale[rows, columns][kept])


def _long(rows: np.ndarray, columns: np.ndarray, scale: np.ndarray, crest: np.ndarray) -> np.ndarray:
    """Which of the points lie on a connected crest that is long enough; of the length of ``crest``."""
    from scipy import ndimage

    drawn = np.zeros(scale.shape, bool)
    drawn[rows, columns] = True
    label, count = ndimage.label(drawn, np.ones((3, 3)))
    mine = label[rows, columns]
    length = np.bincount(mine, minlength=count + 1)[mine]
    kept = np.zeros(len(crest), bool)
    kept[crest] = length >= np.maximum(LONG, LONG_FOR_ITS_WIDTH * scale[rows, columns])
    return kept


def ridge_width(x: np.ndarray, ridges: Ridges, dark: bool) -> Width:
    """The width of ridges in an image (height, width): half way between the crest and the lower of its feet."""
    if len(ridges.places) < FEWEST:
        return Width(
            None, None, len(ridges.places), f"fewer than {FEWEST} places on long lines that stand out of the noise"
        )
    found = []
    for s in np.unique(ridges.scales):
        mine = ridges.scales == s
        found.append(_widths(x, ridges.places[mine], ridges.across[mine], s, dark))
    widths = np.concatenate(found)
    widths = widths[np.isfinite(widths)]
    if len(widths) < FEWEST:
        return Width(None, None, len(widths), f"fewer than {FEWEST} places fall to half of their height on both sides")
    low, median, high = np.percentile(widths, [25, 50, 75])
    return Width(float(median), float(high - low) / 2, len(widths))


def _reach(scale: np.ndarray | float) -> np.ndarray:
    """How far a profile goes to each side, in pixels."""
    return np.ceil(3.5 * np.asarray(scale)) + 1


def _cubic(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Cubic spline interpolation, which broadens a line less than a linear one; NaN beside pixels without a value."""
    from scipy import ndimage

    finite = np.isfinite(x)
    filled = np.where(finite, x, np.median(x[finite])).astype(np.float64)
    values = ndimage.map_coordinates(filled, [rows, columns], order=3, mode="nearest")
    if finite.all():
        return values
    return np.where(ndimage.map_coordinates((~finite).astype(float), [rows, columns], order=1) > 0, np.nan, values)


def _widths(x: np.ndarray, places: np.ndarray, across: np.ndarray, scale: float, dark: bool) -> np.ndarray:
    """One width for each place; NaN where a profile does not fall to half on both sides."""
    step, reach = 0.25, float(_reach(scale))
    t = np.arange(-reach, reach + step / 2, step)
    along = np.stack([-across[:, 1], across[:, 0]], -1)
    s = np.arange(ALONG) - (ALONG - 1) / 2
    at = places[:, None, None] + t[:, None, None] * across[:, None, None] + s[:, None] * along[:, None, None]
    values = _cubic(x, at[..., 0], at[..., 1]) * (-1 if dark else 1)
    profiles = values.mean(-1)
    centre = len(t) // 2
    near = np.abs(t) <= max(1.0, 0.5 * scale)
    found = np.full(len(places), np.nan)
    for i, p in enumerate(profiles):
        if not np.isfinite(p).all():
            continue
        peak = np.flatnonzero(near)[0] + int(np.argmax(p[near]))
        feet = p[:centre].min(), p[centre:].min()
        sides = []
        for half, foot in ((p[peak::-1], feet[0]), (p[peak:], feet[1])):
            level = (p[peak] + foot) / 2
            under = np.flatnonzero(half < level)
            if len(under):
                k = under[0]
                sides.append((k - 1 + (half[k - 1] - level) / (half[k - 1] - half[k])) * step)
        if len(sides) == 2:
            found[i] = sum(sides)
    return found
