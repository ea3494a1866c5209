"""The power spectrum of noise that a Gaussian low pass has correlated."""

from __future__ import annotations

import numpy as np

#: Frequencies of `NoiseModel.spectrum` along one axis, and their shares in the whole.
FREQUENCY = np.arange(9) / 16
SHARE = np.r_[0.5, np.ones(7), 0.5] / 8


def gaussian_spectrum(rho_y: float, rho_x: float) -> tuple[tuple[float, ...], ...]:
    """The Gaussian low-pass spectrum with these correlations between neighbours, as `NoiseModel.spectrum`.

    Correlations below 0 are taken for 0, those above 0.94 for that.
    """
    widths = np.linspace(0, 2, 81)
    powers = np.exp(-((2 * np.pi * widths[:, None] * FREQUENCY) ** 2))
    correlations = (powers * np.cos(2 * np.pi * FREQUENCY)) @ SHARE / (powers @ SHARE)

    def axis(rho: float) -> np.ndarray:
        power = np.exp(-((2 * np.pi * np.interp(rho, correlations, widths) * FREQUENCY) ** 2))
        return power / (power @ SHARE)

    return tuple(map(tuple, np.outer(axis(rho_y), axis(rho_x)).tolist()))
