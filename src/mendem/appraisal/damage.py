"""Pixels that look damaged: not finite, dead lines, saturated areas, charged rows, torn and folded places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mendem.appraisal.damage_regions import odd_regions
from mendem.appraisal.damage_rows import charged_rows

#: Classes of ``Damage.labels``; 0 is kept.
LABELS = {1: "saturated", 2: "dead line", 3: "not finite", 4: "torn", 5: "folded", 6: "charged"}

#: Smallest connected area at an extreme value that is no chance, pixels, and the pixels by which it is widened.
SMALLEST_AREA, WIDER = 64, 1
#: An extreme value stands alone where the values next to it, up to this share of the range, have this share of its
#: pixels at most: dark pores and bright grains that touch the end of the scale do not.
BESIDE, ALONE = 0.05, 0.5


@dataclass(frozen=True)
class Damage:
    """What is proposed to be filled in.

    ``labels`` (height, width) uint8 has the classes of `LABELS`; ``found`` says in words how much of each.
    """

    labels: np.ndarray
    found: tuple[str, ...]


def propose_damage(x: np.ndarray) -> Damage:
    """A proposal for one slice (height, width) of real pixels, to be looked at: it errs on the side of keeping.

    Saturated are connected areas of `SMALLEST_AREA` pixels or more at a smallest or largest value that stands alone;
    dead are rows and columns of one value; charged, torn and folded see `charged_rows` and `odd_regions`.
    """
    x = np.asarray(x)
    x = x.astype(np.float64) if x.dtype.kind != "f" else x
    finite = np.isfinite(x)
    labels = np.zeros(x.shape, np.uint8)
    if not finite.any() or np.ptp(x[finite]) == 0:
        return _counted(np.where(finite, labels, 3).astype(np.uint8))
    labels[_saturated(x, finite)] = 1
    for axis in (0, 1):
        if x.shape[1 - axis] > 1:
            dead = np.ptp(np.where(finite, x, np.inf), axis=1 - axis) == 0
            labels[dead if axis == 0 else np.s_[:, dead]] = 2
    labels[~finite] = 3
    kept = _without(x, labels > 0)
    torn, folded = odd_regions(kept)
    for value, where in ((4, torn), (5, folded), (6, charged_rows(kept))):
        labels[where & (labels == 0)] = value
    return _counted(labels)


def _saturated(x: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """Large areas at an extreme value that next to nothing else comes near."""
    from scipy import ndimage

    found = np.zeros(x.shape, bool)
    values = x[finite]
    beside = BESIDE * float(np.ptp(np.percentile(values, [1, 99]))) or BESIDE * float(np.ptp(values))
    for extreme in (values.min(), values.max()):
        parts, count = ndimage.label(x == extreme)
        sizes = np.bincount(parts.ravel(), minlength=count + 1)
        large = sizes >= SMALLEST_AREA
        large[0] = False
        near = (np.abs(values - extreme) < beside).sum() - (values == extreme).sum()
        if large.any() and near < ALONE * sizes[large].sum():
            found |= ndimage.binary_dilation(large[parts], iterations=WIDER)
    return found


def _without(x: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """The picture with the nearest kept pixel of the same column, where there is one, in place of bad ones."""
    if not bad.any():
        return x
    kept = np.where(bad, np.nan, x)
    middle = float(np.nanmedian(kept)) if (~bad).any() else 0.0
    rows = np.arange(len(x))[:, None]
    above = np.maximum.accumulate(np.where(bad, -1, rows), axis=0)
    filled = np.take_along_axis(x, np.maximum(above, 0), axis=0)
    return np.where(bad, np.where(above >= 0, filled, middle), x)


def _counted(labels: np.ndarray) -> Damage:
    found = []
    for value, name in LABELS.items():
        count = int((labels == value).sum())
        if count:
            found.append(f"{name}: {100 * count / labels.size:.2g} % of the pixels")
    return Damage(labels, tuple(found))
