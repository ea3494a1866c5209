"""What there is to learn: for each kind of recipe the network, what it is shown, and what its answers cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mendem.priors.network import UNet
from mendem.priors.noise_network import NoiseNetwork
from mendem.training import noise_reading, objective
from mendem.training.pool import Source
from mendem.training.sections import SectionStream
from mendem.training.stream import Stream

Recipe = dict[str, Any]


@dataclass(frozen=True)
class Lesson:
    """One kind of training.

    Attributes
    ----------
    network
        A new network of a recipe, with its ``config``.
    stream
        From sources, recipe, seed and device what draws the next batch, for ever.
    loss
        What the answers of a network to a batch cost; told the recipe.
    finish
        What is done with the averaged network at the end, from the recipe, the sources and the folder or pack they came
        from; returns what the weights' header tells of it.
    """

    network: Callable[[Recipe], nn.Module]
    stream: Callable[[list[Source], Recipe, int, str], Callable[[], Any]]
    loss: Callable[[Any, Any, Recipe], Tensor]
    finish: Callable[[Any, Recipe, list[Source], Path], dict[str, Any]]


def _judged(network: UNet, recipe: Recipe, sources: list[Source], data: Path) -> dict[str, Any]:
    """What training pictures look like to a prior, and the calibration of its spread."""
    from mendem.training import calibrate, familiar

    return {
        "familiar": familiar.fit(network, sources).facts(),
        "calibration": calibrate.fit(network, data).stated(),
    }


PRIOR = Lesson(
    network=lambda recipe: UNet(**recipe["network"]),
    stream=lambda sources, recipe, seed, device: Stream(sources, recipe, seed, device).next,
    loss=lambda network, asked, recipe: objective.loss(network, asked, recipe["train"].get("weighting", "relative")),
    finish=_judged,
)


def _judged_sections(network: UNet, recipe: Recipe, sources: list[Source], data: Path) -> dict[str, Any]:
    """The calibration of a prior for volumes; whether an image is familiar is asked of the one for slices."""
    from mendem.training import calibrate

    return {"calibration": calibrate.fit_sections(network, data).stated()}


SECTIONS = replace(
    PRIOR,
    finish=_judged_sections,
    stream=lambda sources, recipe, seed, device: SectionStream(sources, recipe, seed, device).next,
)
NOISE = Lesson(
    network=lambda recipe: NoiseNetwork(**recipe["noise"]),
    stream=lambda sources, recipe, seed, device: noise_reading.Windows(sources, recipe, seed, device).next,
    loss=lambda network, batch, recipe: noise_reading.reading_loss(network, *batch),
    finish=noise_reading.finish,
)


def lesson_of(recipe: Recipe) -> Lesson:
    """The network that reads the noise where the recipe has a table ``noise``, one for volumes where it has a table
    ``sections``; else a prior."""
    return NOISE if "noise" in recipe else SECTIONS if "sections" in recipe else PRIOR
