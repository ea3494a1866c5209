"""The only sampling loop.

It yields an `Estimate` after each evaluation of the prior, so that a preview is the same computation
stopped early. Two ways to use data, never both on the same data: a conditional prior is told the
observation; an unconditional one is brought to the data by the operator's proximal step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import log2

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from mendem.noise_hash import normal
from mendem.physics.composed import Composed
from mendem.physics.exact import consistent, measured_pixels
from mendem.physics.noise import NoiseModel
from mendem.physics.observation import Observation
from mendem.priors.condition import Condition, unturn_image
from mendem.priors.prior import Prior, never
from mendem.priors.solver import chain, noise_levels


@dataclass(frozen=True)
class Budget:
    """How many evaluations of the prior are spent.

    ``turns`` of the eight symmetries of the square are averaged for the mean; each sample takes ``steps``.
    """

    turns: int
    steps: int


BUDGETS = {"preview": Budget(1, 4), "balanced": Budget(2, 8), "best": Budget(8, 16)}

#: The order in which the symmetries are spent: each prefix is as varied as it can be.
TURN_ORDER = (0, 7, 3, 4, 1, 6, 2, 5)


#: Noise level of the last evaluation, in units of the signal's standard deviation: what is finer is not drawn.
END_LEVEL = 0.02

#: Noise level of the first one over the largest spread that the prior predicts. Less takes the posterior for white
#: noise, which draws too little of what is smooth; more costs evaluations (`benchmarks/samplers.py`).
START_OVER_SPREAD = 5.0


@dataclass(frozen=True)
class Place:
    """Where a block lies in its image, for the noise hash: seed, slice, first row, first column."""

    seed: int = 0
    z: int = 0
    y: int = 0
    x: int = 0


@dataclass(frozen=True)
class Estimate:
    """The answer so far, in normalised units.

    ``mean`` and ``variance`` are (N, 1, H, W); ``sample`` is the newest finished sample and ``sample_index``
    its number, or None and -1. ``evaluations`` of ``total`` have been spent.
    """

    mean: Tensor
    variance: Tensor
    sample: Tensor | None
    sample_index: int
    evaluations: int
    total: int


def start_level(variance: Tensor) -> float:
    """Noise level from which a sample about a mean of this variance (N, 1, H, W) is drawn.

    The largest mean over 8 x 8 pixels counts: a hole does, a dead pixel does not. A power of 2, so that neighbouring
    blocks begin alike and meet without a seam.
    """
    largest = START_OVER_SPREAD * float(avg_pool2d(variance, 8, ceil_mode=True).max().sqrt().clamp(min=END_LEVEL))
    return 2.0 ** round(log2(largest))


def plug_in_variance(sigma: float) -> float:
    """Variance about the clean image that an unconditional prior predicts, as a proximal step weighs it.

    That of a pixel of unit variance known to sigma (Song et al. 2023, Pi-GDM). The mean variance that the prior
    predicts is far smaller, because most of an image is smooth, and would leave coarse structure to chance.
    """
    return sigma**2 / (1 + sigma**2)


def sample(
    prior: Prior,
    observation: Observation,
    budget: Budget,
    samples: int = 0,
    place: Place = Place(),
    check: Callable[[], None] = never,
) -> Iterator[Estimate]:
    """Estimates of the image that was observed, better and better.

    A conditional prior gives the mean first (``budget.turns`` evaluations), then ``samples`` samples
    around it. An unconditional one has no mean of its own: at least two samples are drawn, and the mean and
    variance are theirs.
    """
    if prior.conditional and isinstance(observation.operator, Composed):
        yield from _in_turn(prior, observation, observation.operator, budget, samples, place, check)
    elif prior.conditional:
        yield from _conditional(prior, observation, budget, samples, place, check)
    else:
        yield from _plug_in(prior, observation, budget, max(samples, 2), place, check)


def _hashed(place: Place, number: int, like: Tensor) -> Tensor:
    height, width = like.shape[-2:]
    rows, columns = range(place.y, place.y + height), range(place.x, place.x + width)
    return normal(place.seed, number, 0, place.z, rows, columns, like.device).expand_as(like)


def keep_measured(estimate: Estimate, observation: Observation) -> Estimate:
    """The estimate with what was measured without noise put back (see `mendem.physics.exact`)."""
    operator, y, reliability = observation.operator, observation.y, observation.reliability
    sample = estimate.sample
    return replace(
        estimate,
        mean=consistent(operator, estimate.mean, y, reliability),
        variance=torch.where(measured_pixels(operator, reliability, estimate.mean), 0.0, estimate.variance),
        sample=None if sample is None else consistent(operator, sample, y, reliability),
    )


def _conditional(
    prior: Prior, observation: Observation, budget: Budget, samples: int, place: Place, check: Callable[[], None]
) -> Iterator[Estimate]:
    condition = observation.condition()
    total = budget.turns + samples * budget.steps
    mean = variance = torch.zeros((), device=observation.y.device)
    for i, turn in enumerate(TURN_ORDER[: budget.turns]):
        turned = prior.denoise(None, None, condition.turned(turn), check)
        m, v = (unturn_image(t, turn) for t in turned)
        mean, variance = mean + (m - mean) / (i + 1), variance + (v - variance) / (i + 1)
        yield Estimate(mean, variance, None, -1, i + 1, total)

    highest = start_level(variance) if samples else END_LEVEL
    levels = noise_levels(highest, min(END_LEVEL, highest / 20), budget.steps)
    done = Estimate(mean, variance, None, -1, budget.turns, total)
    for number in range(samples):
        # x_t is the unknown image plus noise, so about the mean it spreads by both
        start = mean + (levels[0] ** 2 + variance).sqrt() * _hashed(place, number, mean)
        cleans = chain(lambda x, sigma: prior.denoise(x, sigma, condition, check)[0], start, levels)
        yield from _count(done, cleans, number, budget)


def _in_turn(
    prior: Prior,
    observation: Observation,
    operator: Composed,
    budget: Budget,
    samples: int,
    place: Place,
    check: Callable[[], None],
) -> Iterator[Estimate]:
    """Undo one operator and then the other: a network knows each of them, and has not seen both at once.

    The mean of the first is what the second takes for measured; its spread is added to that of the second.
    """
    blur, means = operator.in_turn()
    *_, first = _conditional(prior, replace(observation, operator=blur), budget, 0, place, check)
    sharp = replace(observation, y=first.mean, operator=means, noise=NoiseModel(0.0))
    sharp = replace(sharp, reliability=torch.ones_like(first.mean))
    unsure = means.spread(first.variance)
    for estimate in _conditional(prior, sharp, budget, samples, place, check):
        yield replace(
            estimate,
            variance=estimate.variance + unsure,
            evaluations=budget.turns + estimate.evaluations,
            total=budget.turns + estimate.total,
        )


def _plug_in(
    prior: Prior, observation: Observation, budget: Budget, samples: int, place: Place, check: Callable[[], None]
) -> Iterator[Estimate]:
    precision = observation.precision()
    start = observation.operator.adjoint(torch.zeros_like(observation.y))
    nothing = Condition(start, torch.zeros_like(start), torch.ones_like(start))
    levels = noise_levels(observation.start_sigma, END_LEVEL, budget.steps)

    def predict(x: Tensor, sigma: float) -> Tensor:
        clean, _ = prior.denoise(x, sigma, nothing, check)
        return observation.operator.prox(clean, observation.y, precision, plug_in_variance(sigma))

    drawn: list[Tensor] = []
    state = Estimate(start, torch.zeros_like(start), None, -1, 0, samples * budget.steps)
    for number in range(samples):
        for estimate in _count(
            state, chain(predict, levels[0] * _hashed(place, number, start), levels), number, budget
        ):
            if estimate.sample is not None:
                drawn.append(estimate.sample)
                stack = torch.stack(drawn)
                spread = stack.var(0) if len(drawn) > 1 else torch.zeros_like(start)
                state = replace(state, mean=stack.mean(0), variance=spread)
            yield replace(estimate, mean=state.mean, variance=state.variance)


def _count(state: Estimate, cleans: Iterator[Tensor], number: int, budget: Budget) -> Iterator[Estimate]:
    """One estimate for each clean prediction of a chain; the last one carries the sample."""
    spent = state.evaluations + number * budget.steps
    for i, clean in enumerate(cleans):
        finished = i + 1 == budget.steps
        yield replace(
            state,
            sample=clean if finished else None,
            sample_index=number if finished else -1,
            evaluations=spent + i + 1,
        )
