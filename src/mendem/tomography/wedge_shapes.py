"""Lines, planes and surfaces of the missing wedge, in the pixels of a centred spectrum: what a viewer draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mendem.tomography.directions import missing_arcs

#: Degrees between the points of a curved border.
ARC_STEP_DEG = 5.0


def at_frequency(kz: np.ndarray, kx: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixel (z, x) of frequencies (cycles per pixel) in a centred spectrum of ``shape``: (n, 2)."""
    return np.stack([kz * shape[0] + shape[0] // 2, kx * shape[1] + shape[1] // 2], axis=-1)


def tilt_line(angle_deg: float, shape: tuple[int, int]) -> np.ndarray:
    """Ends ((z, x), (z, x)) of the line that a tilt measures of a slice's spectrum, up to 1/2 cycle per pixel."""
    k = np.array([-0.5, 0.5])
    angle = np.radians(angle_deg)
    return at_frequency(k * np.sin(angle), k * np.cos(angle), shape)


def tilt_plane(angle_deg: float, shape: tuple[int, int, int]) -> np.ndarray:
    """Corners (4, 3) in (z, y, x), in turn, of the plane that a tilt measures of a volume's spectrum."""
    (z0, x0), (z1, x1) = tilt_line(angle_deg, (shape[0], shape[2]))
    last = shape[1] - 1.0
    return np.array([[z0, 0, x0], [z0, last, x0], [z1, last, x1], [z1, 0, x1]])


def wedge_polygons(angles_deg: Sequence[float], shape: tuple[int, int]) -> list[np.ndarray]:
    """Outlines (n, 2) in (z, x) of the missing arcs in a slice's spectrum: two sectors, k and -k, for each arc."""
    outlines = []
    for start, end in missing_arcs(angles_deg):
        count = max(2, int(np.ceil((end - start) / ARC_STEP_DEG)) + 1)
        for turn in (0.0, 180.0):
            angle = np.radians(np.linspace(start, end, count) + turn)
            rim = at_frequency(0.5 * np.sin(angle), 0.5 * np.cos(angle), shape)
            outlines.append(np.concatenate([at_frequency(np.zeros(1), np.zeros(1), shape), rim]))
    return outlines


def wedge_surface(angles_deg: Sequence[float], shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Walls and rim of the missing wedge in a volume's spectrum, as triangles; open at both ends of ky.

    Returns vertices (n, 3) in (z, y, x) and faces (m, 3), both empty where nothing is missing.
    """
    vertices, faces = [np.zeros((0, 3))], [np.zeros((0, 3), int)]
    first = 0
    for outline in wedge_polygons(angles_deg, (shape[0], shape[2])):
        n = len(outline)
        for y in (0.0, shape[1] - 1.0):
            vertices.append(np.insert(outline, 1, y, axis=1))
        here, following = np.arange(n), np.roll(np.arange(n), -1)
        faces.append(first + np.stack([here, following, here + n], 1))
        faces.append(first + np.stack([following, following + n, here + n], 1))
        first += 2 * n
    return np.concatenate(vertices), np.concatenate(faces)


#: The direction in (kz, kx), in degrees, that the planes of Fourier space along ky hold.
ALONG_KY = {"ky kx": 0.0, "kz ky": 90.0}


def plane_wedge(angles_deg: Sequence[float], plane: str, shape: tuple[int, int]) -> list[np.ndarray]:
    """Outlines (n, 2) of what is missing in a plane through 0 of a volume's spectrum, named as in `spectrum.PLANES`.

    A plane along ky is missing as a whole, or not at all: it has one direction across the tilt axis.
    """
    if plane not in ALONG_KY:
        return wedge_polygons(angles_deg, shape)
    direction = ALONG_KY[plane]
    missing = any(0 < (direction - start) % 180.0 < end - start for start, end in missing_arcs(angles_deg))
    low, high = at_frequency(np.array([-0.5, 0.5]), np.array([-0.5, 0.5]), shape)
    return [np.array([low, (low[0], high[1]), high, (high[0], low[1])])] if missing else []


def plane_tilt(angle_deg: float, plane: str, shape: tuple[int, int]) -> np.ndarray:
    """Ends (2, 2) of the line that a tilt measures in a plane through 0 of a volume's spectrum.

    In planes along ky it is the axis ky, which all tilts share; the tilt that measures all of such a plane has it too.
    """
    if plane not in ALONG_KY:
        return tilt_line(angle_deg, shape)
    k, nothing = np.array([-0.5, 0.5]), np.zeros(2)
    return at_frequency(k, nothing, shape) if plane == "ky kx" else at_frequency(nothing, k, shape)


def ring(frequency: float, shape: tuple[int, int]) -> np.ndarray:
    """The circle |k| = ``frequency`` (cycles per pixel) in a centred spectrum of a slice: (n, 2), closed."""
    turn = np.radians(np.arange(0.0, 360.1, ARC_STEP_DEG))
    return at_frequency(frequency * np.sin(turn), frequency * np.cos(turn), shape)
