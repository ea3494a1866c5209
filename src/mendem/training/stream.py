"""The endless stream of questions that a network learns from, made ahead of the network on a GPU."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from mendem.training.batches import Batches
from mendem.training.degrade import DegradeOptions, degrade
from mendem.training.noise_draws import NoiseOptions
from mendem.training.objective import Questions, joined, questions
from mendem.training.pool import Source

#: Patches that share a magnification, a block factor and a point-spread function, where the recipe says nothing.
GROUP = 64
#: Batches that wait for the network on a GPU.
AHEAD = 3


def degrade_options(recipe: dict[str, Any]) -> DegradeOptions:
    """The recipe's table ``degrade``, with its table ``draws`` for the noise; TypeError for what is not known."""
    table = dict(recipe.get("degrade", {}))
    draws = table.pop("draws", {})
    return DegradeOptions(**_with_tuples(table), draws=NoiseOptions(**_with_tuples(draws)))


def _with_tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}


class Stream:
    """Questions of a recipe about pictures of the sources, for ever."""

    def __init__(self, sources: list[Source], recipe: dict[str, Any], seed: int, device: str) -> None:
        options = recipe["train"]
        count = options["batch"]
        groups = -(-count // options.get("group", GROUP))
        self.counts = [count // groups + (i < count % groups) for i in range(groups)]
        self.absent = options["absent"]
        self.batches = Batches(sources, self.counts[0], options["patch"], seed, device=device)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.observed = degrade_options(recipe)
        self.sampled = replace(self.observed, nothing=self.observed.nothing + options.get("unconditional", 0.0))

    def next(self) -> Questions:
        """One batch: in a share ``absent`` of it there is no noisy image x_t, and these come first in each group."""
        return joined([part for count in self.counts for part in self._group(count)])

    def _group(self, count: int) -> list[Questions]:
        clean = self.batches.next(count)
        absent = round(count * self.absent)
        parts = []
        if absent:
            parts.append(questions(*degrade(clean[:absent], self.generator, self.observed)))
        if absent < count:
            target, condition = degrade(clean[absent:], self.generator, self.sampled)
            shape, device = (count - absent, 1, 1, 1), target.device
            sigma = torch.exp(1.2 * torch.randn(shape, generator=self.generator, device=device) - 0.5)
            sigma = sigma.clamp(0.015, 40)
            x_t = target + sigma * torch.randn(target.shape, generator=self.generator, device=device)
            parts.append(questions(target, condition, x_t, sigma))
        return parts


class Ahead:
    """Draws in a thread, and on a CUDA stream of its own, so that the GPU never waits for the drawing.

    An error of the thread is raised by `next`.
    """

    def __init__(self, draw: Callable[[], Questions], device: str) -> None:
        self._draw, self._device = draw, device
        self._drawn: queue.Queue[Questions | BaseException] = queue.Queue(AHEAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mendem-stream", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            if self._device == "cuda":
                side = torch.cuda.Stream()
                with torch.cuda.stream(side):
                    while not self._closed.is_set():
                        drawn = self._draw()
                        side.synchronize()  # holds up this thread alone
                        self._put(drawn)
            else:
                while not self._closed.is_set():
                    self._put(self._draw())
        except BaseException as error:
            self._put(error)

    def _put(self, item: Questions | BaseException) -> None:
        while not self._closed.is_set():
            try:
                return self._drawn.put(item, timeout=0.2)
            except queue.Full:
                continue

    def next(self) -> Questions:
        drawn = self._drawn.get()
        if isinstance(drawn, BaseException):
            raise drawn
        if self._device == "cuda":
            for tensor in drawn:  # the memory is not given to the side stream again before the network has read it
                tensor.record_stream(torch.cuda.current_stream())
        return drawn

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join()
