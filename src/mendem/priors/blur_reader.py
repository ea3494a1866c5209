"""The blur of one image, read by networks that have seen sharp and blurred micrographs with noise."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from mendem.errors import MendemError
from mendem.image import Image
from mendem.physics.blur_estimate import BlurEstimate
from mendem.physics.noise_pixels import sample_windows, unusable_pixels
from mendem.priors.blur_features import WINDOW, features
from mendem.priors.blur_network import BlurNetwork
from mendem.priors.checkpoint import load_network, models_folder

#: Images below this side tell too little; of larger ones so many windows at most are read.
SMALLEST, MOST = 64, 24
#: The widest blur that the networks have seen, less a little; wider ones are read as about this, pixels.
WIDEST = 10.0
#: Windows of which less is usable tell nothing.
USABLE = 0.9


@lru_cache(maxsize=2)
def load(path: Path) -> BlurNetwork:
    """The network of a weights file."""
    return load_network(BlurNetwork, path)


def read_blur(image: Image, weights: Path | None = None) -> BlurEstimate:
    """The Gaussian blur of an image, or of a stack as a whole, against what micrographs are like when they are sharp.

    Parameters
    ----------
    image
        At least 64 pixels a side.
    weights
        File of the network; the shipped one when left out.

    Raises
    ------
    MendemError
        For an image that is smaller, constant, or mostly gaps.
    """
    where = image.source or "the image"
    if min(image.plane_shape) < SMALLEST:
        raise MendemError(
            f"{where} has {image.plane_shape[0]} x {image.plane_shape[1]} pixels: too few to tell its blur from; "
            "choose another blur (as in gaussian:3px)"
        )
    windows = _windows(image)
    if windows is None:
        raise MendemError(f"{where} has no place of {WINDOW} x {WINDOW} pixels that tells its blur; state the blur")
    network = load(weights or models_folder() / "em-blur" / "blur.safetensors")
    with torch.inference_mode():
        readings, variances = (t.double().numpy() for t in network(features(torch.from_numpy(windows))))
    weight = 1 / variances
    reading = float(np.average(readings, weights=weight))
    error = math.sqrt(float(np.average(variances, weights=weight)))  # windows of one picture err alike
    fwhm = math.sqrt(max(math.expm1(2 * reading), 0.0))
    return BlurEstimate(fwhm, error * math.exp(2 * reading) / max(fwhm, 1.0), "blur network")


def _windows(image: Image) -> np.ndarray | None:
    """Windows (N, WINDOW, WINDOW) float32 of unit scale; of smaller images mirrored beyond their edges."""
    found = []
    for w in sample_windows(image, None, 0):
        pixels = w.astype(np.float64)
        bad = unusable_pixels(pixels, image.dtype)
        if bad.all():
            continue
        pixels = _mended(pixels, bad)
        missing = [max(0, WINDOW - n) for n in pixels.shape]
        pad = [(m // 2, m - m // 2) for m in missing]
        pixels, bad = np.pad(pixels, pad, mode="symmetric"), np.pad(bad, pad, mode="symmetric")
        for y in _starts(pixels.shape[0]):
            for x in _starts(pixels.shape[1]):
                part = (slice(y, y + WINDOW), slice(x, x + WINDOW))
                std = float(pixels[part].std())
                if std > 0 and 1 - bad[part].mean() >= USABLE:
                    found.append(((pixels[part] - pixels[part].mean()) / std).astype(np.float32))
    if not found:
        return None
    chosen = np.unique(np.linspace(0, len(found) - 1, MOST).round().astype(int))
    return np.stack([found[i] for i in chosen])


def _mended(pixels: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Pixels that tell nothing take the value of the nearest that does."""
    if not bad.any():
        return pixels
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(bad, return_distances=False, return_indices=True)
    return pixels[tuple(nearest)]


def _starts(length: int) -> list[int]:
    """Where windows begin along an axis: edge to edge, the last one flush."""
    return sorted({*range(0, length - WINDOW + 1, WINDOW), length - WINDOW})
