"""The image of a point: what a tilt scheme makes of it, and how much longer it is along the beam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mendem.tomography.directions import angular_weights

#: Points per pixel, and pixels on each side, at which the widths are looked for.
FINE, REACH = 64, 40


def _ramp_line(u: np.ndarray, cutoff: float) -> np.ndarray:
    """Image of a point in one filtered projection, at ``u`` pixels from it: the transform of |k| up to ``cutoff``.

    2 ∫ k cos(2 π k u) dk = 2 (c sin(2 π c u) / (2 π u) + (cos(2 π c u) - 1) / (2 π u)²), and c² at u = 0.
    """
    phase = 2 * np.pi * cutoff * u
    small = np.abs(phase) < 1e-3
    safe = np.where(small, 1.0, phase)
    return cutoff**2 * np.where(small, 1 - phase**2 / 4, 2 * (np.sin(safe) / safe + (np.cos(safe) - 1) / safe**2))


def point_spread(angles_deg: Sequence[float], z: np.ndarray, x: np.ndarray, cutoff: float = 0.5) -> np.ndarray:
    """Weighted back-projection of a point, 1 at the point itself; exact, no pixels are involved.

    Parameters
    ----------
    angles_deg
        The tilts; each counts by its share of directions (`angular_weights`).
    z, x
        Where, in pixels from the point along and across the beam at 0°; arrays that broadcast.
    cutoff
        Highest frequency in cycles per pixel.

    Across y, which every tilt sees alike, the point spreads as in a single projection.
    """
    weights = angular_weights(angles_deg)
    total = np.zeros(np.broadcast_shapes(np.shape(z), np.shape(x)))
    for angle, weight in zip(np.radians(angles_deg), weights, strict=True):
        total += weight * _ramp_line(x * np.cos(angle) + z * np.sin(angle), cutoff)
    return total / (weights.sum() * cutoff**2)


def elongation(angles_deg: Sequence[float]) -> float:
    """How many times longer the image of a point is along z than along x.

    The ratio of the root mean square frequencies that are measured along x and along z: sqrt(Σ w cos² / Σ w sin²).
    For tilts that fill ±a it is sqrt((a + sin a cos a) / (a - sin a cos a)) (Radermacher and Hoppe 1980): 1.55 for
    60°. Infinite for a single projection along z.
    """
    weights, angles = angular_weights(angles_deg), np.radians(angles_deg)
    along = float((weights * np.sin(angles) ** 2).sum())
    return float(np.sqrt((weights * np.cos(angles) ** 2).sum() / along)) if along > 1e-12 else float("inf")


@dataclass(frozen=True)
class PointWidths:
    """Full widths at half maximum of the image of a point, in pixels; infinite where it does not fall to a half."""

    z: float
    x: float


def point_widths(angles_deg: Sequence[float], cutoff: float = 0.5) -> PointWidths:
    """Widths of `point_spread` along z and x, within 40 pixels."""
    places = np.arange(REACH * FINE + 1) / FINE
    along_z = point_spread(angles_deg, places, np.zeros(1), cutoff)
    along_x = point_spread(angles_deg, np.zeros(1), places, cutoff)
    return PointWidths(2 * _half_at(places, along_z), 2 * _half_at(places, along_x))


def _half_at(places: np.ndarray, profile: np.ndarray) -> float:
    below = np.flatnonzero(profile < 0.5)
    if not len(below):
        return float("inf")
    i = below[0]
    return float(np.interp(0.5, [profile[i], profile[i - 1]], [places[i], places[i - 1]]))
