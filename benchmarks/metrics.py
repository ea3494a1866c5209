"""How far a picture is from its truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Grey levels between black and white in every figure of these benchmarks.
PEAK = 255.0


def affine_fit(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """``a * image + b`` with the a and b that bring it closest to the truth in the mean square."""
    slope, shift = np.polyfit(image.ravel().astype(np.float64), truth.ravel().astype(np.float64), 1)
    return slope * image + shift


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, for a peak of 255."""
    error = np.mean((image.astype(np.float64) - truth) ** 2)
    return float(10 * np.log10(PEAK**2 / error)) if error else np.inf


def ssim(image: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity as scikit-image computes it by default: 7 x 7 means, sample covariance; data range 255."""
    from skimage.metrics import structural_similarity

    return float(structural_similarity(truth.astype(np.float64), image.astype(np.float64), data_range=PEAK))


def coverage(mean: np.ndarray, std: np.ndarray, truth: np.ndarray, factor: float = 1.645) -> float:
    """Share of the pixels whose truth lies within ``factor`` standard deviations of the mean; 1.645 promises 0.90."""
    return float(np.mean(np.abs(mean - truth) <= factor * std))


def climb(score: Callable[[float], float], start: float, factor: float, most: int = 12) -> tuple[float, float]:
    """The best parameter on the grid ``start * factor ** k``, and its score: uphill from ``start``.

    For a score with one maximum, as a denoiser's has in its strength.
    """
    best, value = start, score(start)
    for step in (factor, 1 / factor):
        for _ in range(most):
            further = score(best * step)
            if further <= value:
                break
            best, value = best * step, further
        if best > start:  # it fell on the other side already
            break
    return best, value
