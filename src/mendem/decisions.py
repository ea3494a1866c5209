"""What `mendem.engine.prepare` decided, to be kept with a journal and taken up by a run that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from mendem.device import choose_device
from mendem.engine import Run
from mendem.errors import MendemError
from mendem.image import Image
from mendem.options import Options
from mendem.priors.network_prior import load_prior
from mendem.stored import restored, stored
from mendem.tasks.base import Task

#: What a call states itself.
_STATED = ("given", "image", "task", "options", "inputs", "prior")


def decisions(run: Run) -> tuple[Any, dict[str, np.ndarray]]:
    """What was decided, as JSON values and arrays; `mendem.stored.Unstorable` for tasks of others that keep more."""
    arrays: dict[str, np.ndarray] = {}
    prior = {"name": run.prior.name, "tile": getattr(run.prior, "tile", None)}
    prior["dtype"] = str(getattr(run.prior, "dtype", "float32")).removeprefix("torch.")
    decided = {f.name: getattr(run, f.name) for f in fields(Run) if f.name not in _STATED}
    return stored({**decided, "prior": prior}, _known(run.given, run.inputs), arrays), arrays


def as_decided(
    kept: tuple[Any, Mapping[str, np.ndarray]],
    image: Image,
    task: Task,
    options: Options,
    inputs: Mapping[str, Image],
    here: bool = True,
) -> Run:
    """The run that was decided before, of the same image, task, options and inputs; ``here``, on this machine."""
    import torch

    decided = restored(kept[0], _known(image, inputs), kept[1])
    prior, device = decided.pop("prior"), decided["device"]
    if here:
        try:
            choose_device(device)
        except MendemError as error:
            raise MendemError(
                f"the unfinished run was begun on {device}, which is not available on this machine; go on with it "
                "where it is, or begin anew with another name or by overwriting (--overwrite)"
            ) from error
    loaded = load_prior(prior["name"], device if here else "cpu", getattr(torch, prior["dtype"]), prior["tile"])
    loaded.device = device
    seen = decided["plan"].image or image
    return Run(given=image, image=seen, task=task, options=options, inputs=inputs, prior=loaded, **decided)


def _known(image: Image, inputs: Mapping[str, Image]) -> dict[str, Any]:
    """What belongs to the inputs, which a later call is given again."""
    known: dict[str, Any] = {}
    for name, given in (("image", image), *((f"input {n}", i) for n, i in inputs.items())):
        known |= {f"{name}": given, f"{name}.data": given.data, f"{name}.metadata": given.metadata}
    return known
