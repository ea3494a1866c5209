"""Reconstruction with as little total variation as the noise allows: flat regions with sharp borders."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mendem.errors import MendemError
from mendem.options import check_parameters, parameter

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.tomography.projector import Projector

#: Steps of the inner problem for each outer one; it starts where it ended before. 20 gave the same as 5.
INNER_STEPS = 5
#: Outer steps between two looks at the objective, over which it must have fallen by less than the tolerance.
PATIENCE = 5


def projection_noise(sinograms: np.ndarray) -> float:
    """Standard deviation of white noise in projections (…, width), from their second differences along u.

    1.4826 median |d| / sqrt(6): robust against the few pixels where the specimen itself is curved. Noise that is
    correlated between neighbours is underestimated.
    """
    if sinograms.shape[-1] < 3:
        raise MendemError("the noise cannot be measured on a detector of fewer than 3 pixels; give it as a number")
    return float(1.4826 * np.median(np.abs(np.diff(sinograms.astype(np.float32), 2))) / math.sqrt(6))


def gradient(x: Tensor) -> Tensor:
    """Forward differences along z and x, 0 at the last pixel: (…, Z, X) to (2, …, Z, X)."""
    steps = x.new_zeros((2, *x.shape))
    steps[0, ..., :-1, :] = x[..., 1:, :] - x[..., :-1, :]
    steps[1, ..., :-1] = x[..., 1:] - x[..., :-1]
    return steps


def divergence(p: Tensor) -> Tensor:
    """Minus the transpose of `gradient`; the last differences of ``p`` are 0, as `gradient` leaves them."""
    total = p[0] + p[1]
    total[..., 1:, :] -= p[0, ..., :-1, :]
    total[..., 1:] -= p[1, ..., :-1]
    return total


def total_variation(x: Tensor) -> Tensor:
    """Sum of the lengths of the gradients of each slice: (…, Z, X) to (…)."""
    return gradient(x).square().sum(0).sqrt().sum((-2, -1))


@dataclass(frozen=True)
class Tv:
    """Total variation with positivity. Few tilts suffice for objects with flat regions; textures are flattened too."""

    iterative: ClassVar[bool] = True

    smooth_px: float = parameter(
        4.0,
        "radius of the spots of noise, of one standard deviation, that are just flattened",
        unit="px",
        low=0.01,
        high=1000.0,
    )
    noise: float = parameter(
        0.0, "standard deviation of the noise in the projections, in their unit; 0 measures it", low=0.0
    )
    positive: bool = parameter(True, "allow nothing below zero; needs an empty surrounding of zero")
    iterations: int = parameter(150, "steps at most", low=1, high=10000, advanced=True)
    tolerance: float = parameter(
        1e-3, "stop when five steps lower the objective by less than this part", low=0.0, high=0.1, advanced=True
    )

    def __post_init__(self) -> None:
        check_parameters(self)

    def weight(self, noise: float, tilts: int) -> float:
        """Weight of the total variation beside half the sum of squared residuals.

        A disc of radius r has the shadows 2 sqrt(r² - u²), whose squares add up to 16/3 r³ for each tilt: noise of
        standard deviation s correlates with it by s sqrt(16/3 tilts r³). A spot of noise gains nothing by appearing
        where the weight of its total variation, 2 π r for each unit of contrast, is as much: larger spots do.
        """
        return noise * math.sqrt(16 / 3 * tilts * self.smooth_px) / (2 * math.pi)

    def iterates(
        self, projector: Projector, sinograms: Tensor, check: Callable[[], None] = lambda: None
    ) -> Iterator[Tensor]:
        """Slices (…, Z, X) of sinograms (…, tilts, width) after each step, from zero; each slice on its own.

        FISTA (Beck and Teboulle 2009), its steps of one over the measured norm of AᵀA, restarted when the momentum
        points uphill (O'Donoghue and Candès 2015). Of a positive slice, which has empty surroundings, AᵀA is taken as a
        convolution, and put right every few steps. A slice that has converged stays as it is; the end is when all have.
        """
        import torch

        y = sinograms.reshape(-1, *sinograms.shape[-2:])
        shape = (*sinograms.shape[:-2], *projector.geometry.shape)
        noise = self.noise or projection_noise(y.cpu().numpy())
        weight = self.weight(noise, len(projector.geometry.angles_deg))
        normal, squared_norm = self._normal(projector)
        back, step = projector.adjoint(y), 1 / squared_norm
        x = torch.zeros_like(back)
        ahead, dual = x, gradient(x)
        told_x = told_ahead = x
        pace = y.new_ones((len(y), 1, 1))
        moving = pace > 0
        before = None
        for number in range(1, self.iterations + 1):
            check()
            goal = ahead + step * (back - told_ahead)
            new, dual = self._denoised(goal, weight * step, dual)
            new = new.where(moving, x)
            told_new = normal(new)
            uphill = ((ahead - new) * (new - x)).sum((-2, -1), keepdim=True) > 0
            pace = pace.where(~uphill, 1.0)
            after = ((1 + (1 + 4 * pace**2).sqrt()) / 2).where(~uphill, 1.0)
            momentum = (pace - 1) / after
            ahead, told_ahead = new + momentum * (new - x), told_new + momentum * (told_new - told_x)
            x, told_x, pace = new, told_new, after
            yield x.view(shape)
            if number % PATIENCE == 0:
                lacks = y - projector.forward(x)
                if self.positive:  # so that the gradient at x is right, though told_x is not quite
                    back = projector.adjoint(lacks) + told_x
                objective = lacks.square().sum((-2, -1)) / 2 + weight * total_variation(x)
                if before is not None:
                    moving &= ~((before - objective).abs() < self.tolerance * objective)[:, None, None]
                    if not moving.any():
                        return
                before = objective

    def _normal(self, projector: Projector) -> tuple[Callable[[Tensor], Tensor], float]:
        """AᵀA and the square of its norm."""
        if self.positive:
            return projector.convolution, projector.convolution.squared_norm
        return lambda x: projector.adjoint(projector.forward(x)), projector.squared_norm

    def _denoised(self, goal: Tensor, weight: float, dual: Tensor) -> tuple[Tensor, Tensor]:
        """The x that minimises |x - goal|² / 2 + weight TV(x), and the dual variable that leads to it (same source)."""
        if weight == 0:
            return self._bounded(goal), dual
        ahead, pace = dual, 1.0
        for _ in range(INNER_STEPS):
            new = ahead + gradient(self._bounded(goal + weight * divergence(ahead))) / (8 * weight)
            new /= new.square().sum(0).sqrt_().clamp_(min=1)
            after = (1 + math.sqrt(1 + 4 * pace**2)) / 2
            ahead = new + (pace - 1) / after * (new - dual)
            dual, pace = new, after
        return self._bounded(goal + weight * divergence(dual)), dual

    def _bounded(self, x: Tensor) -> Tensor:
        return x.clamp(min=0) if self.positive else x
