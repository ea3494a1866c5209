"""Preconditioning: what the network is asked, and in which units.

The noisy image ``x_t = x0 + sigma * noise`` and the observation ``y = x0 + n * noise`` are two independent
measurements of one pixel of unit variance. Their precision-weighted mean is the best answer that looks at
one pixel alone; the network predicts the rest in units of its standard deviation. Without an observation
this is the preconditioning of EDM (Karras et al. 2022, table 1) with sigma_data = 1; with ``x_t`` absent it
is the same for the observation alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mendem.priors.condition import NOISE_FLOOR, Condition


def pixelwise_posterior(x_t: Tensor | None, sigma: Tensor | None, condition: Condition) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each pixel of the middle frame given its own measurements, (N, 1, H, W)."""
    middle = condition.middle()
    weight = middle.reliability / middle.noise_std.clamp(min=NOISE_FLOOR) ** 2
    precision = 1 + weight
    mean = weight * middle.y
    if x_t is not None and sigma is not None:
        precision = precision + 1 / sigma**2
        mean = mean + x_t / sigma**2
    return mean / precision, precision.rsqrt()


def network_input(x_t: Tensor | None, sigma: Tensor | None, condition: Condition) -> tuple[Tensor, Tensor]:
    """Channels (N, 4 * frames, H, W) and descriptors (N, D); ``sigma`` has shape (N, 1, 1, 1).

    ``x_t`` (N, 1, H, W) is the middle frame's; the others have none.
    """
    y, reliability = condition.y, condition.reliability
    noise = condition.noise_std.clamp(min=NOISE_FLOOR)
    count = y.shape[0]
    if x_t is None or sigma is None:
        seen = torch.zeros_like(y)
        level = y.new_tensor([1.0, 0.0]).expand(count, 2)
    else:
        seen = torch.zeros_like(y)
        middle = y.shape[1] // 2
        seen[:, middle : middle + 1] = x_t * (1 + sigma**2).rsqrt()
        level = torch.stack([torch.zeros(count, device=y.device), sigma.flatten().log() / 4], dim=1).to(y.dtype)
    measured = (reliability > 0).to(y.dtype)
    channels = torch.cat([seen, measured * y * (1 + noise**2).rsqrt(), reliability, measured * noise.log() / 2], dim=1)
    numbers = condition.descriptor
    rows = numbers if isinstance(numbers, Tensor) else y.new_tensor([numbers.vector()])
    return channels, torch.cat([level, rows.to(y.dtype).expand(count, -1)], dim=1)


def denoise(
    network: Callable[[Tensor, Tensor], Tensor], x_t: Tensor | None, sigma: Tensor | None, condition: Condition
) -> tuple[Tensor, Tensor]:
    """Posterior mean and variance of x0 in the middle frame; both (N, 1, H, W)."""
    base, scale = pixelwise_posterior(x_t, sigma, condition)
    output = network(*network_input(x_t, sigma, condition)).float()
    mean = base + scale * output[:, :1]
    return mean, scale**2 * output[:, 1:].clamp(-10, 4).exp()
