"""Stacks of neighbouring clean pictures, cut out of volumes in any direction."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mendem.errors import MendemError
from mendem.priors.condition import FRAME_DISTANCE
from mendem.training.noise_draws import chance
from mendem.training.pool import Source


class Stacks:
    """An endless stream of clean stacks (count, frames, size, size), roughly of unit variance.

    The frames of a stack lie `FRAME_DISTANCE` pixels apart.

    Parameters
    ----------
    sources
        Of them the volumes (Z, H, W) with isotropic voxels are used; their shares need not add up to one.
    magnification
        Range of the magnification, the same for all stacks that are drawn at once.
    """

    def __init__(
        self,
        sources: list[Source],
        frames: int,
        size: int,
        seed: int,
        magnification: tuple[float, float] = (0.7, 2.2),
        device: str = "cpu",
    ) -> None:
        self.volumes = [a for s in sources for a in s.arrays if a.ndim == 3]
        if not self.volumes:
            raise MendemError("there are no volumes to learn from; give some, or ask the recipe for simulated ones")
        shares = [s.share / sum(a.ndim == 3 for a in s.arrays) for s in sources for a in s.arrays if a.ndim == 3]
        self.shares = np.array(shares) / sum(shares)
        self.frames, self.size, self.magnification = frames, size, magnification
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator(device).manual_seed(seed)

    def next(self, count: int) -> Tensor:
        """The next ``count`` stacks."""
        low, high = np.log(self.magnification)
        zoom = 1.0 if self.rng.uniform() < 0.4 else float(np.exp(self.rng.uniform(low, high)))
        side = math.ceil(self.size / zoom)
        cut = np.stack([self._cut(side, FRAME_DISTANCE / zoom) for _ in range(count)])
        x = torch.from_numpy(cut).to(self.generator.device)
        if side != self.size:
            x = F.interpolate(x, size=(self.size, self.size), mode="bicubic", align_corners=False, antialias=zoom < 1)
        shape = (count, 1, 1, 1)
        contrast, gamma = (torch.randn(shape, generator=self.generator, device=x.device) for _ in range(2))
        x = x + 0.12 * gamma * (x.clamp(-3, 3) ** 2 - 1)
        x = x * torch.exp(0.25 * contrast)
        return torch.where(chance(self.generator, 0.5, count), x, -x)

    def _cut(self, side: int, distance: float) -> np.ndarray:
        """One stack (frames, side, side): of a random volume, along random axes, either way round."""
        volume = self.volumes[int(self.rng.choice(len(self.volumes), p=self.shares))]
        volume = np.transpose(volume, self.rng.permutation(3))
        rows, columns = (self._lines(n, side) for n in volume.shape[1:])
        middle, offsets = int(self.rng.integers(volume.shape[0])), np.arange(self.frames) - self.frames // 2
        place = np.abs(middle + distance * offsets)  # mirrored beyond the ends
        last = volume.shape[0] - 1
        place = np.clip(last - np.abs(last - place), 0, last)
        below = np.minimum(place.astype(int), max(last - 1, 0))
        share = (place - below).astype(np.float32)[:, None, None]
        low, high = (volume[np.ix_(np.minimum(below + i, last), rows, columns)] for i in (0, 1))
        stack = low + share * (high - low)
        return np.ascontiguousarray(stack, np.float32)

    def _lines(self, length: int, side: int) -> np.ndarray:
        """``side`` neighbouring indices, falling or rising, mirrored beyond the ends of a short axis."""
        first = int(self.rng.integers(max(1, length - side + 1)))
        lines = (first + np.arange(side)) % (2 * length)
        lines = np.minimum(lines, 2 * length - 1 - lines)
        return lines[::-1] if self.rng.uniform() < 0.5 else lines
