"""A prior learns from one volume: it is trained further on the volume's own planes (`mendem.training.own_planes`).

What it answers along y and x, where the truth is known, is what it will be asked along z. It is judged on planes that
it does not learn from, and ends as the best of what it was on the way, its beginning included.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mendem.errors import MendemError
from mendem.image import Image
from mendem.normalise import Normalisation
from mendem.physics.noise import NoiseModel
from mendem.physics.section_grid import SectionGrid
from mendem.priors import checkpoint
from mendem.priors.calibration import Calibration, Curve
from mendem.priors.network_prior import NetworkPrior
from mendem.priors.prior import Coverage, never
from mendem.provenance import software_versions
from mendem.training.optimiser import Optimiser
from mendem.training.own_judging import change, cost, judge
from mendem.training.own_planes import OwnPlanes

#: Windows of a step, learning rate, steps until it is reached, and what the averaged weights keep at each step.
BATCH, RATE, WARM_UP, KEEP = 8, 3e-4, 20, 0.98
#: At one step in so many the drawing of samples is held where it was.
SAMPLING = 4
#: Batches of held-out windows that it is judged by, how often in a run, and seconds between two at the least.
JUDGED, LOOKS, BETWEEN = 6, 12, 5.0
#: Share of the error that must be gone before the learned weights are taken.
CLEARLY = 0.005


@dataclass(frozen=True)
class Learning:
    """How far a prior has learned.

    Attributes
    ----------
    step, seconds, fraction
        Steps, and time in seconds and in parts of what was given.
    loss
        Of this step.
    held_out
        Root mean square error on held-out planes, in units of the image and with the noise of these planes: of the
        prior that it began with, and when last judged.
    prior
        The best so far, which is what stopping now would give.
    """

    step: int
    seconds: float
    fraction: float
    loss: float
    held_out: tuple[float, float]
    prior: NetworkPrior


class LearnedPrior(NetworkPrior):
    """A prior that has learned from one volume; ``facts`` say from what."""

    facts: dict[str, Any]


def learn_from(
    prior: NetworkPrior,
    image: Image,
    grid: SectionGrid,
    noise: NoiseModel,
    normalisation: Normalisation,
    *,
    minutes: float,
    seed: int = 0,
    report: Callable[[Learning], None] = lambda _: None,
    check: Callable[[], None] = never,
    stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> NetworkPrior:
    """A prior for the coarse direction of one volume; `LearnedPrior`, or ``prior`` itself where nothing was gained.

    Parameters
    ----------
    prior
        What it begins with; it stays as it is.
    image, grid
        The volume (Z, Y, X), coarse along z, and how its sections lie.
    noise, normalisation
        Of the image, as they will be used with what is learned.
    minutes
        Time to learn, reading and judging included.
    report
        Called after each step.
    check
        Called before each step; what it raises (`mendem.errors.Cancelled`) goes through, and nothing is kept.
    stop
        Asked before each step whether to be content with what has been learned.

    Raises
    ------
    MendemError
        Where there is too little to learn from.
    """
    begin, given = clock(), 60 * minutes
    planes = OwnPlanes(image, grid, noise, normalisation, prior.frames, prior.device, seed)
    rng = np.random.default_rng(seed)
    generator = torch.Generator(prior.device).manual_seed(seed)
    judged = [planes.draw(BATCH, rng, held_out=True) for _ in range(JUDGED)]
    learner = copy.deepcopy(prior.network).float().to(memory_format=torch.channels_last).requires_grad_(True)  # type: ignore[call-overload]
    average = copy.deepcopy(learner).requires_grad_(False)
    weights, averaged = list(learner.parameters()), list(average.parameters())
    optimiser = Optimiser(learner, RATE, fused=prior.device == "cuda")
    unit = abs(normalisation.scale)
    first = now = judge(average, judged, prior.calibration, noise.absent)
    lowest, best = (1 - CLEARLY) * first.error, prior
    step, loss, looked = 0, math.nan, clock()
    while True:
        seconds = clock() - begin
        over = seconds >= given or stop()
        if step and (over or clock() - looked > max(BETWEEN, given / LOOKS)):
            now = judge(average, judged, prior.calibration, noise.absent)
            looked = clock()
            if now.error < lowest:
                lowest = now.error
                facts = {
                    "learned from": image.source,
                    "sections": len({z for z, _ in planes.parts.learned}),
                    "spacing": grid.spacing,
                    "width": grid.width,
                    "held out": {"start": first.error * unit, "learned": now.error * unit},
                    "start": _identity(prior),
                    "steps": step,
                    "minutes": round(seconds / 60, 2),
                    "loss": loss,
                }
                best = _learned(prior, average, image, grid, facts, now.spread)
        if step:
            held_out = (first.error * unit, now.error * unit)
            report(Learning(step, seconds, min(1.0, seconds / given), loss, held_out, best))
        if over:
            return best
        check()
        asked = planes.draw(BATCH, rng)
        value = total = cost(learner, asked)
        if step % SAMPLING == 0:
            total = value + change(learner, prior.network, asked, generator)
        learner.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step(min(1.0, (step + 1) / WARM_UP) * (0.51 + 0.49 * math.cos(math.pi * seconds / given)))
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(averaged, weights, 1 - min(KEEP, (1 + step) / (10 + step)))
        loss = value.item()


def save_learned(prior: NetworkPrior, path: Path) -> None:
    """Write what was learned as a weights file, for ``--prior FILE``; `MendemError` where nothing was."""
    if not isinstance(prior, LearnedPrior):
        raise MendemError(f"{path}: not written, because nothing was learned; use {prior.name} as it is")
    if path.suffix != ".safetensors":
        raise MendemError(f"{path}: weights are written as .safetensors; give such a name")
    facts = {**prior.facts, "calibration": prior.calibration.stated(), "versions": software_versions()}
    part = path.with_name(path.name + ".part")
    checkpoint.save(prior.network, prior.coverage, part, facts)
    part.replace(path)


def _learned(
    prior: NetworkPrior, network: nn.Module, image: Image, grid: SectionGrid, facts: dict[str, Any], spread: float
) -> LearnedPrior:
    """The prior with other weights. What its training pictures look like to it is not known any more."""
    changed = copy.deepcopy(prior.network)
    changed.load_state_dict(network.state_dict())
    pixel = image.voxel_size.nm[-1] if image.voxel_size else None
    finest, coarsest = prior.coverage.pixel_nm
    if pixel is not None:
        finest, coarsest = min(finest, pixel), max(coarsest, pixel)
    thick = "" if grid.width == grid.spacing else f", {grid.width:g} thick"
    coverage = Coverage(
        (finest, coarsest),
        (*prior.coverage.modalities, f"most of all {image.source or 'one volume'}"),
        (f"sections {grid.spacing:g} planes apart{thick}",),
    )
    name = f"{prior.name}, learned from {image.source or 'one volume'}"
    learned = LearnedPrior(changed, coverage, name, prior.device, prior.dtype, prior.tile)
    learned.facts = facts
    learned.calibration = Calibration(
        *(_scaled(c, spread) for c in (prior.calibration.measured, prior.calibration.inferred))
    )
    return learned


def _scaled(curve: Curve, factor: float) -> Curve:
    """A map whose factors are ``factor`` times as large."""
    if not curve.log_std:
        return Curve((0.0,), (math.log(factor),))
    return replace(curve, log_factor=tuple(f + math.log(factor) for f in curve.log_factor))


def _identity(prior: NetworkPrior) -> dict[str, str | None]:
    """Name and SHA-256 of a prior; None where it is in no file."""
    try:
        return {"name": prior.name, "sha256": checkpoint.digest(checkpoint.find(prior.name))}
    except MendemError:
        return {"name": prior.name, "sha256": None}
