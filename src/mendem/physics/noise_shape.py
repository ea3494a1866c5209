"""The spectrum of noise, told from the spectrum of structure in small blocks.

Blocks of 8x8 pixels are described by the variances of 49 coefficients of the cosine transform: all those that vary
along both axes, so that row offsets and curtains, which vary along one, are out of sight.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

BLOCK = 8
#: Frequencies (in half cycles per block) of the 49 coefficients, along y and along x.
KY, KX = (k.ravel() for k in np.mgrid[1:BLOCK, 1:BLOCK])
#: The two classes that check each other: stationary noise correlates only coefficients of one class (see `blocks`).
ODD = (KY + KX) % 2 == 1

_WIDTHS = np.linspace(0.0, 2.0, 81)
_TOLERANCE = 0.05  # relative accuracy of a variance averaged over about a thousand overlapping blocks
_STRUCTURE_LEFT = (np.log(0.4), 1.0)  # prior of the structure in quiet blocks, relative to mid minus quiet blocks
_NEGLIGIBLE = 0.005  # of the mean variance
_WHITE_SHARE = np.log(0.01)  # prior of white noise added behind the detector's low pass, relative to the rest


@cache
def cosine_matrix() -> np.ndarray:
    """Orthonormal 8-point DCT-II, rows are frequencies."""
    n = np.arange(BLOCK)
    matrix = np.cos(np.pi * (n[None] + 0.5) * n[:, None] / BLOCK) * np.sqrt(2 / BLOCK)
    matrix[0] /= np.sqrt(2)
    return matrix


@cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Autocovariance (lags 0-7) and DCT variances (8) of unit noise of power exp(-(2 pi w f)^2), for each width w.

    The DCT variances are exact for a block cut from a stationary process, leakage included: diag(D R D^T).
    """
    f = (np.arange(256) + 0.5) / 512
    power = np.exp(-((2 * np.pi * _WIDTHS[:, None] * f) ** 2))
    lags = np.arange(BLOCK)
    autocovariance = power @ np.cos(2 * np.pi * f[:, None] * lags) / power.sum(1, keepdims=True)
    toeplitz = autocovariance[:, np.abs(lags[:, None] - lags)]
    d = cosine_matrix()
    return autocovariance, np.einsum("ki,wij,kj->wk", d, toeplitz, d)


def _at_width(table: np.ndarray, width: float) -> np.ndarray:
    position = np.clip(width / _WIDTHS[1], 0, len(_WIDTHS) - 1.001)
    low = int(position)
    return table[low] + (position - low) * (table[low + 1] - table[low])


@dataclass(frozen=True)
class NoiseShape:
    """What `fit_shape` found: total variance of a pixel, correlations with the next pixel along y and x, and more.

    ``variances`` and ``structure`` are the noise and the structure in quiet blocks (49 each), ``spectrum`` is the
    normalised power at 9x9 frequencies, ``log_spread`` how far the explanations differ in the logarithm of the std,
    ``negligible`` a variance that does not matter.
    """

    total: float
    correlation: tuple[float, float]
    variances: np.ndarray
    spectrum: np.ndarray
    structure: np.ndarray
    negligible: float
    log_spread: float
    structure_share: float


def _variances(p: np.ndarray) -> np.ndarray:
    table = _tables()[1]
    return np.exp(p[0]) * _at_width(table, p[2])[KY] * _at_width(table, p[3])[KX] + np.exp(p[1])


def _spectrum(p: np.ndarray) -> np.ndarray:
    f = np.arange(9) / 16
    fine = (np.arange(256) + 0.5) / 512

    def profile(width: float) -> np.ndarray:
        return np.exp(-((2 * np.pi * width * f) ** 2)) / np.exp(-((2 * np.pi * width * fine) ** 2)).mean()

    return np.exp(p[0]) * np.outer(profile(p[2]), profile(p[3])) + np.exp(p[1])


