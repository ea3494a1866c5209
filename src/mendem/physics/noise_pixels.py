"""Which pixels to look at, and which of them do not tell anything about the noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image

_WINDOWS = 16
_WHOLE = 1_200_000  # pixels of a slice that are read at once
_PLANES = 4


def sample_windows(image: Image, planes: Sequence[int] | None, seed: int) -> list[np.ndarray]:
    """At most 16 windows of 256² (or the few whole slices), in the native dtype; reads nothing else.

    Windows are the centres of a regular grid, moved inside their cell by ``seed`` where that is not 0.
    """
    count = image.plane_count
    if planes is None:
        spread = np.linspace(0, count - 1, min(_PLANES, count) + 2).round()[1:-1]
        planes = [count // 2] if count < 3 else [int(p) for p in spread]
    planes = [int(p) for p in planes]
    if not planes or any(not 0 <= p < count for p in planes):
        raise MendemError(f"{image.source or 'the image'} has slices 0 to {count - 1}; asked for {planes}")
    planes = list(dict.fromkeys(planes))[:_WINDOWS]
    height, width = image.plane_shape
    if height * width * len(planes) <= _WHOLE:
        return [image.read(p) for p in planes]
    side = 512 if len(planes) == 1 and height * width <= 4 * _WHOLE else 256
    sides = min(side, height), min(side, width)
    share = max(1, (4 if side == 512 else _WINDOWS) // len(planes))
    across = max(1, min(int(np.ceil(np.sqrt(share * width / height))), share, int(np.ceil(width / sides[1]))))
    down = max(1, min(share // across, int(np.ceil(height / sides[0]))))
    rng = np.random.default_rng(seed)
    windows = []
    for plane in planes:
        for i in range(down):
            for j in range(across):
                move = rng.uniform(-0.5, 0.5, 2) if seed else np.zeros(2)
                y = int(np.clip((i + 0.5 + 0.5 * move[0]) * height / down - sides[0] / 2, 0, height - sides[0]))
                x = int(np.clip((j + 0.5 + 0.5 * move[1]) * width / across - sides[1] / 2, 0, width - sides[1]))
                windows.append(image.read(plane, slice(y, y + sides[0]), slice(x, x + sides[1])))
    return windows


def quantisation_step(values: np.ndarray) -> float:
    """Distance between neighbouring grey levels; 0 for values that are not on a grid."""
    sample = values[:: max(1, values.size // 50000)]
    levels = np.unique(sample)
    if levels.size < 2 or levels.size > 0.5 * sample.size and not np.all(levels == np.round(levels)):
        return 0.0
    step = float(np.diff(levels).min())
    multiples = (levels - levels[0]) / step
    return step if np.all(np.abs(multiples - np.round(multiples)) < 0.01) else 0.0


def unusable_pixels(image: np.ndarray, dtype: np.dtype | None) -> np.ndarray:
    """True where a pixel is not finite, saturated, or a hot or dead pixel on its own.

    Saturated means at the end of the integer type, or at the end of the data where more pixels lie than the
    distribution next to it explains. Hot means farther from the median of its 3x3 neighbourhood than eight robust
    standard deviations of such distances (Gaussian noise does that once in 1e15).
    """
    from scipy.ndimage import median_filter

    bad = ~np.isfinite(image)
    good = image[~bad]
    if good.size == 0:
        return bad
    ends = [good.min(), good.max()]
    margin = 0.02 * (ends[1] - ends[0])
    integer = dtype is not None and np.issubdtype(dtype, np.integer)
    limits = (np.iinfo(dtype).min, np.iinfo(dtype).max) if integer else ()
    for end in ends:
        at = image == end
        many = at.sum()
        near = ((np.abs(image - end) <= margin) & ~at).sum()
        type_end = end in limits
        if many > max(0.001 * image.size, near, 12) or (type_end and many > 3):
            bad |= at
    filled = np.where(np.isfinite(image), image, np.median(good)).astype(np.float32)
    if min(image.shape) >= 3 and not bad.all():
        distance = np.abs(filled - median_filter(filled, 3))
        typical = 1.4826 * float(np.median(distance[~bad]))
        hot = distance > 8 * typical
        # more than a few per cent are no defects but the details of a smooth image
        if typical > 0 and hot.mean() < 0.03:
            bad |= hot
    return bad
