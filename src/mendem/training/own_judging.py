"""What answers about a volume's own planes cost while it is learned from, and how good they are on held-out ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mendem.priors.calibration import Calibration
from mendem.training.objective import LIKELIHOOD, SMALLEST_ERROR, answers, questions
from mendem.training.own_planes import Asked

#: Range of the factor by which the spread is corrected.
SPREAD = (0.5, 2.0)


def cost(network: nn.Module, asked: Asked) -> Tensor:
    """`mendem.training.objective.loss` of the pixels that count, where the target has noise of its own."""
    put = questions(asked.target, asked.condition)
    correction, log_variance = answers(network, put)
    squared = (correction - (put.target - put.base) / put.scale) ** 2
    noise = asked.variance / put.scale**2
    expected = (log_variance.detach().exp() + noise).mean((1, 2, 3), keepdim=True)
    likelihood = (squared.detach() - noise) * torch.exp(-log_variance) + log_variance
    each = squared / expected.clamp(min=SMALLEST_ERROR) + LIKELIHOOD * likelihood
    return (asked.weight * each).sum() / asked.weight.sum().clamp(min=1)


def change(network: nn.Module, start: nn.Module, asked: Asked, generator: torch.Generator) -> Tensor:
    """How far the answers of a network about noisy images x_t have moved from those of the network that it was.

    These draw the samples. The planes cannot teach them: their noise would belong to what is drawn.
    """
    drawn = torch.randn((len(asked.target), 1, 1, 1), generator=generator, device=generator.device)
    sigma = torch.exp(1.2 * drawn - 0.5).clamp(0.015, 40)
    noise = torch.randn(asked.target.shape, generator=generator, device=generator.device)
    put = questions(asked.target, asked.condition, asked.target + sigma * noise, sigma)
    with torch.no_grad():
        before, log_before = answers(start, put)
    correction, log_variance = answers(network, put)
    expected = log_before.exp().mean((1, 2, 3), keepdim=True).clamp(min=SMALLEST_ERROR)
    return ((correction - before) ** 2 / expected).mean() + LIKELIHOOD * ((log_variance - log_before) ** 2).mean()


@dataclass(frozen=True)
class Judgement:
    """How good answers are, in normalised units.

    Attributes
    ----------
    error, cubic
        Root mean square error of the answers and of cubic interpolation, the noise of the planes included.
    spread
        What the predicted standard deviation is to be multiplied by.
    """

    error: float
    cubic: float
    spread: float


def judge(network: nn.Module, judged: list[Asked], calibration: Calibration, exact: bool) -> Judgement:
    """One evaluation of each; where data are ``exact``, the answers are made to agree with them, as they will be."""
    sums = torch.zeros(4, dtype=torch.float64)
    with torch.inference_mode():
        for asked in judged:
            put = questions(asked.target, asked.condition)
            correction, log_variance = answers(network, put)
            mean = put.base + put.scale * correction
            if exact:
                mean = asked.operator.consistent(mean, asked.data, torch.ones_like(asked.data))
            squared = asked.weight * (mean - asked.target) ** 2
            cubic = asked.weight * (asked.condition.middle().y - asked.target) ** 2
            predicted = calibration.variance(put.scale**2 * log_variance.exp(), asked.condition)
            ratio = (squared - asked.weight * asked.variance) / predicted
            sums += torch.stack([t.double().sum().cpu() for t in (squared, cubic, ratio, asked.weight)])
    error, cubic, ratio = (sums[:3] / sums[3].clamp(min=1)).tolist()
    return Judgement(error**0.5, cubic**0.5, min(max(ratio, SPREAD[0] ** 2), SPREAD[1] ** 2) ** 0.5)
