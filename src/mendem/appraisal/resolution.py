"""Fourier ring correlation: down to which detail two independent images of one thing agree.

``FRC(f) = sum a b* / sqrt(sum |a|² sum |b|²)`` over the ring of frequency f (Saxton and Baumeister, J. Microsc. 127
(1982) 127-138). It is a resolution only where noise and errors of the two images are independent. A restoration and
its own input share their noise; two restorations share the prior, so that theirs measures consistency alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mendem.appraisal.rings import Rings, spectra
from mendem.errors import MendemError

#: 1/7: two halves that agree so far make a whole that is worth 1/2 (Rosenthal and Henderson, J. Mol. Biol. 333 (2003)
#: 721-745); half-bit: van Heel and Schatz, J. Struct. Biol. 151 (2005) 250-262, for halves of the data.
THRESHOLDS = ("1/7", "0.5", "half-bit")


@dataclass(frozen=True)
class RingCorrelation:
    """The correlation of two images ring by ring.

    Attributes
    ----------
    frequency
        Centres of the rings, in cycles per pixel, from one cycle over the shorter side to 0.5.
    correlation
        From -1 to 1; 0 in a ring without power.
    count
        Independent Fourier samples in each ring (see `mendem.appraisal.rings.Rings`).
    pixel_nm
        Pixel size in nm, None where it is unknown.
    """

    frequency: np.ndarray
    correlation: np.ndarray
    count: np.ndarray
    pixel_nm: float | None = None

    @property
    def steady(self) -> np.ndarray:
        """The median of each ring and its two neighbours: what `resolution` reads.

        A single ring scatters by ``(1 - correlation²) / sqrt(count)``; taken singly, some ring far from the end falls
        below almost any threshold. A median, unlike a mean, leaves a sharp end of the correlation where it is.
        """
        padded = np.r_[1.0, self.correlation, self.correlation[-1]]
        return np.median([padded[:-2], padded[1:-1], padded[2:]], axis=0)

    def threshold_curve(self, name: str = "1/7") -> np.ndarray:
        """The threshold at each ring: one of `THRESHOLDS`."""
        if name == "half-bit":
            root = np.sqrt(np.maximum(self.count, 1e-12))
            return (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
        if name not in THRESHOLDS:
            raise MendemError(f"the threshold is {name!r}, but must be one of {', '.join(THRESHOLDS)}")
        return np.full(len(self.frequency), 1 / 7 if name == "1/7" else 0.5)

    def resolution(self, threshold: str = "1/7") -> float | None:
        """The period at which the correlation first falls below a threshold; None where it never does.

        In nm, or in pixels where the pixel size is unknown; at least two pixels. Interpolated between rings, which the
        window blurs by one or two: a period p comes out too fine by up to ``2 p² / side`` where the correlation ends
        sharply. An answer as long as the side of the image says that the two have nothing in common (at frequency 0
        the correlation counts as 1).
        """
        above = np.r_[1.0, self.steady - self.threshold_curve(threshold)]
        f = np.r_[0.0, self.frequency]
        below = np.flatnonzero(above < 0)
        if not len(below):
            return None
        i = below[0]
        crossing = f[i - 1] + (f[i] - f[i - 1]) * above[i - 1] / (above[i - 1] - above[i])
        return float(1 / crossing) * (self.pixel_nm or 1.0)

    def words(self, threshold: str = "1/7") -> str:
        """The resolution for people: ``12.3 nm``, ``4.1 px``; what else it may be."""
        found, nm = self.resolution(threshold), self.pixel_nm or 1.0
        unit = "px" if self.pixel_nm is None else "nm"
        if found is None:
            return f"{2 * nm:.3g} {unit}, as fine as the pixels allow"
        if found * self.frequency[0] > 0.75 * nm:
            return "no detail at all"
        return f"{found:.3g} {unit}"


def fourier_ring_correlation(a: np.ndarray, b: np.ndarray, pixel_nm: float | None = None) -> RingCorrelation:
    """The Fourier ring correlation of two images under a Hann window.

    Parameters
    ----------
    a, b
        (height, width) of one shape, any real type. Borders without values are cut off, single pixels without one
        take the mean (see `mendem.appraisal.rings.spectra`).
    pixel_nm
        Edge of the square pixels.
    """
    return pooled_correlation([(a, b)], pixel_nm)


def pooled_correlation(pairs: list[tuple[np.ndarray, np.ndarray]], pixel_nm: float | None = None) -> RingCorrelation:
    """The ring correlation of several pairs of images of one shape taken together: products and powers are added."""
    if not pairs:
        raise MendemError("there is no pair of images to correlate")
    found = [spectra(a, b) for a, b in pairs]
    shape = found[0][1]
    if any(size != shape for _, size in found):
        raise MendemError("the pairs of images have values in different parts; choose a region that was measured")
    rings = Rings.of(shape)
    product, power_a, power_b = np.sum(
        [
            [rings.sums(v, shape[1]) for v in ((a * b.conj()).real, np.abs(a) ** 2, np.abs(b) ** 2)]
            for (a, b), _ in found
        ],
        axis=0,
    )
    norm = np.sqrt(power_a * power_b)
    empty = norm <= 1e-20 * max(norm.max(), np.finfo(float).tiny)  # what rounding leaves is no power
    correlation = np.where(empty, 0.0, product / np.where(empty, 1.0, norm))
    return RingCorrelation(rings.frequency, np.clip(correlation, -1, 1), len(pairs) * rings.count, pixel_nm)
