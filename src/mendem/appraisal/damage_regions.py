"""Large coherent places that are nothing like the rest of a picture: torn, and folded."""

from __future__ import annotations

import numpy as np

#: Smoothing before anything is judged, pixels, so that noise does not count as range.
SMOOTH = 1.5
#: Share of the pixels that such places have together, and that each has at least.
LEAST, MOST, EACH = 0.002, 0.25, 0.002
#: A torn place is this much brighter than all the rest, in units of the range of the rest; a fold, which is told by its
#: shape too, is darker by less. What lies alone in real pictures without damage reaches 0.66, and dark bands 0.12.
TORN, FOLDED = 0.75, 0.2
#: At most so many places; around them, within so many pixels, lies this share of all that is as bright or dark: pores
#: come in all sizes, everywhere.
PLACES, AROUND, ALONE = 2, 16, 0.97
#: Pixels around a place that are not counted as the rest, since edges are soft; pixels by which it is widened.
RIM, WIDER = 6, 3
#: Slices are reduced to about so many pixels a side first.
REDUCED = 512
#: A fold runs over this share of the picture, and is so many times longer than wide.
SPAN, SLENDER = 0.8, 5.0


def odd_regions(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a slice is torn and where it is folded, (height, width) bool each; ``x`` is finite, floating point.

    A place counts where nothing else comes near its brightness: real phases, pores and nuclei have others of their
    kind, or intermediate values, somewhere in the picture. Dark holes are never proposed: they look as pores do.
    """
    from scipy import ndimage

    torn, folded = np.zeros(x.shape, bool), np.zeros(x.shape, bool)
    if min(x.shape) < 64:
        return torn, folded
    factor = max(1, max(x.shape) // REDUCED)
    height, width = (n // factor for n in x.shape)
    small = x[: height * factor, : width * factor].reshape(height, factor, width, factor).mean((1, 3), dtype=np.float64)
    smooth = ndimage.gaussian_filter(small, SMOOTH)
    index = np.ix_(*(np.minimum(np.arange(n) // factor, m - 1) for n, m in zip(x.shape, smooth.shape, strict=True)))
    for found, sign, least in ((torn, 1, TORN), (folded, -1, FOLDED)):
        for place in _apart(sign * smooth, least):
            if sign > 0 or _is_band(place):
                found |= ndimage.binary_dilation(place, iterations=WIDER)[index]
    return torn, folded


def _apart(smooth: np.ndarray, least: float) -> list[np.ndarray]:
    """The few bright places that are farthest from the rest, by at least so many times its range."""
    from scipy import ndimage

    best, places = least, np.zeros(smooth.shape, bool)
    low, high = np.percentile(smooth, [50, 99.9])
    for level in np.linspace(low, high, 26)[1:-1]:
        above = smooth > level
        if not LEAST < above.mean() < MOST:
            continue
        core = ndimage.binary_erosion(above, iterations=WIDER)
        rest = smooth[~ndimage.binary_dilation(above, iterations=RIM)]
        if core.sum() < 0.1 * LEAST * smooth.size or rest.size < 0.3 * smooth.size:
            continue
        bottom, top, highest = np.percentile(rest, [1, 99, 99.95])
        gap = float((np.percentile(smooth[core], 10) - highest) / max(top - bottom, 1e-30))
        if gap > best:
            large = _large(above)
            if large is not None:
                best, places = gap, large
    parts, count = ndimage.label(places)
    return [parts == i + 1 for i in range(count)]


def _large(above: np.ndarray) -> np.ndarray | None:
    """The large places of a class of pixels; None where there are too many, or others of the class elsewhere."""
    from scipy import ndimage

    parts, count = ndimage.label(above)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    big = sizes >= EACH * above.size
    big[0] = False
    if not 1 <= big.sum() <= PLACES:
        return None
    large = big[parts]
    around = ndimage.distance_transform_edt(~large) <= AROUND
    if (above & around).sum() < ALONE * above.sum():
        return None
    return large | (above & around)


def _is_band(place: np.ndarray) -> bool:
    """Whether a place is long, slender, and runs from one edge of the picture to another."""
    from scipy import ndimage

    rows, columns = np.nonzero(place)
    spans = [(np.ptp(i) + 1) / n for i, n in zip((rows, columns), place.shape, strict=True)]
    at_edges = sum(bool(edge.any()) for edge in (place[0], place[-1], place[:, 0], place[:, -1]))
    width = 2 * float(np.percentile(ndimage.distance_transform_edt(place)[place], 98))
    return max(spans) > SPAN and at_edges >= 2 and place.sum() / width**2 > SLENDER
