"""Random degradations that users meet, drawn in batches on the device that trains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mendem.priors.condition import DESCRIPTOR_LENGTH, Condition


@dataclass(frozen=True)
class DegradeOptions:
    """Shares and ranges of the degradations. Levels are in units of the clean signal's standard deviation.

    The jitters are the errors of what the network is told about the noise, as an estimate from one image makes
    them: relative for the level, absolute for the correlation.
    """

    level: tuple[float, float] = (0.03, 2.5)
    correlated: float = 0.65
    correlation_px: tuple[float, float] = (0.25, 1.3)
    signal_dependent: float = 0.55
    scan_line: float = 0.25
    hole: float = 0.15
    unconditional: float = 0.05
    level_jitter: float = 0.2
    correlation_jitter: float = 0.12
    correlation_unknown: float = 0.3


def _uniform(generator: torch.Generator, low: float, high: float, shape: tuple[int, ...]) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def _chance(generator: torch.Generator, share: float, count: int) -> Tensor:
    return torch.rand((count, 1, 1, 1), generator=generator, device=generator.device) < share


def noise_fields(generator: torch.Generator, count: int, size: int, options: DegradeOptions) -> tuple[Tensor, Tensor]:
    """Unit-variance Gaussian fields (N, 1, size, size) and their lag-1 correlations (N, 2) along y and x.

    White, correlated alike in both directions, correlated along the scan alone, or a mixture with white.
    """
    device = generator.device
    shape = (count, 1, 1, 1)
    low, high = options.correlation_px
    sigma_y, sigma_x = _uniform(generator, low, high, shape), _uniform(generator, low, high, shape)
    alike, fast_axis = _chance(generator, 0.5, count), _chance(generator, 0.3, count)
    sigma_y = torch.where(alike, sigma_x, sigma_y)
    sigma_y = torch.where(fast_axis & ~alike, torch.zeros_like(sigma_y), sigma_y)
    white = ~_chance(generator, options.correlated, count)
    mixed = _chance(generator, 0.6, count)
    share = torch.where(mixed, _uniform(generator, 0.3, 1.0, shape), torch.ones(shape, device=device))
    share = torch.where(white, torch.zeros_like(share), share)
    fy = torch.fft.fftfreq(size, device=device)[:, None]
    fx = torch.fft.fftfreq(size, device=device)[None, :]
    power = torch.exp(-4 * math.pi**2 * (sigma_y**2 * fy**2 + sigma_x**2 * fx**2))
    power = share * power / power.mean((-2, -1), keepdim=True) + (1 - share)
    noise = torch.randn((count, 1, size, size), generator=generator, device=device)
    field = torch.fft.ifft2(torch.fft.fft2(noise) * power.sqrt()).real
    lag = [(power * torch.cos(2 * math.pi * f)).mean((-2, -1)).flatten() for f in (fy, fx)]
    return field, torch.stack(lag, dim=1)


def holes(generator: torch.Generator, count: int, size: int) -> Tensor:
    """Reliability maps (N, 1, size, size) with rectangles, bands and single dead pixels set to 0."""
    device = generator.device
    grid = torch.arange(size, device=device, dtype=torch.float32)
    reliability = torch.ones((count, 1, size, size), device=device)
    for _ in range(3):
        centre = _uniform(generator, 0, size, (count, 2, 1))
        half = _uniform(generator, 0.5, size / 6, (count, 2, 1))
        band = (_chance(generator, 0.15, count) & _chance(generator, 0.5, count)).flatten()
        half[band, 1] = size
        inside = (grid - centre).abs() < half
        reliability = reliability * ~(inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]
    dead = torch.rand(reliability.shape, generator=generator, device=device) < 0.01 * _uniform(
        generator, 0, 1, (count, 1, 1, 1)
    )
    return reliability * ~dead


def degrade(clean: Tensor, generator: torch.Generator, options: DegradeOptions) -> tuple[Tensor, Condition]:
    """Clean patches (N, 1, size, size) of unit variance to targets and what was observed of them.

    The targets are rescaled as `mendem.normalise` will scale a noisy image, whose standard deviation
    includes the noise.
    """
    count, _, size, _ = clean.shape
    shape = (count, 1, 1, 1)
    low, high = options.level
    level = torch.exp(_uniform(generator, math.log(low), math.log(high), shape))
    field, lag = noise_fields(generator, count, size, options)

    gain = _uniform(generator, -0.45, 0.45, shape) * _chance(generator, options.signal_dependent, count)
    std = level * (1 + gain * clean).clamp(min=0.05).sqrt()
    line = _uniform(generator, 0.05, 0.6, shape) * _chance(generator, options.scan_line, count)
    rows = torch.randn((count, 1, size, 1), generator=generator, device=clean.device)
    noise = std * ((1 - line**2).sqrt() * field + line * rows)

    reliability = torch.where(
        _chance(generator, options.hole, count), holes(generator, count, size), torch.ones_like(clean)
    )
    nothing = _chance(generator, options.unconditional, count)
    reliability = torch.where(nothing, torch.zeros_like(reliability), reliability)

    scale = (1 + level**2).rsqrt() * torch.exp(0.2 * torch.randn(shape, generator=generator, device=clean.device))
    shift = 0.2 * torch.randn(shape, generator=generator, device=clean.device)
    target = clean * scale + shift
    y = (clean + noise) * scale + shift
    believed = (
        std * scale * torch.exp(options.level_jitter * torch.randn(shape, generator=generator, device=clean.device))
    )

    known = ~_chance(generator, options.correlation_unknown, count).reshape(count, 1)
    descriptor = torch.zeros((count, DESCRIPTOR_LENGTH - 2), device=clean.device)
    jitter = options.correlation_jitter * torch.randn((count, 2), generator=generator, device=clean.device)
    descriptor[:, 0:2] = (lag + jitter).clamp(-1, 1) * known
    descriptor[:, 2:3] = known.float()
    descriptor[:, 3:4] = line.reshape(count, 1) * known
    descriptor[:, 4:5] = gain.reshape(count, 1) / scale.reshape(count, 1)
    descriptor = descriptor * ~nothing.reshape(count, 1)
    return target, Condition(y * reliability, reliability, believed, descriptor)
