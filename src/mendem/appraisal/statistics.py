"""What restored windows look like, in a few numbers that do not depend on their brightness or contrast.

Ratios of L-moments (Hosking 1990) describe the shape of a distribution; they are bounded and hardly feel outliers.
"""

from __future__ import annotations

import numpy as np

#: Edges of the frequency bands in cycles per pixel, and distances in pixels over which differences are taken.
BANDS = (0.01, 0.03, 0.06, 0.11, 0.19, 0.3, 0.5)
DISTANCES = (1, 2, 4)

#: What is measured, in order, by what a user would call it.
GROUPS = {
    "the sizes of its structures": tuple(f"power {a:g}-{b:g}" for a, b in zip(BANDS[:-1], BANDS[1:], strict=True)),
    "its edges and grain": tuple(
        f"{what} over {d}" for d in DISTANCES for what in ("tails of the slope", "sign of spots", "tails of spots")
    ),
    "where the prior is unsure": ("variation of the spread", "skewness of the spread", "tails of the spread"),
}
NAMES = tuple(name for names in GROUPS.values() for name in names)


def statistics(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """The numbers `NAMES`, float64 (N, 18), of restored windows and their spread, both (N, size, size)."""
    mean, std = mean.astype(np.float32), std.astype(np.float32)
    return np.stack([*_power(mean), *_edges(mean), *_spread(std)], axis=1).astype(np.float64)


def l_moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Second L-moment, L-skewness and L-kurtosis of the rows of (N, count); ratios are 0 where nothing varies."""
    x = np.sort(x, axis=-1).astype(np.float64)
    i = np.arange(x.shape[-1], dtype=np.float64)
    n = x.shape[-1]
    first = i / (n - 1)
    second = first * (i - 1) / (n - 2)
    third = second * (i - 2) / (n - 3)
    mean = x.mean(-1)
    b1, b2, b3 = (x @ np.stack([first, second, third], axis=1) / n).T
    l2 = np.maximum(2 * b1 - mean, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        skewness = (6 * b2 - 6 * b1 + mean) / l2
        kurtosis = (20 * b3 - 30 * b2 + 12 * b1 - mean) / l2
    return l2, *(np.where(l2 > 1e-7, ratio, 0.0).clip(-1, 1) for ratio in (skewness, kurtosis))


def _power(mean: np.ndarray) -> list[np.ndarray]:
    """Logarithm of the Hann-windowed power in each band."""
    size = mean.shape[-1]
    hann = np.hanning(size + 2)[1:-1].astype(np.float32)
    weight = np.outer(hann, hann)
    centred = mean - (mean * weight).sum((1, 2), keepdims=True) / weight.sum()
    power = np.abs(np.fft.rfft2(centred * weight)) ** 2 / (weight**2).sum()
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    bands = zip(BANDS[:-1], BANDS[1:], strict=True)
    return [np.log(power[:, (radius >= a) & (radius < b)].mean(-1) + 1e-5) for a, b in bands]


def _edges(mean: np.ndarray) -> list[np.ndarray]:
    """Shape of the distribution of slopes and of the Laplacian over each distance."""
    found = []
    for d in DISTANCES:
        down, along = mean[:, d:] - mean[:, :-d], mean[:, :, d:] - mean[:, :, :-d]
        slopes = np.concatenate([down.reshape(len(mean), -1), along.reshape(len(mean), -1)], axis=1)
        curved = down[:, d:, d:-d] - down[:, :-d, d:-d] + along[:, d:-d, d:] - along[:, d:-d, :-d]
        _, skewness, kurtosis = l_moments(-curved.reshape(len(mean), -1))
        found += [l_moments(slopes)[2], skewness, kurtosis]
    return found


def _spread(std: np.ndarray) -> list[np.ndarray]:
    rows = std.reshape(len(std), -1)
    l2, skewness, kurtosis = l_moments(rows)
    return [np.log(l2 / rows.mean(-1) + 1e-3), skewness, kurtosis]
