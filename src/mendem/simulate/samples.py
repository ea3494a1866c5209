"""The samples that the product ships: what a microscope recorded, and its truth, made on the spot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from mendem.image import Image, VoxelSize
from mendem.simulate import damage
from mendem.simulate.acquisition import acquire, expose
from mendem.simulate.style import TissueStyle
from mendem.simulate.tissue import tissue_image, tissue_volume

_LEVELS = (30.0, 215.0)
_PLAIN = TissueStyle(myelinated=0.0)


def sample_micrograph(shape: tuple[int, int] = (768, 768), pixel_nm: float = 5.0, seed: int = 6) -> tuple[Image, Image]:
    """A noisy micrograph of neuropil and its truth.

    Returns
    -------
    noisy : uint8, ``metadata["noise"]`` is its `NoiseModel`
    truth : float32 in the same intensity units
    """
    return _pair(tissue_image(shape, pixel_nm, seed, TissueStyle(myelinated=0.15)), seed, "micrograph")


def sample_volume(
    shape: tuple[int, int, int] = (64, 128, 128), voxel_nm: float = 8.0, seed: int = 6
) -> tuple[Image, Image]:
    """A noisy isotropic volume of neuropil and its truth; as `sample_micrograph`, axes zyx."""
    return _pair(tissue_volume(shape, voxel_nm, seed, _PLAIN), seed, "volume")


def sample_sections(
    shape: tuple[int, int, int] = (32, 192, 192), factor: int = 4, pixel_nm: float = 8.0, seed: int = 11
) -> tuple[Image, Image]:
    """Thick sections (z, y, x) of neuropil as they come from a microtome, uint8, and the isotropic truth.

    Each section is the mean over ``factor`` planes; sections jitter by 0.7 px, their contrast changes by 4 %, both rms,
    and one of them is lost: the microscope saw an empty film. ``metadata["jitter_px"]`` is (y, x) of each section.
    """
    rng = np.random.default_rng([seed, 0x5EC7])
    jitter, margin = rng.normal(0, 0.7, (shape[0], 2)), 4
    wide = shape[0] * factor, shape[1] + 2 * margin, shape[2] + 2 * margin
    fine = tissue_volume(wide, pixel_nm, seed, _PLAIN)
    inner = (slice(margin, -margin),) * 2
    means = np.asarray(fine.data).reshape(shape[0], factor, *fine.shape[1:]).mean(1)
    moved = [ndimage.shift(m, j, order=3)[inner] for m, j in zip(means, jitter, strict=True)]
    contrast = np.exp(rng.normal(0, 0.04, (shape[0], 1, 1)))
    seen = np.clip(0.5 + (np.stack(moved) - 0.5) * contrast, 0, 1).astype(np.float32)
    seen[shape[0] // 3] = 0.85
    size = VoxelSize((factor * pixel_nm, pixel_nm, pixel_nm), "nm")
    noisy = acquire(
        Image(seen, voxel_size=size),
        dose=300.0,
        levels=_LEVELS,
        read_noise=2.0,
        bandwidth=0.2,
        scan_line=0.3,
        seed=seed,
    )
    noisy = replace(noisy, metadata={**noisy.metadata, "jitter_px": jitter.tolist()}, source="sample sections")
    truth = fine.with_data(np.ascontiguousarray(np.asarray(fine.data)[:, *inner]))
    return noisy, replace(expose(truth, _LEVELS), source="sample sections, truth")


def sample_blurred(
    shape: tuple[int, int] = (512, 512), fwhm_px: float = 4.0, pixel_nm: float = 5.0, seed: int = 7
) -> tuple[Image, Image]:
    """A micrograph out of focus, with little noise, and its truth; ``metadata["psf"]`` says how it was blurred."""
    margin = int(2 * fwhm_px)
    clean = _tissue(tuple(n + 2 * margin for n in shape), pixel_nm, seed)
    seen = ndimage.gaussian_filter(np.asarray(clean.data), fwhm_px / 2.3548200450309493)
    inner = (slice(margin, -margin),) * 2
    sharp, blurred = clean.with_data(clean.data[inner]), clean.with_data(seen[inner])
    noisy = acquire(blurred, dose=600.0, levels=_LEVELS, read_noise=2.0, bandwidth=0.2, scan_line=0.3, seed=seed)
    noisy = replace(noisy, metadata={**noisy.metadata, "psf": f"gaussian:{fwhm_px:g}px"}, source="sample blurred")
    return noisy, replace(expose(sharp, _LEVELS), source="sample blurred, truth")


def sample_coarse(
    shape: tuple[int, int] = (256, 256), factor: int = 2, pixel_nm: float = 10.0, seed: int = 8
) -> tuple[Image, Image]:
    """A micrograph whose pixels are means over ``factor`` finer ones, with little noise, and its truth on those."""
    fine = _tissue(tuple(n * factor for n in shape), pixel_nm / factor, seed)
    means = np.asarray(fine.data).reshape(shape[0], factor, shape[1], factor).mean((1, 3))
    coarse = Image(means, fine.axes, VoxelSize((pixel_nm,) * 2, "nm"))
    noisy = acquire(coarse, dose=500.0, levels=_LEVELS, read_noise=2.0, bandwidth=0.1, scan_line=0.3, seed=seed)
    return replace(noisy, source="sample coarse"), replace(expose(fine, _LEVELS), source="sample coarse, truth")


def sample_damaged(
    shape: tuple[int, int] = (512, 512), pixel_nm: float = 5.0, seed: int = 9
) -> tuple[Image, Image, Image]:
    """A micrograph with a hole, charged bands and a dead line, its truth, and a mask of what is damaged (uint8)."""
    clean = _tissue(shape, pixel_nm, seed)
    noisy = acquire(clean, dose=300.0, levels=_LEVELS, read_noise=3.0, bandwidth=0.2, scan_line=0.5, seed=seed)
    pixels = np.asarray(noisy.data, np.float32)
    marked = damage.charging(pixels, seed, bands=3, height_px=6)
    marked |= damage.tear(pixels, seed, level=255.0, share=0.015)
    row = (3 * shape[0]) // 4
    pixels[row], marked[row] = 0, True
    damaged = noisy.with_data(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), source="sample damaged")
    mask = Image(marked.astype(np.uint8), noisy.axes, noisy.voxel_size, source="sample damaged, mask")
    return damaged, replace(expose(clean, _LEVELS), source="sample damaged, truth"), mask


def sample_frames(
    shape: tuple[int, int] = (384, 384), count: int = 12, pixel_nm: float = 5.0, seed: int = 10
) -> tuple[Image, Image]:
    """Fast frames of a drifting specimen (frame, y, x), uint8, and the truth at the frame in the middle of the drift.

    ``metadata["drift_px"]`` is the drift (y, x) of each frame from that one: what the truth shows at p lies at p +
    drift.
    """
    rng = np.random.default_rng([seed, 0xD1F7])
    drift = np.cumsum(rng.normal((0.6, -0.9), 0.7, (count, 2)), 0)
    drift -= drift[np.argmin(((drift - drift.mean(0)) ** 2).sum(1))]
    margin = int(np.ceil(np.abs(drift).max())) + 3
    clean = _tissue(tuple(n + 2 * margin for n in shape), pixel_nm, seed)
    inner = (slice(margin, -margin),) * 2
    seen = np.stack([ndimage.shift(np.asarray(clean.data), d, order=3)[inner] for d in drift]).clip(0, 1)
    size = VoxelSize((None, pixel_nm, pixel_nm), "nm")
    frames = Image(seen, ("frame", "y", "x"), size, clean.metadata)
    noisy = acquire(frames, dose=12.0, levels=_LEVELS, read_noise=8.0, bandwidth=0.3, scan_line=1.0, seed=seed)
    noisy = replace(noisy, metadata={**noisy.metadata, "drift_px": drift.tolist()}, source="sample frames")
    return noisy, replace(expose(clean.with_data(clean.data[inner]), _LEVELS), source="sample frames, truth")


def _tissue(shape: tuple[int, ...], pixel_nm: float, seed: int) -> Image:
    return tissue_image((shape[0], shape[1]), pixel_nm, seed, TissueStyle(myelinated=0.15))


def _pair(clean: Image, seed: int, what: str) -> tuple[Image, Image]:
    noisy = acquire(clean, dose=60.0, levels=_LEVELS, read_noise=4.0, bandwidth=0.3, scan_line=0.8, seed=seed)
    truth = replace(expose(clean, _LEVELS), source=f"sample {what}, truth")
    return replace(noisy, source=f"sample {what}"), truth
