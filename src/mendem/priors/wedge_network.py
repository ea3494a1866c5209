"""The network that fills the missing wedge of a slice: a plain U-Net that sees several reconstructions of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from mendem.priors.network import Block
from mendem.priors.wedge_inputs import CHANNELS, DESCRIPTOR

#: Limits of the logarithm of the variance.
LOG_VARIANCE = (-14.0, 6.0)


class WedgeNetwork(nn.Module):
    """Maps (N, CHANNELS, Z, X) and descriptors (N, DESCRIPTOR) to (N, 2, Z, X), any Z and X.

    The first output is what total variation, the last channel, lacks of the truth; the second the logarithm of the
    variance of what remains. Both in the unit of the channels, see `mendem.priors.wedge_inputs`.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], embedding: int = 64, fold: int = 2) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "widths": list(widths), "blocks": list(blocks), "embedding": embedding, "fold": fold
        }  # fmt: skip
        self.fold = fold
        self.multiple = fold * 2 ** (len(widths) - 1)
        self.embed = nn.Sequential(
            nn.Linear(DESCRIPTOR, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.enter = nn.Conv2d(CHANNELS * fold**2, widths[0], 3, padding=1)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            self.down_blocks.append(nn.ModuleList(Block(width, embedding) for _ in range(count)))
            if level + 1 < len(widths):
                self.downs.append(nn.Conv2d(width, widths[level + 1], 2, stride=2))
                self.ups.append(nn.Conv2d(widths[level + 1], 4 * width, 1))
                self.up_blocks.append(nn.ModuleList(Block(width, embedding) for _ in range(count)))
        self.leave = nn.Conv2d(widths[0], 2 * fold**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, channels: Tensor, descriptor: Tensor) -> Tensor:
        depth, width = channels.shape[-2:]
        below, right = -depth % self.multiple, -width % self.multiple
        embedding = self.embed(descriptor)
        h = self.enter(F.pixel_unshuffle(F.pad(channels, (0, right, 0, below)), self.fold))
        skips = []
        for level, blocks in enumerate(self.down_blocks):
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, embedding)
            if level < len(self.downs):
                skips.append(h)
                h = self.downs[level](h)
        for level in reversed(range(len(self.ups))):
            h = F.pixel_shuffle(self.ups[level](h), 2) + skips[level]
            for block in self.up_blocks[level]:  # type: ignore[attr-defined]
                h = block(h, embedding)
        return F.pixel_shuffle(self.leave(h), self.fold)[..., :depth, :width]


def answer(network: nn.Module, channels: Tensor, descriptor: Tensor) -> tuple[Tensor, Tensor]:
    """Estimates and logarithms of their variance, float32 (N, 1, Z, X) each, in the unit of the channels."""
    import torch

    with torch.autocast(channels.device.type, torch.bfloat16):
        output = network(channels.contiguous(memory_format=torch.channels_last), descriptor)
    output = output.float()
    return channels[:, -1:] + output[:, :1], output[:, 1:].clamp(*LOG_VARIANCE)
