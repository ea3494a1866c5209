"""Noise as it really is in an electron micrograph: signal dependent, correlated, with scan-line offsets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class NoiseModel:
    """What corrupts an image, in the units of its pixels.

    The variance of a pixel whose clean value is ``s`` is ``offset + gain * s``, never below ``floor``.
    For an inverted image the gain is negative.

    Parameters
    ----------
    offset, gain
        Variance at value 0 (squared intensity), and its slope (intensity).
    floor
        Smallest variance that the model returns (squared intensity).
    correlation
        Correlation of the noise between neighbouring pixels along y and along x, from -1 to 1; 0 is white.
        Row offsets are left out of it, because `scan_line` already tells them.
    scan_line
        Standard deviation of the offset that a whole row shares, in units of intensity (part of the variance).
    relative_error
        Relative standard error of the noise level, where the estimate has one.
    method
        How the numbers were found, in words.
    spectrum
        Power spectrum of the noise without its row offsets, as rows of 9 values at 0, 1/16, …, 1/2 cycles per
        pixel: ``spectrum[i][j]`` is the power at ``|f_y| = i/16``, ``|f_x| = j/16``. Its mean over all
        frequencies is 1 (`white` is 1 everywhere). None where it is not known well enough.
    """

    offset: float
    gain: float = 0.0
    floor: float = 0.0
    correlation: tuple[float, float] = (0.0, 0.0)
    scan_line: float = 0.0
    relative_error: float | None = None
    method: str = "given"
    spectrum: tuple[tuple[float, ...], ...] | None = None

    @property
    def absent(self) -> bool:
        """Whether there is no noise at all: every pixel is exact."""
        return self.offset == 0 and self.gain == 0 and self.floor == 0

    def variance(self, signal: Any) -> Any:
        """Variance at each clean value; same shape as ``signal`` (NumPy array or torch tensor)."""
        return (self.offset + self.gain * signal).clip(min=max(self.floor, 1e-12))

    def affine(self, centre: float, scale: float) -> NoiseModel:
        """The model of ``(image - centre) / scale``; ``scale`` may be negative."""
        return replace(
            self,
            offset=(self.offset + self.gain * centre) / scale**2,
            gain=self.gain / scale,
            floor=self.floor / scale**2,
            scan_line=self.scan_line / abs(scale),
        )

    def std_at(self, signal: float) -> float:
        """Standard deviation at one clean value."""
        return float(np.sqrt(max(self.offset + self.gain * signal, self.floor, 0.0)))

    def spectrum_at(self, f_y: np.ndarray, f_x: np.ndarray) -> np.ndarray:
        """Normalised noise power at frequencies in cycles per pixel (bilinear in `spectrum`; 1 where unknown).

        Parameters
        ----------
        f_y, f_x
            Frequencies from -1/2 to 1/2, broadcast against each other, as from ``numpy.fft.fftfreq``.
        """
        f_y, f_x = np.broadcast_arrays(np.abs(f_y) * 16, np.abs(f_x) * 16)
        if self.spectrum is None:
            return np.ones(f_y.shape)
        grid = np.asarray(self.spectrum)
        i, j = np.minimum(f_y.astype(int), 7), np.minimum(f_x.astype(int), 7)
        a, b = f_y - i, f_x - j
        top = grid[i, j] * (1 - b) + grid[i, j + 1] * b
        bottom = grid[i + 1, j] * (1 - b) + grid[i + 1, j + 1] * b
        return top * (1 - a) + bottom * a
