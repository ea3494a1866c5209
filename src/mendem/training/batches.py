"""Random clean patches from the sources, magnified, turned, and changed in contrast."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mendem.priors.condition import turn_image
from mendem.training.pool import Source


class Batches:
    """An endless stream of clean patches (count, 1, size, size), roughly of unit variance.

    Parameters
    ----------
    sources
        Where pictures come from; their shares need not add up to one.
    magnification
        Range of the magnification (drawn evenly in its logarithm), the same within a batch.
    """

    def __init__(
        self,
        sources: list[Source],
        count: int,
        size: int,
        seed: int,
        magnification: tuple[float, float] = (1.0, 3.2),
        device: str = "cpu",
    ) -> None:
        self.sources = [s for s in sources if s.pictures]
        total = sum(s.share for s in self.sources)
        self.shares = [s.share / total for s in self.sources]
        self.count, self.size, self.magnification, self.device = count, size, magnification, device
        self.rng = np.random.default_rng(seed)

    def _crop(self, side: int) -> np.ndarray:
        source = self.sources[self.rng.choice(len(self.sources), p=self.shares)]
        picture = source.pictures[self.rng.integers(len(source.pictures))]
        if min(picture.shape) < side:  # thin sections: mirror them
            picture = np.pad(picture, [(0, max(0, side - n)) for n in picture.shape], mode="symmetric")
        y, x = (self.rng.integers(n - side + 1) for n in picture.shape)
        return picture[y : y + side, x : x + side]

    def next(self) -> Tensor:
        rng = self.rng
        low, high = np.log(self.magnification)
        zoom = 1.0 if rng.uniform() < 0.3 else float(np.exp(rng.uniform(low, high)))
        side = int(np.ceil(self.size / zoom))
        crops = np.stack([self._crop(side) for _ in range(self.count)])
        x = torch.from_numpy(crops)[:, None].to(self.device)
        if side != self.size:
            x = F.interpolate(x, size=(self.size, self.size), mode="bicubic", align_corners=False)
        x = turn_image(x, int(rng.integers(8)))
        sign, contrast, gamma = (
            torch.from_numpy(v.astype(np.float32)).to(self.device)[:, None, None, None]
            for v in (
                rng.choice([-1.0, 1.0], self.count),
                np.exp(rng.normal(0, 0.25, self.count)),
                rng.normal(0, 0.12, self.count),
            )
        )
        x = x + gamma * (x.clamp(-3, 3) ** 2 - 1)  # bends the grey scale either way
        return sign * contrast * (x + self._texture())

    def _texture(self) -> Tensor:
        """Fine granular texture for half of the patches, so that the prior does not take all of it for noise."""
        rng, size = self.rng, self.size
        amplitude = rng.uniform(0.03, 0.3, self.count) * (rng.uniform(size=self.count) < 0.5)
        scale = np.exp(rng.uniform(np.log(0.7), np.log(3.0), self.count))
        f = np.fft.fftfreq(size)
        filters = np.exp(-2 * np.pi**2 * scale[:, None, None] ** 2 * (f[:, None] ** 2 + f[None, :] ** 2))
        filters *= (amplitude / np.sqrt((filters**2).mean((1, 2))))[:, None, None]
        white = np.fft.fft2(rng.standard_normal((self.count, size, size), np.float32))
        return torch.from_numpy(np.fft.ifft2(white * filters).real.astype(np.float32)).to(self.device)[:, None]
