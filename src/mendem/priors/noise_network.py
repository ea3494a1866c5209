"""A small network that reads the noise off a noisy window: level, correlation, row offsets, signal dependence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: How many numbers are read, and how many the first estimate brings (the same, and its relative error).
READINGS, FIRST = 5, 6


class NoiseNetwork(nn.Module):
    """Reads windows, and then judges between what it has read and a first estimate.

    The readings of a window, in order: the logarithm of the noise's standard deviation at the mean grey value, over
    that of the window; its correlations between neighbours along y and along x, without row offsets; the part of its
    standard deviation that a row shares; and the slope of its variance over one standard deviation of the window, over
    the variance at the mean. Windows have two channels, the pixels less their mean and over their standard deviation,
    and 1 where a pixel was measured (0, with value 0, elsewhere); sides are multiples of 4, at least 64.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, widths: Sequence[int] = (24, 48, 96), hidden: int = 128) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"widths": list(widths), "hidden": hidden}
        layers: list[nn.Module] = []
        before = 2
        for level, width in enumerate(widths):
            layers.append(nn.Conv2d(before, width, 3, stride=1 if level == 0 else 2, padding=1))
            layers.append(nn.Conv2d(width, width, 3, padding=1))
            before = width
        self.layers = nn.ModuleList(layers)
        seen = 2 * sum(widths)
        self.read = nn.Sequential(
            nn.Linear(seen, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 2 * READINGS)
        )
        self.register_buffer("centre", torch.zeros(seen))
        self.register_buffer("scale", torch.ones(seen))
        self.judge = nn.Sequential(
            nn.Linear(seen + 2 * READINGS + FIRST + READINGS, 96),
            nn.SiLU(),
            nn.Dropout(0.2),
            nn.Linear(96, 64),
            nn.SiLU(),
            nn.Linear(64, 3 * READINGS),
        )

    def features(self, windows: Tensor) -> Tensor:
        """(N, 2, H, W) to (N, 2 * channels): how much each filter finds, and how much in the typical 8 x 8 cell."""
        x, pooled = windows, []
        for i, layer in enumerate(self.layers):
            x = F.relu(layer(x))
            if i % 2:
                power = x.float().square()
                cells = F.avg_pool2d(power, 8).clamp(min=1e-6).log().mean((-2, -1))
                pooled += [power.mean((-2, -1)).clamp(min=1e-6).log(), cells]
        return torch.cat(pooled, 1)

    def reading(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Readings (N, 5) and the logarithms of their variances, from the window alone."""
        found = self.read(features)
        return found[:, :READINGS], found[:, READINGS:].clamp(-12, 3)

    def judged(self, features: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """The same, knowing a first estimate (N, 6): its readings and its relative error."""
        read, log_variance = self.reading(features)
        before = first[:, :READINGS]
        normal = (features - self.centre) / self.scale
        told = self.judge(torch.cat([normal, 2 * read, log_variance / 4, 2 * first, 2 * (read - before)], 1))
        shift, log_variance, share = told.split(READINGS, 1)
        share = share.sigmoid()
        return share * before + (1 - share) * read + shift, log_variance.clamp(-12, 3)
