"""Random noise as micrographs have it, drawn in batches on the device that trains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mendem.physics.observation import local_mean


@dataclass(frozen=True)
class NoiseOptions:
    """Shares and ranges of the noise. Levels are in units of the clean signal's standard deviation.

    The jitters are the errors of what the network is told about the noise, as an estimate from one image makes
    them: relative for the level, absolute for the correlation.
    """

    level: tuple[float, float] = (0.03, 2.5)
    correlated: float = 0.65
    correlation_px: tuple[float, float] = (0.25, 1.3)
    signal_dependent: float = 0.55
    scan_line: float = 0.25
    level_jitter: float = 0.2
    correlation_jitter: float = 0.12
    correlation_unknown: float = 0.3


@dataclass(frozen=True)
class NoiseDraw:
    """Noise for N pictures, its standard deviation, and what the network is told of it.

    ``noise``, ``believed`` (standard deviation with its error) have the shape of the signal, ``level`` is (N, 1, 1, 1);
    ``told`` (N, 5) are the first five numbers of `mendem.priors.condition.Descriptor`, the gain per unit of signal.
    """

    noise: Tensor
    believed: Tensor
    level: Tensor
    told: Tensor


def uniform(generator: torch.Generator, low: float, high: float, shape: tuple[int, ...]) -> Tensor:
    """Even draws between two numbers."""
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def chance(generator: torch.Generator, share: float, count: int) -> Tensor:
    """True with probability ``share``, (count, 1, 1, 1)."""
    return torch.rand((count, 1, 1, 1), generator=generator, device=generator.device) < share


def noise_fields(
    generator: torch.Generator, count: int, size: tuple[int, int], options: NoiseOptions
) -> tuple[Tensor, Tensor]:
    """Unit-variance Gaussian fields (N, 1, *size) and their lag-1 correlations (N, 2) along y and x.

    White, correlated alike in both directions, correlated along the scan alone, or a mixture with white.
    """
    device = generator.device
    shape = (count, 1, 1, 1)
    low, high = options.correlation_px
    sigma_y, sigma_x = uniform(generator, low, high, shape), uniform(generator, low, high, shape)
    alike, fast_axis = chance(generator, 0.5, count), chance(generator, 0.3, count)
    sigma_y = torch.where(alike, sigma_x, sigma_y)
    sigma_y = torch.where(fast_axis & ~alike, torch.zeros_like(sigma_y), sigma_y)
    white = ~chance(generator, options.correlated, count)
    mixed = chance(generator, 0.6, count)
    share = torch.where(mixed, uniform(generator, 0.3, 1.0, shape), torch.ones(shape, device=device))
    share = torch.where(white, torch.zeros_like(share), share)
    fy = torch.fft.fftfreq(size[0], device=device)[:, None]
    fx = torch.fft.fftfreq(size[1], device=device)[None, :]
    power = torch.exp(-4 * math.pi**2 * (sigma_y**2 * fy**2 + sigma_x**2 * fx**2))
    power = torch.where(chance(generator, 0.3, count), filtered(fy, sigma_y) * filtered(fx, sigma_x), power)
    power = share * power / power.mean((-2, -1), keepdim=True) + (1 - share)
    noise = torch.randn((count, 1, *size), generator=generator, device=device)
    field = torch.fft.ifft2(torch.fft.fft2(noise) * power.sqrt()).real
    lag = [(power * torch.cos(2 * math.pi * f)).mean((-2, -1)).flatten() for f in (fy, fx)]
    return field, torch.stack(lag, dim=1)


def filtered(f: Tensor, sigma: Tensor) -> Tensor:
    """Power at frequencies of what a first-order filter leaves, as correlated between neighbours as a Gaussian's."""
    rho = torch.exp(-1 / (4 * sigma.clamp(min=0.05) ** 2))
    return (1 - rho**2) / (1 + rho**2 - 2 * rho * torch.cos(2 * math.pi * f))


def draw_noise(signal: Tensor, generator: torch.Generator, options: NoiseOptions) -> NoiseDraw:
    """Noise for a signal (N, 1, H, W) of about unit variance."""
    count, _, height, width = signal.shape
    shape = (count, 1, 1, 1)
    low, high = options.level
    level = torch.exp(uniform(generator, math.log(low), math.log(high), shape))
    field, lag = noise_fields(generator, count, (height, width), options)
    gain = uniform(generator, -0.45, 0.45, shape) * chance(generator, options.signal_dependent, count)
    std = level * (1 + gain * signal).clamp(min=0.05).sqrt()
    line = uniform(generator, 0.05, 0.6, shape) * chance(generator, options.scan_line, count)
    rows = torch.randn((count, 1, height, 1), generator=generator, device=signal.device)
    noise = std * ((1 - line**2).sqrt() * field + line * rows)
    # as an observation tells it: from the smoothed data, since the map of the true one would give the signal away
    seen = local_mean(signal + noise, torch.ones_like(signal))
    jitter = torch.exp(options.level_jitter * torch.randn(shape, generator=generator, device=signal.device))
    believed = level * (1 + gain * seen).clamp(min=0.05).sqrt() * jitter
    known = ~chance(generator, options.correlation_unknown, count).reshape(count, 1)
    jitter = options.correlation_jitter * torch.randn((count, 2), generator=generator, device=signal.device)
    told = torch.cat(
        [(lag + jitter).clamp(-1, 1) * known, known.float(), line.reshape(count, 1) * known, gain.reshape(count, 1)],
        dim=1,
    )
    return NoiseDraw(noise, believed, level, told)
