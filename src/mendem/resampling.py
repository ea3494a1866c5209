"""Work at the prior's pixel size where an image is sampled far finer than it resolves, and come back.

Pixel centres are at integer positions: the mean over ``factor`` pixels lies at
``factor * i + (factor - 1) / 2`` of the fine grid, and `stretch` returns to the fine grid's own positions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mendem.image import Image
from mendem.physics.noise import NoiseModel
from mendem.priors.prior import Coverage

if TYPE_CHECKING:
    from torch import Tensor

#: Power beyond the coarse grid's Nyquist frequency, relative to the noise there, up to which nothing is lost.
NOISE_ONLY = 1.15


def shrink(x: Tensor, factor: int) -> Tensor:
    """Mean over ``factor`` x ``factor`` pixels of (N, 1, H, W); far edges are repeated to fill whole blocks."""
    if factor == 1:
        return x
    from torch.nn import functional as F

    bottom, right = -x.shape[-2] % factor, -x.shape[-1] % factor
    return F.avg_pool2d(F.pad(x, (0, right, 0, bottom), mode="replicate"), factor)


def stretch(x: Tensor, factor: int) -> Tensor:
    """Cubic interpolation of (N, 1, h, w) to ``factor`` times finer pixels, at their exact positions.

    Keys' kernel with a = -1/2 (1981), which keeps straight ramps straight; torch's own has a = -3/4 and does not.
    """
    if factor == 1:
        return x
    from torch.nn import functional as F

    phase = (np.arange(factor) + 0.5) / factor - 0.5
    distance = np.abs(phase[:, None] - np.arange(-2, 3)[None, :])
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    kernel = x.new_tensor(np.where(distance < 1, near, np.where(distance < 2, far, 0.0)))

    count, _, height, width = x.shape
    rows = F.conv2d(F.pad(x, (0, 0, 2, 2), mode="replicate"), kernel[:, None, :, None])
    x = rows.transpose(1, 2).reshape(count, 1, height * factor, width)
    columns = F.conv2d(F.pad(x, (2, 2, 0, 0), mode="replicate"), kernel[:, None, None, :])
    return columns.permute(0, 2, 3, 1).reshape(count, 1, height * factor, width * factor)


def _variance_of_mean(correlation: float, factor: int) -> float:
    """Variance of the mean of ``factor`` neighbours whose correlation falls as ``correlation ** distance``."""
    distance = np.abs(np.subtract.outer(np.arange(factor), np.arange(factor)))
    return (
        float((np.sign(correlation) ** distance * abs(correlation) ** distance).mean()) if correlation else 1 / factor
    )


def binned_noise(noise: NoiseModel, factor: int) -> NoiseModel:
    """The noise of the image after `shrink`."""
    if factor == 1:
        return noise
    rho_y, rho_x = noise.correlation
    share = _variance_of_mean(rho_y, factor) * _variance_of_mean(rho_x, factor)
    return replace(
        noise,
        offset=noise.offset * share,
        gain=noise.gain * share,
        floor=noise.floor * share,
        correlation=(_binned_correlation(rho_y, factor), _binned_correlation(rho_x, factor)),
        scan_line=noise.scan_line / factor**0.5,
    )


def _binned_correlation(correlation: float, factor: int) -> float:
    if correlation <= 0:
        return 0.0
    i = np.arange(factor)
    apart = (correlation ** (factor + i[None, :] - i[:, None])).mean()
    return float(apart / _variance_of_mean(correlation, factor))


def outside(image: Image, scale: int, coverage: Coverage) -> tuple[str, ...]:
    """What to tell of pixels, ``scale`` times finer than the image's, that the prior was not trained on."""
    voxel = image.voxel_size.nm[-1] if image.voxel_size else None
    finest, coarsest = coverage.pixel_nm
    if voxel is None or finest / 1.25 <= voxel / scale <= coarsest * 1.25:
        return ()
    what = "finer" if voxel / scale < finest else "coarser"
    known, whose = f"{finest:g}-{coarsest:g} nm", "the result" if scale > 1 else "the image"
    return (f"pixels of {voxel / scale:.3g} nm in {whose} are {what} than the {known} that the prior was trained on",)


def choose_binning(image: Image, noise: NoiseModel, coverage: Coverage) -> tuple[int, tuple[str, ...]]:
    """Factor by which to shrink, and what to tell the user.

    The pixels must be finer than the finest that the prior knows, and the image's spectrum beyond the
    coarse Nyquist frequency must hold nothing but noise.
    """
    voxel = image.voxel_size.nm[-1] if image.voxel_size else None
    finest, coarsest = coverage.pixel_nm
    if voxel is None:
        return 1, ()
    if voxel > coarsest * 1.25:
        return 1, (f"{voxel:.3g} nm is coarser than the {finest:g}-{coarsest:g} nm that the prior was trained on",)
    factor = int(round(finest / voxel))
    if factor < 2:
        return 1, ()
    if power_beyond(image, noise, factor) > NOISE_ONLY:
        return 1, (
            f"{voxel:.3g} nm is finer than the {finest:g}-{coarsest:g} nm that the prior was trained on; "
            "kept, because the image has detail at that scale",
        )
    return factor, (
        f"{voxel:.3g} nm is finer than the {finest:g}-{coarsest:g} nm that the prior was trained on: "
        f"restored at {voxel * factor:.3g} nm and brought back",
    )


def power_beyond(image: Image, noise: NoiseModel, factor: int) -> float:
    """Power beyond ``1 / (2 factor)`` cycles per pixel over what the noise alone would have there.

    From a Hann-windowed square of up to 512 pixels in the middle of the middle slice; the spectrum of the
    noise is that of an exponential correlation along each axis.
    """
    height, width = image.plane_shape
    side = min(512, height, width)
    if side < 32:
        return float("inf")  # too little to tell: the pixels stay as they are
    y, x = (height - side) // 2, (width - side) // 2
    pixels = image.read(image.plane_count // 2, slice(y, y + side), slice(x, x + side)).astype(np.float64)
    pixels = np.where(np.isfinite(pixels), pixels, np.nanmedian(pixels) if np.isfinite(pixels).any() else 0.0)
    centre, scale = float(pixels.mean()), float(pixels.std()) or 1.0
    pixels, noise = (pixels - centre) / scale, noise.affine(centre, scale)
    window = np.outer(np.hanning(side + 2)[1:-1], np.hanning(side + 2)[1:-1])
    power = np.abs(np.fft.fft2(pixels * window)) ** 2 / (window**2).sum()
    f = np.fft.fftfreq(side)
    beyond = np.maximum(abs(f)[:, None], abs(f)[None, :]) > 1 / (2 * factor)

    def spectrum(rho: float) -> np.ndarray:
        return (1 - rho**2) / (1 + rho**2 - 2 * rho * np.cos(2 * np.pi * f))

    expected = noise.variance(pixels).mean() * np.outer(*(spectrum(min(r, 0.95)) for r in noise.correlation))
    return float(power[beyond].mean() / max(expected[beyond].mean(), 1e-30))
