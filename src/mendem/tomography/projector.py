"""The forward operator of a single-axis tilt series, and its adjoint."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.shear import Lines, Shear

if TYPE_CHECKING:
    from mendem.tomography.convolved import Convolution


class Projector:
    """Line integrals of slices across the tilt axis, in pixel lengths, averaged over each detector pixel.

    Distance-driven (`mendem.tomography.shear`): tilts within 45° of z add up rows of the slice, the others columns.
    Forward and adjoint are transposes of one another up to rounding (1e-6), the sum over the detector is the sum over
    the slice where all of it is seen, and a constant slice has its exact path length inside.

    Parameters
    ----------
    geometry
        Angles, slice and detector.
    device
        Where to compute; data must be there.
    """

    def __init__(self, geometry: SliceGeometry, device: str | torch.device = "cpu") -> None:
        self.geometry = geometry
        self.device = torch.device(device)
        angles = np.radians(geometry.angles_deg)
        cosine, sine = np.cos(angles), np.sin(angles)
        origin = geometry.origins - geometry.axis[1] * cosine - geometry.axis[0] * sine
        depth, width = geometry.shape
        shallow = np.abs(cosine) >= np.abs(sine)
        self._parts: list[tuple[Tensor, bool, Shear]] = []
        for steep, chosen in ((False, shallow), (True, ~shallow)):
            if not chosen.any():
                continue
            along, across = (sine, cosine) if steep else (cosine, sine)
            lines = Lines(along[chosen], across[chosen], origin[chosen])
            rows, columns = (width, depth) if steep else (depth, width)
            shear = Shear(lines, rows, columns, geometry.width, self.device)
            self._parts.append((torch.from_numpy(np.flatnonzero(chosen)).to(self.device), steep, shear))

    def forward(self, slices: Tensor) -> Tensor:
        """Slices (…, Z, X) to sinograms (…, tilts, width)."""
        flat = slices.reshape(-1, *slices.shape[-2:])
        out = flat.new_empty((len(flat), len(self.geometry.angles_deg), self.geometry.width))
        for tilts, steep, shear in self._parts:
            out[:, tilts] = shear.project(flat.mT if steep else flat)
        return out.view(*slices.shape[:-2], *out.shape[1:])

    def adjoint(self, sinograms: Tensor) -> Tensor:
        """Sinograms (…, tilts, width) to slices (…, Z, X): a pixel is the sum of what the tilts have at its place."""
        flat = sinograms.reshape(-1, *sinograms.shape[-2:])
        total = flat.new_zeros((len(flat), *self.geometry.shape))
        for tilts, steep, shear in self._parts:
            part = shear.transpose(flat[:, tilts])
            total += part.mT if steep else part
        return total.view(*sinograms.shape[:-2], *self.geometry.shape)

    @cached_property
    def squared_norm(self) -> float:
        """An upper bound of the largest eigenvalue of AᵀA, see `largest_eigenvalue`."""
        ones = torch.ones(self.geometry.shape, device=self.device)
        return largest_eigenvalue(lambda x: self.adjoint(self.forward(x)), ones)

    @cached_property
    def convolution(self) -> Convolution:
        """AᵀA as a convolution, for isolated specimens."""
        from mendem.tomography.convolved import Convolution

        return Convolution(self.geometry, self.device)


def largest_eigenvalue(normal: Callable[[Tensor], Tensor], ones: Tensor) -> float:
    """An upper bound of the largest eigenvalue of AᵀA, ``normal``, at most a few per cent above it.

    A has no negative entries, so that the largest of the ratios (AᵀA v) / v is never below it (Collatz and Wielandt);
    power iterations from ``ones`` bring it down.
    """
    v, bound = ones, 0.0
    for _ in range(10):
        image = normal(v)
        bound = float((image / v)[v > 0].max()) if (v > 0).any() else 1.0
        v = image / image.max().clamp(min=1e-30)
    return max(bound, 1e-30)
