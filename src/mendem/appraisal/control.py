"""Images in which there is nothing to find, and how much structure a picture shows.

Two controls: an empty field with an image's noise, and an image's own power spectrum with random phases. Neither has an
edge; what looks like one after a restoration was invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mendem.normalise import Normalisation
from mendem.physics.noise import NoiseModel

#: Mean of |x| over the root of the mean of x², for Gaussian x.
_GAUSSIAN = float(np.sqrt(2 / np.pi))


def noise_field(noise: NoiseModel, level: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Noise of a model on a flat field of intensity ``level``: float64 of ``shape``, mean about 0, periodic.

    Correlated by the model's spectrum, or where it has none by a correlation that falls exponentially along each axis;
    the offsets of scan lines come on top.
    """
    f_y, f_x = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :]
    if noise.spectrum is None:
        power = _exponential(noise.correlation[0], f_y) * _exponential(noise.correlation[1], f_x)
    else:
        power = np.maximum(noise.spectrum_at(f_y, f_x), 0.0)
    white = rng.standard_normal(shape)
    pixels = np.fft.ifft2(np.fft.fft2(white) * np.sqrt(power / power.mean())).real
    std = noise.std_at(level)
    lines = min(noise.scan_line, std)
    return np.sqrt(std**2 - lines**2) * pixels + lines * rng.standard_normal((shape[0], 1))


def _exponential(correlation: float, f: np.ndarray) -> np.ndarray:
    rho = min(max(correlation, -0.9), 0.9)
    return (1 - rho**2) / (1 + rho**2 - 2 * rho * np.cos(2 * np.pi * f))


def random_phases(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image with the mean and the power spectrum of ``pixels`` (height, width; finite), and random phases; float64.

    Galerne, Gousseau and Morel, "Random phase textures", IEEE Trans. Image Process. 20 (2011) 257-267. The spectrum is
    that of the periodic part of the image, or the jumps between opposite borders would add a cross to it.
    """
    amplitude = np.abs(np.fft.fft2(periodic_part(pixels)))
    phases = np.angle(np.fft.fft2(rng.standard_normal(pixels.shape)))  # of a real image, as the amplitudes are
    phases[0, 0] = 0.0
    texture = np.fft.ifft2(amplitude * np.exp(1j * phases)).real
    return texture - texture.mean() + pixels.mean()


def periodic_part(pixels: np.ndarray) -> np.ndarray:
    """The image less the smooth one that explains the jumps between its opposite borders (float64).

    Moisan, "Periodic plus smooth image decomposition", J. Math. Imaging Vis. 39 (2011) 161-179.
    """
    u = np.asarray(pixels, np.float64)
    height, width = u.shape
    jumps = np.zeros_like(u)
    jumps[0] += u[-1] - u[0]
    jumps[-1] += u[0] - u[-1]
    jumps[:, 0] += u[:, -1] - u[:, 0]
    jumps[:, -1] += u[:, 0] - u[:, -1]
    laplacian = 2 * np.cos(2 * np.pi * np.arange(height) / height)[:, None]
    laplacian = laplacian + 2 * np.cos(2 * np.pi * np.arange(width) / width) - 4
    laplacian[0, 0] = 1.0
    smooth = np.fft.fft2(jumps) / laplacian
    smooth[0, 0] = 0.0
    return u - np.fft.ifft2(smooth).real


def without_defects(pixels: np.ndarray, norm: Normalisation, noise: NoiseModel) -> np.ndarray:
    """Pixels, float64, with the median in place of what is no measurement: hot pixels would become white noise.

    Parameters
    ----------
    pixels, norm, noise
        Height, width; the normalisation and the noise of the whole image, the noise in its units.
    """
    import torch

    from mendem.physics.defects import reliable

    values = pixels.astype(np.float64)
    with np.errstate(over="ignore"):
        u = torch.from_numpy(norm.apply(values).astype(np.float32))[None, None]
    if noise.absent:
        kept = np.isfinite(values)
    else:
        kept = reliable(u, noise.std_at(norm.centre) / abs(norm.scale))[0, 0].numpy() > 0
    return np.where(kept, values, norm.centre)


def as_measured(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Pixels as a detector of ``dtype`` records them: rounded and clipped for integers."""
    if dtype.kind == "b":
        return pixels > 0.5
    if dtype.kind == "f":
        return pixels.astype(dtype)
    about = np.iinfo(dtype)
    return np.clip(np.rint(pixels), about.min, about.max).astype(dtype)


@dataclass(frozen=True)
class Endless:
    """A slice repeated without end: an array of ``shape`` (…, height, width) that computes what is sliced.

    ``patch`` lies with its first pixel at ``corner`` (row, column) of every slice, and all around it are its copies.
    """

    patch: np.ndarray
    corner: tuple[int, int]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        return self.patch.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        rows, columns = key[-2:]
        height, width = self.patch.shape
        y = (np.arange(*rows.indices(self.shape[-2])) - self.corner[0]) % height
        x = (np.arange(*columns.indices(self.shape[-1])) - self.corner[1]) % width
        return self.patch[np.ix_(y, x)]


def sharpness(pixels: np.ndarray) -> float:
    """How much of an image's gradient is gathered in edges: 0 for any Gaussian texture, towards 1 for few sharp ones.

    One minus E|g| / sqrt(E g²) over its Gaussian value, for the differences g between neighbours (Geary's measure of
    kurtosis, which a few hot pixels do not decide). Linear filters keep a Gaussian texture at 0, whatever its spectrum.

    Parameters
    ----------
    pixels
        Height, width; at least two pixels a side.
    """
    u = np.asarray(pixels, np.float64)
    found = []
    for axis in (0, 1):
        g = np.diff(u, axis=axis)
        g = g[np.isfinite(g)]
        power = float(np.mean(g**2)) if g.size else 0.0
        found.append(1 - float(np.mean(np.abs(g))) / power**0.5 / _GAUSSIAN if power > 0 else 0.0)
    return max(0.0, float(np.mean(found)))


def contrast(pixels: np.ndarray) -> float:
    """Standard deviation of the finite pixels."""
    u = np.asarray(pixels, np.float64)
    u = u[np.isfinite(u)]
    return float(u.std()) if u.size else 0.0


def conclusions(
    invented_contrast: float | None, noise_left: float | None, invented_sharpness: float | None
) -> tuple[str, str]:
    """What the empty field and the random phases showed, in words; for the shares see `mendem.negative_control`."""
    if noise_left is None:
        first = (
            "Empty: the field shows no noise (none was found, or it is below the steps of the pixels), so that there "
            "is nothing to restore."
        )
    elif invented_contrast is None:
        first = f"Empty: {percent(noise_left)} of the noise is left; the restored image has no contrast."
    else:
        first = (
            f"Empty: on noise alone the restoration shows {percent(invented_contrast)} of the contrast that it shows "
            f"in the image ({percent(noise_left)} of the noise)."
        )
    if invented_sharpness is None:
        return first, "Random phases: the restored image has no edges to compare with."
    return first, (
        f"Random phases: on a texture without edges the restoration shows {percent(invented_sharpness)} of the edge "
        "sharpness that it shows in the image."
    )


def percent(share: float) -> str:
    """``7 %``, ``0.4 %``."""
    return f"{100 * share:.0f} %" if share >= 0.0095 else f"{100 * share:.1g} %"