def fit_shape(quiet: np.ndarray, structure: np.ndarray, thorough: bool) -> NoiseShape:
    """Split the block variances of the quietest blocks into noise and structure.

    ``quiet = noise + z * structure`` in which the noise is white noise through a Gaussian low pass (one width along y,
    one along x) plus a little white noise, and z is free. Logarithmic residuals, pseudo-Huber loss, weak priors on z
    and on the white share. Several explanations can fit: their results are averaged in the logarithm of the variance
    with weights exp(-difference in cost / 8) (Bayesian model averaging, tempered since blocks overlap), so that
    an ambiguous image gives a middle answer with a wide error instead of a confident factor of two.

    Parameters
    ----------
    quiet, structure
        (49,) variances in quiet blocks, and how much more there is in ordinary blocks.
    thorough
        Try every explanation; otherwise only two.
    """
    from scipy.optimize import least_squares

    # Coefficients without a share in the variance tell nothing about it, only about the tails of the model.
    small = _NEGLIGIBLE * quiet.mean()
    log_quiet = np.log(quiet + small)
    high = log_quiet[(KY >= 5) & (KX >= 5)].mean()
    low = log_quiet[(KY <= 2) & (KX <= 2)].mean()
    down, up = log_quiet.min() - 13, log_quiet.max() + 3
    lower, upper = [down, down, -0.01, -0.01, -9.0], [up, up, 1.99, 1.99, 1.5]
    white, smooth = [high, high - 4, 0.1, 0.1, -1.0], [low, high - 0.3, 1.0, 1.0, -1.0]
    between = [(high + low) / 2, high - 1, 0.5, 0.5, -1.0]

    def explain(start: list[float], white_spread: float) -> tuple[float, np.ndarray]:
        def residual(p: np.ndarray) -> np.ndarray:
            r = (np.log(_variances(p) + np.exp(p[4]) * structure + small) - log_quiet) / _TOLERANCE
            r = np.sign(r) * np.sqrt(2 * (np.sqrt(1 + r * r) - 1) + 1e-12)
            priors = [(p[4] - _STRUCTURE_LEFT[0]) / _STRUCTURE_LEFT[1], (p[1] - p[0] - _WHITE_SHARE) / white_spread]
            return np.concatenate([r, priors])

        inside = np.clip(start, np.add(lower, 1e-3), np.subtract(upper, 1e-3))
        found = least_squares(
            residual, inside, bounds=(lower, upper), x_scale=[1, 1, 0.3, 0.3, 1], max_nfev=40, ftol=1e-4, xtol=1e-4
        )
        return found.cost, found.x

    tries = [(between, 0.5), (white, 0.5)]
    if thorough:
        tries += [(smooth, 0.5), (white, 0.25), (smooth, 0.25)]
    explanations = [explain(*t) for t in tries]
    costs = np.array([c for c, _ in explanations])
    weights = np.exp(-(costs - costs.min()) / 8)
    weights /= weights.sum()
    points = [p for _, p in explanations]
    totals = np.log([np.exp(p[0]) + np.exp(p[1]) for p in points])
    mean_total = float(weights @ totals)
    share = [np.exp(p[0]) / (np.exp(p[0]) + np.exp(p[1])) for p in points]
    autocovariance = _tables()[0]
    lag1 = [[s * _at_width(autocovariance, w)[1] for w in p[2:4]] for s, p in zip(share, points, strict=True)]
    variances = np.exp(weights @ np.log([_variances(p) for p in points]))
    left = np.array([np.exp(p[4]) for p in points]) @ weights * structure
    spectra = np.array([_spectrum(p) / np.exp(t) for p, t in zip(points, totals, strict=True)])
    return NoiseShape(
        total=float(np.exp(mean_total)),
        correlation=(float(weights @ np.array(lag1)[:, 0]), float(weights @ np.array(lag1)[:, 1])),
        variances=variances,
        spectrum=np.tensordot(weights, spectra, 1),
        structure=left,
        negligible=small,
        log_spread=float(np.sqrt(weights @ (totals - mean_total) ** 2)) / 2,
        structure_share=float(left.sum() / (left.sum() + variances.sum())),
    )
