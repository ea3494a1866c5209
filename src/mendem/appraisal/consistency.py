"""Where in frequency the answer and the data agree: the power of the whitened residual, band by band, without truth.

The residual ``y - x`` over the noise's own spectrum has power 1 in every band where ``x`` is a sample of the posterior,
since sample and data are then as likely a pair as truth and data. For the posterior mean it is 1 less the share of the
noise that the data leave open, so between 0 and 1. More than 1 says that structure was removed with the noise, or that
the noise is underestimated; a sample below 1 kept noise. The mean over all frequencies is chi² without its spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mendem.physics.noise import NoiseModel

#: Upper edges of the bands, in cycles per pixel along the radius; the last one reaches into the corners.
EDGES = (0.125, 0.25, 0.375, 0.75)
#: Side of the windows that are looked at, at most so many, and the smallest that tells anything.
WINDOW, WINDOWS, SMALLEST = 256, 4, 64


@dataclass(frozen=True)
class Band:
    """Frequencies from ``low`` to ``high`` (cycles per pixel), and the power of the residual over the noise's."""

    low: float
    high: float
    power: float


def residual_bands(measured: np.ndarray, restored: np.ndarray, noise: NoiseModel) -> list[Band]:
    """The whitened residual of a slice by band; empty where there is no noise or too little was measured.

    Parameters
    ----------
    measured, restored
        (H, W) in the units of ``noise``; a window with pixels that are not finite is left out.
    noise
        What the restoration believed. Its row offsets are taken as part of the residual, so that a band may come out
        higher by their share where the model has them.
    """
    windows = [] if noise.absent else list(_windows(measured, restored))
    if not windows:
        return []
    powers: list[np.ndarray] = []
    for y, x in windows:
        residual = (y - x) / np.sqrt(noise.variance(x))
        taper = np.outer(np.hanning(y.shape[0]), np.hanning(y.shape[1]))
        powers.append(np.abs(np.fft.fft2(taper * residual)) ** 2 / np.sum(taper**2))
    f_y, f_x = (np.fft.fftfreq(n) for n in powers[0].shape)
    expected = np.maximum(noise.spectrum_at(f_y[:, None], f_x[None, :]), 1e-3)
    white = np.mean(powers, axis=0) / expected
    radius = np.hypot(f_y[:, None], f_x[None, :])
    low, bands = 0.0, []
    for high in EDGES:
        inside = (radius > low) & (radius <= high)  # the mean of the image is nobody's band
        bands.append(Band(low, high, float(np.average(white, weights=inside * expected))))
        low = high
    return bands


def _windows(measured: np.ndarray, restored: np.ndarray) -> Any:
    """Pairs of equal windows, float64, spread over the slice."""
    height, width = measured.shape
    side = min(WINDOW, height, width)
    if side < SMALLEST:
        return
    places = [(i, j) for i in (0.25, 0.75) for j in (0.25, 0.75)][:WINDOWS]
    corners = {(round(i * (height - side)), round(j * (width - side))) for i, j in places}
    for top, left in sorted(corners):
        part = (slice(top, top + side), slice(left, left + side))
        y, x = (np.asarray(a[part], np.float64) for a in (measured, restored))
        if np.isfinite(y).all() and np.isfinite(x).all():
            yield y, x
