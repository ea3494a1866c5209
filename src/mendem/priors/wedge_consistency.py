"""Agreement of slices with their projections: the proximal step of a tilt series, by conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.tomography.projector import Projector


def agreed(
    projector: Projector,
    estimate: Tensor,
    sinograms: Tensor,
    ratio: float | Tensor,
    steps: int = 5,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """The slices that minimise |A x - y|² + ratio |x - estimate|².

    Parameters
    ----------
    estimate
        (n, Z, X).
    sinograms
        (n, tilts, width).
    ratio
        Variance of the noise of the projections over that of the estimate's error, a number or (n, 1, 1).
    steps
        Of conjugate gradients, from the estimate: what few steps do not reach stays the estimate's.
    """
    change = 0 * estimate
    residual = projector.adjoint(sinograms - projector.forward(estimate))
    direction, size = residual, residual.square().sum((-2, -1), keepdim=True)
    for _ in range(steps):
        check()
        image = projector.adjoint(projector.forward(direction)) + ratio * direction
        along = (direction * image).sum((-2, -1), keepdim=True)
        step = size / along.clamp(min=1e-30)
        change = change + step * direction
        residual = residual - step * image
        before, size = size, residual.square().sum((-2, -1), keepdim=True)
        direction = residual + size / before.clamp(min=1e-30) * direction
    return estimate + change
