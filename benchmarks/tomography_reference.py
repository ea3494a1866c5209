"""What a user of scikit-image would reconstruct slices with. Sinograms are (tilts, width), slices square."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from skimage.transform import iradon, iradon_sart, radon

from mendem.tomography.geometry import SliceGeometry


def geometry(angles: Sequence[float], size: int) -> SliceGeometry:
    """Slices of ``size``² that turn about the pixel size // 2 of slice and detector, as scikit-image's do."""
    middle = float(size // 2)
    return SliceGeometry(tuple(angles), (size, size), size, detector_axis=middle, slice_axis=(middle, middle))


def seen(size: int) -> np.ndarray:
    """The disc that every tilt sees, (Z, X)."""
    z, x = np.mgrid[:size, :size] - size // 2
    return np.hypot(z, x) < size // 2


def wbp(sinogram: np.ndarray, angles: np.ndarray, filter_name: str, arc_deg: float) -> np.ndarray:
    """`iradon`, which takes the tilts for a half circle; ``arc_deg`` is what they stand for."""
    found = iradon(sinogram.T.astype(np.float64), -angles, len(sinogram[0]), filter_name=filter_name, circle=True)
    return found * arc_deg / 180


def project(image: np.ndarray, angles: np.ndarray, disc: bool) -> np.ndarray:
    """`radon`, of the whole square or of the disc in it, onto a detector as wide as the square."""
    found = radon(image, -angles, circle=disc).T
    start = found.shape[1] // 2 - len(image) // 2
    return found[:, start : start + len(image)]


def back_project(sinogram: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """`iradon` without a filter; the factor makes it nearly the transpose of `project`."""
    size = sinogram.shape[1]
    found = iradon(sinogram.T, -angles, size, filter_name=None, circle=False)
    return found * 2 * len(angles) / np.pi


def sirt(sinogram: np.ndarray, angles: np.ndarray, iterations: int, disc: bool) -> np.ndarray:
    """SIRT from zero, written with `radon` and `iradon`; R and C are one over the sums of rays and pixels.

    With ``disc`` it knows that there is nothing outside of the disc: its rays are shorter, and its steps longer.
    """
    y = sinogram.astype(np.float64)
    support = seen(y.shape[1]) if disc else np.ones((y.shape[1],) * 2)
    rays = np.maximum(project(support.astype(np.float64), angles, disc), 1.0)
    pixels = np.maximum(back_project(np.ones_like(y), angles), 1.0)
    x = np.zeros(support.shape)
    for _ in range(iterations):
        x += support * back_project((y - project(x, angles, disc)) / rays, angles) / pixels
    return x


def sart(sinogram: np.ndarray, angles: np.ndarray, sweeps: int) -> np.ndarray:
    """`iradon_sart`: the tilts in turn, all of them once in a sweep."""
    found = None
    for _ in range(sweeps):
        found = iradon_sart(sinogram.T.astype(np.float64), -angles, image=found)
    return found
