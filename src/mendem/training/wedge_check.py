"""Kinds of specimens that no training reads, and how well their wedge is filled."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mendem.priors.calibration import Curve
from mendem.priors.wedge_filler import answers, stated
from mendem.priors.wedge_inputs import SLAB, Inputs
from mendem.tomography.projector import Projector
from mendem.tomography.sirt import Sirt
from mendem.training.calibrate import from_errors
from mendem.training.wedge_draws import SIDE, Draws, Scheme, chosen_rows, draw, prepared, series
from mendem.training.wedge_objective import wedge_errors
from mendem.training.wedge_spool import Batch, mirrored


@dataclass(frozen=True)
class Case:
    """Slices of series of one kind: as the network reads them, and SIRT of 30 iterations, (n, 1, Z, X) too."""

    name: str
    batch: Batch
    sirt: Tensor


def error(found: Tensor, truth: Tensor, wbp: Tensor, wedge: Tensor) -> float:
    """Squared error in the wedge, of all slices together, over that of weighted back-projection."""
    lost = [(torch.fft.fft2(x - truth).abs().square() * wedge).sum() for x in (found, wbp)]
    return float(lost[0] / lost[1])


def power(found: Tensor, truth: Tensor, wedge: Tensor) -> float:
    """Power in the wedge over the truth's."""
    both = [(torch.fft.fft2(x).abs().square() * wedge).sum() for x in (found, truth)]
    return float(both[0] / both[1])


def whole(drawn: Draws) -> Batch:
    """All slices of a draw."""
    parts = [mirrored(drawn, i, False, False, False) for i in range(len(drawn.truth))]
    return Batch(*(torch.from_numpy(np.stack(values)) for values in zip(*parts, strict=True)))


@torch.inference_mode()
def cases(templates: Path | None = None) -> list[Case]:
    """Nanoparticles as the simulator has them, and, with ``templates``, a cell crowded with real macromolecules."""
    from mendem.simulate import cell_volume, particle_volume
    from mendem.simulate.tilt_density import from_folder

    kinds = {"particles": [np.asarray(particle_volume((SIDE,) * 3, 0.8, 70 + i).data) for i in range(3)]}
    if templates is not None:
        cell = cell_volume((64, 64, SIDE), 1.4, 71, from_folder(templates, 1.4))
        data = np.asarray(cell.data) - np.asarray(cell.data).mean(dtype=np.float64)
        kinds["cell"] = [np.pad(data, ((16, 16), (0, 0), (0, 0))).astype(np.float32)]
    return [
        _case(f"{name}, noise {noise:g}, jitter {jitter:g}", volumes, name == "cell", noise, jitter)
        for noise, jitter in ((0.0, 0.0), (0.05, 0.0), (0.05, 0.4), (0.5, 0.0))
        for name, volumes in kinds.items()
    ]


