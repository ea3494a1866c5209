"""Convolution with a point-spread function, computed in Fourier space on a periodic grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import torch
from torch import Tensor

from mendem.physics.expected_power import FALL, FLAT_TO
from mendem.physics.filling import filled
from mendem.physics.lifting import trust
from mendem.physics.operator import is_constant, prox_by_cg
from mendem.priors.condition import Descriptor

#: Standard deviation of a Gaussian in units of its full width at half maximum.
STD_PER_FWHM = 1 / 2.3548200450309493

#: Largest standard deviation of a point-spread function that the network is told, pixels: wider ones are not drawn in
#: training (`mendem.training.point_spread`), and larger numbers make its answer explode.
WIDEST_TOLD = 3.2

#: Least noise that the lift reckons with, and how often it fills in anew what was not measured: sharp borders ring.
LIFT_FLOOR, FILL_ROUNDS = 0.03, 4


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

    def coarser(self, factors: tuple[int, int]) -> Blur:
        """The blur of pixels ``factors`` (rows, columns) times as large, on a grid of whole ones of them."""
        rows, columns = self.transfer.shape[0] // factors[0], 2 * (self.transfer.shape[1] - 1) // factors[1]
        below = torch.cat(
            [self.transfer[: (rows + 1) // 2], self.transfer[self.transfer.shape[0] - rows // 2 :]]
        )  # as fftfreq orders them
        yy, yx, xx = self.moments
        fy, fx = factors
        return Blur(below[:, : columns // 2 + 1], (yy / fy**2, yx / (fy * fx), xx / fx**2))

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
        """The Wiener filter's answer, as though what was not measured had been what that answer would give."""
        known = reliability > 0
        counted = known.sum((-2, -1), keepdim=True).clamp(min=1)
        noise = (known * noise_std**2).sum((-2, -1), keepdim=True) / counted
        signal = signal_power(y)
        wiener = self.transfer.conj() * signal
        wiener = wiener / (self.transfer.abs() ** 2 * signal + noise.clamp(min=LIFT_FLOOR**2))
        lifted = self._filter(filled(y, reliability), wiener)
        for _ in range(0 if bool(known.all()) else FILL_ROUNDS):
            lifted = self._filter(torch.where(known, y, self.forward(lifted)), wiener)
        footprint = sqrt((self.moments[0] + self.moments[2]) / 2)
        return lifted, reliability * trust(noise_std, footprint), noise_std

    def describe(self, descriptor: Descriptor) -> Descriptor:
        shrunk = min(1.0, WIDEST_TOLD**2 / max(self.moments[0], self.moments[2], 1e-12))
        yy, yx, xx = (shrunk * m for m in self.moments)
        return replace(descriptor, psf_yy=yy, psf_yx=yx, psf_xx=xx)


def signal_power(like: Tensor) -> Tensor:
    """Power spectrum of a micrograph of unit variance at the frequencies of ``rfft2``; white noise of it would be 1."""
    height, width = like.shape[-2:]
    fy = torch.fft.fftfreq(height, device=like.device, dtype=like.dtype)[:, None]
    fx = torch.fft.fftfreq(width, device=like.device, dtype=like.dtype)[None, :]
    power = (fy**2 + fx**2 + FLAT_TO**2) ** (-FALL / 2)
    return (power / power.mean())[:, : width // 2 + 1]
