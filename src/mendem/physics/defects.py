"""Pixels that are no measurement: not finite, or far outside all their neighbours."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: A pixel that leaves the range of its eight neighbours by this many standard deviations is a hot or dead
#: one. For white Gaussian noise that happens to one pixel in 1e7, also on the border with its fewer neighbours.
OUTSIDE = 5.0


def reliable(u: Tensor, noise_std: Tensor | float) -> Tensor:
    """1 where ``u`` (N, 1, H, W; NaN where not finite) is a measurement, 0 where it is a defect; float32."""
    finite = torch.isfinite(u)
    nan = u.new_full((), float("nan"))
    padded = F.pad(torch.where(finite, u, nan), (1, 1, 1, 1), value=float("nan"))
    height, width = u.shape[-2:]
    shifts = [
        padded[..., dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3) if (dy, dx) != (1, 1)
    ]
    highest, lowest = shifts[0], shifts[0]
    for shifted in shifts[1:]:  # fmax and fmin pass over NaN: what is no pixel is no neighbour
        highest, lowest = torch.fmax(highest, shifted), torch.fmin(lowest, shifted)
    margin = OUTSIDE * noise_std
    return (finite & ~(u > highest + margin) & ~(u < lowest - margin)).float()
