"""A Gaussian prior whose answers are known in closed form: the yardstick for samplers and operators."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mendem.priors.condition import Condition
from mendem.priors.prior import Coverage, never


class GaussianPrior:
    """Stationary Gaussian images of unit variance with power falling as ``1 / (f² + cutoff²)^(slope / 2)``.

    It is unconditional: an observation given to it is ignored, and the sampler uses proximal steps.
    """

    name = "gaussian"
    coverage = Coverage((0.0, float("inf")), ("any",), ())
    conditional = False
    frames = 1
    bytes_per_pixel = 100

    def __init__(self, slope: float = 2.0, cutoff: float = 0.05) -> None:
        self.slope, self.cutoff = slope, cutoff

    def power(self, shape: tuple[int, int], like: Tensor) -> Tensor:
        """Variance of each coefficient of the orthonormal ``rfft2``; mean over the full spectrum is 1."""
        fy = torch.fft.fftfreq(shape[0], device=like.device, dtype=like.dtype)[:, None]
        full = torch.fft.fftfreq(shape[1], device=like.device, dtype=like.dtype)[None, :]
        power = (fy**2 + full**2 + self.cutoff**2) ** (-self.slope / 2)
        return (power / power.mean())[:, : shape[1] // 2 + 1]

    def denoise(
        self, x_t: Tensor | None, sigma: float | None, condition: Condition, check: Callable[[], None] = never
    ) -> tuple[Tensor, Tensor]:
        check()
        if x_t is None or sigma is None:
            return torch.zeros_like(condition.y), torch.ones_like(condition.y)
        power = self.power((x_t.shape[-2], x_t.shape[-1]), x_t)
        gain = power / (power + sigma**2)
        mean = torch.fft.irfft2(torch.fft.rfft2(x_t) * gain, s=x_t.shape[-2:])
        variance = sigma**2 * gain.mean()
        return mean, variance.expand_as(mean)
