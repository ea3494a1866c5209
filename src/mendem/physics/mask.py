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
        # A pixel that counts half is one that was measured with twice the variance.
        reliability = self.forward(reliability)
        known = reliability > 0
        return y, known.to(y.dtype), noise_std / reliability.sqrt().where(known, 1.0)

    def describe(self, descriptor: Descriptor) -> Descriptor:
        return descriptor
