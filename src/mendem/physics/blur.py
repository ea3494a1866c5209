"""Convolution with a point-spread function, computed in Fourier space on a periodic grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import torch
from torch import Tensor

from mendem.physics.lifting import trust
from mendem.physics.operator import is_constant, prox_by_cg
from mendem.priors.condition import Descriptor

#: Standard deviation of a Gaussian in units of its full width at half maximum.
STD_PER_FWHM = 1 / 2.3548200450309493


@dataclass(frozen=True)
class Blur:
    """Multiplies the spectrum by ``transfer``.

    Parameters
    ----------
    transfer
        (H, W // 2 + 1) real or complex transfer function at the frequencies of ``torch.fft.rfft2``; 1 at
        frequency 0 keeps the mean.
    moments
        Second moments (yy, yx, xx) of the point-spread function in pixels squared.
    """

    transfer: Tensor
    moments: tuple[float, float, float]

    @classmethod
    def gaussian(cls, shape: tuple[int, int], fwhm_px: float, device: str = "cpu") -> Blur:
        """A Gaussian of full width at half maximum ``fwhm_px`` pixels."""
        variance = (fwhm_px * STD_PER_FWHM) ** 2
        fy = torch.fft.fftfreq(shape[0], device=device)[:, None]
        fx = torch.fft.rfftfreq(shape[1], device=device)[None, :]
        return cls(torch.exp(-2 * torch.pi**2 * variance * (fy**2 + fx**2)), (variance, 0.0, variance))

    def _filter(self, x: Tensor, spectrum: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(x) * spectrum, s=x.shape[-2:])

    def forward(self, x: Tensor) -> Tensor:
        return self._filter(x, self.transfer)

    def adjoint(self, y: Tensor) -> Tensor:
        return self._filter(y, self.transfer.conj())

    def prox(self, x0: Tensor, y: Tensor, precision: Tensor, variance: float) -> Tensor:
        if not is_constant(precision):
            return prox_by_cg(self, x0, y, precision, variance)
        weight = precision.reshape(-1)[0] * variance
        spectrum = weight * self.transfer.conj() * torch.fft.rfft2(y) + torch.fft.rfft2(x0)
        return torch.fft.irfft2(spectrum / (weight * self.transfer.abs() ** 2 + 1), s=x0.shape[-2:])

    def lift(self, y: Tensor, reliability: Tensor, noise_std: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        footprint = sqrt((self.moments[0] + self.moments[2]) / 2)
        return y, reliability * trust(noise_std, footprint), noise_std

    def describe(self, descriptor: Descriptor) -> Descriptor:
        yy, yx, xx = self.moments
        return replace(descriptor, psf_yy=yy, psf_yx=yx, psf_xx=xx)
