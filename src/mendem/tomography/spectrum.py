"""Power spectra of tomograms as they are looked at: central planes, and a whole spectrum of little noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.tomography.wedge import slice_power

#: Voxels along an axis of the blocks whose spectra are averaged.
SIDE = 96

#: Axes of a plane of Fourier space, as those of the volume (z, y, x).
PLANES = {"kz kx": (0, 2), "ky kx": (1, 2), "kz ky": (0, 1)}


def plane_power(tomogram: Any, plane: str, check: Callable[[], None] = lambda: None) -> np.ndarray:
    """Power spectrum in a plane of Fourier space through 0, centred.

    ``"kz kx"`` is the mean over all ky (`mendem.tomography.wedge.slice_power`), which share the missing wedge. The
    others are the very central planes: that of a plane is the spectrum of the sum along the axis across it (central
    slice theorem).

    Parameters
    ----------
    tomogram
        (z, y, x): an array, or anything with a shape that can be sliced; it is read a plane z at a time.
    plane
        One of `PLANES`.
    """
    shape = _three(tomogram)
    if plane == "kz kx":
        return slice_power(tomogram, check)
    sums = np.zeros([shape[axis] for axis in PLANES[plane]])
    for z in range(shape[0]):
        check()
        section = np.asarray(tomogram[z], np.float64)
        if plane == "ky kx":
            sums += section
        else:
            sums[z] = section.sum(1)
    return slice_power(sums)


def volume_power(tomogram: Any, check: Callable[[], None] = lambda: None) -> np.ndarray:
    """Power spectrum (kz, ky, kx) of a volume, centred, at most 96 frequencies along each axis.

    The mean over up to eight blocks that are spread over the volume, each without its mean and tapered to 0 at its
    borders (Hann): the spectrum of the whole would be as noisy as it is fine (Welch 1967).
    """
    shape = _three(tomogram)
    block = tuple(min(SIDE, n) for n in shape)
    # At a quarter and three quarters of the way: the far corners of a tomogram are often empty.
    places = [sorted({(n - b) // 4, 3 * (n - b) // 4}) for n, b in zip(shape, block, strict=True)]
    corners = np.stack(np.meshgrid(*places, indexing="ij"), -1).reshape(-1, 3)
    z, y, x = (np.hanning(n + 2)[1:-1] for n in block)
    taper = z[:, None, None] * y[None, :, None] * x
    total = np.zeros(block)
    for corner in corners:
        check()
        inside = tuple(slice(int(first), int(first) + b) for first, b in zip(corner, block, strict=True))
        part = np.asarray(tomogram[inside], np.float64)
        total += np.abs(np.fft.fftn(taper * (part - (taper * part).sum() / taper.sum()))) ** 2
    return np.fft.fftshift(total / len(corners))


def log_power(power: np.ndarray) -> np.ndarray:
    """Common logarithm of power over its largest value, float32; six decades and no more."""
    largest = float(power.max(initial=0.0))
    if not largest > 0:
        return np.full(power.shape, -6.0, np.float32)
    return np.log10(np.maximum(power / largest, 1e-6)).astype(np.float32)


def _three(tomogram: Any) -> tuple[int, int, int]:
    shape = tuple(int(n) for n in tomogram.shape)
    if len(shape) != 3 or min(shape) < 1:
        raise MendemError(f"a tomogram has the axes z, y, x; this has the shape {shape}")
    return shape
