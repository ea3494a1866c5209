"""Kinds of specimens that no training reads, and how well their wedge is filled."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mendem.priors.wedge_filler import answers
from mendem.priors.wedge_inputs import SLAB, Inputs, inputs_of, setting_of
from mendem.tomography.projector import Projector
from mendem.tomography.sirt import Sirt
from mendem.tomography.wedge import wedge_mask
from mendem.training.wedge_draws import SIDE, Scheme, chosen_rows, draw, series
from mendem.training.wedge_objective import wedge_errors


@dataclass(frozen=True)
class Case:
    """Slices of one series: what the network reads, the truth, the wedge, and the errors of others in it."""

    name: str
    channels: torch.Tensor
    descriptor: torch.Tensor
    truth: torch.Tensor
    wedge: torch.Tensor
    others: dict[str, float]


def error(found: torch.Tensor, truth: torch.Tensor, wbp: torch.Tensor, wedge: torch.Tensor) -> float:
    """Squared error in the wedge, of all slices together, over that of weighted back-projection."""
    lost = [(torch.fft.fft2(x - truth).abs().square() * wedge).sum() for x in (found, wbp)]
    return float(lost[0] / lost[1])


def power(found: torch.Tensor, truth: torch.Tensor, wedge: torch.Tensor) -> float:
    """Power in the wedge over the truth's."""
    both = [(torch.fft.fft2(x).abs().square() * wedge).sum() for x in (found, truth)]
    return float(both[0] / both[1])


