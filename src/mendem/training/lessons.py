"""What there is to learn: for each kind of recipe the network, what it is shown, and what its answers cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mendem.priors.network import UNet
from mendem.priors.noise_network import NoiseNetwork
from mendem.priors.tilt_network import TiltNetwork
from mendem.priors.wedge_network import WedgeNetwork
from mendem.priors.wedge_residual import ResidualNetwork
from mendem.training import (
    noise_reading,
    objective,
    tilts_pool,
    tilts_spread,
    wedge_check,
    wedge_objective,
    wedge_residual,
    wedge_sampled,
    wedge_spool,
)
from mendem.training.pack import training_sources
from mendem.training.pool import Source
from mendem.training.sections import SectionStream
from mendem.training.stream import Stream
from mendem.training.tilts_stream import Film, film_loss

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
    sources
        What is learned from: of the folder or pack, and the recipe.
    """

    network: Callable[[Recipe], nn.Module]
    stream: Callable[[list[Any], Recipe, int, str, Path], Callable[[], Any]]
    loss: Callable[[Any, Any, Recipe], Tensor]
    finish: Callable[[Any, Recipe, list[Any], Path], dict[str, Any]]
    sources: Callable[[Path, Recipe], list[Any]] = lambda data, recipe: training_sources(data, recipe["data"])


def _judged(network: UNet, recipe: Recipe, sources: list[Source], data: Path) -> dict[str, Any]:
    """What training pictures look like to a prior, and the calibration of its spread."""
    from mendem.training import calibrate, familiar

    return {
        "familiar": familiar.fit(network, sources).facts(),
        "calibration": calibrate.fit(network, data).stated(),
    }


PRIOR = Lesson(
    network=lambda recipe: UNet(**recipe["network"]),
    stream=lambda sources, recipe, seed, device, run: Stream(sources, recipe, seed, device).next,
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
    stream=lambda sources, recipe, seed, device, run: SectionStream(sources, recipe, seed, device).next,
)
NOISE = Lesson(
    network=lambda recipe: NoiseNetwork(**recipe["noise"]),
    stream=lambda sources, recipe, seed, device, run: noise_reading.Windows(sources, recipe, seed, device).next,
    loss=lambda network, batch, recipe: noise_reading.reading_loss(network, *batch),
    finish=noise_reading.finish,
)


TILTS = Lesson(
    network=lambda recipe: TiltNetwork(**recipe["tilts"]),
    stream=lambda pool, recipe, seed, device, run: Film(pool, recipe, seed, device).next,
    loss=lambda network, batch, recipe: film_loss(network, batch),
    finish=tilts_spread.finish,
    sources=lambda data, recipe: tilts_pool.read_pool(data) if data.is_file() else tilts_pool.draw_pool(recipe["data"]),
)


WEDGE = Lesson(
    network=lambda recipe: WedgeNetwork(**recipe["wedge"]),
    stream=lambda recorded, recipe, seed, device, run: wedge_spool.stream(recorded, recipe, seed, device, run),
    loss=lambda network, batch, recipe: wedge_objective.loss(network, batch),
    finish=lambda network, recipe, recorded, data: wedge_check.finish(network, recorded, data),
    sources=lambda data, recipe: wedge_spool.recorded(data),
)
RESIDUAL = Lesson(
    network=lambda recipe: ResidualNetwork(**recipe["residual"]),
    stream=lambda recorded, recipe, seed, device, run: wedge_residual.stream(recorded, recipe, seed, device, run),
    loss=lambda network, batch, recipe: wedge_residual.loss(network, batch),
    finish=lambda network, recipe, recorded, data: wedge_sampled.finish(network, data),
    sources=lambda data, recipe: wedge_spool.recorded(data),
)


def lesson_of(recipe: Recipe) -> Lesson:
    """What there is to learn, by the table that only such a recipe has: ``noise``, ``sections``, ``tilts``,
    ``wedge``, ``residual``; else a prior."""
    kinds = {"noise": NOISE, "sections": SECTIONS, "tilts": TILTS, "wedge": WEDGE, "residual": RESIDUAL}
    return next((lesson for name, lesson in kinds.items() if name in recipe), PRIOR)
