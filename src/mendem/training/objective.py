"""What the network is asked in training, and how far its answer is off."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mendem.priors.condition import Condition
from mendem.priors.precondition import network_input, pixelwise_posterior

#: Weight of the likelihood of the predicted variance.
LIKELIHOOD = 0.05
#: Mean squared error of a patch, in units of the preconditioning, below which it counts no more.
SMALLEST_ERROR = 0.02


class Questions(NamedTuple):
    """For N patches: what the network reads, the truth, and the units of the answer."""

    channels: Tensor
    descriptor: Tensor
    target: Tensor
    base: Tensor
    scale: Tensor


def questions(
    target: Tensor, condition: Condition, x_t: Tensor | None = None, sigma: Tensor | None = None
) -> Questions:
    """The questions that a condition, and perhaps a noisy image, put; see `mendem.priors.precondition`."""
    return Questions(*network_input(x_t, sigma, condition), target, *pixelwise_posterior(x_t, sigma, condition))


def joined(parts: list[Questions]) -> Questions:
    """Several sets of questions as one."""
    return parts[0] if len(parts) == 1 else Questions(*(torch.cat(t) for t in zip(*parts, strict=True)))


def answers(network: nn.Module, asked: Questions) -> tuple[Tensor, Tensor]:
    """Correction of the mean in units of ``scale``, and logarithm of the variance of what remains; float32."""
    with torch.autocast(asked.channels.device.type, torch.bfloat16):
        output = network(asked.channels.contiguous(memory_format=torch.channels_last), asked.descriptor)
    output = output.float()
    return output[:, :1], output[:, 1:].clamp(-10, 4)


def loss(network: nn.Module, asked: Questions, weighting: str = "relative") -> Tensor:
    """Mean squared error, and the Gaussian likelihood of the predicted variance.

    The squared error of a patch counts relative to the error that the network predicts for it ("relative", as decibels
    do; Karras et al. 2024, section 2.2), in the units of the preconditioning ("posterior"), or in those of the signal
    ("signal"), in which the hard questions count most.
    """
    return cost(*answers(network, asked), asked, weighting)


def cost(
    correction: Tensor,
    log_variance: Tensor,
    asked: Questions,
    weighting: str = "relative",
    smallest: float = SMALLEST_ERROR,
) -> Tensor:
    """What given answers cost, see `loss`; errors below ``smallest`` count no more."""
    squared = (correction - (asked.target - asked.base) / asked.scale) ** 2
    likelihood = squared.detach() * torch.exp(-log_variance) + log_variance
    if weighting == "relative":
        expected = log_variance.detach().exp().mean((1, 2, 3), keepdim=True)
        squared = squared / expected.clamp(min=smallest)
    elif weighting == "signal":
        squared = squared * asked.scale**2
    return squared.mean() + LIKELIHOOD * likelihood.mean()
