"""What a network for volumes learns from: sections of clean stacks, and the questions about them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mendem.physics.sections import Sections
from mendem.priors.condition import Condition
from mendem.training.batches import Batches
from mendem.training.degrade import observe_through
from mendem.training.noise_draws import NoiseOptions
from mendem.training.objective import Questions, joined, questions
from mendem.training.pool import Source
from mendem.training.stacks import Stacks

#: Stacks that share sections, where the recipe says nothing.
GROUP = 8
#: Level of the noise of sections, in units of the clean signal's standard deviation.
LEVEL = (0.01, 0.5)
#: Distances of sections: most are drawn from these, the rest from all numbers between the first and the last.
SPACINGS = (2, 3, 4, 4, 5, 6, 8, 8, 10, 12)
UNEVEN = 0.35
#: Shares of averaged and of skipped sections; the rest is thinner than its distance.
AVERAGED, SKIPPED = 0.45, 0.4
#: Share of stacks with a missing section, and of those whose neighbouring frames are not given.
MISSING, ALONE = 0.15, 0.15


class SectionStream:
    """Questions of a recipe about stacks of the sources, for ever; where a source is flat, about single pictures."""

    def __init__(self, sources: list[Source], recipe: dict[str, Any], seed: int, device: str) -> None:
        options, self.frames = recipe["train"], recipe["network"].get("frames", 1)
        groups = max(1, options["batch"] // options.get("group", GROUP))
        self.counts = [options["batch"] // groups + (i < options["batch"] % groups) for i in range(groups)]
        self.absent, self.flat = options["absent"], recipe["sections"]["flat"]
        size = options["patch"]
        self.stacks = Stacks(sources, self.frames, size, seed, device=device)
        self.pictures = Batches(sources, self.counts[0], size, seed, device=device) if self.flat else None
        self.generator, self.rng = torch.Generator(device).manual_seed(seed), np.random.default_rng(seed)

    def next(self) -> Questions:
        """One batch."""
        return joined([self._group(count) for count in self.counts])

    def _group(self, count: int) -> Questions:
        if self.pictures is not None and self.rng.uniform() < self.flat:
            clean = self.pictures.next(count).expand(-1, self.frames, -1, -1)
            alone = True
        else:
            clean, alone = self.stacks.next(count), self.rng.uniform() < ALONE
        operator = draw_sections(self.rng, clean.shape[-2])
        target, condition = observe_sections(operator, clean, self.generator)
        if alone:
            condition = without_neighbours(condition)
        if self.rng.uniform() < self.absent:
            return questions(target, condition)
        shape = (count, 1, 1, 1)
        sigma = torch.exp(1.2 * torch.randn(shape, generator=self.generator, device=target.device) - 0.5)
        sigma = sigma.clamp(0.015, 40)
        x_t = target + sigma * torch.randn(target.shape, generator=self.generator, device=target.device)
        return questions(target, condition, x_t, sigma)


def draw_sections(rng: np.random.Generator, height: int) -> Sections:
    """Random sections of a picture of ``height`` rows."""
    spacing = float(rng.choice(SPACINGS))
    if rng.uniform() < UNEVEN:
        spacing = float(np.exp(rng.uniform(math.log(SPACINGS[0]), math.log(SPACINGS[-1]))))
    kind = rng.uniform()
    if kind < AVERAGED:
        width = spacing
    elif kind < AVERAGED + SKIPPED:
        width = 1.0
    else:
        width = float(rng.uniform(1, spacing))
        width = max(1.0, round(width)) if rng.uniform() < 0.5 else width
    first = float(rng.uniform(0, spacing))
    if spacing == round(spacing) and rng.uniform() < 0.8:
        first = math.floor(first)
    starts = [first + i * spacing for i in range(int((height - width - first) / spacing) + 1)]
    if width == 1:  # planes of the grid
        starts = [float(math.floor(s + 0.5)) for s in starts if s + 0.5 < height]
    if len(starts) > 4 and rng.uniform() < MISSING:
        del starts[int(rng.integers(1, len(starts) - 1))]
    return Sections(tuple(starts), width, spacing, height)


def observe_sections(operator: Sections, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Condition]:
    """Targets (N, 1, H, W), the middle frames, and the conditions (N, frames, H, W) of stacks seen as sections."""
    count, frames, height, width = clean.shape
    # Frames side by side are one wide picture, to which noise and operator are alike.
    wide = clean.transpose(1, 2).reshape(count, 1, height, frames * width)
    signal = operator.forward(wide)
    noise = NoiseOptions(level=LEVEL)
    target, condition = observe_through(operator, wide, signal, torch.ones_like(signal), generator, noise)

    def stacked(t: Tensor) -> Tensor:
        return t.reshape(count, height, frames, width).transpose(1, 2)

    middle = frames // 2
    return stacked(target)[:, middle : middle + 1], condition.map(stacked)


def without_neighbours(condition: Condition) -> Condition:
    """The condition with nothing measured in all frames but the middle one."""
    middle = condition.y.shape[1] // 2
    seen = torch.zeros_like(condition.reliability)
    seen[:, middle] = condition.reliability[:, middle]
    return replace(condition, reliability=seen, y=torch.where(seen > 0, condition.y, 0.0))
