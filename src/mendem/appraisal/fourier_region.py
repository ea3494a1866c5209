"""Agreement of two tomograms inside a part of Fourier space, such as the missing wedge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mendem.errors import MendemError


@dataclass(frozen=True)
class RegionAgreement:
    """How a tomogram and its truth agree in a region of Fourier space.

    Attributes
    ----------
    error
        Σ|F(found) - F(truth)|² over Σ|F(truth)|², both over the region: 1 for a tomogram that is empty there.
    power
        Σ|F(found)|² over Σ|F(truth)|².
    frequency
        Middles of the shells |k|, in cycles per voxel.
    correlation
        Fourier shell correlation of both in the region, for each shell; NaN in shells that miss the region, 0 where one
        of both is empty.
    """

    error: float
    power: float
    frequency: np.ndarray
    correlation: np.ndarray

    @property
    def reach(self) -> float:
        """Frequency at which the correlation first falls below 1/2, between shells; 0 where it begins below."""
        known = np.isfinite(self.correlation)
        frequency, correlation = self.frequency[known], self.correlation[known]
        below = np.flatnonzero(correlation < 0.5)
        if not len(below):
            return float(frequency[-1])
        i = int(below[0])
        if i == 0:
            return 0.0
        (a, b), (f, g) = correlation[i - 1 : i + 1], frequency[i - 1 : i + 1]
        return float(f + (g - f) * (a - 0.5) / (a - b))


def without_margin(region: np.ndarray, voxels: int = 1) -> np.ndarray:
    """A region (Z, X) of a centred spectrum without the frequencies next to its border.

    The spectrum of a finite tomogram leaks from what was measured over about one frequency.
    """
    return ndimage.binary_erosion(region, ndimage.generate_binary_structure(2, 2), voxels)


def in_region(
    found: np.ndarray, truth: np.ndarray, region: np.ndarray, shells: int = 24, taper: np.ndarray | float = 1.0
) -> RegionAgreement:
    """Compare two tomograms where ``region`` is true.

    Parameters
    ----------
    found, truth
        (Z, Y, X) of one shape, in the same units.
    region
        (Z, X) of the centred spectrum of a slice across y; the same for every ky.
    shells
        Shells of equal thickness from 0 to 1/2 cycle per voxel.
    taper
        What both are multiplied by first, broadcast to (Z, Y, X): a slab that goes on beyond the view needs one.

    Raises
    ------
    MendemError
        Shapes that differ, or a truth without anything in the region.
    """
    if found.shape != truth.shape or (truth.shape[0], truth.shape[-1]) != region.shape or truth.ndim != 3:
        raise MendemError(
            f"tomograms of {found.shape} and {truth.shape} cannot be compared in a region of {region.shape}; give two "
            "of one shape z, y, x and a region of their z, x"
        )
    a, b = (np.fft.fftn(np.asarray(v, np.float64) * taper) for v in (found, truth))
    kz, ky, kx = (np.fft.fftfreq(n) for n in truth.shape)
    radius = np.sqrt(kz[:, None, None] ** 2 + ky[:, None] ** 2 + kx**2)
    inside = np.broadcast_to(np.fft.ifftshift(region)[:, None, :], truth.shape) & (radius <= 0.5) & (radius > 0)
    a, b, shell = a[inside], b[inside], np.minimum((radius[inside] * 2 * shells).astype(int), shells - 1)
    power_a, power_b = np.abs(a) ** 2, np.abs(b) ** 2
    total = power_b.sum()
    if not total > 0:
        raise MendemError("the truth has nothing in the region, so that nothing can be compared there")
    sums = [np.bincount(shell, v, shells) for v in ((a * b.conj()).real, power_a, power_b)]
    both = np.sqrt(sums[1] * sums[2])
    correlation = np.where(both > 1e-12 * both.max(), sums[0] / np.maximum(both, 1e-300), 0.0)
    correlation[np.bincount(shell, minlength=shells) == 0] = np.nan
    return RegionAgreement(
        float((np.abs(a - b) ** 2).sum() / total),
        float(power_a.sum() / total),
        (np.arange(shells) + 0.5) / (2 * shells),
        correlation,
    )


def part_in_region(volume: np.ndarray, region: np.ndarray) -> np.ndarray:
    """What of a tomogram (Z, Y, X) lies in a region (Z, X) of its spectrum: real, of the same shape."""
    mask = np.fft.ifftshift(region).astype(np.float64)
    # A region that holds k and not -k, at the edge of an even spectrum, would leave an imaginary part.
    both = (mask + np.roll(mask[::-1, ::-1], (1, 1), (0, 1))) / 2
    return np.fft.ifft2(np.fft.fft2(volume, axes=(0, 2)) * both[:, None, :], axes=(0, 2)).real
