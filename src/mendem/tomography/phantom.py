"""Ellipses whose pixels and projections are known exactly: what reconstructions are judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mendem.tomography.geometry import SliceGeometry


@dataclass(frozen=True)
class Ellipse:
    """A filled ellipse; lengths and places in pixels, places from the tilt axis.

    ``half_z`` and ``half_x`` are its half axes before it is turned by ``turn_deg`` (from x towards z); ``value`` is
    what it adds to each pixel inside.
    """

    value: float
    z: float
    x: float
    half_z: float
    half_x: float
    turn_deg: float = 0.0


@dataclass(frozen=True)
class EllipsePhantom:
    """A slice made of ellipses that add up."""

    ellipses: tuple[Ellipse, ...]

    def image(self, geometry: SliceGeometry, oversampling: int = 8) -> np.ndarray:
        """Mean value in each pixel of the slice, float32 (Z, X), from ``oversampling``² points in each."""
        depth, width = geometry.shape
        total = np.zeros((depth, width))
        sub = (np.arange(oversampling) + 0.5) / oversampling - 0.5
        z = (np.arange(depth)[:, None] + sub - geometry.axis[0]).reshape(-1, 1)
        x = (np.arange(width)[:, None] + sub - geometry.axis[1]).reshape(1, -1)
        for e in self.ellipses:
            turn = np.radians(e.turn_deg)
            along = (x - e.x) * np.cos(turn) + (z - e.z) * np.sin(turn)
            across = (z - e.z) * np.cos(turn) - (x - e.x) * np.sin(turn)
            inside = (along / e.half_x) ** 2 + (across / e.half_z) ** 2 <= 1
            total += e.value * inside.reshape(depth, oversampling, width, oversampling).mean((1, 3))
        return total.astype(np.float32)

    def project(self, geometry: SliceGeometry) -> np.ndarray:
        """Line integrals averaged over each detector pixel, exact, float32 (tilts, width).

        The projection of an ellipse of half axes a and b, whose shadow has the half width w, is
        2 a b / w² sqrt(w² - d²) at the distance d from the middle (Kak and Slaney 1988, eq. 3.5); the mean over a
        pixel is the difference of its primitive.
        """
        edges = np.arange(geometry.width + 1) - 0.5
        total = np.zeros((len(geometry.angles_deg), geometry.width))
        for row, angle, origin in zip(total, np.radians(geometry.angles_deg), geometry.origins, strict=True):
            for e in self.ellipses:
                turn = np.radians(e.turn_deg)
                half = np.hypot(e.half_x * np.cos(angle - turn), e.half_z * np.sin(angle - turn))
                d = np.clip(edges - origin - e.x * np.cos(angle) - e.z * np.sin(angle), -half, half)
                primitive = d * np.sqrt(np.maximum(half**2 - d**2, 0)) + half**2 * np.arcsin(np.clip(d / half, -1, 1))
                row += np.diff(primitive) * e.value * e.half_x * e.half_z / half**2
        return total.astype(np.float32)


def ellipse_phantom(depth: int, width: int) -> EllipsePhantom:
    """An isolated object that fills a slice of ``depth`` x ``width`` pixels, with holes and details of many sizes."""
    a, b = depth / 2, width / 2
    small = min(a, b)
    return EllipsePhantom(
        (
            Ellipse(1.0, 0.0, 0.0, 0.85 * a, 0.85 * b),
            Ellipse(-0.6, 0.05 * a, 0.0, 0.75 * a, 0.78 * b),
            Ellipse(0.3, 0.1 * a, 0.25 * b, 0.25 * small, 0.12 * small, 25),
            Ellipse(0.4, -0.2 * a, -0.3 * b, 0.1 * small, 0.2 * small, -40),
            Ellipse(0.5, 0.45 * a, 0.05 * b, 0.05 * small, 0.05 * small),
            Ellipse(0.5, -0.45 * a, -0.1 * b, 0.06 * small, 0.03 * small, 70),
            Ellipse(0.8, 0.1 * a, -0.5 * b, 0.03 * small, 0.03 * small),
            Ellipse(-0.3, -0.2 * a, 0.45 * b, 0.15 * small, 0.2 * small, 10),
        )
    )


def counted(projections: np.ndarray, dose: float, seed: int) -> np.ndarray:
    """Projections with the shot noise of ``dose`` electrons on each pixel of empty beam, in the same units.

    The contrast is weak (the projection is a small part of the beam), so that the noise is the same everywhere: the
    counts are Poisson with the mean ``dose (1 - 0.1 p / max p)``, and the projection is read back from them.
    """
    rng = np.random.default_rng(seed)
    share = 0.1 / float(projections.max())
    return ((1 - rng.poisson(dose * (1 - share * projections)) / dose) / share).astype(np.float32)
