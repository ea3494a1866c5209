"""What filling a wedge gives piece by piece."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FilledTilts:
    """Missing tilts that are finished.

    Attributes
    ----------
    which
        Their numbers among the missing tilts.
    density
        Aligned, float32 (n, rows, width).
    std
        The standard deviation of it, of the same shape.
    """

    which: tuple[int, ...]
    density: np.ndarray
    std: np.ndarray


@dataclass(frozen=True)
class FilledRows:
    """Some consecutive slices of the filled tomogram.

    Attributes
    ----------
    first
        Row of the first one.
    mean, std
        float32 (Z, rows, X); the standard deviation is None where none is known.
    tilts
        Rows of all missing tilts, aligned: float32 (tilts, rows, width), density. None where they came before.
    residual, power
        Sums of squares of what the filled slices leave of the measured projections, and of these themselves.
    """

    first: int
    mean: np.ndarray
    std: np.ndarray | None
    tilts: np.ndarray | None
    residual: float
    power: float

    @property
    def rows(self) -> slice:
        """Where they are along y."""
        return slice(self.first, self.first + self.mean.shape[1])


Piece = FilledTilts | FilledRows
