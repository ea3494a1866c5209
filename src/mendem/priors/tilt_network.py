"""The network of the tilt road: what a missing tilt shows beyond the reprojection of a volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mendem.priors.condition import Condition
from mendem.priors.network import CHANNELS_PER_FRAME, UNet
from mendem.priors.precondition import pixelwise_posterior
from mendem.tomography.tilt_road_frames import MAPS, NUMBERS, Context

#: Standard deviation that the difference between a tilt and its reprojection is taken to have, in units of that of the
#: tilts. What the network predicts is in units of it.
RESIDUAL = 0.2


class TiltNetwork(nn.Module):
    """A `UNet` over the pixels of missing tilts: (N, 1 + MAPS, H, W) and (N, 2 + NUMBERS) to (N, 2, H, W).

    The maps are x_t, a noisy version of the answer, or zeros, and those of `Context`; the numbers, whether x_t is
    absent, a quarter of the logarithm of its noise level, and those of `Context`. It gives the correction of the mean
    and the logarithm of the error variance, in the units of `mendem.priors.precondition`, of what the tilt shows beyond
    its reprojection, over RESIDUAL. Sides are multiples of ``multiple``.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128), blocks: Sequence[int] = (2, 2, 2)) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"widths": list(widths), "blocks": list(blocks)}
        frames = (1 + MAPS) // CHANNELS_PER_FRAME
        self.body = UNet(widths, blocks, frames, 2 + NUMBERS)
        self.multiple = self.body.multiple

    def forward(self, maps: Tensor, numbers: Tensor) -> Tensor:
        return self.body(maps, numbers)


def network_input(contexts: Sequence[Context], x_t: Tensor | None, sigma: Tensor | None) -> tuple[Tensor, Tensor]:
    """What the network reads of some contexts; x_t (N, 1, y, x) and sigma (N, 1, 1, 1) in units of RESIDUAL."""
    maps = torch.stack([c.maps for c in contexts])
    numbers = torch.stack([c.numbers for c in contexts])
    if x_t is None or sigma is None:
        seen = torch.zeros_like(maps[:, :1])
        level = numbers.new_tensor([1.0, 0.0]).expand(len(numbers), 2)
    else:
        seen = x_t * (1 + sigma**2).rsqrt()
        level = torch.stack([torch.zeros_like(sigma.flatten()), sigma.flatten().log() / 4], 1)
    return torch.cat([seen, maps], 1), torch.cat([level, numbers], 1)


def units(x_t: Tensor | None, sigma: Tensor | None, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and scale (N, 1, y, x) that the network's answer corrects: those of a pixel known by x_t alone."""
    nothing = torch.zeros_like(like)
    return pixelwise_posterior(x_t, sigma, Condition(nothing, nothing, nothing))
