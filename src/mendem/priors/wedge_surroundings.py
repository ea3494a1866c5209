"""What a network makes of a slab, and what lies beyond the view, brought to agree with the projections."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.tomography.projector import Projector

#: Steps for the surroundings alone, and then for all.
AROUND, ALL = 5, 4


def settled(
    projector: Projector,
    slices: Tensor,
    sinograms: Tensor,
    view: slice,
    ratio: Tensor,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """Slices of a slab whose surroundings fit what is in the view, and both the projections.

    The network answers for the view alone, and rays that are tilted see what lies beside it. First that is made to fit
    by some steps of conjugate gradients on |A x - y|², the view held; then |A x - y|² + ratio |x - x₀|² in all.

    Parameters
    ----------
    slices
        (n, Z, X), wide: with what is known of the surroundings.
    sinograms
        (n, tilts, width).
    view
        Columns of the slices that the network answered for.
    ratio
        Variance of the noise of the projections over that of the answer, (n, 1, 1).
    """
    import torch

    around = torch.ones_like(slices)
    around[..., view] = 0

    def normal(x: Tensor) -> Tensor:
        check()
        return projector.adjoint(projector.forward(x))

    def lacking(x: Tensor) -> Tensor:
        return projector.adjoint(sinograms - projector.forward(x))

    fitted = slices + solved(lambda x: around * normal(x), around * lacking(slices), AROUND)
    return fitted + solved(lambda x: normal(x) + ratio * x, lacking(fitted), ALL)


def solved(operator: Callable[[Tensor], Tensor], wanted: Tensor, steps: int) -> Tensor:
    """The x, (n, Z, X), with operator(x) = wanted, each of the n on its own, as far as conjugate gradients come."""
    found, residual, direction = 0 * wanted, wanted, wanted
    size = wanted.square().sum((-2, -1), keepdim=True)
    for _ in range(steps):
        image = operator(direction)
        step = size / (direction * image).sum((-2, -1), keepdim=True).clamp(min=1e-30)
        found = found + step * direction
        residual = residual - step * image
        before, size = size, residual.square().sum((-2, -1), keepdim=True)
        direction = residual + size / before.clamp(min=1e-30) * direction
    return found
