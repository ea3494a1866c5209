"""What tells a blur in a window: its power by frequency, and how steep its steepest edges are at several scales."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

#: Side of the windows, pixels, and how much of their rim is left out where filters would reach over it.
WINDOW, RIM = 128, 16
#: Limits of the rings of frequencies, in periods per window.
RINGS = (1.5, 2.5, 3.5, 4.5, 5.5, 7, 9, 11, 13.5, 16.5, 20, 24, 28.5, 34, 40, 46, 52, 58, 64)
#: Standard deviations of the Gaussians whose gradient is taken, pixels.
SCALES = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)
#: What is said of the gradients at each scale: these quantiles.
QUANTILES = (0.5, 0.9, 0.98, 0.997)
#: At the steepest of this share of the pixels (of a scale) the gradient is compared with that of the next scale.
STEEP = 0.02
SPREAD = (0.1, 0.5, 0.9)

COUNT = len(RINGS) - 1 + len(SCALES) * len(QUANTILES) + (len(SCALES) - 1) * len(SPREAD)


@lru_cache(maxsize=4)
def _plans(device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ring of each frequency, how many each has, transfer functions of the gradients, and a window function."""
    f = torch.fft.fftfreq(WINDOW, device=device)
    radius = (f[:, None] ** 2 + f[None] ** 2).sqrt() * WINDOW
    ring = torch.bucketize(radius, torch.tensor(RINGS, device=device)).flatten()
    count = torch.bincount(ring, minlength=len(RINGS) + 1)[1 : len(RINGS)].float()
    half = torch.fft.rfftfreq(WINDOW, device=device)
    low = torch.stack([torch.exp(-2 * math.pi**2 * s**2 * (f[:, None] ** 2 + half[None] ** 2)) * s for s in SCALES])
    along = 2j * math.pi * torch.stack([f[:, None].expand_as(low[0]), half[None].expand_as(low[0])])
    return ring, count, low[:, None] * along[None], torch.hann_window(WINDOW, device=device)


def features(windows: Tensor) -> Tensor:
    """Windows (N, WINDOW, WINDOW) to (N, COUNT) numbers that know neither the unit nor the contrast of the picture."""
    ring, count, gradient, hann = _plans(str(windows.device))
    x = windows - windows.mean((1, 2), keepdim=True)
    x = x / x.std((1, 2), keepdim=True).clamp(min=1e-12)
    power = torch.fft.fft2(x * hann[:, None] * hann).abs().square().flatten(1)
    rings = power.new_zeros(len(x), len(RINGS) + 1).index_add_(1, ring, power)[:, 1 : len(RINGS)] / count
    found = [(rings / WINDOW**2).clamp(min=1e-9).log()]
    spectrum = torch.fft.rfft2(x)
    inner = slice(RIM, WINDOW - RIM)
    steep = torch.fft.irfft2(spectrum[:, None, None] * gradient, s=(WINDOW, WINDOW))[..., inner, inner]
    steep = steep.square().sum(2).clamp(min=1e-12).log().flatten(2) / 2  # (N, scales, pixels)
    ordered = steep.sort(2).values
    last = ordered.shape[2] - 1
    found += [ordered[:, :, round(q * last)] for q in QUANTILES]
    many = round(STEEP * last)
    places = steep[:, 1:].topk(many, 2).indices
    ratio = (steep[:, :-1].gather(2, places) - steep[:, 1:].gather(2, places)).sort(2).values
    found += [ratio[:, :, round(q * (many - 1))] for q in SPREAD]
    return torch.cat(found, 1)
