"""From a training run to weights: those that are the result, and those that are being trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from mendem.errors import MendemError
from mendem.priors.checkpoint import save, write
from mendem.priors.prior import Coverage
from mendem.provenance import software_versions
from mendem.training.lessons import lesson_of
from mendem.training.state import CURRENT, read_state


def export(
    recipe: dict[str, Any], run: Path, target: Path, sources: list[Any] | None = None, data: Path | None = None
) -> dict[str, Any]:
    """Write the averaged weights of ``run`` to ``target`` (``weights.safetensors``) as float16; returns what it tells.

    What a prior covers comes from the recipe's table ``coverage``; steps and minutes of the run go along. With the
    ``sources`` that it was trained on, and the folder or pack ``data`` that they came from, so does what the end of a
    training adds (`mendem.training.lessons`): what the training pictures look like to a prior and the calibration of
    its spread, or the judge of the network that reads the noise.
    """
    state = read_state(run)
    network = _network(recipe, state["average"])
    more = {} if sources is None or data is None else lesson_of(recipe).finish(network, recipe, sources, data)
    facts = {
        "steps": state["step"],
        "minutes": round(state["worked"] / 60, 1),
        "loss": last_logged(run)["loss"],
        "recipe": recipe,
        "versions": software_versions(),
        **more,
    }
    _write(recipe, network, target, facts)
    return facts


def last_logged(run: Path) -> dict[str, Any]:
    """The last line of the log of a run: step, minutes, loss, rate and patches per second."""
    path = run / "log.jsonl"
    if not path.is_file():
        raise MendemError(
            f"{path} is not there, but the state of the training is; train on, for longer, or copy it here"
        )
    return json.loads(path.read_text().splitlines()[-1])


def save_current(recipe: dict[str, Any], run: Path) -> None:
    """Write the weights that are being trained, and how far they are, next to the averaged ones of `export`."""
    state = read_state(run)
    facts = {"steps": state["step"], "worked": state["worked"]}
    _write(recipe, _network(recipe, state["network"]), run / CURRENT, facts)


def _network(recipe: dict[str, Any], weights: dict[str, Any]) -> nn.Module:
    network = lesson_of(recipe).network(recipe)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


def _write(recipe: dict[str, Any], network: Any, target: Path, facts: dict[str, Any]) -> None:
    if "coverage" in recipe:
        save(network, Coverage.of(recipe["coverage"]), target, facts)
    else:
        write(network, target, facts)
