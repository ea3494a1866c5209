"""Draws are made by processes beside the training, put into files, and shown again and again, mirrored."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mendem.errors import MendemError
from mendem.priors.wedge_inputs import HALO
from mendem.training.wedge_draws import Draws, draw

#: Seconds between two looks for new files.
LOOK_EVERY = 20.0
#: Draws that are there before the first step.
AT_LEAST = 64


def work(folder: Path, fibsem: list[np.ndarray], seed: int, files: int) -> None:
    """Make draws until ``folder`` holds so many files, with the lowest priority."""
    torch.set_num_threads(1)
    if hasattr(os, "nice"):
        os.nice(19)
    parent = os.getppid()
    rng = np.random.default_rng([seed, time.time_ns()])
    while os.getppid() == parent and sum(1 for _ in folder.glob("*.npz")) < files:
        draw(rng, fibsem).save(folder / f"{rng.integers(2**60):015x}.npz")


class Batch(NamedTuple):
    """N draws: ``channels`` (N, C, Z, X), ``descriptor`` (N, D), ``truth`` (N, 1, Z, X), ``wedge`` (N, 1, Z, X)."""

    channels: Tensor
    descriptor: Tensor
    truth: Tensor
    wedge: Tensor


class Spool:
    """An endless stream of batches from the files of a folder, to which processes add.

    Parameters
    ----------
    folder
        Of the files; made where it is missing. What lies there already is used.
    fibsem
        Recorded volumes.
    files, workers
        Files at most, and how many processes make them.
    """

    def __init__(
        self, folder: Path, fibsem: list[np.ndarray], files: int, workers: int, batch: int, seed: int, device: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.batch, self.device = folder, batch, device
        self.rng = np.random.default_rng(seed)
        self.groups: dict[str, Draws] = {}
        self.places: list[tuple[str, int]] = []
        self._looked = 0.0
        context = get_context("spawn")
        made_by = [context.Process(target=work, args=(folder, fibsem, seed + i, files)) for i in range(workers)]
        for process in made_by:
            process.daemon = True
            process.start()
        self._look()
        while len(self.places) < AT_LEAST:
            if not any(process.is_alive() for process in made_by):
                raise MendemError(
                    f"{folder} holds {len(self.places)} draws of the {AT_LEAST} that a training begins with, and "
                    "nothing makes more; give the recipe workers, in its table [data], and files enough"
                )
            time.sleep(1.0)
            self._look()

    def _look(self) -> None:
        """Take up new files."""
        self._looked = time.monotonic()
        for path in sorted(self.folder.glob("*.npz")):
            if path.name not in self.groups:
                group = self.groups[path.name] = Draws.load(path)
                self.places += [(path.name, i) for i in range(len(group.truth))]

    def next(self) -> Batch:
        """A random batch, each draw mirrored at random along z, y and x."""
        if time.monotonic() - self._looked > LOOK_EVERY:
            self._look()
        picked = [self.places[i] for i in self.rng.integers(0, len(self.places), self.batch)]
        parts = [mirrored(self.groups[name], i, *(self.rng.uniform(size=3) < 0.5).tolist()) for name, i in picked]
        stacked = (np.stack(values) for values in zip(*parts, strict=True))
        return Batch(*(torch.from_numpy(v).to(self.device) for v in stacked))


def mirrored(group: Draws, index: int, z: bool, y: bool, x: bool) -> tuple[np.ndarray, ...]:
    """One draw, mirrored along axes: mirrored along z or x, the tilts have the other sign."""
    channels, truth = group.channels[index].astype(np.float32), group.truth[index].astype(np.float32)
    descriptor, wedge = group.descriptor[index].copy(), group.wedge
    if y:
        order = [*reversed(range(2 * HALO + 1)), *range(2 * HALO + 1, len(channels))]
        channels = channels[order]
    for flip, axis in ((z, -2), (x, -1)):
        if flip:
            channels, truth = np.flip(channels, axis), np.flip(truth, axis)
            wedge = np.roll(np.flip(wedge, axis), 1, axis)  # the frequency 0 stays first
            descriptor[0] = -descriptor[0]
    return np.ascontiguousarray(channels), descriptor, truth[None].copy(), np.ascontiguousarray(wedge)[None]


def recorded(data: Path) -> list[np.ndarray]:
    """The FIB-SEM volumes below a folder, of the part that may be learned from; none where there are none."""
    from mendem.training.pool import fibsem

    return fibsem(data, "train", "raw") if (data / "fibsem_flyem_medulla").is_dir() else []


def stream(volumes: list[np.ndarray], recipe: dict[str, Any], seed: int, device: str, run: Path) -> Callable[[], Batch]:
    """Batches of a recipe; the files lie in ``run``, so that an interrupted training finds them again."""
    data, batch = recipe["data"], recipe["train"]["batch"]
    return Spool(run / "draws", volumes, data["files"], data["workers"], batch, seed, device).next
