"""Random observations of clean pictures, as users meet them: the pairs that a conditional prior learns from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from mendem.physics.block_mean import BlockMean
from mendem.physics.blur import Blur
from mendem.physics.mask import Mask
from mendem.physics.operator import ForwardOperator
from mendem.physics.skipped_rows import SkippedRows
from mendem.priors.condition import DESCRIPTOR_LENGTH, Condition, Descriptor
from mendem.training.holes import holes
from mendem.training.noise_draws import NoiseOptions, chance, draw_noise, uniform
from mendem.training.point_spread import point_spread


@dataclass(frozen=True)
class DegradeOptions:
    """How often each kind of observation is drawn (shares need not add up to one), and its noise.

    ``noise`` are pixels as they are, a part ``hole`` of them with gaps; ``fill`` are large gaps with little noise;
    ``block`` are means over blocks, ``skip`` rows that were left out, ``blur`` known point-spread functions;
    ``nothing`` is the unconditional prior. ``less_noise`` is the range of the level for all but the first.
    """

    noise: float = 0.42
    fill: float = 0.16
    block: float = 0.18
    skip: float = 0.12
    blur: float = 0.12
    nothing: float = 0.0
    hole: float = 0.12
    less_noise: tuple[float, float] = (0.01, 0.5)
    draws: NoiseOptions = field(default_factory=NoiseOptions)

    def shares(self) -> list[float]:
        """In the order of `KINDS`."""
        return [self.noise, self.fill, self.block, self.skip, self.blur, self.nothing]


def degrade(clean: Tensor, generator: torch.Generator, options: DegradeOptions) -> tuple[Tensor, Condition]:
    """Clean patches (N, 1, size, size) of unit variance to targets and what was observed of them.

    The size is a multiple of 8. The targets are rescaled as `mendem.normalise` will scale the data, whose standard
    deviation includes the noise. The order of the patches is changed.
    """
    weights = torch.tensor(options.shares(), device=clean.device)
    kinds = torch.multinomial(weights, clean.shape[0], replacement=True, generator=generator).tolist()
    parts = []
    for kind, observe in enumerate(KINDS):
        chosen = [i for i, k in enumerate(kinds) if k == kind]
        if chosen:
            parts.append(observe(clean[chosen], generator, options))
    if _one(generator, [0, 1]):
        parts = [(target.mT, condition.transposed()) for target, condition in parts]
    targets, conditions = zip(*parts, strict=True)

    def joined(name: str) -> Tensor:
        return torch.cat([getattr(c, name) for c in conditions])

    condition = Condition(joined("y"), joined("reliability"), joined("noise_std"), joined("descriptor"))
    return torch.cat(targets), condition


def observe_through(
    operator: ForwardOperator,
    clean: Tensor,
    signal: Tensor,
    reliability: Tensor,
    generator: torch.Generator,
    noise: NoiseOptions,
) -> tuple[Tensor, Condition]:
    """Targets and conditions of pictures seen through one operator; ``signal`` is A x, its ``reliability`` alike."""
    count = clean.shape[0]
    shape = (count, 1, 1, 1)
    drawn = draw_noise(signal, generator, noise)
    scale = (1 + drawn.level**2).rsqrt() * torch.exp(0.2 * torch.randn(shape, generator=generator, device=clean.device))
    shift = 0.2 * torch.randn(shape, generator=generator, device=clean.device)
    y = (signal + drawn.noise) * scale + shift
    lifted, trusted, believed = operator.lift(y, reliability, drawn.believed * scale)
    told = drawn.told.clone()
    told[:, 4:5] /= scale.reshape(count, 1)
    about = clean.new_tensor(operator.describe(Descriptor()).vector()).repeat(count, 1)
    about[:, : told.shape[1]] = told
    lifted = torch.where(trusted > 0, lifted, 0.0)
    return clean * scale + shift, Condition(lifted, trusted, believed, about)


def _noisy(clean: Tensor, generator: torch.Generator, options: DegradeOptions) -> tuple[Tensor, Condition]:
    count, _, size, _ = clean.shape
    reliability = torch.where(
        chance(generator, options.hole, count), holes(generator, count, size), torch.ones_like(clean)
    )
    return observe_through(Mask(), clean, clean, reliability, generator, options.draws)


def _filled(clean: Tensor, generator: torch.Generator, options: DegradeOptions) -> tuple[Tensor, Condition]:
    reliability = holes(generator, clean.shape[0], clean.shape[-1], largest=0.45)
    return observe_through(Mask(), clean, clean, reliability, generator, _less(options))


def _less(options: DegradeOptions) -> NoiseOptions:
    return replace(options.draws, level=options.less_noise)


def _one(generator: torch.Generator, choices: list[int]) -> int:
    return choices[int(torch.randint(len(choices), (1,), generator=generator, device=generator.device))]


def _block(clean: Tensor, generator: torch.Generator, options: DegradeOptions) -> tuple[Tensor, Condition]:
    factor = _one(generator, [2, 2, 4, 4, 8])
    factors = (factor, 1) if _one(generator, [0, 1]) else (factor, factor)
    operator = BlockMean(factors)
    signal = operator.forward(clean)
    return observe_through(operator, clean, signal, torch.ones_like(signal), generator, _less(options))


def _skipped(clean: Tensor, generator: torch.Generator, options: DegradeOptions) -> tuple[Tensor, Condition]:
    step = _one(generator, [2, 4, 4, 8, 8])
    operator = SkippedRows(step, clean.shape[-2], _one(generator, list(range(step))))
    signal = operator.forward(clean)
    return observe_through(operator, clean, signal, torch.ones_like(signal), generator, _less(options))


def _blurred(clean: Tensor, generator: torch.Generator, options: DegradeOptions) -> tuple[Tensor, Condition]:
    """Blurred on a grid that is mirrored beyond the edges; half of the time nothing was measured there."""
    count, _, size, _ = clean.shape
    margin = size // 4
    wide = torch.nn.functional.pad(clean, (margin,) * 4, mode="reflect")
    blur = Blur(*point_spread(generator, wide.shape[-1]))
    seen = torch.full_like(wide, float(_one(generator, [0, 1])))
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    seen[inner] = torch.where(chance(generator, options.hole, count), holes(generator, count, size), 1.0)
    target, condition = observe_through(blur, wide, blur.forward(wide), seen, generator, _less(options))
    return target[inner], condition.map(lambda t: t[inner])


def _nothing(clean: Tensor, generator: torch.Generator, options: DegradeOptions) -> tuple[Tensor, Condition]:
    count = clean.shape[0]
    shape = (count, 1, 1, 1)
    shift = 0.2 * torch.randn(shape, generator=generator, device=clean.device)
    scale = torch.exp(uniform(generator, -0.5, 0.2, shape))
    nothing = torch.zeros_like(clean)
    about = clean.new_zeros((count, DESCRIPTOR_LENGTH - 2))
    return clean * scale + shift, Condition(nothing, nothing, torch.ones_like(clean), about)


KINDS = (_noisy, _filled, _block, _skipped, _blurred, _nothing)
