"""The noise of one image, estimated once more with the prior's help (indirect inference).

A restored window takes the place of the truth: synthetic noise of the believed kind is added and restored away again.
Where the real residual has less power than the synthetic one, the noise has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.image import Image
from mendem.noise_hash import normal
from mendem.normalise import Normalisation
from mendem.physics.defects import reliable
from mendem.physics.mask import Mask
from mendem.physics.noise import NoiseModel
from mendem.physics.noise_spectrum import FREQUENCY, SHARE, gaussian_spectrum
from mendem.physics.observation import Observation
from mendem.priors.prior import Prior

if TYPE_CHECKING:
    from torch import Tensor

WINDOW = 192
#: Windows below this size tell too little.
SMALLEST = 96
#: At most so many rounds; fewer once nothing moves by more than this share.
ROUNDS = 5
SETTLED = 0.02
#: By what power ratios one round is impressed at most.
STEP = 4.0


def refine_noise(image: Image, noise: NoiseModel, norm: Normalisation, prior: Prior, device: str) -> NoiseModel:
    """A better noise model of ``image``, in its units; ``noise`` itself where nothing can be learned.

    Level and correlation may fall, and are never raised: the residual also holds texture that the restoration lost,
    which is no noise but looks like correlated noise.

    Parameters
    ----------
    image, noise, norm
        The image, what is believed of its noise, and its normalisation.
    prior, device
        A conditional prior, and where it runs.
    """
    import torch

    windows = _windows(image)
    if noise.absent or not prior.conditional or windows is None:
        return noise
    u = torch.from_numpy(norm.apply(windows.astype(np.float64)).astype(np.float32))[:, None].to(device)
    believed = noise.affine(norm.centre, norm.scale)
    kept = reliable(u, believed.std_at(0.0))
    u = torch.where(kept > 0, u, torch.zeros_like(u))
    most = believed.correlation
    spectrum = np.asarray(believed.spectrum or gaussian_spectrum(*most))
    size = u.shape[-1]
    white = torch.stack([normal(0, i, 0, 0, range(size), range(size), device) for i in range(len(u))])[:, None]
    f = np.fft.fftfreq(size)
    share = 1.0  # of the variance that was believed at first
    for _ in range(ROUNDS):
        believed = replace(believed, spectrum=tuple(map(tuple, spectrum.tolist())))
        filter_ = np.sqrt(np.maximum(believed.spectrum_at(f[:, None], f[None, :]), 0))
        coloured = torch.fft.ifft2(torch.fft.fft2(white) * torch.from_numpy(filter_).float().to(device)).real
        mean = _restore(u, kept, believed, prior)
        std = believed.variance(mean).sqrt()
        again = mean + std * coloured
        measured = _power(kept * (u - mean) / std)
        expected = _power(kept * (again - _restore(again, kept, believed, prior)) / std)
        removed = np.clip(expected / _power(kept * coloured), 0, 1)
        power = spectrum * np.clip(measured / expected, 1 / STEP, STEP)
        fitted = _correlation(_smooth(power, removed**2))
        fallen = [float(np.clip(c, min(m, 0), m)) for c, m in zip(fitted, most, strict=True)]
        correlation = (fallen[0], fallen[1])
        narrower = np.asarray(gaussian_spectrum(*correlation))
        # what is removed wholly tells most, and of that the high frequencies, where there is least texture
        weight = removed**2 * np.outer(SHARE, SHARE) * np.minimum(narrower, 1)
        level = float(np.exp(np.average(np.log(power / narrower), weights=weight)))
        before, share = share, min(share * level, 1.0)
        moved = float(np.outer(SHARE, SHARE).ravel() @ np.abs(narrower - spectrum).ravel()) + abs(share / before - 1)
        spectrum = narrower
        believed = replace(_weaker(believed, share / before), correlation=correlation)
        if moved < SETTLED:
            break
    believed = replace(believed, spectrum=tuple(map(tuple, spectrum.tolist())))
    return replace(believed.affine(-norm.centre / norm.scale, 1 / norm.scale), method=f"{noise.method}, then the prior")


def _windows(image: Image) -> np.ndarray | None:
    """Two windows (2, size, size) of the middle slice; None where the image is too small or mostly gaps."""
    height, width = image.plane_shape
    size = min(WINDOW, height, width) // 16 * 16
    if size < SMALLEST:
        return None
    plane = image.plane_count // 2
    found = []
    for share in (1 / 3, 2 / 3):
        y, x = round(share * (height - size)), round(share * (width - size))
        found.append(image.read(plane, slice(y, y + size), slice(x, x + size)))
    windows = np.stack(found)
    return windows if np.isfinite(windows).mean() > 0.9 else None


def _restore(u: Tensor, kept: Tensor, noise: NoiseModel, prior: Prior) -> Tensor:
    observation = Observation(u, Mask(), noise, kept)
    return prior.denoise(None, None, observation.condition())[0]


def _power(residual: Tensor) -> np.ndarray:
    """Power of Hann-windowed residuals (N, 1, size, size) at the nearest of 9 x 9 frequencies ``|f_y|, |f_x|``."""
    import torch

    size = residual.shape[-1]
    hann = torch.hann_window(size, periodic=False, device=residual.device)
    spectrum = torch.fft.fft2(residual[:, 0] * hann[:, None] * hann)
    power = spectrum.abs().square().mean(0).double().cpu().numpy()
    nearest = np.rint(np.abs(np.fft.fftfreq(size)) * 16).astype(int)
    cell = (9 * nearest[:, None] + nearest[None, :]).ravel()
    total, count = np.bincount(cell, power.ravel(), 81), np.bincount(cell, minlength=81)
    return (total / count).reshape(9, 9) + 1e-30


def _smooth(power: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """White noise through a Gaussian low pass, plus white noise, fitted to the logarithm of 9 x 9 powers."""
    from scipy.optimize import least_squares

    wanted = np.log(power)
    root = np.sqrt(weight * np.outer(SHARE, SHARE))

    def model(p: np.ndarray) -> np.ndarray:
        low_pass = (2 * np.pi) ** 2 * ((p[1] * FREQUENCY[:, None]) ** 2 + (p[2] * FREQUENCY) ** 2)
        return np.logaddexp(p[0] - low_pass, p[3])

    def fit(width: float) -> Any:
        start = [wanted.max(), width, width, wanted.min() - 1]
        lowest, highest = wanted.min() - 15, wanted.max() + 5
        bounds = ([lowest, 0, 0, lowest], [highest, 1.5, 1.5, highest])
        return least_squares(lambda p: (root * (model(p) - wanted)).ravel(), start, bounds=bounds, xtol=1e-5, ftol=1e-5)

    best = min((fit(0.2), fit(0.6)), key=lambda found: found.cost)
    return np.exp(model(best.x))


def _correlation(power: np.ndarray) -> tuple[float, float]:
    """Correlations between neighbours along y and x of noise with these 9 x 9 powers."""
    cosine = np.cos(2 * np.pi * FREQUENCY)
    along_y, along_x = power @ SHARE, SHARE @ power
    return float(along_y * cosine @ SHARE / (along_y @ SHARE)), float(along_x * cosine @ SHARE / (along_x @ SHARE))


def _weaker(noise: NoiseModel, factor: float) -> NoiseModel:
    """The model with ``factor`` times the variance."""
    return replace(noise, offset=noise.offset * factor, gain=noise.gain * factor, floor=noise.floor * factor)
