"""Calibration of the spread, measured on pictures that no recipe reads and that the benchmarks do not score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from mendem.priors import checkpoint
from mendem.priors.calibration import Calibration, Curve, was_measured
from mendem.training.batches import Batches
from mendem.training.degrade import DegradeOptions, degrade
from mendem.training.objective import answers, questions
from mendem.training.pool import Source, public_sources, standardise
from mendem.training.shapes import shapes

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
#: Crops of a picture are no smaller than this.
SMALLEST = 96


def fit(network: nn.Module, data: Path, patches: int | None = None, device: str = "cpu") -> Calibration:
    """The calibration of a network, from one evaluation of each patch; the same for the same network and data.

    Degradations are drawn as in training, the noise with the errors that an estimate makes. About half a minute on
    one core. Where ``data`` is no folder of public micrographs, synthetic pictures alone are used.
    """
    std, error, measured = spread_and_error(network, unscored_sources(data), patches or PATCHES, device)
    return Calibration(*(from_errors(std[part], error[part]) for part in (measured, ~measured)))


def recalibrate(path: Path, data: Path, target: Path | None = None) -> Calibration:
    """Fit the calibration of a weights file, and write it into its header, or into that of a copy ``target``."""
    network, facts = checkpoint.load(path)
    calibration = fit(network, data)
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


def spread_and_error(
    network: nn.Module, sources: list[Source], patches: int, device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of randomly chosen pixels the predicted standard deviation and the error (truth minus mean), in normalised units,
    and whether they were measured themselves."""
    batches = Batches(sources, GROUP, SIDE, SEED, device=device)
    generator = torch.Generator(device).manual_seed(SEED)
    found = []
    for _ in range(-(-patches // GROUP)):
        target, condition = degrade(batches.next(), generator, DegradeOptions())
        asked = questions(target, condition)
        with torch.inference_mode():
            correction, log_variance = answers(network, asked)
        std = asked.scale * (0.5 * log_variance).exp()
        error = asked.target - asked.base - asked.scale * correction
        chosen = torch.randint(std[0].numel(), (len(std), PIXELS), generator=generator, device=device)
        found.append(
            torch.stack(
                [t.flatten(1).gather(1, chosen).flatten() for t in (std, error, was_measured(condition).float())]
            )
        )
    std, error, measured = torch.cat(found, dim=1).double().cpu().numpy()
    return std, error, measured > 0


def from_errors(std: np.ndarray, error: np.ndarray, knots: int = KNOTS) -> Curve:
    """The map that makes the variance that of the errors in each of ``knots`` equal parts of the pixels."""
    order = np.argsort(std, kind="stable")
    parts = [p for p in np.array_split(order, knots) if p.size]
    x = np.array([np.log(np.median(std[p])) for p in parts])
    right = np.array([np.sqrt(np.mean((error[p] / std[p]) ** 2)) for p in parts])
    rising, first = np.unique(x, return_index=True)  # equal knots where all spreads are equal
    corrected = np.maximum.accumulate(rising + np.log(right[first]))
    return Curve(tuple(rising.tolist()), tuple((corrected - rising).tolist()))
