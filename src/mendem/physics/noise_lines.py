"""Offsets that whole scan rows share, told apart from pixel noise and from structure."""

from __future__ import annotations

import numpy as np

_BLOCK_COLUMNS = 16


def _robust_std(values: np.ndarray) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def row_offset_std(image: np.ndarray) -> float:
    """Standard deviation of independent row offsets; 0 where they do not stand out.

    The step between two rows is measured twice, as the median over columns in two interleaved sets of column blocks.
    Pixel noise and local structure are independent between the sets, a row offset is not: half the covariance of the
    two is the variance of one offset. Covariance from robust scales of sum and difference (Gnanadesikan and
    Kettenring 1972), so that a few rows with long edges do not count.

    Parameters
    ----------
    image
        (rows, columns); unusable pixels filled in.
    """
    rows, columns = image.shape
    if rows < 32 or columns < 4 * _BLOCK_COLUMNS:
        return 0.0
    steps = np.diff(image, axis=0)
    odd = (np.arange(columns) // _BLOCK_COLUMNS) % 2 == 1
    a, b = np.median(steps[:, odd], axis=1), np.median(steps[:, ~odd], axis=1)
    together, apart = _robust_std(a + b) ** 2, _robust_std(a - b) ** 2
    covariance = (together - apart) / 4
    # the scale of n values from a MAD has a relative variance of about 1.36 / n; steps are correlated, so twice that
    error = np.sqrt(2 * 1.36 * 4 / rows) * (together + apart) / 4 / np.sqrt(2)
    return float(np.sqrt(covariance / 2)) if covariance > 2.5 * error else 0.0
