"""Synthetic pictures of overlapping shapes: edges, rims, lines and textures of every size and contrast.

A dead-leaves model (Lee, Mumford and Huang 2001) with the rims and fine lines of stained membranes. It keeps
the prior from knowing nothing but one animal.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter


def _smooth_noise(rng: np.random.Generator, size: int, scale: float) -> np.ndarray:
    x = gaussian_filter(rng.standard_normal((size, size)).astype(np.float32), scale, mode="wrap")
    return x / (x.std() + 1e-9)


def shapes(seed: int, size: int = 256, count: int = 380) -> np.ndarray:
    """One picture, float32, mean 0 and variance 1, shape (size, size); the same for the same seed."""
    rng = np.random.default_rng(seed)
    big = 2 * size  # drawn twice as fine and averaged, so that edges are antialiased
    grid = np.mgrid[0:big, 0:big].astype(np.float32)
    picture = np.full((big, big), rng.uniform(-1, 1), np.float32)
    rim_share, texture = rng.uniform(0, 1), rng.uniform(0, 0.15)
    warp = [_smooth_noise(rng, big, rng.uniform(4, 30)) * rng.uniform(0, 6) for _ in range(2)]
    smallest, power = rng.uniform(4, 16), rng.uniform(1.5, 3)
    for radius in np.sort(np.minimum(smallest * rng.pareto(power, count) + smallest, big / 3))[::-1]:
        cy, cx = rng.uniform(-radius, big + radius, 2)
        reach = int(radius * 3 + 14)
        ys = slice(max(0, int(cy) - reach), max(0, min(big, int(cy) + reach)))
        xs = slice(max(0, int(cx) - reach), max(0, min(big, int(cx) + reach)))
        if ys.stop <= ys.start or xs.stop <= xs.start:
            continue
        angle, ratio = rng.uniform(0, np.pi), np.exp(rng.uniform(0, 1.1))
        dy = grid[0][ys, xs] + warp[0][ys, xs] - cy
        dx = grid[1][ys, xs] + warp[1][ys, xs] - cx
        u = (np.cos(angle) * dx + np.sin(angle) * dy) / ratio
        v = (-np.sin(angle) * dx + np.cos(angle) * dy) * ratio
        box = rng.uniform() < 0.2
        distance = (np.maximum(abs(u), abs(v)) if box else np.hypot(u, v)) - radius
        patch = picture[ys, xs]
        kind = rng.uniform()
        fill = rng.uniform(-1, 1)
        if kind < 0.12 and radius > 8:  # lamellae, as in cristae, myelin and lattices
            period = rng.uniform(5, 18)
            stripes = np.sin(2 * np.pi * (u if rng.uniform() < 0.5 else distance) / period)
            value = fill + rng.uniform(0.1, 0.6) * stripes
        else:
            slope = rng.normal(0, 0.3, 2)
            value = fill + (slope[0] * dy + slope[1] * dx) / max(radius, 1)
        if kind > 0.9:  # an outline alone
            inside = np.abs(distance) < rng.uniform(1.5, 5)
        else:
            inside = distance < 0
        patch[inside] = np.broadcast_to(value, patch.shape)[inside]
        if rng.uniform() < rim_share:
            width = rng.uniform(2, 6)
            rim = np.abs(distance) < width / 2
            patch[rim] = rng.choice([-1.0, 1.0], p=[0.75, 0.25]) * rng.uniform(0.4, 1.3)
    if texture:
        picture += texture * _smooth_noise(rng, big, rng.uniform(1.5, 6))
    picture = gaussian_filter(picture, rng.uniform(0.5, 2.0))
    picture = picture.reshape(size, 2, size, 2).mean((1, 3))
    return (picture - picture.mean()) / (picture.std() + 1e-6)
