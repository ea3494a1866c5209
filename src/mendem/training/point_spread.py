"""Random point-spread functions: Gaussian, defocus disc, drift, and a defocus with a drift."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mendem.physics.blur import WIDEST_TOLD
from mendem.training.noise_draws import uniform

#: Standard deviations of the point-spread function along its long axis, pixels.
STD = (0.4, WIDEST_TOLD)


def point_spread(generator: torch.Generator, size: int) -> tuple[Tensor, tuple[float, float, float]]:
    """Transfer function (size, size // 2 + 1), real, and second moments (yy, yx, xx) in pixels squared."""
    device = generator.device
    draw = uniform(generator, 0, 1, (4,)).tolist()
    long = STD[0] * (STD[1] / STD[0]) ** draw[0]
    angle = math.pi * draw[1]
    round_one = draw[2] < 0.6
    short = long if round_one else long * draw[3]
    fy = torch.fft.fftfreq(size, device=device)[:, None]
    fx = torch.fft.rfftfreq(size, device=device)[None, :]
    along = math.cos(angle) * fx + math.sin(angle) * fy
    across = math.cos(angle) * fy - math.sin(angle) * fx
    if round_one and draw[2] < 0.2:  # a disc of radius 2 std
        k = 4 * math.pi * long * (fx**2 + fy**2).sqrt()
        transfer = torch.where(k > 1e-3, 2 * torch.special.bessel_j1(k) / k.clamp(min=1e-3), 1.0)
    elif not round_one and draw[2] > 0.85:  # an even drift over sqrt(12) std, a little soft
        short = min(short, 0.5)
        transfer = torch.sinc(math.sqrt(12) * long * along) * torch.exp(-2 * math.pi**2 * short**2 * across**2)
    else:
        transfer = torch.exp(-2 * math.pi**2 * (long**2 * along**2 + short**2 * across**2))
    c, s = math.cos(angle), math.sin(angle)
    moments = (
        long**2 * s**2 + short**2 * c**2,
        (long**2 - short**2) * s * c,
        long**2 * c**2 + short**2 * s**2,
    )
    return transfer, moments
