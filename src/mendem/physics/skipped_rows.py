"""Rows that were left out: sparse scans, slices that were not imaged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2

import torch
from torch import Tensor

from mendem.physics.lifting import trust
from mendem.priors.condition import Descriptor


@dataclass(frozen=True)
class SkippedRows:
    """Measures rows ``offset``, ``offset + step``, … of an image of ``height`` rows."""

    step: int
    height: int
    offset: int = 0

    def forward(self, x: Tensor) -> Tensor:
        return x[..., self.offset :: self.step, :]

    def adjoint(self, y: Tensor) -> Tensor:
        x = y.new_zeros((*y.shape[:-2], self.height, y.shape[-1]))
        x[..., self.offset :: self.step, :] = y
        return x

    def prox(self, x0: Tensor, y: Tensor, precision: Tensor, variance: float) -> Tensor:
        weight = self.adjoint(precision) * variance
        return (weight * self.adjoint(y) + x0) / (weight + 1)

    def lift(self, y: Tensor, reliability: Tensor, noise_std: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.arange(self.height, device=y.device)
        place = ((rows - self.offset) / self.step).clamp(0, y.shape[-2] - 1)
        below = place.floor().long()
        above = (below + 1).clamp(max=y.shape[-2] - 1)
        share = (place - below).to(y.dtype)[:, None]
        distance = (rows - self.offset - self.step * place.round()).abs().to(y.dtype)[:, None]

        def between(t: Tensor) -> Tensor:
            return t[..., below, :] + share * (t[..., above, :] - t[..., below, :])

        noise = between(noise_std)
        known = torch.minimum(reliability[..., below, :], reliability[..., above, :])
        exact = distance == 0
        return between(y), torch.where(exact, between(reliability), known * trust(noise, distance)), noise

    def describe(self, descriptor: Descriptor) -> Descriptor:
        return replace(descriptor, log2_block_y=log2(self.step), skipped=1.0)
