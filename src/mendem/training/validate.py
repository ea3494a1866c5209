"""How good a prior is on pictures that no recipe reads: one evaluation of each kind of question, fixed seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mendem.errors import MendemError
from mendem.physics.block_mean import BlockMean
from mendem.physics.blur import Blur
from mendem.physics.mask import Mask
from mendem.physics.operator import ForwardOperator
from mendem.physics.skipped_rows import SkippedRows
from mendem.training.degrade import observe_through
from mendem.training.holes import holes
from mendem.training.noise_draws import NoiseOptions
from mendem.training.objective import LIKELIHOOD, Questions, answers, joined, questions
from mendem.training.pool import Source

#: Side of the pictures in pixels, and how many of each source.
SIDE, EACH = 128, 8
#: Grey levels between the lowest and the highest pixel of a picture, without the outermost `OUTERMOST` percent.
PEAK, OUTERMOST = 255.0, 0.05
#: Noise in grey levels: of what is seen through an operator, and as users meet it.
LITTLE, LEVELS = 3.0, (10.0, 25.0, 50.0)
#: Full width at half maximum of the blur, pixels, and the level of the noisy image x_t where one is given.
FWHM, SIGMA = 4.0, 0.5

Ask = Callable[[Tensor, torch.Generator, float], Questions]


def held_out(sources: list[Source], side: int = SIDE, each: int = EACH) -> list[np.ndarray]:
    """Pictures (side, side), at most ``each`` from a source, spread over its pictures; the same for the same data."""
    chosen = []
    for source in sources:
        cut = [
            p[y : y + side, x : x + side]
            for p in source.pictures
            for y in range(0, p.shape[0] - side + 1, side)
            for x in range(0, p.shape[1] - side + 1, side)
        ]
        some = np.linspace(0, len(cut) - 1, min(each, len(cut))).round().astype(int)
        chosen += [np.ascontiguousarray(cut[i]) for i in some]
    return chosen


def exactly(level: float, correlated: bool) -> NoiseOptions:
    """Gaussian noise of one level that is truly told; correlated over about a pixel, or white."""
    return NoiseOptions(
        (level, level), float(correlated), (0.6, 0.8), 0.0, 0.0, level_jitter=0, correlation_jitter=0,
        correlation_unknown=0,
    )  # fmt: skip


def kinds() -> dict[str, Ask]:
    """The kinds of question by name; each takes a picture (1, 1, H, W), a generator and one grey level."""

    def through(operator: Callable[[Tensor], ForwardOperator], level: float, correlated: bool = False) -> Ask:
        def ask(clean: Tensor, generator: torch.Generator, grey: float) -> Questions:
            seen_by = operator(clean)
            signal = seen_by.forward(clean)
            known = torch.ones_like(signal)
            noise = exactly(level * grey, correlated)
            return questions(*observe_through(seen_by, clean, signal, known, generator, noise))

        return ask

    def gaps(clean: Tensor, generator: torch.Generator, grey: float) -> Questions:
        known = holes(generator, 1, clean.shape[-1])
        return questions(*observe_through(Mask(), clean, clean, known, generator, exactly(LITTLE * grey, False)))

    def sampling(known: float) -> Ask:
        def ask(clean: Tensor, generator: torch.Generator, grey: float) -> Questions:
            reliability = torch.full_like(clean, known)
            noise = exactly(LEVELS[-1] * grey, False)
            target, condition = observe_through(Mask(), clean, clean, reliability, generator, noise)
            sigma = torch.full((1, 1, 1, 1), SIGMA, device=clean.device)
            drawn = torch.randn(target.shape, generator=generator, device=clean.device)
            return questions(target, condition, target + SIGMA * drawn, sigma)

        return ask

    def whole(clean: Tensor) -> ForwardOperator:
        return Mask()

    asked: dict[str, Ask] = {}
    for level in LEVELS:
        asked[f"white {level:g}"] = through(whole, level)
        asked[f"correlated {level:g}"] = through(whole, level, True)
    asked["fill"] = gaps
    for factors in ((2, 2), (4, 4), (4, 1), (8, 1)):
        asked[f"block {factors[0]}x{factors[1]}"] = through(lambda clean, f=factors: BlockMean(f), LITTLE)  # type: ignore[misc]
    for step in (4, 8):
        asked[f"skip {step}"] = through(lambda clean, s=step: SkippedRows(s, clean.shape[-2], s // 2), LITTLE)  # type: ignore[misc]
    asked["blur"] = through(
        lambda clean: Blur.gaussian((clean.shape[-2], clean.shape[-1]), FWHM, str(clean.device)), LITTLE
    )
    asked["sampling, observed"] = sampling(1.0)
    asked["sampling, unconditional"] = sampling(0.0)
    return asked


def batches(pictures: list[np.ndarray], ask: Ask, device: str, count: int) -> Iterator[tuple[Questions, Tensor]]:
    """Questions about all pictures, ``count`` at a time, and the peaks (N, 1, 1, 1) in their units."""
    for begin in range(0, len(pictures), count):
        parts, peaks = [], []
        for i in range(begin, min(begin + count, len(pictures))):
            clean = torch.from_numpy(np.asarray(pictures[i], np.float32))[None, None].to(device)
            low, high = np.percentile(pictures[i], [OUTERMOST, 100 - OUTERMOST])
            part = ask(clean, torch.Generator(device).manual_seed(i), float(high - low) / PEAK)
            parts.append(part)
            peaks.append((high - low) * part.target.std() / clean.std())  # targets are scaled as data are
        yield joined(parts), torch.stack(peaks).float().reshape(-1, 1, 1, 1)


def validate(network: nn.Module, pictures: list[np.ndarray], device: str = "cpu", count: int = 6) -> dict[str, Any]:
    """Loss and PSNR (dB, peak of `PEAK` grey levels) of each kind of question, and their means.

    ``psnr`` and ``loss`` are means over the kinds that one evaluation answers, ``sampling`` over the others. Pictures
    are cut to whole cells of the network's coarsest grid and of the largest blocks (8 pixels); `MendemError` where that
    leaves none, or not all are of one size.
    """
    cell = max(8, getattr(network, "multiple", 1))
    pictures = [p[: p.shape[0] // cell * cell, : p.shape[1] // cell * cell] for p in pictures]
    if len({p.shape for p in pictures}) != 1 or not pictures[0].size:
        raise MendemError(f"validation wants pictures of one size, with sides of {cell} pixels or more")
    was_training = network.training
    network.eval()
    rows: dict[str, dict[str, float]] = {}
    with torch.inference_mode():
        for name, ask in kinds().items():
            losses, decibels = [], []
            for asked, peak in batches(pictures, ask, device, count):
                correction, log_variance = answers(network, asked)
                squared = (correction - (asked.target - asked.base) / asked.scale) ** 2
                each = squared + LIKELIHOOD * (squared * torch.exp(-log_variance) + log_variance)
                error = (squared * asked.scale**2).mean((1, 2, 3), keepdim=True)
                losses.append(each.mean((1, 2, 3)))
                decibels.append(10 * torch.log10(peak**2 / error))
            rows[name] = {"loss": float(torch.cat(losses).mean()), "psnr": float(torch.cat(decibels).mean())}
    network.train(was_training)
    one = [row for name, row in rows.items() if not name.startswith("sampling")]
    more = [row for name, row in rows.items() if name.startswith("sampling")]
    return {
        "psnr": float(np.mean([r["psnr"] for r in one])),
        "loss": float(np.mean([r["loss"] for r in one])),
        "sampling": float(np.mean([r["loss"] for r in more])),
        "pictures": len(pictures),
        "kinds": rows,
    }
