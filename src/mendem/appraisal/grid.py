"""Two images of one field of view on one grid: the coarser of the two."""

from __future__ import annotations

import numpy as np

from mendem.errors import MendemError


def block_means(x: np.ndarray, factor: int) -> np.ndarray:
    """Means over blocks of ``factor`` x ``factor`` pixels (height and width are multiples of it); float64."""
    height, width = x.shape
    blocks = x.reshape(height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean((1, 3), dtype=np.float64))


def common_grid(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Both images on the coarser of their grids, and how many times finer ``after`` was (``before``: negative).

    Parameters
    ----------
    before, after
        (height, width) of the same field of view; the shapes are equal, or one is a whole multiple of the other, the
        same along both axes, with its pixels centred as blocks: those of a super-resolved image are.
    """
    if before.shape == after.shape:
        return before, after, 1
    for coarse, fine, sign in ((before, after, 1), (after, before, -1)):
        factor = fine.shape[0] // coarse.shape[0]
        if factor > 1 and fine.shape == tuple(factor * n for n in coarse.shape):
            means = block_means(fine, factor)
            return (coarse, means, factor) if sign > 0 else (means, coarse, -factor)
    raise MendemError(
        f"the images have {_size(before)} and {_size(after)} pixels, which is neither the same nor a whole multiple; "
        "give two images of the same field of view"
    )


def _size(x: np.ndarray) -> str:
    return " x ".join(str(n) for n in x.shape)
