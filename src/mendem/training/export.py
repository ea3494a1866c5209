"""From a training run to a shipped prior."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from mendem.errors import MendemError
from mendem.priors.checkpoint import save
from mendem.priors.network import UNet
from mendem.priors.prior import Coverage
from mendem.provenance import software_versions
from mendem.training.pool import Source


def export(
    recipe: dict[str, Any], run: Path, target: Path, sources: list[Source] | None = None, data: Path | None = None
) -> None:
    """Write the averaged weights of ``run`` to ``target`` (``weights.safetensors``) as float16.

    What the prior covers comes from the recipe's table ``coverage``; steps and minutes of the run go along.
    With the ``sources`` that it was trained on, so does what they look like to it (`mendem.training.familiar`): then
    the prior can tell when an image is unlike them. With the folder ``data`` of the public micrographs its spread is
    calibrated (`mendem.training.calibrate`).
    """
    state_path = run / "state.pt"
    if not state_path.is_file():
        raise MendemError(f"{run}: no state.pt here; train first, or give the folder of a training run")
    state = torch.load(state_path, map_location="cpu", weights_only=True)
    network = UNet(**recipe["network"])
    network.load_state_dict(state["average"])
    facts: dict[str, Any] = {}
    if sources is not None:
        from mendem.training.familiar import fit

        facts["familiar"] = fit(network.eval().requires_grad_(False), sources).facts()
    if data is not None:
        from mendem.training import calibrate

        facts["calibration"] = calibrate.fit(network.eval(), data).stated()
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    save(
        network,
        Coverage.of(recipe["coverage"]),
        target,
        {
            "steps": state["step"],
            "minutes": round(state["worked"] / 60, 1),
            "loss": log[-1]["loss"],
            "recipe": recipe,
            "versions": software_versions(),
            **facts,
        },
    )
