"""Simultaneous iterative reconstruction: the error of the projections is spread back over the rays, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mendem.options import check_parameters, parameter

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.tomography.projector import Projector


def inverse(sums: Tensor) -> Tensor:
    """1 / ``sums``, and 0 where hardly a ray or a pixel takes part."""
    return (1 / sums.clamp(min=1e-30)).where(sums > 1e-3 * sums.max(), 0.0)


@dataclass(frozen=True)
class Sirt:
    """SIRT: smooth and quiet; more iterations bring finer detail, and the noise with it."""

    iterative: ClassVar[bool] = True

    iterations: int = parameter(20, "how often the error is spread back", low=1, high=1000)
    relaxation: float = parameter(1.0, "part of the error that is spread back", low=0.01, high=1.99, advanced=True)
    positive: bool = parameter(False, "set what is below zero to zero; needs an empty surrounding of zero")

    def __post_init__(self) -> None:
        check_parameters(self)

    def iterates(
        self, projector: Projector, sinograms: Tensor, check: Callable[[], None] = lambda: None
    ) -> Iterator[Tensor]:
        """Slices (…, Z, X) of sinograms (…, tilts, width) after each iteration, from zero.

        x ← x + relaxation C Aᵀ R (y - A x), with R and C one over the sums of the rows and columns of A
        (Gregor and Benson 2008). The same tensor is changed in place: copy what is to be kept.
        """
        geometry = projector.geometry
        ones = sinograms.new_ones((len(geometry.angles_deg), geometry.width))
        rays = inverse(projector.forward(sinograms.new_ones(geometry.shape)))
        pixels = self.relaxation * inverse(projector.adjoint(ones))
        x = sinograms.new_zeros((*sinograms.shape[:-2], *geometry.shape))
        residual = sinograms
        for i in range(self.iterations):
            check()
            if i:
                residual = sinograms - projector.forward(x)
            x += pixels * projector.adjoint(rays * residual)
            if self.positive:
                x.clamp_(min=0)
            yield x
