"""Rivals of `mendem.priors.solver.chain`: each sampler yields the clean image that each evaluation predicts.

In all of them ``x_t = x0 + sigma * noise``; the last image is the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import torch
from torch import Tensor

from mendem.physics.block_mean import BlockMean
from mendem.physics.mask import Mask
from mendem.priors.solver import chain, noise_levels

#: The clean image that a prior expects, given x_t and its noise level.
Predict = Callable[[Tensor, float], Tensor]
#: Standard normal numbers of the shape of the image, new ones at each call.
Fresh = Callable[[], Tensor]


class Chain(Protocol):
    """A sampler of ``evaluations`` evaluations from noise level ``high`` to ``low``."""

    def __call__(
        self, predict: Predict, start: Tensor, high: float, low: float, evaluations: int, fresh: Fresh
    ) -> Iterator[Tensor]: ...


def renoising(
    predict: Predict, start: Tensor, high: float, low: float, evaluations: int, fresh: Fresh
) -> Iterator[Tensor]:
    """The predicted clean image plus new noise of the next level."""
    x, levels = start, noise_levels(high, low, evaluations)
    for i in range(evaluations):
        clean = predict(x, levels[i])
        yield clean
        if i + 1 < evaluations:
            x = clean + levels[i + 1] * fresh()


def ddim(
    predict: Predict, start: Tensor, high: float, low: float, evaluations: int, fresh: Fresh, eta: float = 0.0
) -> Iterator[Tensor]:
    """DDIM (Song et al. 2021): eta 0 is Euler's method, eta 1 draws each level from its exact conditional given x0."""
    x, levels = start, noise_levels(high, low, evaluations)
    for i, sigma in enumerate(levels):
        clean = predict(x, sigma)
        yield clean
        if i + 1 < evaluations:
            following = levels[i + 1]
            new = eta * following * sqrt(1 - (following / sigma) ** 2)
            x = clean + sqrt(following**2 - new**2) / sigma * (x - clean)
            x = x + new * fresh() if new else x


def ancestral(
    predict: Predict, start: Tensor, high: float, low: float, evaluations: int, fresh: Fresh
) -> Iterator[Tensor]:
    """DDIM with eta 1, as DDPM samples."""
    yield from ddim(predict, start, high, low, evaluations, fresh, eta=1.0)


def multistep(
    predict: Predict, start: Tensor, high: float, low: float, evaluations: int, fresh: Fresh
) -> Iterator[Tensor]:
    """The loop of `mendem.sampling`."""
    yield from chain(predict, start, noise_levels(high, low, evaluations))


CHAINS: dict[str, Chain] = {
    "re-noising": renoising,
    "ancestral": ancestral,
    "DDIM": ddim,
    "DPM-Solver++(2M)": multistep,
}


@dataclass(frozen=True)
class Spectral:
    """What DDRM needs of ``y = A x + noise`` where all singular values of A are 0 or one s.

    ``inverse`` is the pseudo-inverse of A applied to y, on the image grid; ``project`` keeps what A sees;
    ``noise`` is the standard deviation of the noise over s.
    """

    inverse: Tensor
    project: Callable[[Tensor], Tensor]
    noise: float


def spectral(operator: Mask | BlockMean, y: Tensor, noise: float) -> Spectral:
    """The singular values of a mask (0 and 1) and of block means (0 and one over the root of the block's size)."""
    if isinstance(operator, Mask):
        return Spectral(operator.forward(y), operator.forward, noise)
    return Spectral(operator.spread(y), lambda x: operator.spread(operator.forward(x)), noise * sqrt(operator.size))


def ddrm(
    predict: Predict, seen: Spectral, levels: list[float], fresh: Fresh, eta: float = 0.85, eta_b: float = 1.0
) -> Iterator[Tensor]:
    """DDRM (Kawar et al. 2022, equations 4 to 8) with its own start; ``predict`` is the unconditional prior.

    Three cases for each singular vector: not seen; seen, at a noise level below that of its datum; and above.
    """

    def unseen(x: Tensor) -> Tensor:
        return x - seen.project(x)

    top = levels[0]
    if top > seen.noise:
        x = seen.inverse + seen.project(fresh()) * sqrt(top**2 - seen.noise**2) + unseen(fresh()) * top
    else:
        x = top * fresh()
    for i, sigma in enumerate(levels):
        clean = predict(x, sigma)
        yield clean
        if i + 1 == len(levels):
            return
        level, z, kept = levels[i + 1], fresh(), sqrt(1 - eta**2)
        null = unseen(clean + kept * level * (x - clean) / sigma + eta * level * z)
        if level < seen.noise:
            range_ = clean + kept * level * (seen.inverse - clean) / seen.noise + eta * level * z
        else:
            range_ = (1 - eta_b) * clean + eta_b * seen.inverse + sqrt(level**2 - (eta_b * seen.noise) ** 2) * z
        x = null + seen.project(range_)


def fresh_noise(shape: tuple[int, ...], seed: int) -> Fresh:
    """Standard normal numbers, always the same ones for a seed."""
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(shape, generator=generator)
