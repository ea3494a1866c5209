"""Training of the networks that read the blur off an image, minutes on the CPU: the features of windows are fixed."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mendem.physics.blur import STD_PER_FWHM
from mendem.priors.blur_features import WINDOW, features
from mendem.priors.blur_network import BlurNetwork, reading_of
from mendem.priors.checkpoint import write
from mendem.training.batches import Batches
from mendem.training.noise_draws import NoiseOptions, chance, draw_noise, uniform
from mendem.training.pack import training_sources
from mendem.training.pool import Source

#: Noise of what is drawn: as of micrographs that are worth deblurring.
NOISE = NoiseOptions((0.02, 0.6), 0.35, (0.25, 0.9), 0.4, 0.15)
#: Full widths at half maximum, pixels, and how often there is no blur.
WIDTHS, SHARP = (0.5, 10.5), 0.12
#: Sharp micrographs are blurred themselves: by a Gaussian of a standard deviation up to this, pixels.
OWN = 0.8
#: So far beyond its window a picture is drawn, so that nothing wraps around.
MARGIN = 24
#: Windows drawn at once, at one magnification; epochs, windows a step, and rate of the training.
AT_ONCE, EPOCHS, BATCH, RATE = 8, 25, 128, 2e-3


def windows(clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blurred, noisy windows (N, H - 48, W - 48) of clean pictures (N, 1, H, W), and the widths (N) in pixels."""
    count, _, height, width = clean.shape
    shape = (count, 1, 1, 1)
    fwhm = torch.where(chance(generator, SHARP, count), 0.0, uniform(generator, *WIDTHS, shape))
    variance = (fwhm * STD_PER_FWHM) ** 2 + uniform(generator, 0, OWN, shape) ** 2
    f2 = torch.fft.fftfreq(height)[:, None] ** 2 + torch.fft.rfftfreq(width)[None] ** 2
    spectrum = torch.fft.rfft2(clean) * torch.exp(-2 * math.pi**2 * variance * f2)
    signal = torch.fft.irfft2(spectrum, s=(height, width))[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    return (signal + draw_noise(signal, generator, NOISE).noise)[:, 0], fwhm.flatten()


def draw(sources: list[Source], count: int, seed: int, magnification: tuple[float, float]) -> tuple[Tensor, ...]:
    """Features (N, COUNT), widths (N) and the number of the source (N) of at least ``count`` windows."""
    filled = [s for s in sources if s.arrays]
    side = WINDOW + 2 * MARGIN
    streams = [Batches([s], AT_ONCE, side, seed + i, magnification) for i, s in enumerate(filled)]
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    shares = np.array([s.share for s in filled]) / sum(s.share for s in filled)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    while (done := AT_ONCE * len(found)) < count:
        chosen = int(rng.choice(len(filled), p=shares))
        seen, fwhm = windows(streams[chosen].next(), generator)
        found.append((features(seen), fwhm, torch.full((AT_ONCE,), chosen)))
        if done % 2000 == 0:
            print(f"{done} of {count} windows", file=sys.stderr)
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def learn(network: BlurNetwork, seen: Tensor, fwhm: Tensor, seed: int) -> BlurNetwork:
    """Train all members on features (N, COUNT) and widths (N): Gaussian likelihood, and squared error."""
    torch.manual_seed(seed)
    network.centre.copy_(seen.mean(0))
    network.scale.copy_(seen.std(0).clamp(min=1e-3))
    wanted = reading_of(fwhm)
    optimiser = torch.optim.AdamW(network.members.parameters(), lr=RATE, weight_decay=1e-2)
    network.train()
    for epoch in range(EPOCHS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1.01 - epoch / EPOCHS)
        for part in torch.randperm(len(seen)).split(BATCH):
            reading, log_variance = network.said(seen[part])
            squared = (reading - wanted[part]) ** 2
            likelihood = (squared * torch.exp(-log_variance) + log_variance).clamp(max=50) / 2
            value = (likelihood + 3 * squared).mean(1).sum()
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
    return network.eval()


def train(recipe: dict[str, Any], data: Path, run: Path) -> dict[str, dict[str, float]]:
    """Draw windows, train on all, and again without each source, which shows how wrong it is on what is new to it.

    ``run`` receives ``blur.safetensors``. Returns for each source, when it was left out: the mean and the rms error of
    widths of 2 px and more, relative, and the rms of the error over the one that was said.
    """
    options = recipe["train"]
    sources = [s for s in training_sources(data, recipe["data"]) if s.arrays]
    seen, fwhm, source = draw(sources, options["windows"], options["seed"], tuple(options["magnification"]))
    network = learn(BlurNetwork(**recipe["blur"]), seen, fwhm, options["seed"])
    errors = {}
    for i, left_out in enumerate(sources):
        kept = source != i
        other = learn(BlurNetwork(**recipe["blur"]), seen[kept], fwhm[kept], options["seed"])
        errors[left_out.name] = judged(other, seen[~kept], fwhm[~kept])
    network.inflation.fill_(float(np.mean([e["over said"] ** 2 for e in errors.values()])))
    write(network, run / "blur.safetensors", {"recipe": recipe, "left out": errors})
    return errors


@torch.no_grad()
def judged(network: BlurNetwork, seen: Tensor, fwhm: Tensor) -> dict[str, float]:
    """How wrong a network is: see `train`."""
    reading, variance = network(seen)
    found = torch.expm1(2 * reading).clamp(min=0).sqrt()
    relative = (found / fwhm - 1)[fwhm >= 2]
    return {
        "mean": float(relative.mean()),
        "rms": float(relative.square().mean().sqrt()),
        "over said": float(((reading - reading_of(fwhm)) ** 2 / variance).mean().sqrt()),
    }
