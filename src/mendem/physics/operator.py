"""What every forward operator offers, and the solver for those without a closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from mendem.priors.condition import Descriptor


class ForwardOperator(Protocol):
    """A linear map from the image grid (…, H, W) to the data grid.

    A new operator is one module with these five methods; the sampler and the engine need nothing else.
    """

    def forward(self, x: Tensor) -> Tensor:
        """A x."""

    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y, on the image grid."""

    def prox(self, x0: Tensor, y: Tensor, precision: Tensor, variance: float) -> Tensor:
        """The x that minimises ``precision |A x - y|² + |x - x0|² / variance``.

        ``precision`` (data grid) is the reliability over the variance of the noise.
        """

    def lift(self, y: Tensor, reliability: Tensor, noise_std: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Data, reliability and noise level brought to the image grid, as the conditional prior reads them."""

    def describe(self, descriptor: Descriptor) -> Descriptor:
        """``descriptor`` with what a lifted pixel cannot tell about this operator."""


def conjugate_gradient(
    apply: Callable[[Tensor], Tensor], rhs: Tensor, start: Tensor, steps: int, tolerance: float
) -> Tensor:
    """Solve ``apply(x) = rhs`` for a symmetric positive operator (Hestenes and Stiefel 1952).

    Stops after ``steps`` or once the residual has fallen to ``tolerance`` times the right-hand side.
    """
    x = start.clone()
    residual = rhs - apply(x)
    direction = residual.clone()
    norm = residual.square().sum()
    goal = tolerance**2 * rhs.square().sum()
    for _ in range(steps):
        if norm <= goal:
            break
        image = apply(direction)
        length = norm / (direction * image).sum()
        x = x + length * direction
        residual = residual - length * image
        norm, last = residual.square().sum(), norm
        direction = residual + (norm / last) * direction
    return x


def prox_by_cg(
    operator: ForwardOperator,
    x0: Tensor,
    y: Tensor,
    precision: Tensor,
    variance: float,
    steps: int = 200,
    tolerance: float = 1e-6,
) -> Tensor:
    """The proximal step of any operator, by conjugate gradients on its normal equations."""

    def normal(x: Tensor) -> Tensor:
        return operator.adjoint(precision * operator.forward(x)) + x / variance

    rhs = operator.adjoint(precision * y) + x0 / variance
    return conjugate_gradient(normal, rhs, x0, steps, tolerance)


def is_constant(x: Tensor) -> bool:
    """Whether all elements are equal."""
    return bool((x == x.reshape(-1)[0]).all()) if x.numel() else True


def as_tensor(x: object, like: Tensor) -> Tensor:
    """``x`` with the device and dtype of ``like``."""
    return torch.as_tensor(x, device=like.device, dtype=like.dtype)
