"""Estimate the noise of an image from itself, from repeats, from neighbouring slices or from an empty area."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mendem.image import Image
from mendem.physics.noise import NoiseModel
from mendem.physics.noise_frames import noise_from_neighbours, noise_from_repeats
from mendem.physics.noise_pixels import sample_windows, unusable_pixels
from mendem.physics.noise_windows import noise_of_windows, residual_noise

__all__ = ["estimate_noise", "noise_from_empty", "noise_from_neighbours", "noise_from_repeats"]


def estimate_noise(image: Image | np.ndarray, planes: Sequence[int] | None = None, seed: int = 0) -> NoiseModel:
    """Noise of an image, from that image alone.

    Small blocks are sorted by how much structure they show, the spectra of quiet and ordinary blocks are split into
    a low-passed noise and structure (see `noise_of_blocks`), the variance is fitted as a line over the local mean,
    and row offsets are measured apart. Saturated, non-finite and hot pixels are left out. Large images are sampled in
    at most 16 windows, stacks in a few slices spread over them; the answer does not depend on anything but the
    pixels and the arguments.

    Parameters
    ----------
    image
        Image, or an array of real numbers with shape (..., y, x).
    planes
        Slices to look at, counted in C order over the leading axes; a few spread over the stack when left out.
    seed
        Moves the sampled windows of a large image.

    Returns
    -------
    NoiseModel
        In the units of the image. ``method`` says which way was taken: blocks; a plain robust estimate for images
        under 32 pixels or with too few usable blocks; below quantisation; or no noise for a constant image.

    Raises
    ------
    MendemError
        If the image is not one (see `Image`) or a plane does not exist.
    """
    image = _as_image(image)
    windows = sample_windows(image, planes, seed)
    return noise_of_windows([w.astype(np.float64) for w in windows], image.dtype)


def _as_image(image: Any) -> Image:
    return image if isinstance(image, Image) else Image(image if hasattr(image, "shape") else np.asarray(image))


def noise_from_empty(image: Image | np.ndarray) -> NoiseModel:
    """Noise of an area that holds nothing: a dark frame, bare resin, vacuum.

    Shading, as a quadratic surface, is removed; everything that is left counts as noise.

    Parameters
    ----------
    image
        Image or array (..., y, x) of which every slice is empty.

    Returns
    -------
    NoiseModel
        In the units of the image, with gain 0, since one intensity tells no dependence on it.
    """
    image = _as_image(image)
    windows = [w.astype(np.float64) for w in sample_windows(image, None, 0)]
    flat, bad = [], []
    for w in windows:
        b = unusable_pixels(w, image.dtype)
        y, x = np.meshgrid(np.linspace(-1, 1, w.shape[0]), np.linspace(-1, 1, w.shape[1]), indexing="ij")
        design = np.stack([np.ones_like(x), y, x, y * y, y * x, x * x], -1)
        if (~b).sum() > 12:
            w = w - design @ np.linalg.lstsq(design[~b], w[~b], rcond=None)[0]
        flat.append(np.where(b, 0.0, w))
        bad.append(b)
    return residual_noise(flat, bad, "empty area")
