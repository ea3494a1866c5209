"""How far the network for the missing wedge is off: in the slice, and in what was not measured of its spectrum."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from mendem.priors.wedge_network import answer
from mendem.training.wedge_spool import Batch

#: Weights of the likelihood of the variance, of the error in the wedge, and of the same with each ring |k| whitened.
LIKELIHOOD, WEDGE, WHITENED = 0.05, 1.0, 0.3
#: Errors below these count no more: mean squared in the unit of the channels, and relative in the wedge.
SMALLEST, SMALLEST_IN_WEDGE = 5e-4, 0.02


def loss(network: nn.Module, batch: Batch) -> Tensor:
    """Mean squared error relative to what the network expects, the likelihood of its variance, and the wedge's error.

    The error in the wedge counts by its logarithm, as decibels do.
    """
    estimate, log_variance = answer(network, batch.channels, batch.descriptor)
    error = batch.truth - estimate
    squared = error**2
    likelihood = squared.detach() * torch.exp(-log_variance) + log_variance
    expected = log_variance.detach().exp().mean((1, 2, 3), keepdim=True)
    relative = squared / expected.clamp(min=SMALLEST)
    plain, whitened = wedge_errors(error[:, 0], batch.truth[:, 0], batch.wedge[:, 0])
    in_wedge = WEDGE * (plain + SMALLEST_IN_WEDGE).log() + WHITENED * (whitened + 0.1).log()
    return relative.mean() + LIKELIHOOD * likelihood.mean() + in_wedge.mean()


def wedge_errors(error: Tensor, truth: Tensor, wedge: Tensor) -> tuple[Tensor, Tensor]:
    """Squared error in the wedge over the truth's energy there, (N); and the mean of the same over rings |k|.

    ``error`` and ``truth`` are (N, Z, X), ``wedge`` bool (N, Z, X) with the frequency 0 first. The rings reach to half
    the Nyquist frequency.
    """
    lost = torch.fft.fft2(error).abs().square() * wedge
    power = torch.fft.fft2(truth).abs().square() * wedge
    plain = lost.sum((1, 2)) / power.sum((1, 2)).clamp(min=1e-6)
    ring, count = rings((truth.shape[-2], truth.shape[-1]))
    index = ring.to(error.device).expand(len(error), -1)
    sums = [x.new_zeros((len(x), count)).scatter_add(1, index, x.flatten(1)) for x in (lost, power)]
    known = sums[1][:, : count // 2]
    floor = 1e-4 * known.amax(1, keepdim=True) + 1e-6
    return plain, (sums[0][:, : count // 2] / (known + floor)).mean(1)


@cache
def rings(shape: tuple[int, int]) -> tuple[Tensor, int]:
    """Number of the ring |k| of every frequency (Z X), and how many there are up to the Nyquist frequency."""
    count = max(4, min(shape) // 4)
    radius = torch.hypot(torch.fft.fftfreq(shape[0])[:, None], torch.fft.fftfreq(shape[1])[None])
    return (radius * 2 * count).long().clamp(max=count).flatten(), count + 1
