"""Missing tilts to learn, outward from the measured ones: the network's own answers are the context of the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mendem.priors.tilt_network import RESIDUAL, network_input, units
from mendem.tomography.tilt_road_frames import MEAN, MEASURED, MISSING, SAMPLE, Context, Frames, mirrored_back
from mendem.tomography.tilt_road_order import outward
from mendem.training.objective import Questions, answers, cost
from mendem.training.tilts_pool import Series

#: How many tilts are generated at once in training, one of these.
AT_ONCE = (1, 1, 1, 2, 3, 5, 10, 20)
#: Series that are being filled at a time, for each question of a batch.
OPEN = 0.75
#: Noise levels of x_t over RESIDUAL: mean and standard deviation of their logarithm, and limits.
LEVELS, LEVEL_LIMITS = (-0.7, 1.2), (0.015, 20.0)
#: As `mendem.training.objective.SMALLEST_ERROR`. Total variation leaves little to correct in some specimens, and there
#: it must not be made worse.
SMALLEST = 1e-3
#: Share of the questions about samples in which x_t is absent all the same: that is how a sample begins.
BEGINNING = 0.3


@dataclass(eq=False)
class Episode:
    """A series that is being filled.

    ``sampled``: what was generated is a sample. The best sample is the truth, which then becomes context; otherwise the
    network's own means do.
    """

    frames: Frames
    truth: Tensor
    order: list[int]
    at_once: int
    sampled: bool
    group: list[int] = field(default_factory=list)
    waiting: int = 0

    def next_group(self) -> list[int]:
        """The next frames that are asked about with the same context; none at the end."""
        self.group, self.order = self.order[: self.at_once], self.order[self.at_once :]
        self.waiting = len(self.group)
        return self.group

    def answered(self, frame: int, image: Tensor) -> None:
        """One of the group is there; when all are, they become context together."""
        self.frames.images[frame] = self.truth[frame] if self.sampled else image
        self.waiting -= 1
        if not self.waiting:
            for i in self.group:
                self.frames.kinds[i] = SAMPLE if self.sampled else MEAN


def begin(series: Series, rng: np.random.Generator, sampled_share: float) -> Episode:
    """An episode about a series, mirrored along or across the axis half of the time each."""
    measured = len(series.measured)
    angles = series.angles
    arrays = [torch.from_numpy(a.astype(np.float32)) for a in (series.measured, series.truth, series.base)]
    smooth = torch.from_numpy(series.smooth.astype(np.float32))
    known, truth, base = arrays
    smooth = torch.cat([torch.zeros_like(known), smooth])
    if rng.uniform() < 0.5:
        known, truth, base, smooth = (a.flip(-2) for a in (known, truth, base, smooth))
    if rng.uniform() < 0.5:
        known, truth, base, smooth = (a.flip(-1) for a in (known, truth, base, smooth))
        angles = tuple(-a for a in angles)
    images = torch.cat([known, torch.zeros_like(truth)])
    kinds = [MEASURED] * measured + [MISSING] * len(truth)
    frames = Frames(angles, images, base, smooth, kinds, series.isolated, series.noise)
    order = [measured + i for i in outward(angles[:measured], angles[measured:], series.isolated)]
    truths = torch.cat([known, truth])
    return Episode(frames, truths, order, int(rng.choice(AT_ONCE)), bool(rng.uniform() < sampled_share))


@dataclass
class Batch:
    """Questions, and which frames of which episodes they are about."""

    asked: Questions
    about: list[tuple[Episode, int, Context]]

    def __iter__(self) -> Iterator[Tensor]:
        """The tensors on the device, as `mendem.training.stream.Ahead` wants them."""
        return iter(self.asked)

    def take(self, correction: Tensor) -> None:
        """The network's means become context; so does the truth where samples are learned."""
        for (episode, frame, context), found in zip(self.about, correction.cpu(), strict=True):
            episode.answered(frame, episode.frames.base[frame] + RESIDUAL * mirrored_back(found[0], context))


@dataclass
class Film:
    """Batches for ever, from many episodes in turn."""

    pool: list[Series]
    recipe: dict[str, Any]
    seed: int
    device: str
    episodes: list[Episode] = field(default_factory=list)
    queue: list[tuple[Episode, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.seed, 0xF111])
        self.generator = torch.Generator().manual_seed(self.seed)
        self.turn: list[int] = []

    def next(self) -> Batch:
        """The next batch; the one before must have been taken (`Batch.take`)."""
        count = self.recipe["train"]["batch"]
        while len(self.queue) < count:
            self._ask_more(count)
        chosen, self.queue = self.queue[:count], self.queue[count:]
        about = [(episode, frame, episode.frames.context(frame)) for episode, frame in chosen]
        return Batch(self._questions(about), about)

    def _ask_more(self, count: int) -> None:
        """Another group of an episode none of whose questions is open; a new episode where there is none."""
        idle = [e for e in self.episodes if not e.waiting]
        if idle and len(self.episodes) >= max(2, round(OPEN * count)):
            episode = idle[self.rng.integers(len(idle))]
        else:
            if not self.turn:
                self.turn = self.rng.permutation(len(self.pool)).tolist()
            episode = begin(self.pool[self.turn.pop()], self.rng, self.recipe["train"]["sampled"])
            self.episodes.append(episode)
        group = episode.next_group()
        if not group:
            self.episodes.remove(episode)
            return
        self.queue += [(episode, frame) for frame in group]

    def _questions(self, about: list[tuple[Episode, int, Context]]) -> Questions:
        contexts = [context for _, _, context in about]
        target = torch.stack([
            (e.truth[i] - e.frames.base[i]).flip(-1) if c.mirrored else e.truth[i] - e.frames.base[i]
            for e, i, c in about
        ])[:, None] / RESIDUAL  # fmt: skip
        noisy = [e.sampled and float(torch.rand((), generator=self.generator)) > BEGINNING for e, _, _ in about]
        mean, std = LEVELS
        sigma = torch.exp(mean + std * torch.randn(len(about), 1, 1, 1, generator=self.generator)).clamp(*LEVEL_LIMITS)
        x_t = target + sigma * torch.randn(target.shape, generator=self.generator)
        plain, drawn = network_input(contexts, None, None), network_input(contexts, x_t, sigma)
        flags = torch.tensor(noisy)
        maps = torch.where(flags[:, None, None, None], drawn[0], plain[0])
        numbers = torch.where(flags[:, None], drawn[1], plain[1])
        base, scale = (
            torch.where(flags[:, None, None, None], a, b)
            for a, b in zip(units(x_t, sigma, target), units(None, None, target), strict=True)
        )
        return Questions(*(t.to(self.device) for t in (maps, numbers, target, base, scale)))


def film_loss(network: nn.Module, batch: Batch) -> Tensor:
    """What the answers cost, see `mendem.training.objective.loss`; they become context."""
    correction, log_variance = answers(network, batch.asked)
    batch.take(correction.detach())
    return cost(correction, log_variance, batch.asked, smallest=SMALLEST)
