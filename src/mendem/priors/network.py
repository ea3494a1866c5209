"""The network of the shipped priors: a plain U-Net without normalisation layers or attention.

Nothing in it looks at the whole image, so a tile whose halo covers the receptive field gives the same
pixels as the whole image. Pixel pairs are folded into channels at the entrance (as in FFDNet, Zhang et
al. 2018), which puts all the work at half resolution and below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Channels that each frame brings: noisy image x_t, observation, reliability, noise level of the observation.
CHANNELS_PER_FRAME = 4


class Block(nn.Module):
    """Residual block of two 3x3 convolutions, modulated by the embedding (FiLM, Perez et al. 2018)."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * width)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        for start in (self.conv2.weight, self.conv2.bias):
            nn.init.zeros_(start)  # type: ignore[arg-type]

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.film(embedding)[..., None, None].chunk(2, dim=1)
        h = torch.addcmul(shift, self.conv1(x), 1 + scale)
        return x + self.conv2(F.relu_(h))


class UNet(nn.Module):
    """Maps (N, 4 * frames, H, W) and descriptors (N, D) to (N, 2, H, W).

    The first output channel is the correction of the mean, the second the logarithm of the error variance,
    both in the units of `mendem.priors.precondition`. H and W must be multiples of `multiple`.
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 256),
        blocks: Sequence[int] = (2, 2, 3),
        frames: int = 1,
        descriptor: int = 16,
        embedding: int = 128,
        fold: int = 2,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "widths": list(widths),
            "blocks": list(blocks),
            "frames": frames,
            "descriptor": descriptor,
            "embedding": embedding,
            "fold": fold,
        }
        self.fold = fold
        self.multiple = fold * 2 ** (len(widths) - 1)
        self.embed = nn.Sequential(
            nn.Linear(descriptor, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.enter = nn.Conv2d(CHANNELS_PER_FRAME * frames * fold**2, widths[0], 3, padding=1)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            self.down_blocks.append(nn.ModuleList(Block(width, embedding) for _ in range(count)))
            if level + 1 < len(widths):
                self.downs.append(nn.Conv2d(width, widths[level + 1], 2, stride=2))
                self.ups.append(nn.Conv2d(widths[level + 1], 4 * width, 1))
                self.up_blocks.append(nn.ModuleList(Block(width, embedding) for _ in range(count)))
        self.leave = nn.Conv2d(widths[0], 2 * fold**2, 3, padding=1)
        for start in (self.leave.weight, self.leave.bias):
            nn.init.zeros_(start)  # type: ignore[arg-type]

    @property
    def receptive_radius(self) -> int:
        """Pixels on each side that can influence an output pixel, rounded up to `multiple`."""
        radius, stride = self.fold, self.fold  # the entrance
        counts = self.config["blocks"]
        for level, count in enumerate(counts):
            both_ways = 1 if level + 1 == len(counts) else 2
            radius += both_ways * count * 2 * stride
            stride *= 2
        radius += self.fold + self.multiple  # the exit, and the phase of the coarsest grid
        return -(-radius // self.multiple) * self.multiple

    def forward(self, x: Tensor, descriptor: Tensor) -> Tensor:
        embedding = self.embed(descriptor)
        h = self.enter(F.pixel_unshuffle(x, self.fold))
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
        return F.pixel_shuffle(self.leave(h), self.fold)
