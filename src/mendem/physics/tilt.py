"""Projections of a slice across the tilt axis: the forward operator of a single-axis tilt series."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mendem.physics.operator import prox_by_cg
from mendem.priors.condition import Descriptor


@dataclass(frozen=True)
class TiltProjection:
    """Line integrals of slices (…, Z, X) at the given tilts, onto detectors of X pixels: data (…, tilts, X).

    The tilt axis passes through the middle of the slice. Each pixel is shared between the two detector
    pixels that its centre falls between (pixel-driven with linear weights), which makes the adjoint exact.

    Parameters
    ----------
    angles_deg
        Tilt angles in degrees; 0 projects along z.
    shape
        (Z, X) of the slice.
    """

    angles_deg: tuple[float, ...]
    shape: tuple[int, int]

    def _rays(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Left detector pixel (tilts, Z * X) and the weights of it and of its right neighbour."""
        depth, width = self.shape
        z = torch.arange(depth, device=device, dtype=torch.float64)[:, None] - (depth - 1) / 2
        x = torch.arange(width, device=device, dtype=torch.float64)[None, :] - (width - 1) / 2
        theta = torch.tensor([math.radians(a) for a in self.angles_deg], device=device, dtype=torch.float64)
        place = x * theta.cos()[:, None, None] + z * theta.sin()[:, None, None] + (width - 1) / 2
        place = place.reshape(len(self.angles_deg), -1)
        left = place.floor()
        right_weight = place - left
        inside_left = (left >= 0) & (left < width)
        inside_right = (left + 1 >= 0) & (left + 1 < width)
        return (
            left.long(),
            ((1 - right_weight) * inside_left).float(),
            (right_weight * inside_right).float(),
        )

    def forward(self, x: Tensor) -> Tensor:
        left, w_left, w_right = self._rays(x.device)
        width = self.shape[1]
        values = x.reshape(*x.shape[:-2], 1, -1)
        out = x.new_zeros((*x.shape[:-2], len(self.angles_deg), width))
        for index, weight in ((left, w_left), (left + 1, w_right)):
            index = index.clamp(0, width - 1).expand(out.shape[:-1] + index.shape[-1:])
            out.scatter_add_(-1, index, values * weight)
        return out

    def adjoint(self, y: Tensor) -> Tensor:
        left, w_left, w_right = self._rays(y.device)
        width = self.shape[1]
        total = y.new_zeros((*y.shape[:-2], self.shape[0] * self.shape[1]))
        for index, weight in ((left, w_left), (left + 1, w_right)):
            index = index.clamp(0, width - 1).expand(y.shape[:-1] + index.shape[-1:])
            total = total + (torch.gather(y, -1, index) * weight).sum(-2)
        return total.reshape(*y.shape[:-2], *self.shape)

    def prox(self, x0: Tensor, y: Tensor, precision: Tensor, variance: float) -> Tensor:
        return prox_by_cg(self, x0, y, precision, variance)

    def lift(self, y: Tensor, reliability: Tensor, noise_std: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Back-projection divided by the number of rays through each pixel; a pixel of it is no measurement."""
        rays = self.adjoint(torch.ones_like(y)).clamp(min=1e-6)
        lifted = self.adjoint(y) / rays / self.shape[0]
        nothing = torch.zeros_like(lifted)
        return lifted, nothing, nothing + 1.0

    def describe(self, descriptor: Descriptor) -> Descriptor:
        return descriptor
