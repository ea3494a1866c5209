"""The noise of one image, read by a network that has seen what is noise and what is texture."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from mendem.image import Image
from mendem.physics.noise import NoiseModel
from mendem.physics.noise_pixels import sample_windows, unusable_pixels
from mendem.physics.noise_spectrum import gaussian_spectrum
from mendem.priors.checkpoint import load_network, models_folder
from mendem.priors.noise_network import NoiseNetwork

#: Side of the windows that the network looks at, the smallest one, and how many at most.
WINDOW, SMALLEST = 128, 64
MOST = 24
#: Windows of which less is usable tell nothing.
USABLE = 0.5


@lru_cache(maxsize=2)
def load(path: Path, device: str) -> NoiseNetwork:
    """The network of a weights file, ready on a device."""
    return load_network(NoiseNetwork, path).to(device)


def read_noise(image: Image, first: NoiseModel, device: str = "cpu", weights: Path | None = None) -> NoiseModel:
    """A better noise model of one image, in its units; ``first`` where the image is too small or holds no noise.

    The correlation is that of the network. The level is the larger of both: fine texture makes the first estimate too
    large and strong correlation the network's too small, and `mendem.noise_refinement` brings it down.

    Parameters
    ----------
    image
        An image or a stack; the windows are those of the first estimate.
    first
        What `mendem.physics.noise_estimation.estimate_noise` found.
    device, weights
        Where the network runs, and its file; the shipped one when left out.
    """
    windows = _windows(image)
    if first.absent or "quantisation" in first.method or windows is None:
        return first
    seen, mean, std = windows
    told = np.array([describe(first, m, s) for m, s in zip(mean, std, strict=True)], np.float32)
    network = load(weights or models_folder() / "em-noise" / "noise.safetensors", device)
    with torch.inference_mode():
        features = network.features(torch.from_numpy(seen).to(device))
        judged = network.judged(features, torch.from_numpy(told).to(device))
        readings, log_variance = (t.double().cpu().numpy() for t in judged)
    weight = np.exp(-log_variance)
    log_level, rho_y, rho_x = (
        float(np.average(values, weights=weight[:, i]))
        for i, values in enumerate((readings[:, 0] - told[:, 0], readings[:, 1], readings[:, 2]))
    )
    correlation = (min(max(rho_y, 0.0), 0.94), min(max(rho_x, 0.0), 0.94))
    raised = max(1.0, float(np.exp(2 * log_level)))
    return replace(
        first,
        offset=first.offset * raised,
        gain=first.gain * raised,
        floor=first.floor * raised,
        correlation=correlation,
        spectrum=gaussian_spectrum(*correlation),
        method=f"{first.method}, then the noise network",
    )


def describe(noise: NoiseModel, mean: float, std: float) -> list[float]:
    """A noise model as the readings of a window of this mean and standard deviation, and its relative error."""
    variance = max(noise.std_at(mean) ** 2, 1e-8 * std**2)
    return [
        0.5 * float(np.log(variance / std**2)),
        *noise.correlation,
        min(noise.scan_line / variance**0.5, 1.0),
        min(max(noise.gain * std / variance, -2.0), 2.0),
        1.0 if noise.relative_error is None else noise.relative_error,
    ]


def _windows(image: Image) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Windows as the network takes them (N, 2, side, side), their means and standard deviations; None if too few."""
    side = min(WINDOW, *image.plane_shape) // 4 * 4
    if side < SMALLEST:
        return None
    seen, means, stds = [], [], []
    for w in sample_windows(image, None, 0):
        w = w.astype(np.float64)
        bad = unusable_pixels(w, image.dtype)
        rows, columns = (_starts(n, side) for n in w.shape)
        for y in rows:
            for x in columns:
                part = (slice(y, y + side), slice(x, x + side))
                good = ~bad[part]
                if good.mean() < USABLE:
                    continue
                pixels = w[part]
                mean, std = float(pixels[good].mean()), float(pixels[good].std())
                if std > 0:
                    normal = np.where(good, (pixels - mean) / std, 0.0)
                    seen.append(np.stack([normal, good]).astype(np.float32))
                    means.append(mean)
                    stds.append(std)
    if not seen:
        return None
    chosen = np.unique(np.linspace(0, len(seen) - 1, MOST).round().astype(int))
    return np.stack([seen[i] for i in chosen]), np.array(means)[chosen], np.array(stds)[chosen]


def _starts(length: int, side: int) -> list[int]:
    """Where windows begin along an axis: edge to edge, the last one flush."""
    return sorted({*range(0, length - side + 1, side), length - side})
