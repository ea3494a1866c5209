"""A smooth stand-in for what was not measured, so that a filter does not see the edge of a hole."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def filled(y: Tensor, reliability: Tensor) -> Tensor:
    """``y`` where ``reliability`` is above 0; elsewhere means over what was measured around, the finer the nearer.

    Parameters
    ----------
    y, reliability
        (N, 1, H, W); ``y`` is finite everywhere, and 0 is put where nothing at all was measured.

    The pyramid of Gortler et al. 1996 ("push-pull"): halves of the image until nothing is missing, then back up.
    """
    known = (reliability > 0).to(y.dtype)
    if bool((known == 1).all()):
        return y
    return torch.where(known > 0, y, _pulled(y * known, known))


def _pulled(weighted: Tensor, weight: Tensor) -> Tensor:
    mean = weighted / weight.clamp(min=1e-6)
    if min(weight.shape[-2:]) == 1 or bool((weight == 1).all()):
        return mean
    share = F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False)
    half = F.avg_pool2d(weighted, 2, ceil_mode=True, count_include_pad=False)
    enough = (4 * share).clamp(max=1)  # one measured pixel of four settles the mean
    coarse = _pulled(half / share.clamp(min=1e-6) * enough, enough)
    coarse = F.interpolate(coarse, size=weight.shape[-2:], mode="bilinear", align_corners=False)
    return weight * mean + (1 - weight) * coarse
