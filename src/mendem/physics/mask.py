"""Pixels that were measured, and pixels that were not. Without a mask this is the identity."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mendem.priors.condition import Descriptor


@dataclass(frozen=True)
class Mask:
    """Multiplies by ``kept`` (1 measured, 0 not; broadcast over the image), or by nothing when it is None."""

    kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        return x if self.kept is None else self.kept * x

    adjoint = forward

    def prox(self, x0: Tensor, y: Tensor, precision: Tensor, variance: float) -> Tensor:
        precision = self.forward(precision)
        return (precision * y + x0 / variance) / (precision + 1 / variance)

    def lift(self, y: Tensor, reliability: Tensor, noise_std: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return y, self.forward(reliability), noise_std

    def describe(self, descriptor: Descriptor) -> Descriptor:
        return descriptor
