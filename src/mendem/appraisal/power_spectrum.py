"""How much of an image is at which detail: the power spectrum averaged over rings of equal frequency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mendem.appraisal.rings import Rings, spectra, window


@dataclass(frozen=True)
class RadialPower:
    """Power by frequency.

    Attributes
    ----------
    frequency
        Centres of the rings in cycles per pixel.
    power
        Mean power in each ring, in squared intensities: white noise has its variance everywhere.
    pixel_nm
        Pixel size in nm, None where it is unknown.
    """

    frequency: np.ndarray
    power: np.ndarray
    pixel_nm: float | None = None

    def decibels(self, reference: np.ndarray | float | None = None) -> np.ndarray:
        """The power in dB relative to a reference; to its own largest value when left out."""
        return decibels(self.power, reference)


def radial_power(x: np.ndarray, pixel_nm: float | None = None) -> RadialPower:
    """The power spectrum of an image (height, width) under a Hann window, its mean taken away before.

    The window keeps the jump between opposite borders out of it. Pixels without a value are treated as in
    `mendem.appraisal.rings.spectra`.
    """
    (transform,), shape = spectra(x)
    rings = Rings.of(shape)
    w = window(shape)
    power, number = (rings.sums(v, shape[1]) for v in (np.abs(transform) ** 2, np.ones_like(transform, float)))
    return RadialPower(rings.frequency, power / number / np.sum(w**2), pixel_nm)


def decibels(power: np.ndarray, reference: np.ndarray | float | None = None) -> np.ndarray:
    """``10 log10(power / reference)``, to the largest power when left out; no less than -200 dB, so always finite."""
    power = np.asarray(power, np.float64)
    if reference is None:
        reference = power.max() if power.size else 1.0
    tiny = np.finfo(float).tiny
    ratio = np.maximum(power, tiny) / np.maximum(reference, tiny)
    return np.clip(10 * np.log10(ratio), -200, 200)


@dataclass(frozen=True)
class Octave:
    """Frequencies from ``low`` to ``high`` (cycles per pixel), and by how much their power changed, in dB."""

    low: float
    high: float
    change: float


def octave_changes(before: RadialPower, after: RadialPower) -> list[Octave]:
    """The change of power in each octave from Nyquist down, finest first; octaves of fewer than 2 rings are left out.

    Both must have the same rings.
    """
    found, high, f = [], 0.5, before.frequency
    while np.count_nonzero(inside := (f > high / 2) & (f <= high)) > 1:
        was, now = (np.average(p.power[inside], weights=f[inside]) for p in (before, after))
        found.append(Octave(high / 2, high, float(decibels(now, was))))
        high /= 2
    return found
