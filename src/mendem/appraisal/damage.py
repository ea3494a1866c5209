"""Pixels that look damaged: not finite, dead lines, and areas where the detector was saturated or saw nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Classes of ``Damage.labels``; 0 is kept.
LABELS = {1: "saturated", 2: "dead line", 3: "not finite"}

#: Smallest connected area at an extreme value that is no chance, pixels, and the pixels by which it is widened.
SMALLEST_AREA, WIDER = 64, 1


@dataclass(frozen=True)
class Damage:
    """What is proposed to be filled in.

    ``labels`` (height, width) uint8 has the classes of `LABELS`; ``found`` says in words how much of each.
    """

    labels: np.ndarray
    found: tuple[str, ...]


def propose_damage(x: np.ndarray) -> Damage:
    """A proposal for one slice (height, width) of real pixels, to be looked at: it errs on the side of keeping.

    Saturated are connected areas of `SMALLEST_AREA` pixels or more at the smallest or largest value, dead are rows and
    columns of one value.
    """
    from scipy import ndimage

    x = np.asarray(x)
    x = x.astype(np.float64) if x.dtype.kind != "f" else x
    finite = np.isfinite(x)
    labels = np.zeros(x.shape, np.uint8)
    if not finite.any() or np.ptp(x[finite]) == 0:
        return _counted(np.where(finite, labels, 3).astype(np.uint8))
    for extreme in (x[finite].min(), x[finite].max()):
        parts, count = ndimage.label(x == extreme)
        sizes = np.bincount(parts.ravel(), minlength=count + 1)
        large = sizes >= SMALLEST_AREA
        large[0] = False
        if large.any():
            labels[ndimage.binary_dilation(large[parts], iterations=WIDER)] = 1
    for axis in (0, 1):
        if x.shape[1 - axis] > 1:
            dead = np.ptp(np.where(finite, x, np.inf), axis=1 - axis) == 0
            labels[dead if axis == 0 else np.s_[:, dead]] = 2
    labels[~finite] = 3
    return _counted(labels)


def _counted(labels: np.ndarray) -> Damage:
    found = []
    for value, name in LABELS.items():
        count = int((labels == value).sum())
        if count:
            found.append(f"{name}: {100 * count / labels.size:.2g} % of the pixels")
    return Damage(labels, tuple(found))
