"""The training loop: one recipe on a CPU or a GPU, resumable, timed in minutes of work."""

from __future__ import annotations

import copy
import json
import math
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mendem.priors.condition import Condition
from mendem.priors.network import UNet
from mendem.priors.precondition import network_input, pixelwise_posterior
from mendem.training.batches import Batches
from mendem.training.degrade import DegradeOptions, degrade
from mendem.training.pool import public_sources, synthetic_sources


def load_recipe(path: Path) -> dict[str, Any]:
    """The recipe's tables ``network``, ``data``, ``degrade`` and ``train``."""
    with open(path, "rb") as file:
        return tomllib.load(file)


def loss(network: UNet, target: Tensor, condition: Condition, x_t: Tensor | None, sigma: Tensor | None) -> Tensor:
    """Squared error in units of the preconditioning, and the Gaussian likelihood of the predicted variance."""
    base, scale = pixelwise_posterior(x_t, sigma, condition)
    channels, descriptor = network_input(x_t, sigma, condition)
    with torch.autocast(channels.device.type, torch.bfloat16):
        output = network(channels.contiguous(memory_format=torch.channels_last), descriptor)
    output = output.float()
    squared = (output[:, :1] - (target - base) / scale) ** 2
    log_variance = output[:, 1:].clamp(-10, 4)
    likelihood = squared.detach() * torch.exp(-log_variance) + log_variance
    return squared.mean() + 0.05 * likelihood.mean()


def split_draws(batch: tuple[Tensor, Condition], absent: int) -> list[tuple[Tensor, Condition]]:
    """The first ``absent`` draws, for the mode without x_t, and the rest."""
    target, condition = batch
    descriptors = condition.descriptor
    assert isinstance(descriptors, Tensor), "in training each picture has its own descriptor"
    halves = []
    for part in (slice(0, absent), slice(absent, None)):
        maps = condition.map(lambda t, part=part: t[part])  # type: ignore[misc]
        halves.append((target[part], replace(maps, descriptor=descriptors[part])))
    return halves


def train(recipe: dict[str, Any], data: Path, run: Path, minutes: float, device: str = "cpu") -> None:
    """Train, or go on with, the network of a recipe; ``run`` receives ``state.pt`` every minute and ``log.jsonl``.

    ``minutes`` is the whole budget: the learning rate falls to its end when that much work has been done,
    over however many interruptions.
    """
    options = recipe["train"]
    torch.manual_seed(options["seed"])
    run.mkdir(parents=True, exist_ok=True)
    network = UNet(**recipe["network"]).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).requires_grad_(False)
    optimiser = torch.optim.AdamW(network.parameters(), lr=options["rate"], betas=(0.9, 0.99), weight_decay=1e-4)
    step, worked = 0, 0.0
    state_path = run / "state.pt"
    if state_path.exists():
        state = torch.load(state_path, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, worked = state["step"], state["worked"]

    sources = public_sources(data) + synthetic_sources(**recipe["data"])
    batches = Batches(sources, options["batch"], options["patch"], options["seed"] + step, device=device)
    generator = torch.Generator(device).manual_seed(options["seed"] + step)
    degrade_options = DegradeOptions(**recipe.get("degrade", {}))
    absent = round(options["batch"] * options["absent"])

    mark, saved, total, drawn = time.monotonic(), time.monotonic(), 0.0, 0
    while worked < minutes * 60:
        (target_a, condition_a), (target_b, condition_b) = split_draws(
            degrade(batches.next(), generator, degrade_options), absent
        )
        value = loss(network, target_a, condition_a, None, None) * options["absent"]
        if target_b.shape[0]:
            shape = (target_b.shape[0], 1, 1, 1)
            sigma = torch.exp(-1.0 + 1.4 * torch.randn(shape, generator=generator, device=device)).clamp(0.01, 40)
            x_t = target_b + sigma * torch.randn(target_b.shape, generator=generator, device=device)
            value = value + loss(network, target_b, condition_b, x_t, sigma) * (1 - options["absent"])
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        progress = worked / (minutes * 60)
        rate = options["rate"] * min(1.0, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        step += 1
        keep = min(options["ema"], (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - keep)
        total, drawn = total + value.item(), drawn + 1
        now = time.monotonic()
        worked, mark = worked + now - mark, now
        if now - saved > 60 or worked >= minutes * 60:
            with open(run / "log.jsonl", "a") as log:
                log.write(
                    json.dumps({"step": step, "minutes": worked / 60, "loss": total / drawn, "rate": rate}) + "\n"
                )
            total, drawn, saved = 0.0, 0, now
            state = {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": step,
                "worked": worked,
            }
            torch.save(state, state_path.with_suffix(".part"))
            state_path.with_suffix(".part").replace(state_path)