def _case(name: str, volumes: list[np.ndarray], extended: bool, noise: float, jitter: float) -> Case:
    batches, sirts = [], []
    for i, volume in enumerate(volumes):
        rng = np.random.default_rng(i)
        angles = tuple(np.linspace(-60, 60, 41).tolist())
        plan = Scheme(angles, angles, tuple((jitter * rng.standard_normal(41)).tolist()))
        rows = chosen_rows(rng, volume, 8 if extended else 4)
        sinograms, truth, geometry = series(rng, volume, extended, plan, rows, ideal=True)
        level = noise * float(sinograms.std())
        sinograms = sinograms + level * torch.from_numpy(rng.standard_normal(sinograms.shape, np.float32))
        batch = whole(prepared(sinograms, truth, geometry, extended))
        middle = sinograms[:, sinograms.shape[1] // 2].contiguous()
        *_, sirt = Sirt(iterations=30, positive=not extended).iterates(Projector(geometry), middle)
        view = slice((geometry.shape[1] - SIDE) // 2, None) if extended else slice(None)
        gain = truth.flatten(1).norm(dim=1) / batch.truth.flatten(1).norm(dim=1)
        batches.append(batch)
        sirts.append((sirt[..., view][..., :SIDE] / gain[:, None, None])[:, None])
    return Case(name, Batch(*(torch.cat(parts) for parts in zip(*batches, strict=True))), torch.cat(sirts))


def _there(truth: np.ndarray) -> np.ndarray:
    """Where slices (n, 1, Z, X) have more than 5 % of their largest value, and two pixels around that."""
    from scipy import ndimage

    some = np.abs(truth) > 0.05 * np.abs(truth).max()
    return ndimage.binary_dilation(some, np.ones((1, 1, 3, 3), bool), iterations=2)


@dataclass(frozen=True)
class Calibration:
    """Part of the network's correction that is taken, and the spread's correction: isolated specimens, slabs."""

    share: tuple[float, float] = (1.0, 1.0)
    spread: tuple[Curve, Curve] = (Curve(), Curve())


@dataclass(frozen=True)
class Answer:
    """What the network says of a batch, all (n, 1, Z, X), and what it started from."""

    batch: Batch
    mean: Tensor
    variance: Tensor

    @classmethod
    def of(cls, network: nn.Module, batch: Batch) -> Answer:
        device = next(network.parameters()).device
        told = Inputs(batch.channels.to(device), torch.ones((), device=device), batch.descriptor.to(device))
        mean, variance = deque(answers(network, told), maxlen=1).pop()
        return cls(batch, mean.cpu()[:, None], variance.cpu()[:, None])

    @property
    def slab(self) -> bool:
        return bool(self.batch.descriptor[0, SLAB])

    def shared(self, share: float) -> Tensor:
        """With a part of the correction."""
        return torch.lerp(self.batch.channels[:, -1:], self.mean, share)


@torch.inference_mode()
def checked(network: nn.Module, made: list[Case], calibration: Calibration) -> dict[str, dict[str, float]]:
    """For each case the errors in the wedge (1: weighted back-projection), power, and coverage of 90 % intervals: where
    there is something, and everywhere."""
    table = {}
    for case in made:
        answer = Answer.of(network, case.batch)
        mean = answer.shared(calibration.share[answer.slab])
        std = calibration.spread[answer.slab].variance(answer.variance).sqrt()
        truth, wedge, wbp, tv = case.batch.truth, case.batch.wedge, case.batch.channels[:, 1:2], answer.shared(0.0)
        inside = ((truth - mean).abs() <= NINETY * std).numpy()
        table[case.name] = {
            "sirt": error(case.sirt, truth, wbp, wedge),
            "tv": error(tv, truth, wbp, wedge),
            "tv power": power(tv, truth, wedge),
            "network": error(mean, truth, wbp, wedge),
            "power": power(mean, truth, wedge),
            "coverage": float(inside[_there(truth.numpy())].mean()),
            "coverage of all": float(inside.mean()),
        }
    return table


#: Series by which shares and spreads are calibrated, of each kind of specimen; shares that are tried; knots of a curve.
CALIBRATED, SHARES, KNOTS = 24, tuple(i / 20 for i in range(10, 24)), 10
#: Standard deviations of a 90 % interval of a Gaussian.
NINETY = 1.645


@torch.inference_mode()
def calibrated(network: nn.Module, recorded: list[np.ndarray]) -> Calibration:
    """From series that are drawn anew, which no training has seen.

    The share is the one with the smallest mean logarithm of the error in the wedge; the spread is such that 90 %
    intervals hold 90 %, however wide they are: of voxels half of which lie where there is something, and within two
    voxels of it, and half anywhere.
    """
    rng = np.random.default_rng(0xCA11)
    seen: tuple[list[Answer], list[Answer]] = ([], [])
    while min(map(len, seen)) < CALIBRATED:
        drawn = draw(rng, recorded)
        kind = seen[int(drawn.descriptor[0, SLAB])]
        if len(kind) < CALIBRATED:
            kind.append(Answer.of(network, whole(drawn)))
    found = [_best(kind, rng) for kind in seen]
    return Calibration((found[0][0], found[1][0]), (found[0][1], found[1][1]))


def _best(kind: list[Answer], rng: np.random.Generator) -> tuple[float, Curve]:
    """Share and spread of one kind of specimen."""
    costs = []
    for share in SHARES:
        lost = [
            wedge_errors((a.batch.truth - a.shared(share))[:, 0], a.batch.truth[:, 0], a.batch.wedge[:, 0])[0].mean()
            for a in kind
        ]
        costs.append(float(torch.stack(lost).log().mean()))
    share = SHARES[int(np.argmin(costs))]
    stds, errors = [], []
    for answer in kind:
        std, off = answer.variance.sqrt().numpy(), (answer.batch.truth - answer.shared(share)).numpy()
        there = np.flatnonzero(_there(answer.batch.truth.numpy()))
        count = len(there) // 7
        for places in (rng.choice(there, count), rng.integers(0, off.size, count)):
            stds.append(std.ravel()[places])
            errors.append(off.ravel()[places])
    ninety = from_errors(np.concatenate(stds), np.concatenate(errors), KNOTS, _ninety)
    return share, ninety


def _ninety(ratio: np.ndarray) -> float:
    """Factor that makes 90 % intervals hold 90 %, from errors over predicted standard deviations."""
    return max(float(np.quantile(np.abs(ratio), 0.9)) / NINETY, 1e-2)


def finish(network: nn.Module, recorded: list[np.ndarray], data: Path) -> dict[str, Any]:
    """What the weights' header tells: the calibration, and the table of the cases that no training reads."""
    templates = data / "density_templates_polnet"
    calibration = calibrated(network, recorded)
    table = checked(network, cases(templates if templates.is_dir() else None), calibration)
    rounded = {case: {name: round(v, 4) for name, v in row.items()} for case, row in table.items()}
    return {**stated(calibration.share, calibration.spread), "held out": rounded}
