"""How samples of the missing wedge are learned: draws, the mean that fills their wedge, and what it lacks of truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mendem.priors.wedge_filler import WedgeFiller, load_filler
from mendem.priors.wedge_inputs import CHANNELS, SLAB
from mendem.priors.wedge_network import answer
from mendem.priors.wedge_residual import amplitude, filtered, noise, projector_of, velocity
from mendem.training.wedge_check import whole
from mendem.training.wedge_draws import Draws
from mendem.training.wedge_spool import Batch, Spool

#: Errors of the velocity count by their expected amplitude to the power of -2 times this: 0 as they are, 1 all
#: frequencies alike.
WHITENED = 0.75
#: A residual with more than this many times the variance that is stated counts as one with so much: a few slices whose
#: mean is far off would else make the samples of all others wide.
HEAVIEST = 2.0


class AnsweredSpool(Spool):
    """A spool whose draws have two more channels: the mean that fills their wedge, and its standard deviation."""

    def __init__(self, filler: WedgeFiller, *arguments: Any) -> None:
        self.filler = filler
        super().__init__(*arguments)

    def _look(self) -> None:
        known = set(self.groups)
        super()._look()
        for name in self.groups.keys() - known:
            self.groups[name] = with_mean(self.filler, self.groups[name])


@torch.inference_mode()
def with_mean(filler: WedgeFiller, drawn: Draws) -> Draws:
    """A draw with the filler's mean and standard deviation; the network is asked once, not averaged over mirrorings."""
    batch = whole(drawn)
    estimate, log_variance = answer(filler.network, batch.channels, batch.descriptor)
    more = torch.cat([batch.channels, *filled(filler, batch, estimate, log_variance.exp())], 1)
    return replace(drawn, channels=more.to(torch.float16).numpy())


def filled(filler: WedgeFiller, batch: Batch, estimate: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation as a filler gives them, of its network's answer to one kind of specimen."""
    slab = int(batch.descriptor[0, SLAB])
    shared = torch.lerp(batch.channels[:, -1:], estimate, filler.share[slab])
    if filler.spread is not None:
        variance = filler.spread[slab].variance(variance)
    return shared, variance.sqrt()


def loss(network: nn.Module, batch: Batch) -> Tensor:
    """Error of the velocity at a random place of a path from noise to the residual, over its expected size.

    All channels but the last two of the batch are what the network for the mean reads; then come mean and deviation.
    """
    channels, mean, std = batch.channels.split([CHANNELS, 1, 1], 1)
    std = std.clamp(min=1e-6)
    projector = projector_of(batch.wedge)
    wanted = filtered(batch.truth - mean, projector)
    start = noise(torch.randn_like(wanted), std, projector)
    theta = math.pi / 2 * torch.rand(len(wanted), device=wanted.device)
    cos, sin = theta.cos()[:, None, None, None], theta.sin()[:, None, None, None]
    told = channels, batch.descriptor
    found = velocity(network, told, mean, std, projector, cos * start + sin * wanted, theta)
    error = filtered(found - cos * wanted + sin * start, weights(projector))
    stated, true = (part.square().mean((1, 2, 3)) for part in (std, wanted))
    return (error.square().mean((1, 2, 3)) / torch.maximum(stated, true / HEAVIEST)).mean()


def weights(projector: Tensor) -> Tensor:
    """By how much errors of a frequency count, (N, 1, Z, X / 2 + 1): errors as large as expected cost what they are."""
    depth, width = projector.shape[-2], 2 * (projector.shape[-1] - 1)
    expected = amplitude((depth, width), projector.device)
    power = (projector * expected).square()
    weight = expected**-WHITENED
    total = power.sum((-2, -1), keepdim=True) / (power * weight.square()).sum((-2, -1), keepdim=True).clamp(min=1e-12)
    return weight * total.sqrt()


def stream(
    recorded: list[np.ndarray], recipe: dict[str, Any], seed: int, device: str, run: Path
) -> Callable[[], Batch]:
    """Batches of a recipe, see `mendem.training.wedge_spool.stream`; the mean is that of the shipped filler."""
    data, batch = recipe["data"], recipe["train"]["batch"]
    filler = load_filler(True)
    return AnsweredSpool(filler, run / "draws", recorded, data["files"], data["workers"], batch, seed, device).next
