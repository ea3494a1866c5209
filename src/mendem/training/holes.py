"""Random places where nothing was measured."""

from __future__ import annotations

import torch
from torch import Tensor

from mendem.training.noise_draws import chance, uniform

#: Points of a brush stroke.
STROKE_POINTS = 24


def holes(generator: torch.Generator, count: int, size: int, largest: float = 1 / 3) -> Tensor:
    """Reliability maps (N, 1, size, size): rectangles, bands, brush strokes and dead pixels are 0, the rest 1.

    ``largest`` is the side of the largest rectangle over that of the picture.
    """
    device = generator.device
    grid = torch.arange(size, device=device, dtype=torch.float32)
    reliability = torch.ones((count, 1, size, size), device=device)
    for _ in range(3):
        centre = uniform(generator, 0, size, (count, 2, 1))
        half = uniform(generator, 0.5, size * largest / 2, (count, 2, 1))
        band = (chance(generator, 0.15, count) & chance(generator, 0.5, count)).flatten()
        half[band, 1] = size
        half[band, 0] /= 3
        inside = (grid - centre).abs() < half
        reliability = reliability * ~(inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]
    stroke = chance(generator, 0.3, count)
    if bool(stroke.any()):
        reliability = reliability * ~(stroke & strokes(generator, count, size))
    dead = torch.rand(reliability.shape, generator=generator, device=device) < 0.01 * uniform(
        generator, 0, 1, (count, 1, 1, 1)
    )
    return reliability * ~dead


def strokes(generator: torch.Generator, count: int, size: int) -> Tensor:
    """Winding brush strokes, true inside, (N, 1, size, size)."""
    device = generator.device
    steps = torch.randn((count, STROKE_POINTS, 2), generator=generator, device=device).cumsum(1)
    turns = torch.atan2(steps[..., 0], steps[..., 1])
    walk = torch.stack([turns.sin(), turns.cos()], -1).cumsum(1) * size / STROKE_POINTS
    points = uniform(generator, 0, size, (count, 1, 2)) + walk
    radius = uniform(generator, size / STROKE_POINTS / 2, size / 16, (count, 1, 1))  # no gaps between the points
    grid = torch.arange(size, device=device, dtype=torch.float32)
    inside = torch.zeros((count, size, size), dtype=torch.bool, device=device)
    for i in range(STROKE_POINTS):
        dy, dx = grid[None, :, None] - points[:, i, 0, None, None], grid[None, None, :] - points[:, i, 1, None, None]
        inside |= dy**2 + dx**2 < radius**2
    return inside[:, None]
