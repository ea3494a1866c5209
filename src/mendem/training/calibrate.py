"""Calibration of the spread, measured on pictures that no recipe reads and that the benchmarks do not score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mendem.priors import checkpoint
from mendem.priors.calibration import Calibration, Curve, was_measured
from mendem.priors.condition import Condition
from mendem.priors.network import UNet
from mendem.training.batches import Batches
from mendem.training.degrade import DegradeOptions, degrade
from mendem.training.objective import answers, questions
from mendem.training.pool import Source, fibsem, public_sources, standardise
from mendem.training.sections import draw_sections, observe_sections
from mendem.training.shapes import shapes
from mendem.training.stacks import Stacks

#: Knots of each map. With 60 to 180 patches, 4 and 6 knots predicted the intervals of other patches equally well, and
#: a further map of the spread over the pixelwise one or of the noise level added nothing.
KNOTS = 5
#: Patches that are asked about, how many of them share a magnification, their side, and the pixels of each that count.
PATCHES, GROUP, SIDE, PIXELS = 512, 4, 128, 400
#: Synthetic pictures of each kind, from a seed that neither recipes nor benchmarks use.
DRAWN, SEED = 16, 500_000
#: The benchmarks score the middle of pictures, of this side, and of a volume the first and the middle section.
SCORED = 256
#: Sections of a volume that are left out on either side of what is scored.
APART = 8
#: Columns of the held-out block, of 520, that the benchmark of volumes leaves out.
UNSCORED = 128
#: Crops of a picture are no smaller than this.
SMALLEST = 96


def fit(network: nn.Module, data: Path, patches: int | None = None, device: str = "cpu") -> Calibration:
    """The calibration of a network, from one evaluation of each patch; the same for the same network and data.

    Degradations are drawn as in training, the noise with the errors that an estimate makes. About half a minute on
    one core. Where ``data`` is no folder of public micrographs, synthetic pictures alone are used.
    """
    generator = torch.Generator(device).manual_seed(SEED)
    ask = degraded(unscored_sources(data), generator)
    std, error, measured = spread_and_error(network, ask, patches or PATCHES, generator)
    return Calibration(*(from_errors(std[part], error[part]) for part in (measured, ~measured)))


def fit_sections(network: UNet, data: Path, patches: int | None = None, device: str = "cpu") -> Calibration:
    """As `fit`, of a network for volumes, asked about sections; none of its pixels has a measurement of its own."""
    frames = network.config["frames"]
    stacks = Stacks(unscored_volumes(data), frames, SIDE, SEED, device=device)
    generator, rng = torch.Generator(device).manual_seed(SEED), np.random.default_rng(SEED)

    def ask() -> tuple[Tensor, Condition]:
        return observe_sections(draw_sections(rng, SIDE), stacks.next(GROUP), generator)

    std, error, _ = spread_and_error(network, ask, patches or PATCHES, generator)
    return Calibration(inferred=from_errors(std, error))


def recalibrate(path: Path, data: Path, target: Path | None = None) -> Calibration:
    """Fit the calibration of a weights file, and write it into its header, or into that of a copy ``target``."""
    network, facts = checkpoint.load(path)
    calibration = (fit if network.config["frames"] == 1 else fit_sections)(network, data)
    checkpoint.write(network, target or path, {**facts, "calibration": calibration.stated()})
    return calibration


def unscored_sources(data: Path, drawn: int = DRAWN) -> list[Source]:
    """Pictures that neither recipes nor benchmarks use, each source with the same share."""
    from mendem.simulate import tissue_patches

    sources = [Source("shapes", 1.0, [shapes(SEED + i) for i in range(drawn)])]
    patches = tissue_patches(drawn, 256, pixel_nm=(4.0, 16.0), seed=SEED)
    sources.append(Source("tissue", 1.0, [standardise(np.asarray(p.data)) for p in patches]))
    if (data / "fibsem_flyem_medulla").is_dir():
        for source in public_sources(data, "validation"):
            sources.append(Source(source.name, 1.0, [c for a in source.arrays for c in unscored(a)]))
    return [s for s in sources if s.arrays]


def unscored(array: np.ndarray) -> list[np.ndarray]:
    """What the benchmarks do not score of a volume (Z, H, W) or a picture (H, W): whole sections, or what is left of
    the picture above, below and beside its middle."""
    if array.ndim == 3:
        scored = (0, len(array) // 2)
        return [s for i, s in enumerate(array) if min(abs(i - j) for j in scored) >= APART]
    top, left = ((n - min(n, SCORED)) // 2 for n in array.shape)
    bottom, right = top + SCORED, left + SCORED
    middle = array[top:bottom]
    around = [array[:top], array[bottom:], middle[:, :left], middle[:, right:]]
    return [np.ascontiguousarray(c) for c in around if min(c.shape) >= SMALLEST]


def unscored_volumes(data: Path) -> list[Source]:
    """Volumes that neither recipes nor benchmarks use: a side of the held-out FIB-SEM block, and simulated ones."""
    from mendem.simulate import tissue_volume

    drawn = [tissue_volume((SIDE, SIDE, SIDE), size, SEED + i).data for i, size in enumerate((5.0, 8.0, 12.0))]
    sources = [Source("tissue", 1.0, [standardise(np.asarray(v)) for v in drawn])]
    if (data / "fibsem_flyem_medulla").is_dir():
        for targets in ("binned", "raw"):
            block = fibsem(data, "validation", targets)[0]
            sources.append(Source(targets, 1.0, [block[..., : block.shape[-1] * UNSCORED // 520]]))
    return sources


def degraded(sources: list[Source], generator: torch.Generator) -> Callable[[], tuple[Tensor, Condition]]:
    """What draws targets and conditions of a few pictures of the sources, as in training."""
    batches = Batches(sources, GROUP, SIDE, SEED, device=str(generator.device))
    return lambda: degrade(batches.next(), generator, DegradeOptions())


def spread_and_error(
    network: nn.Module, ask: Callable[[], tuple[Tensor, Condition]], patches: int, generator: torch.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of randomly chosen pixels the predicted standard deviation and the error (truth minus mean), in normalised units,
    and whether they were measured themselves; ``ask`` draws targets and conditions of a few patches."""
    found: list[Tensor] = []
    asked_about = 0
    while asked_about < patches:
        target, condition = ask()
        asked_about += len(target)
        asked = questions(target, condition)
        with torch.inference_mode():
            correction, log_variance = answers(network, asked)
        std = asked.scale * (0.5 * log_variance).exp()
        error = asked.target - asked.base - asked.scale * correction
        shape, device = (len(std), PIXELS), generator.device
        chosen = torch.randint(std[0].numel(), shape, generator=generator, device=device)
        found.append(
            torch.stack(
                [t.flatten(1).gather(1, chosen).flatten() for t in (std, error, was_measured(condition).float())]
            )
        )
    std, error, measured = torch.cat(found, dim=1).double().cpu().numpy()
    return std, error, measured > 0


def rms(ratio: np.ndarray) -> float:
    """Factor that makes the variance right, from errors over predicted standard deviations."""
    return float(np.sqrt(np.mean(ratio**2)))


def from_errors(
    std: np.ndarray, error: np.ndarray, knots: int = KNOTS, factor: Callable[[np.ndarray], float] = rms
) -> Curve:
    """The map that makes the spread right, by ``factor``, in each of ``knots`` equal parts of the pixels."""
    order = np.argsort(std, kind="stable")
    parts = [p for p in np.array_split(order, knots) if p.size]
    x = np.array([np.log(np.median(std[p])) for p in parts])
    right = np.array([factor(error[p] / std[p]) for p in parts])
    rising, first = np.unique(x, return_index=True)  # equal knots where all spreads are equal
    corrected = np.maximum.accumulate(rising + np.log(right[first]))
    return Curve(tuple(rising.tolist()), tuple((corrected - rising).tolist()))
