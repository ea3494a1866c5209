"""Kinds of specimens that no training reads, and how well their wedge is filled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mendem.priors.wedge_inputs import SLAB, inputs_of, setting_of
from mendem.priors.wedge_network import answer
from mendem.tomography.projector import Projector
from mendem.tomography.sirt import Sirt
from mendem.tomography.wedge import wedge_mask
from mendem.training.wedge_draws import SIDE, Scheme, chosen_rows, draw, series


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


@torch.inference_mode()
def checked(network: nn.Module, made: list[Case]) -> dict[str, dict[str, float]]:
    """For each case the errors in the wedge (1: weighted back-projection), power, and coverage of 90 % intervals."""
    table = {}
    for case in made:
        mean, log_variance = (x[:, 0] for x in answer(network, case.channels, case.descriptor))
        std = (log_variance / 2).exp()
        inside = ((case.truth - mean).abs() <= 1.645 * std)[torch.from_numpy(_there(case.truth.numpy()))]
        table[case.name] = {
            **case.others,
            "network": error(mean, case.truth, case.channels[:, 1], case.wedge),
            "power": power(mean, case.truth, case.wedge),
            "coverage": float(inside.float().mean()),
        }
    return table


#: Series whose spread is compared with the error, of each kind of specimen.
CALIBRATED = 12


def _there(truth: np.ndarray) -> np.ndarray:
    """Where slices (n, Z, X) have more than 5 % of their largest value, and two pixels around that."""
    from scipy import ndimage

    some = np.abs(truth) > 0.05 * np.abs(truth).max()
    return ndimage.binary_dilation(some, np.ones((1, 3, 3), bool), iterations=2)


@torch.inference_mode()
def widening(network: nn.Module, recorded: list[np.ndarray], device: str = "cpu") -> list[float]:
    """Factors of the predicted spread with which 90 % intervals hold 90 %: isolated specimens, slabs.

    Counted where there is something, and within two pixels of it: what is empty is easy.
    """
    rng = np.random.default_rng(0xCA11)
    ratios: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    while min(map(len, ratios)) < CALIBRATED:
        drawn = draw(rng, recorded)
        kind = ratios[int(drawn.descriptor[0, SLAB])]
        if len(kind) >= CALIBRATED:
            continue
        channels, descriptor = (torch.from_numpy(x.astype(np.float32)) for x in (drawn.channels, drawn.descriptor))
        mean, log_variance = (x[:, 0].cpu() for x in answer(network, channels.to(device), descriptor.to(device)))
        truth = drawn.truth.astype(np.float32)
        off = np.abs(truth - mean.numpy()) / (log_variance / 2).exp().numpy()
        kind.append(off[_there(truth)][::7])
    return [float(np.quantile(np.concatenate(kind), 0.9) / 1.645) for kind in ratios]


def finish(network: nn.Module, recorded: list[np.ndarray], data: Path) -> dict[str, Any]:
    """What the weights' header tells: the factors of the spread, and the table of the cases that no training reads."""
    templates = data / "density_templates_polnet"
    device = str(next(network.parameters()).device)
    table = checked(network, cases(templates if templates.is_dir() else None))
    rounded = {case: {name: round(v, 4) for name, v in row.items()} for case, row in table.items()}
    return {"widen": widening(network, recorded, device), "held out": rounded}
