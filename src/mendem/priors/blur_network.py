"""Small networks that read the width of a blur off the features of a window, and say how sure they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mendem.priors.blur_features import COUNT


class BlurNetwork(nn.Module):
    """Several networks that were begun differently; where they disagree, the error is larger.

    The reading is ``log(1 + FWHM²) / 2`` with the full width at half maximum in pixels: about its logarithm where it is
    large, and flat towards 0, where a blur cannot be told from none.
    """

    centre: Tensor
    scale: Tensor
    inflation: Tensor

    def __init__(self, members: int = 4, hidden: int = 96) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"members": members, "hidden": hidden}
        self.members = nn.ModuleList(
            nn.Sequential(
                nn.Linear(COUNT, hidden), nn.SiLU(), nn.Dropout(0.1),
                nn.Linear(hidden, hidden), nn.SiLU(), nn.Dropout(0.1),
                nn.Linear(hidden, 2),
            )
            for _ in range(members)
        )  # fmt: skip
        self.register_buffer("centre", torch.zeros(COUNT))
        self.register_buffer("scale", torch.ones(COUNT))
        #: By what the variance grows on kinds of pictures that were not trained on.
        self.register_buffer("inflation", torch.ones(()))

    def said(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, COUNT) to the readings of each member and the logarithms of their variances, (members, N)."""
        normal = (features - self.centre) / self.scale
        found = torch.stack([member(normal) for member in self.members])
        return found[..., 0], found[..., 1].clamp(-9, 3)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, COUNT) to readings (N) and their variances (N)."""
        reading, log_variance = self.said(features)
        variance = log_variance.exp().mean(0) + reading.var(0, correction=0)
        return reading.mean(0), self.inflation * variance


def reading_of(fwhm: Tensor) -> Tensor:
    """What is read of a blur of this full width at half maximum, pixels."""
    return torch.log1p(fwhm**2) / 2
