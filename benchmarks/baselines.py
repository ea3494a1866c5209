"""Denoisers to compare with, each at the strength that is best for the image: better than a user could choose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from benchmarks.metrics import climb


def gaussian(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian filter, sigma in pixels."""
    return ndimage.gaussian_filter(image, sigma)


def non_local_means(image: np.ndarray, h: float) -> np.ndarray:
    """scikit-image's fast non-local means, 5 px patches, 13 px windows; h in grey levels."""
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(image, h=h, patch_size=5, patch_distance=6, fast_mode=True)


def total_variation(image: np.ndarray, weight: float) -> np.ndarray:
    """scikit-image's total variation (Chambolle 2004); weight in grey levels."""
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(image, weight=weight)


def scanned(image: np.ndarray, score: Callable[[np.ndarray], float], noise: float) -> dict[str, tuple[str, np.ndarray]]:
    """Each classical filter at its best strength: name to (strength in words, result).

    ``score`` is told the truth, and larger is better. ``noise`` is the true standard deviation, where scans begin.
    """
    results = {}
    sigmas = np.arange(0.4, 2.01, 0.1)
    best = max(sigmas, key=lambda s: score(gaussian(image, s)))
    results["Gaussian"] = (f"sigma {best:.1f} px", gaussian(image, best))
    sizes = (3, 5)
    size = max(sizes, key=lambda s: score(ndimage.median_filter(image, s)))
    results["median"] = (f"{size} px", ndimage.median_filter(image, size))
    h, _ = climb(lambda h: score(non_local_means(image, h)), 0.8 * noise, 1.15)
    results["non-local means"] = (f"h {h:.3g}", non_local_means(image, h))
    weight, _ = climb(lambda w: score(total_variation(image, w)), noise, 1.15)
    results["total variation"] = (f"weight {weight:.3g}", total_variation(image, weight))
    return results
