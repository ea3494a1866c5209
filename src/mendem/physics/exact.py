"""What data without noise settle: the projection of an image onto all images that fit them.

The image keeps what the data leave open (the null space of A) and takes the rest from the data, as in Wang, Yu and
Zhang 2022 (DDNM): ``x + A⁺ (y - A x)``. Only operators whose A⁺ is exact and stable have it here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mendem.physics.block_mean import BlockMean
from mendem.physics.mask import Mask
from mendem.physics.operator import ForwardOperator
from mendem.physics.skipped_rows import SkippedRows


def consistent(operator: ForwardOperator, x: Tensor, y: Tensor, reliability: Tensor) -> Tensor:
    """The image nearest to ``x`` with ``A x = y`` wherever ``reliability`` is above 0.

    Parameters
    ----------
    operator
        `Mask`, `SkippedRows` or `BlockMean`; for any other, ``x`` comes back as it is.
    x
        (N, 1, H, W) on the image grid.
    y, reliability
        Data and their reliability, on the data grid.

    Where a datum is a pixel (`measured_pixels`) that pixel is the datum bit for bit; means agree to rounding.
    """
    if isinstance(operator, BlockMean):
        return x + operator.spread(torch.where(reliability > 0, y - operator.forward(x), 0.0))
    if isinstance(operator, Mask | SkippedRows):
        return torch.where(measured_pixels(operator, reliability, x), operator.adjoint(y), x)
    return x


def measured_pixels(operator: ForwardOperator, reliability: Tensor, x: Tensor) -> Tensor:
    """True for the pixels of ``x`` that were measured themselves, whose spread is 0 where the data have no noise."""
    if isinstance(operator, Mask | SkippedRows):
        return (operator.adjoint(reliability) > 0).expand_as(x)
    return torch.zeros_like(x, dtype=torch.bool)
