"""Means over blocks of pixels: binning, larger pixels, averaged slices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2, sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from mendem.physics.lifting import trust
from mendem.physics.observation import local_mean
from mendem.priors.condition import Descriptor


@dataclass(frozen=True)
class BlockMean:
    """Each datum is the mean over ``factors`` (rows, columns) of pixels; the image is whole blocks.

    Pixel i of the data lies at k i + (k - 1) / 2 of the image.
    """

    factors: tuple[int, int]

    @property
    def size(self) -> int:
        """Pixels in a block."""
        return self.factors[0] * self.factors[1]

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.factors)

    def spread(self, y: Tensor) -> Tensor:
        """Each datum repeated over its block; a right inverse of the mean."""
        return y.repeat_interleave(self.factors[0], -2).repeat_interleave(self.factors[1], -1)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.spread(y) / self.size

    def prox(self, x0: Tensor, y: Tensor, precision: Tensor, variance: float) -> Tensor:
        weight = precision * variance / self.size  # A A^T is the identity divided by the block's size
        return x0 + self.spread(weight / (weight + 1) * (y - self.forward(x0)))

    def lift(self, y: Tensor, reliability: Tensor, noise_std: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        size = (y.shape[-2] * self.factors[0], y.shape[-1] * self.factors[1])
        # A dead datum must not reach the blocks beside it.
        known = torch.where(reliability > 0, y, local_mean(y, reliability))
        lifted = F.interpolate(known, size=size, mode="bicubic", align_corners=False)
        noise = self.spread(noise_std)
        footprint = sqrt(sum((k * k - 1) / 12 for k in self.factors) / 2)
        return lifted, self.spread(reliability) * trust(noise, footprint), noise

    def describe(self, descriptor: Descriptor) -> Descriptor:
        return replace(descriptor, log2_block_y=log2(self.factors[0]), log2_block_x=log2(self.factors[1]))
