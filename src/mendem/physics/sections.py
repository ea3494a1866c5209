"""Sections of a volume: each is the mean over a slab of fine planes, and some of the planes are in none.

Along z a volume is recorded as sections of one thickness at one distance: averaged (as thick as their distance),
skipped (one plane thick), or both (thinner than their distance, thicker than a plane). Here z runs along the rows of an
image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import log2

import numpy as np
import torch
from torch import Tensor

from mendem.physics.lifting import trust
from mendem.physics.operator import as_tensor, prox_by_cg
from mendem.priors.condition import Descriptor


@dataclass(frozen=True)
class Sections:
    """Datum i is the mean of an image of ``height`` rows over the rows from ``starts[i]`` to ``starts[i] + width``.

    Row r covers the interval from r to r + 1; a row that is covered in part counts in part. Missing sections are
    left out of ``starts``, which rise; sections do not overlap.

    Attributes
    ----------
    starts, width
        In rows, not necessarily whole.
    spacing
        Rows from one section to the next where none is missing.
    height
        Rows of the image.
    """

    starts: tuple[float, ...]
    width: float
    spacing: float
    height: int

    @property
    def skipped(self) -> float:
        """How much of the planes lies in no section: 0 for averaged ones, 1 where each section is one plane."""
        return (self.spacing - self.width) / (self.spacing - 1) if self.spacing > 1 else 0.0

    def forward(self, x: Tensor) -> Tensor:
        return self._matrix(x) @ x

    def adjoint(self, y: Tensor) -> Tensor:
        return self._matrix(y).mT @ y

    def prox(self, x0: Tensor, y: Tensor, precision: Tensor, variance: float) -> Tensor:
        return prox_by_cg(self, x0, y, precision, variance)

    def consistent(self, x: Tensor, y: Tensor, reliability: Tensor) -> Tensor:
        """The nearest image to ``x`` whose sections are ``y`` wherever ``reliability`` is above 0."""
        wrong = torch.where(reliability > 0, y - self.forward(x), 0.0)
        return x + as_tensor(_inverse(self.starts, self.width, self.height), x) @ wrong

    def interpolate(self, y: Tensor) -> Tensor:
        """Cubic interpolation of sections (sections, …) between their middles, (rows, …)."""
        cubic, _ = _between(self.starts, self.width, self.height)
        return torch.tensordot(as_tensor(cubic, y), y, 1)

    def lift(self, y: Tensor, reliability: Tensor, noise_std: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cubic, linear = (as_tensor(m, y) for m in _between(self.starts, self.width, self.height))
        nearest, distance = _nearest(self.starts, self.width, self.height)
        index = torch.from_numpy(nearest).to(y.device)
        away = as_tensor(distance, y)[:, None]
        noise = linear @ noise_std
        # What lies between two sections is known as well as the worse of them.
        known = ((linear @ (reliability > 0).to(y.dtype)) > 0.999).to(y.dtype)
        trusted = torch.where(
            away == 0, reliability[..., index, :], known * reliability[..., index, :] * trust(noise, away)
        )
        return cubic @ y, trusted, noise

    def describe(self, descriptor: Descriptor) -> Descriptor:
        return replace(descriptor, log2_block_y=log2(self.spacing), skipped=self.skipped)

    def _matrix(self, like: Tensor) -> Tensor:
        return as_tensor(_matrix(self.starts, self.width, self.height), like)


@lru_cache(maxsize=64)
def _matrix(starts: tuple[float, ...], width: float, height: int) -> np.ndarray:
    """Shares of the rows in each section, (sections, rows)."""
    rows, first = np.arange(height), np.array(starts)[:, None]
    inside = np.minimum(rows + 1, first + width) - np.maximum(rows, first)
    return (np.clip(inside, 0, 1) / width).astype(np.float32)


@lru_cache(maxsize=64)
def _inverse(starts: tuple[float, ...], width: float, height: int) -> np.ndarray:
    """The pseudo-inverse of `_matrix`, (rows, sections)."""
    matrix = _matrix(starts, width, height).astype(np.float64)
    return (matrix.T @ np.linalg.inv(matrix @ matrix.T)).astype(np.float32)


@lru_cache(maxsize=64)
def _between(starts: tuple[float, ...], width: float, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Cubic (Catmull-Rom, on uneven knots) and linear interpolation between section centres, (rows, sections)."""
    knots = np.array(starts) + (width - 1) / 2
    place = np.clip(np.arange(height), knots[0], knots[-1])
    count = len(knots)
    if count == 1:
        one = np.ones((height, 1), np.float32)
        return one, one
    below = np.clip(np.searchsorted(knots, place, side="right") - 1, 0, count - 2)
    step = (knots[below + 1] - knots[below])[:, None]
    t = (place - knots[below])[:, None] / step
    unit = np.eye(count)
    slopes = np.gradient(unit, knots, axis=0)
    low, high = unit[below], unit[below + 1]
    linear = low + t * (high - low)
    cubic = (
        (1 + 2 * t) * (1 - t) ** 2 * low
        + t**2 * (3 - 2 * t) * high
        + t * (1 - t) ** 2 * step * slopes[below]
        + t**2 * (t - 1) * step * slopes[below + 1]
    )
    return cubic.astype(np.float32), linear.astype(np.float32)


@lru_cache(maxsize=64)
def _nearest(starts: tuple[float, ...], width: float, height: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row the section that lies nearest, and how far its mean may be from that row's value.

    The footprint of a lifted datum (see `mendem.physics.lifting`): the spread of what it is a mean of, and the distance
    from its edge.
    """
    centres = np.array(starts) + (width - 1) / 2
    rows = np.arange(height)
    nearest = np.abs(rows[:, None] - centres).argmin(1)
    beyond = np.maximum(np.abs(rows - centres[nearest]) - (width - 1) / 2, 0)
    within = max(width**2 - 1, 0) / 24
    return nearest, np.sqrt(within + beyond**2).astype(np.float32)
