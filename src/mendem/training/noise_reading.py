"""Training of the network that reads the noise off an image: first windows alone, then beside the first estimate."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mendem.physics.noise_estimation import estimate_noise
from mendem.priors.noise_network import NoiseNetwork
from mendem.priors.noise_reader import describe
from mendem.training.batches import Batches
from mendem.training.holes import holes
from mendem.training.noise_draws import NoiseOptions, chance, draw_noise
from mendem.training.pool import Source

#: What is drawn: the truth is wanted, so nothing is told wrongly.
EXACT = NoiseOptions(level=(0.02, 3.0), level_jitter=0.0, correlation_jitter=0.0, correlation_unknown=0.0)
#: Epochs, pictures a step and rate of the second part of the training.
EPOCHS, JUDGED_BATCH, JUDGED_RATE = 60, 64, 1e-3
#: Share of its windows with a granular texture: with it in half of them, weak correlated noise passes for texture.
PLAIN = 0.33


def windows(clean: Tensor, generator: torch.Generator, options: NoiseOptions = EXACT) -> tuple[Tensor, Tensor]:
    """Noisy windows (N, 2, H, W) and their readings (N, 5), as `NoiseNetwork` takes and gives them."""
    count, _, size, _ = clean.shape
    drawn = draw_noise(clean, generator, options)
    y = clean + drawn.noise
    measured = torch.where(chance(generator, 0.15, count), holes(generator, count, size), torch.ones_like(y))
    many = measured.mean((1, 2, 3), keepdim=True).clamp(min=0.05)
    mean = (y * measured).mean((1, 2, 3), keepdim=True) / many
    std = ((((y - mean) * measured) ** 2).mean((1, 2, 3), keepdim=True) / many).sqrt().clamp(min=1e-6)
    gain = drawn.told[:, 4].reshape(mean.shape)
    at_mean = (1 + gain * mean).clamp(min=0.05)
    readings = torch.cat(
        [
            (drawn.level * at_mean.sqrt() / std).log().reshape(count, 1),
            drawn.told[:, 0:2],
            drawn.told[:, 3:4],
            (gain * std / at_mean).reshape(count, 1),
        ],
        dim=1,
    )
    return torch.cat([(y - mean) / std * measured, measured], 1), readings


def loss(found: Tensor, log_variance: Tensor, readings: Tensor) -> Tensor:
    """Gaussian likelihood of the readings, and their squared error, which alone moves what is far off."""
    squared = (found - readings) ** 2
    return (squared * torch.exp(-log_variance) + log_variance).clamp(max=50).mean() / 2 + squared.mean()


class Windows:
    """Windows and their readings, for ever: what the first part of the training shows."""

    def __init__(self, sources: list[Source], recipe: Mapping[str, Any], seed: int, device: str) -> None:
        options = recipe["train"]
        self.batches = Batches(sources, options["batch"], options["patch"], seed, device=device)
        self.generator = torch.Generator(device).manual_seed(seed)

    def next(self) -> tuple[Tensor, Tensor]:
        """One batch, see `windows`."""
        return windows(self.batches.next(), self.generator)


def reading_loss(network: NoiseNetwork, seen: Tensor, readings: Tensor) -> Tensor:
    """The loss of what is read of windows alone."""
    with torch.autocast(seen.device.type, torch.bfloat16):
        features = network.features(seen.contiguous(memory_format=torch.channels_last))
    return loss(*network.reading(features.float()), readings)


def finish(network: NoiseNetwork, recipe: Mapping[str, Any], sources: list[Source], data: Path) -> dict[str, Any]:
    """The second part of the training, on the CPU: the judge, from ``recipe["judge"]["windows"]`` windows.

    Returns the ``errors`` of `learn_to_judge`.
    """
    options = recipe["train"]
    seed = options["seed"] + 1
    plain = Batches(sources, options["batch"], options["patch"], seed, texture=PLAIN)
    return {"errors": learn_to_judge(network, *judged_windows(plain, recipe["judge"]["windows"], seed))}


def judged_windows(batches: Batches, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """``count`` windows (N, 2, H, W) float16, their readings (N, 5), and first estimates (N, 6)."""
    generator = torch.Generator().manual_seed(seed)
    seen: list[Tensor] = []
    wanted: list[Tensor] = []
    first: list[list[float]] = []
    while len(first) < count:
        noisy, readings = windows(batches.next(), generator)
        for window in noisy.numpy():
            pixels = np.where(window[1] > 0, window[0], np.nan)
            first.append(describe(estimate_noise(pixels), 0.0, 1.0))
        seen.append(noisy.half())
        wanted.append(readings)
        print(f"{len(first)} of {count} windows", file=sys.stderr)
    return torch.cat(seen), torch.cat(wanted), torch.tensor(first)


def learn_to_judge(network: NoiseNetwork, seen: Tensor, wanted: Tensor, first: Tensor) -> dict[str, list[float]]:
    """The second part: the reader stays as it is, and a judge between it and the first estimate is trained.

    Returns the median absolute errors of the five readings on an eighth that is held out, by who says them.
    """
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad():
        features = torch.cat([network.features(part.float()) for part in seen.split(JUDGED_BATCH)])
    network.judge.requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(seen), generator=generator)
    held, kept = order[: len(seen) // 8], order[len(seen) // 8 :]
    network.centre.copy_(features[kept].mean(0))
    # a filter that finds nothing must not weigh the rounding of float16
    network.scale.copy_(features[kept].std(0).clamp(min=0.1))
    for parameter in network.judge[-1].parameters():
        torch.nn.init.zeros_(parameter)
    optimiser = torch.optim.AdamW(network.judge.parameters(), lr=JUDGED_RATE, weight_decay=1e-2)
    network.train()
    for epoch in range(EPOCHS):
        for group in optimiser.param_groups:
            group["lr"] = JUDGED_RATE * (1.01 - epoch / EPOCHS)
        for part in kept[torch.randperm(len(kept), generator=generator)].split(JUDGED_BATCH):
            value = loss(*network.judged(features[part], first[part]), wanted[part])
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
    network.eval()
    with torch.no_grad():
        said = {
            "first": first[held, :5],
            "read": network.reading(features[held])[0],
            "judged": network.judged(features[held], first[held])[0],
        }
    return {name: (found - wanted[held]).abs().median(0).values.tolist() for name, found in said.items()}
