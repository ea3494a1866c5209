"""Pixels that are no measurement: not finite, or far outside all their neighbours."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: A pixel that leaves the range of its eight neighbours by this many standard deviations is a hot or dead
#: one. For white Gaussian noise that happens once in about 1e7 pixels.
OUTSIDE = 4.0


def reliable(u: Tensor, noise_std: Tensor | float) -> Tensor:
    """1 where ``u`` (N, 1, H, W; NaN where not finite) is a measurement, 0 where it is a defect; float32."""
    finite = torch.isfinite(u)
    known = torch.where(finite, u, torch.zeros_like(u))
    padded = F.pad(known, (1, 1, 1, 1), mode="replicate") if min(u.shape[-2:]) > 1 else F.pad(known, (1, 1, 1, 1))
    height, width = u.shape[-2:]
    shifts = [
        padded[..., dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3) if (dy, dx) != (1, 1)
    ]
    highest, lowest = shifts[0].clone(), shifts[0].clone()
    for shifted in shifts[1:]:
        torch.maximum(highest, shifted, out=highest)
        torch.minimum(lowest, shifted, out=lowest)
    margin = OUTSIDE * noise_std
    return (finite & (known <= highest + margin) & (known >= lowest - margin)).float()