@torch.inference_mode()
def cases(templates: Path | None = None) -> list[Case]:
    """Nanoparticles as the simulator has them, and, with ``templates``, a cell crowded with real macromolecules."""
    from mendem.simulate import cell_volume, particle_volume
    from mendem.simulate.tilt_density import from_folder

    made = []
    particles = [np.asarray(particle_volume((SIDE,) * 3, 0.8, 70 + i).data) for i in range(3)]
    kinds = [("particles", v, False) for v in particles]
    if templates is not None:
        cell = cell_volume((64, 64, SIDE), 1.4, 71, from_folder(templates, 1.4))
        data = np.asarray(cell.data) - np.asarray(cell.data).mean(dtype=np.float64)
        kinds.append(("cell", np.pad(data, ((16, 16), (0, 0), (0, 0))).astype(np.float32), True))
    for noise, jitter in ((0.0, 0.0), (0.05, 0.0), (0.05, 0.4), (0.5, 0.0)):
        for name, group in (("particles", [k for k in kinds if not k[2]]), ("cell", [k for k in kinds if k[2]])):
            parts = []
            for i, (_, volume, extended) in enumerate(group):
                rng = np.random.default_rng(i)
                angles = tuple(np.linspace(-60, 60, 41).tolist())
                plan = Scheme(angles, angles, tuple((jitter * rng.standard_normal(41)).tolist()))
                count = 4 if not extended else 8
                sinograms, truth, geometry = series(
                    rng, volume, extended, plan, chosen_rows(rng, volume, count), ideal=True
                )
                level = noise * float(sinograms.std())
                sinograms = sinograms + level * torch.from_numpy(rng.standard_normal(sinograms.shape, np.float32))
                projector = Projector(geometry)
                told = inputs_of(projector, sinograms, setting_of(sinograms.numpy(), extended))
                middle = sinograms[:, sinograms.shape[1] // 2].contiguous()
                *_, sirt = Sirt(iterations=30, positive=not extended).iterates(projector, middle)
                view = slice(None) if not extended else slice((geometry.shape[1] - SIDE) // 2, None)
                sirt = sirt[..., view][..., :SIDE]
                parts.append((told.channels, told.descriptor, truth / told.gain, sirt / told.gain))
            if not parts:
                continue
            channels, descriptor, truth, sirt = (torch.cat(p) for p in zip(*parts, strict=True))
            wedge = torch.from_numpy(np.fft.ifftshift(wedge_mask(angles, (SIDE, SIDE))))
            wbp = channels[:, 1]
            others = {
                "sirt": error(sirt, truth, wbp, wedge),
                "tv": error(channels[:, -1], truth, wbp, wedge),
                "tv power": power(channels[:, -1], truth, wedge),
            }
            label = f"{name}, noise {noise:g}, jitter {jitter:g}"
            made.append(Case(label, channels, descriptor, truth, wedge, others))
    return made


def _there(truth: np.ndarray) -> np.ndarray:
    """Where slices (n, Z, X) have more than 5 % of their largest value, and two pixels around that."""
    from scipy import ndimage

    some = np.abs(truth) > 0.05 * np.abs(truth).max()
    return ndimage.binary_dilation(some, np.ones((1, 3, 3), bool), iterations=2)


def _answered(
    network: nn.Module, channels: torch.Tensor, descriptor: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (n, Z, X) as the filler has them, on the CPU."""
    device = next(network.parameters()).device
    told = Inputs(channels.to(device), torch.ones(len(channels), 1, 1, device=device), descriptor.to(device))
    mean, variance = deque(answers(network, told), maxlen=1).pop()
    return mean.cpu(), variance.sqrt().cpu()


@dataclass(frozen=True)
class Calibration:
    """Part of the network's correction that is taken, and factor of its spread: isolated specimens, slabs."""

    share: tuple[float, float] = (1.0, 1.0)
    widen: tuple[float, float] = (1.0, 1.0)

    def applied(self, slab: bool, tv: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Mean and standard deviation of a kind of specimen."""
        return torch.lerp(tv, mean, self.share[slab]), self.widen[slab] * std


@torch.inference_mode()
def checked(network: nn.Module, made: list[Case], calibration: Calibration) -> dict[str, dict[str, float]]:
    """For each case the errors in the wedge (1: weighted back-projection), power, and coverage of 90 % intervals."""
    table = {}
    for case in made:
        answered = _answered(network, case.channels, case.descriptor)
        mean, std = calibration.applied(bool(case.descriptor[0, SLAB]), case.channels[:, -1], *answered)
        inside = ((case.truth - mean).abs() <= 1.645 * std)[torch.from_numpy(_there(case.truth.numpy()))]
        table[case.name] = {
            **case.others,
            "network": error(mean, case.truth, case.channels[:, 1], case.wedge),
            "power": power(mean, case.truth, case.wedge),
            "coverage": float(inside.float().mean()),
        }
    return table


#: Series by which shares and spreads are calibrated, of each kind of specimen; shares that are tried.
CALIBRATED, SHARES = 20, tuple(i / 20 for i in range(10, 24))


@torch.inference_mode()
def calibrated(network: nn.Module, recorded: list[np.ndarray]) -> Calibration:
    """From series that are drawn anew, which no training has seen.

    The share is the one with the smallest mean logarithm of the error in the wedge; the spread is such that 90 %
    intervals hold 90 % where there is something, and within two pixels of it: what is empty is easy.
    """
    rng = np.random.default_rng(0xCA11)
    seen: tuple[list[Any], list[Any]] = ([], [])
    while min(map(len, seen)) < CALIBRATED:
        drawn = draw(rng, recorded)
        kind = seen[int(drawn.descriptor[0, SLAB])]
        if len(kind) < CALIBRATED:
            channels, truth = (torch.from_numpy(x.astype(np.float32)) for x in (drawn.channels, drawn.truth))
            answered = _answered(network, channels, torch.from_numpy(drawn.descriptor))
            kind.append((channels[:, -1], truth, torch.from_numpy(drawn.wedge), *answered))
    found = [_best(kind) for kind in seen]
    return Calibration((found[0][0], found[1][0]), (found[0][1], found[1][1]))


def _best(kind: list[Any]) -> tuple[float, float]:
    """Share and widening of one kind of specimen."""
    costs = []
    for share in SHARES:
        lost = [
            wedge_errors(truth - torch.lerp(tv, mean, share), truth, wedge.expand(truth.shape))[0].mean()
            for tv, truth, wedge, mean, _ in kind
        ]
        costs.append(float(torch.stack(lost).log().mean()))
    share = SHARES[int(np.argmin(costs))]
    off = [
        ((truth - torch.lerp(tv, mean, share)).abs() / std).numpy()[_there(truth.numpy())][::7]
        for tv, truth, _, mean, std in kind
    ]
    return share, float(np.quantile(np.concatenate(off), 0.9) / 1.645)


def finish(network: nn.Module, recorded: list[np.ndarray], data: Path) -> dict[str, Any]:
    """What the weights' header tells: the calibration, and the table of the cases that no training reads."""
    templates = data / "density_templates_polnet"
    calibration = calibrated(network, recorded)
    table = checked(network, cases(templates if templates.is_dir() else None), calibration)
    rounded = {case: {name: round(v, 4) for name, v in row.items()} for case, row in table.items()}
    return {**asdict(calibration), "held out": rounded}
