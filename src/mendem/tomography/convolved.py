"""Projection and back-projection at once, as one convolution: where every tilt sees the whole of the specimen."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.projector import Projector, largest_eigenvalue

#: Places about the middle of a slice over which what a series makes of one pixel is averaged, in pixels.
PLACES = (-1, 0, 1)


class Convolution:
    """AᵀA of an isolated specimen, for slices of one geometry; its time does not depend on the number of tilts.

    AᵀA is not quite the same convolution everywhere, since pixels of the slice and of the detector meet differently:
    an average is taken, 0.1 to 0.4 % off. What tilts do not see for want of detector counts as seen, and empty.
    """

    def __init__(self, geometry: SliceGeometry, device: str | torch.device = "cpu") -> None:
        self.shape = geometry.shape
        self._spectrum = _spectrum(geometry, torch.device(device))
        self.squared_norm = largest_eigenvalue(self, torch.ones(self.shape, device=device))

    def __call__(self, slices: Tensor) -> Tensor:
        """AᵀA x of slices (…, Z, X)."""
        depth, width = self.shape
        along = torch.fft.fft(torch.fft.rfft(slices, 2 * width), 2 * depth, dim=-2)
        back = torch.fft.ifft(along * self._spectrum, dim=-2)[..., :depth, :]
        return torch.fft.irfft(back, 2 * width)[..., :width]


def _spectrum(geometry: SliceGeometry, device: torch.device) -> Tensor:
    """The transfer function, real (2 Z, X + 1)."""
    shape = 2 * geometry.shape[0], 2 * geometry.shape[1]
    wide = replace(geometry, shape=shape, width=max(shape), shifts=(), detector_axis=None, slice_axis=None)
    projector = Projector(wide, device)
    spread = torch.zeros(shape, device=device)
    # A slice of one row, or of one column, has no places beside its middle.
    across, along = (PLACES if n > 1 else (0,) for n in geometry.shape)
    for z in across:
        for x in along:
            point = torch.zeros(shape, device=device)
            point[shape[0] // 2 + z, shape[1] // 2 + x] = 1.0
            spread += projector.adjoint(projector.forward(point)).roll((-z, -x), (0, 1))
    spectrum: Tensor = torch.fft.rfft2(torch.fft.ifftshift(spread / (len(across) * len(along)))).real
    return spectrum
