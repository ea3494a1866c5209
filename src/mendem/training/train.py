"""The training loop: one recipe on a CPU or a GPU, resumable, in legs of some minutes or in one go."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mendem.training.lessons import lesson_of
from mendem.training.optimiser import Optimiser
from mendem.training.state import Progress, fill, load_state, save_state
from mendem.training.stream import Ahead

#: Seconds between two states on disk, and steps over which a new optimiser comes up to its rate.
SAVE_EVERY, WARM_UP = 60.0, 200


def train(
    recipe: dict[str, Any],
    data: Path | list[Any],
    run: Path,
    minutes: float,
    device: str = "cpu",
    start: Path | None = None,
    leg: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> Progress:
    """Train, or go on with, the network of a recipe; ``run`` receives ``state.pt`` every minute and ``log.jsonl``.

    Parameters
    ----------
    data
        A folder of public micrographs, a pack of them (`mendem.training.pack`), or sources.
    minutes
        The whole budget: the learning rate falls to its end when that much work has been done, over however many
        interruptions.
    start
        Weights to begin with, in place of random ones.
    leg
        Minutes after which to stop for now.
    clock
        What measures the work in seconds; ``time.process_time`` counts the CPU's time alone.
    """
    options = recipe["train"]
    torch.manual_seed(options["seed"])
    run.mkdir(parents=True, exist_ok=True)
    lesson = lesson_of(recipe)
    network = lesson.network(recipe).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if start is not None:
        fill(network, start)
    average = copy.deepcopy(network).requires_grad_(False)
    optimiser = Optimiser(network, options["rate"], fused=device == "cuda")
    progress = load_state(run, network, average, optimiser, device)
    end = min(minutes * 60, progress.worked + leg * 60)
    if progress.worked >= end:
        return progress

    sources = lesson.sources(data, recipe) if isinstance(data, Path) else data
    draw = lesson.stream(sources, recipe, options["seed"] + progress.step, device, run)
    ahead = Ahead(draw, device) if device == "cuda" else None
    draw = draw if ahead is None else ahead.next
    answer = faster(network, device) if options.get("compile", True) else network
    weights, averaged = list(network.parameters()), list(average.parameters())
    total, drawn = torch.zeros((), device=device), 0
    mark = saved = clock()
    try:
        while progress.worked < end:
            value = lesson.loss(answer, draw(), recipe)
            network.zero_grad(set_to_none=True)
            value.backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            share = share_of_rate(progress, minutes, options.get("warm_up", WARM_UP))
            optimiser.step(share)
            progress.step += 1
            keep = min(options["ema"], (1 + progress.step) / (10 + progress.step))
            with torch.no_grad():
                torch._foreach_lerp_(averaged, weights, 1 - keep)
                total += value.detach()  # on the device: nothing waits for it
            drawn += 1
            now = clock()
            progress.worked, mark = progress.worked + now - mark, now
            if now - saved > SAVE_EVERY or progress.worked >= end:
                line = {"step": progress.step, "minutes": progress.worked / 60, "loss": float(total) / drawn}
                line |= {
                    "rate": share * options["rate"],
                    "patches per second": options["batch"] * drawn / max(now - saved, 1e-9),
                }
                with open(run / "log.jsonl", "a") as log:
                    log.write(json.dumps(line) + "\n")
                total.zero_()
                drawn, saved = 0, now
                save_state(run, network, average, optimiser, progress)
    finally:
        if ahead is not None:
            ahead.close()
    return progress


def share_of_rate(progress: Progress, minutes: float, warm_up: int) -> float:
    """The learning rate over the recipe's: half a cosine from 1 to 0.02, and a slow start of a new optimiser."""
    done = progress.worked / (minutes * 60)
    return min(1.0, (progress.step - progress.fresh + 1) / warm_up) * (0.51 + 0.49 * math.cos(math.pi * done))


def faster(network: nn.Module, device: str) -> nn.Module:
    """The network compiled where that pays and works, on a CUDA device; it trains as it is where it does not."""
    if device != "cuda":
        return network
    import torch._dynamo

    torch.backends.cudnn.benchmark = True
    torch._dynamo.config.suppress_errors = True  # no compiler there: uncompiled, with a warning
    return torch.compile(network, dynamic=False)  # type: ignore[return-value]
