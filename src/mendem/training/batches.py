"""Random clean patches of the sources: magnified, turned, changed in contrast; drawn on the device that trains."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mendem.errors import MendemError
from mendem.priors.condition import turn_image
from mendem.training.noise_draws import chance, uniform
from mendem.training.pool import Source


class Pictures:
    """All pictures of the sources in one tensor on a device, for cutting out many patches at once.

    ``values`` (float16) holds the arrays one after another; a picture is a view into it: where it begins, its
    height and width, and the distance between its rows and between its columns. So the sections of a volume along
    its three axes share their voxels.
    """

    def __init__(self, sources: list[Source], device: str) -> None:
        filled = [s for s in sources if s.arrays]
        if not filled:
            raise MendemError("there are no pictures to learn from; give more of them, or ask the recipe for shapes")
        arrays = [np.ascontiguousarray(a) for s in filled for a in s.arrays]
        self.values = torch.cat([torch.from_numpy(a).to(torch.float16).flatten() for a in arrays]).to(device)
        views: list[list[int]] = []
        weights: list[float] = []
        begin = 0
        place = iter(arrays)
        for source in filled:
            views_before = len(views)
            for array in (next(place) for _ in source.arrays):
                strides = [n // array.itemsize for n in array.strides]
                if array.ndim == 2:
                    views.append([begin, *array.shape, *strides])
                else:
                    for axis in range(3):
                        y, x = (a for a in range(3) if a != axis)
                        views += [
                            [begin + i * strides[axis], array.shape[y], array.shape[x], strides[y], strides[x]]
                            for i in range(array.shape[axis])
                        ]
                begin += array.size
            added = len(views) - views_before
            weights += [source.share / added] * added
        self.views = torch.tensor(views, device=device)
        self.weights = torch.tensor(weights, device=device).cumsum(0)

    def crops(self, generator: torch.Generator, count: int, side: int) -> Tensor:
        """Random crops (count, 1, side, side), float32; pictures smaller than that are mirrored beyond their edges."""
        device = self.values.device
        drawn = torch.rand(count, generator=generator, device=device) * self.weights[-1]
        chosen = torch.searchsorted(self.weights, drawn).clamp(max=len(self.views) - 1)
        begin, height, width, down, along = self.views[chosen].unbind(1)
        steps = torch.arange(side, device=device)

        def lines(length: Tensor) -> Tensor:
            free = (length - side + 1).clamp(min=1)
            first = (torch.rand(count, generator=generator, device=device) * free).long().clamp(max=free - 1)
            line = (first[:, None] + steps) % (2 * length[:, None])
            return torch.minimum(line, 2 * length[:, None] - 1 - line)

        rows = begin[:, None] + lines(height) * down[:, None]
        columns = lines(width) * along[:, None]
        return self.values[rows[:, :, None] + columns[:, None, :]].float()[:, None]


class Batches:
    """An endless stream of clean patches (count, 1, size, size), roughly of unit variance.

    Parameters
    ----------
    sources
        Where pictures come from; their shares need not add up to one.
    magnification
        Range of the magnification (drawn evenly in its logarithm), the same for all patches that are drawn at once.
    texture
        Share of the patches that get a fine granular texture.
    """

    def __init__(
        self,
        sources: list[Source],
        count: int,
        size: int,
        seed: int,
        magnification: tuple[float, float] = (0.35, 3.2),
        device: str = "cpu",
        texture: float = 0.5,
    ) -> None:
        self.pictures = Pictures(sources, device)
        self.count, self.size, self.magnification, self.texture = count, size, magnification, texture
        self.rng = np.random.default_rng(seed)  # for what decides shapes: no device needs to be asked
        self.generator = torch.Generator(device).manual_seed(seed)

    def next(self, count: int | None = None) -> Tensor:
        """The next ``count`` patches (by default as many as the constructor was told)."""
        count = self.count if count is None else count
        low, high = np.log(self.magnification)
        zoom = 1.0 if self.rng.uniform() < 0.3 else float(np.exp(self.rng.uniform(low, high)))
        side = math.ceil(self.size / zoom)
        x = self.pictures.crops(self.generator, count, side)
        if side != self.size:
            x = F.interpolate(x, size=(self.size, self.size), mode="bicubic", align_corners=False, antialias=zoom < 1)
        x = turn_image(x, int(self.rng.integers(8)))
        shape = (count, 1, 1, 1)
        contrast, gamma = (torch.randn(shape, generator=self.generator, device=self.generator.device) for _ in range(2))
        x = x + 0.12 * gamma * (x.clamp(-3, 3) ** 2 - 1)  # bends the grey scale either way
        x = (x + self._texture(count)) * torch.exp(0.25 * contrast)
        return torch.where(chance(self.generator, 0.5, count), x, -x)

    def _texture(self, count: int) -> Tensor:
        """Fine granular texture for some of the patches, so that the prior does not take all of it for noise."""
        generator, size, shape = self.generator, self.size, (count, 1, 1, 1)
        device = generator.device
        amplitude = uniform(generator, 0.03, 0.3, shape) * chance(generator, self.texture, count)
        scale = torch.exp(uniform(generator, math.log(0.7), math.log(3.0), shape))
        f = torch.fft.fftfreq(size, device=device)
        full = torch.exp(-2 * math.pi**2 * scale**2 * f[:, None] ** 2)
        gain = amplitude / (full**2).mean((-2, -1), keepdim=True)  # the filter is the product of two such
        half = torch.fft.rfftfreq(size, device=device)
        white = torch.randn((count, 1, size, size), generator=generator, device=device)
        filters = gain * full * torch.exp(-2 * math.pi**2 * scale**2 * half**2)
        return torch.fft.irfft2(torch.fft.rfft2(white) * filters, s=(size, size))
