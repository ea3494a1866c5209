"""The missing wedge: what of a tomogram's Fourier space a tilt scheme measures.

A tilt at the angle a measures the line (kz, kx) = k (sin a, cos a) of the spectrum of each slice across the tilt axis
(the central slice theorem), up to |k| = 1/2 cycle per pixel; in the volume it is a plane that holds the axis ky.
Spectra and masks are centred: the frequency 0 is at index n // 2 of each axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.tomography.directions import missing_arcs

#: Slices of a volume whose spectra are averaged.
SLICES = 64


def frequencies(count: int) -> np.ndarray:
    """Centred frequencies of an axis of ``count`` pixels, in cycles per pixel."""
    return np.fft.fftshift(np.fft.fftfreq(count))


def _polar(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """|k| in cycles per pixel, and the direction in degrees in [-90, 90), at each frequency of a slice."""
    kz, kx = np.meshgrid(frequencies(shape[0]), frequencies(shape[1]), indexing="ij")
    return np.hypot(kz, kx), np.mod(np.degrees(np.arctan2(kz, kx)) + 90.0, 180.0) - 90.0


def band(shape: tuple[int, int]) -> np.ndarray:
    """Frequencies of a slice (Z, X) that a tilt at some angle could reach: |k| <= 1/2, without 0."""
    radius = _polar(shape)[0]
    return (radius <= 0.5) & (radius > 0)


def wedge_mask(angles_deg: Sequence[float], shape: tuple[int, int]) -> np.ndarray:
    """True in the missing arcs of a slice's spectrum (Z, X): what lies between the outermost tilts, and wide gaps."""
    _, direction = _polar(shape)
    mask = np.zeros(shape, bool)
    for start, end in missing_arcs(angles_deg):
        mask |= np.mod(direction - start, 180.0) < end - start
    return mask & band(shape)


def measured_mask(angles_deg: Sequence[float], shape: tuple[int, int], thickness_px: float) -> np.ndarray:
    """True where a tilt measures the spectrum of a slice (Z, X).

    The spectrum of an object that is ``thickness_px`` thick does not change over less than 1 / thickness, so that a
    tilt is a band of that width around its line (Crowther, DeRosier and Klug 1970). Beyond the frequency where bands
    of neighbours part, something is missing even inside the tilt range.
    """
    if not thickness_px > 0:
        raise MendemError(f"the thickness is {thickness_px:g} px, but must be above 0")
    radius, direction = _polar(shape)
    lines = np.unique(np.mod(np.asarray(angles_deg, np.float64) + 90.0, 180.0) - 90.0)
    around = np.concatenate([lines[-1:] - 180.0, lines, lines[:1] + 180.0])
    behind = np.searchsorted(around, direction, side="right").clip(1, len(around) - 1)
    nearest = np.minimum(direction - around[behind - 1], around[behind] - direction)
    near = radius * np.sin(np.radians(np.minimum(nearest, 90.0))) <= 1 / (2 * thickness_px)
    return near & (radius <= 0.5)


def over_volume(mask: np.ndarray, rows: int) -> np.ndarray:
    """A slice's mask (Z, X) for every ky of a volume: a read-only view (Z, rows, X)."""
    return np.broadcast_to(mask[:, None, :], (mask.shape[0], rows, mask.shape[1]))


def share(mask: np.ndarray) -> float:
    """Part of the reachable frequencies of a slice for which ``mask`` is true."""
    reachable = band(mask.shape)
    return float(mask[reachable].mean()) if reachable.any() else 0.0


def crowther_resolution_px(step_deg: float, thickness_px: float) -> float:
    """Finest period in pixels up to which tilts ``step_deg`` apart leave no gap: π D / N with N = 180° / step."""
    return float(np.radians(step_deg) * thickness_px)


def slice_power(tomogram: Any, check: Callable[[], None] = lambda: None) -> np.ndarray:
    """Mean power spectrum (Z, X), centred, of the slices across the tilt axis of a volume (z, y, x) or of one (z, x).

    Each slice loses its mean and is tapered to 0 at its borders (Hann), whose jumps would else be a cross on the axes,
    half of it in the missing wedge. Of many slices 64 are taken, evenly. The sum over ky is in it (Parseval).
    """
    shape = tuple(tomogram.shape)
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise MendemError(f"a tomogram has the axes z, y, x, or z, x for one slice; this has the shape {shape}")
    rows = [None] if len(shape) == 2 else np.unique(np.linspace(0, shape[1] - 1, SLICES).round().astype(int)).tolist()
    taper = np.outer(np.hanning(shape[0] + 2)[1:-1], np.hanning(shape[-1] + 2)[1:-1])
    total = np.zeros((shape[0], shape[-1]))
    for row in rows:
        check()
        part = np.asarray(tomogram[:, :] if row is None else tomogram[:, row, :], np.float64)
        part = taper * (part - (taper * part).sum() / taper.sum())
        total += np.abs(np.fft.fft2(part)) ** 2
    return np.fft.fftshift(total / len(rows))


@dataclass(frozen=True)
class WedgeEnergy:
    """Where the energy of a tomogram lies, of the frequencies up to 1/2 cycle per pixel.

    Attributes
    ----------
    missing
        Share of the energy in the region that was not measured; the rest is in what was.
    whitened
        The same when each ring |k| of the spectrum counts by its area, whatever its energy: low frequencies, which
        hold nearly all energy, do not decide alone. Isotropic content has ``area`` here.
    area
        Share of the frequencies that lies in the region.
    """

    missing: float
    whitened: float
    area: float


def wedge_energy(power: np.ndarray, missing: np.ndarray) -> WedgeEnergy:
    """Energy inside and outside a region of a slice's spectrum.

    Parameters
    ----------
    power
        (Z, X), of `slice_power`.
    missing
        The region: `wedge_mask`, or what `measured_mask` leaves.
    """
    inside = band(power.shape)
    radius = _polar(power.shape)[0][inside]
    energy, region = power[inside], missing[inside]
    if not energy.sum() > 0:
        raise MendemError("the tomogram is constant, so that there is no energy to share; choose another")
    ring = np.rint(radius * 2 * max(1, min(power.shape) // 2)).astype(int)
    mean = np.bincount(ring, energy) / np.maximum(np.bincount(ring), 1)
    white = energy / np.maximum(mean[ring], np.finfo(float).tiny)
    return WedgeEnergy(
        float(energy[region].sum() / energy.sum()), float(white[region].sum() / white.sum()), float(region.mean())
    )
