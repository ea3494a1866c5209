"""The samples that the product ships: a noisy picture and its truth, made on the spot."""

from __future__ import annotations

from dataclasses import replace

from mendem.image import Image
from mendem.simulate.acquisition import acquire, expose
from mendem.simulate.style import TissueStyle
from mendem.simulate.tissue import tissue_image, tissue_volume

_LEVELS = (30.0, 215.0)


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
    return _pair(tissue_volume(shape, voxel_nm, seed, TissueStyle(myelinated=0.0)), seed, "volume")


def _pair(clean: Image, seed: int, what: str) -> tuple[Image, Image]:
    noisy = acquire(clean, dose=60.0, levels=_LEVELS, read_noise=4.0, bandwidth=0.3, scan_line=0.8, seed=seed)
    truth = replace(expose(clean, _LEVELS), source=f"sample {what}, truth")
    return replace(noisy, source=f"sample {what}"), truth
