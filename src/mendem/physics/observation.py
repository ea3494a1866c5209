"""What was measured: data, forward operator, noise. Frozen: every task ends in one of these."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from mendem.physics.noise import NoiseModel
from mendem.physics.operator import ForwardOperator
from mendem.priors.condition import Condition, Descriptor

#: Pixels on each side that `local_mean` looks at.
SMOOTHING_RADIUS = 6


def local_mean(x: Tensor, reliability: Tensor) -> Tensor:
    """Gaussian mean (standard deviation 2 px) over what was measured; a stand-in for the clean signal."""
    offsets = torch.arange(-SMOOTHING_RADIUS, SMOOTHING_RADIUS + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-(offsets**2) / 8)
    kernel = kernel / kernel.sum()

    def smooth(t: Tensor) -> Tensor:
        shape = t.shape
        t = t.reshape(-1, 1, *shape[-2:])
        t = F.conv2d(t, kernel[None, None, :, None], padding=(SMOOTHING_RADIUS, 0))
        t = F.conv2d(t, kernel[None, None, None, :], padding=(0, SMOOTHING_RADIUS))
        return t.reshape(shape)

    return smooth(x * reliability) / smooth(reliability).clamp(min=1e-3)


@dataclass(frozen=True)
class Observation:
    """Data ``y = A x + noise`` in normalised units (see `mendem.normalise`).

    Parameters
    ----------
    y
        (N, frames, …) measured values on the data grid, finite everywhere.
    operator
        The forward operator A.
    noise
        Noise of ``y`` in its own units.
    reliability
        Same shape as ``y``; 0 where nothing was measured, 1 where a pixel is as good as its noise model says.
    pixel_nm
        Pixel size of the image grid, or None where it is unknown.
    start_sigma
        Noise level at which sampling starts: well above what the posterior leaves open.
    """

    y: Tensor
    operator: ForwardOperator
    noise: NoiseModel
    reliability: Tensor
    pixel_nm: float | None = None
    start_sigma: float = 5.0

    def noise_std(self) -> Tensor:
        """Standard deviation of the noise in each datum, shape of ``y``."""
        return self.noise.variance(local_mean(self.y, self.reliability)).sqrt()

    def precision(self) -> Tensor:
        """Reliability over noise variance, as the proximal steps weigh the data."""
        return self.reliability / self.noise_std().clamp(min=1e-4) ** 2

    def condition(self) -> Condition:
        """What a conditional prior is told. Not the pixel size: no weights have been trained with it."""
        y, reliability, noise_std = self.operator.lift(self.y, self.reliability, self.noise_std())
        mean_variance = max(self.noise.std_at(0.0), 1e-6) ** 2
        total = sqrt(mean_variance)
        descriptor = Descriptor(
            correlation_y=self.noise.correlation[0],
            correlation_x=self.noise.correlation[1],
            correlation_known=1.0,
            scan_line=min(self.noise.scan_line / total, 1.0),
            gain=max(-1.0, min(1.0, self.noise.gain / mean_variance)),
        )
        return Condition(
            torch.where(reliability > 0, y, 0.0), reliability, noise_std, self.operator.describe(descriptor)
        )
