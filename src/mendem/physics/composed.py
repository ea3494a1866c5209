"""One operator after another: what was blurred and then averaged over larger pixels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mendem.physics.block_mean import BlockMean
from mendem.physics.blur import Blur
from mendem.physics.operator import prox_by_cg
from mendem.priors.condition import Descriptor


@dataclass(frozen=True)
class Composed:
    """``second`` of what ``first`` makes of an image."""

    first: Blur
    second: BlockMean

    def forward(self, x: Tensor) -> Tensor:
        return self.second.forward(self.first.forward(x))

    def adjoint(self, y: Tensor) -> Tensor:
        return self.first.adjoint(self.second.adjoint(y))

    def prox(self, x0: Tensor, y: Tensor, precision: Tensor, variance: float) -> Tensor:
        return prox_by_cg(self, x0, y, precision, variance)

    def lift(self, y: Tensor, reliability: Tensor, noise_std: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.first.lift(*self.second.lift(y, reliability, noise_std))

    def describe(self, descriptor: Descriptor) -> Descriptor:
        return self.first.describe(self.second.describe(descriptor))

    def in_turn(self) -> tuple[Blur, BlockMean]:
        """Both for undoing one after the other: the blur on the pixels of the data, then the means over them.

        They give the same as far as the blur leaves nothing beyond the Nyquist frequency of the data.
        """
        return self.first.coarser(self.second.factors), self.second
