"""A training run between two calls: whole in ``state.pt``, or as two small files that can travel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from mendem.errors import MendemError
from mendem.priors.checkpoint import load_weights, read_facts, read_header
from mendem.priors.network import UNet

#: The two small files, both float16: the averaged weights, which are the result, and those that are being trained.
AVERAGE, CURRENT = "weights.safetensors", "training.safetensors"


@dataclass
class Progress:
    """Steps and seconds of work so far, and the step at which the optimiser was new."""

    step: int = 0
    worked: float = 0.0
    fresh: int = 0


def save_state(run: Path, network: nn.Module, average: nn.Module, optimiser: Any, progress: Progress) -> None:
    """Write ``state.pt``; it is whole, or the last one stays."""
    state = {
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": progress.step,
        "worked": progress.worked,
        "fresh": progress.fresh,
    }
    path = run / "state.pt"
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def load_state(run: Path, network: nn.Module, average: nn.Module, optimiser: Any, device: str) -> Progress:
    """Take up what ``run`` holds: ``state.pt``, else the small files with a new optimiser, else nothing.

    The averaged weights are enough; where the current ones are missing, these are both.
    """
    if (run / "state.pt").exists():
        state = read_state(run, device)
        try:
            network.load_state_dict(state["network"])
            average.load_state_dict(state["average"])
            optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise MendemError(
                f"{run / 'state.pt'}: the training of another network, or of another version; give another --run, or "
                "remove this file: then it goes on from the weights beside it, with a new optimiser"
            ) from error
        return Progress(state["step"], state["worked"], state.get("fresh", 0))
    if not (run / AVERAGE).exists():
        return Progress()
    facts = fill(average, run / AVERAGE)
    facts |= fill(network, run / CURRENT if (run / CURRENT).exists() else run / AVERAGE)
    step = int(facts.get("steps", 0))
    return Progress(step, float(facts.get("worked", 60 * facts.get("minutes", 0))), fresh=step)


def fill(network: nn.Module, path: Path) -> dict[str, Any]:
    """Weights from a file into a network of the same shape; returns what the file's header says.

    A network of several frames also begins with the weights of one for single pictures: its neighbours count nothing
    at first.
    """
    facts = read_header(path) if isinstance(network, UNet) else read_facts(path)
    try:
        if isinstance(network, UNet) and facts["network"] == {**network.config, "frames": 1}:
            _widen(network, path)
        elif facts["network"] != network.config:
            raise ValueError("another configuration")
        else:
            load_weights(network, path)
    except (RuntimeError, ValueError) as error:
        raise MendemError(
            f"{path}: a network of another shape than the recipe's; start from one that fits it"
        ) from error
    return facts


def _widen(network: UNet, path: Path) -> None:
    """The weights of a network of one frame in the middle frame of another."""
    single = UNet(**{**network.config, "frames": 1})
    load_weights(single, path)
    weights = single.state_dict()
    frames, cell, name = network.config["frames"], network.fold**2, "enter.weight"
    one = weights[name]
    wide = one.new_zeros(one.shape[0], one.shape[1] * frames, *one.shape[2:])
    for kind in range(one.shape[1] // cell):  # channels come by kind, then by frame, then by place in a cell
        place = (kind * frames + frames // 2) * cell
        wide[:, place : place + cell] = one[:, kind * cell : (kind + 1) * cell]
    network.load_state_dict({**weights, name: wide})


def read_state(run: Path, device: str = "cpu") -> dict[str, Any]:
    """What `save_state` wrote."""
    path = run / "state.pt"
    if not path.is_file():
        raise MendemError(f"{run}: no state.pt here; train first, or give the folder of a training run")
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, UnpicklingError) as error:
        raise MendemError(
            f"{path} is no state of a training; remove it, and it goes on from the weights beside it"
        ) from error
