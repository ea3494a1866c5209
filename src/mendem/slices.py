"""One part of one slice, restored better and better."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mendem.blocks import ALIGN, HALO, on_grid, with_halo
from mendem.priors.prior import never
from mendem.resampling import binned_noise, shrink, stretch
from mendem.tasks.base import Patch

if TYPE_CHECKING:
    from mendem.engine import Run


@dataclass(frozen=True)
class BlockEstimate:
    """The answer so far for one block, in the image's units; arrays (rows, columns) of what was asked for.

    ``fitted`` is what would have been measured of the result, each datum repeated over its pixels; None where that is
    the result itself. ``squares`` and ``count`` add up to chi² over blocks (see `estimates`); ``missing`` pixels were
    not finite.
    """

    mean: np.ndarray
    std: np.ndarray
    samples: tuple[np.ndarray, ...]
    evaluations: int
    total: int
    squares: float
    count: float
    missing: int = 0
    fitted: np.ndarray | None = None


#: From this many samples on, the spread is theirs; with fewer it is the one that the prior predicts.
SAMPLES_FOR_SPREAD = 4


def estimates(
    run: Run,
    plane: int,
    rows: tuple[int, int],
    columns: tuple[int, int],
    check: Callable[[], None] = never,
    coarseness: int | None = None,
    step: int = 1,
) -> Iterator[BlockEstimate]:
    """Restore one part of one slice, better and better; rows and columns are (start, stop) in the whole result.

    ``coarseness`` is the factor by which the grid of the computation is coarser than the result's, in place of the
    run's own binning. ``step`` is the factor by which the grid of the arrays is: it divides the coarseness, rows and
    columns. chi² is the mean over measured pixels of ``((y - A mean)² + variance) / noise variance``: 1 where mean,
    spread and noise are right, whatever the image, since E[(y - A m)²] = noise - Var[A x | y] for the posterior mean m.
    Where the data are no single pixels, Var[A x | y] is unknown and left out, so that chi² is at most 1.
    """
    import torch

    from mendem.physics.defects import reliable
    from mendem.sampling import BUDGETS, Place, keep_measured, sample

    plan, scale, budget = run.plan, run.scale, BUDGETS[run.options.budget]
    factor = run.binning if coarseness is None else coarseness
    binning, finer = max(1, factor // scale), max(1, scale // factor)
    shape = tuple(scale * n for n in run.image.plane_shape)
    spans, reads, pads = [], [], []
    for span, length in zip((rows, columns), shape, strict=True):
        start, stop = with_halo(span, length, HALO * factor)
        first, last = start // scale, -(-stop // scale)
        reach = plan.margin * scale
        start, stop = on_grid((start - reach, stop + reach), ALIGN * factor)
        spans.append((start, stop))
        if not plan.margin:
            first, last = start // scale, min(stop, length) // scale
        reads.append(slice(first, last))
        pads.append((first - start // scale, stop // scale - last))
    native = run.image.read(plane, *reads)
    check()

    norm = plan.normalisation
    noise = binned_noise(plan.noise, binning).affine(norm.centre, norm.scale)
    with np.errstate(over="ignore"):  # a large offset does not survive float32, which therefore comes last
        normalised = norm.apply(native.astype(np.float64)).astype(np.float32)
    inside = [slice(p[0], p[0] + n) for p, n in zip(pads, native.shape, strict=True)]
    measured = np.zeros([n + sum(p) for n, p in zip(native.shape, pads, strict=True)], bool)
    measured[tuple(inside)] = True
    pixels = shrink(torch.from_numpy(np.pad(normalised, pads, mode="edge"))[None, None].to(run.device), binning)
    within = shrink(torch.from_numpy(measured)[None, None].float().to(run.device), binning)
    exact = noise.absent
    reliability = torch.isfinite(pixels).float() if exact else reliable(pixels, noise.std_at(0.0))
    if plan.margin:
        reliability = reliability * (within == 1)
    pixels = torch.where(torch.isfinite(pixels), pixels, torch.zeros_like(pixels))
    # Too bright for the prior: it is put back as measured, neither denoised nor sharpened.
    beyond = stretch((pixels - pixels.clamp(-30, 30)) * reliability, finer)
    pixels = pixels.clamp(-30, 30)
    if plan.weight is not None and not exact:
        share = np.pad(plan.weight.read(plane, *reads), pads, mode="edge")
        reliability = reliability * shrink(torch.from_numpy(share)[None, None].to(run.device), binning)
    voxel = run.image.voxel_size.nm[-1] if run.image.voxel_size else None
    pixel_nm = None if voxel is None else voxel * factor / scale
    place = Place(run.options.seed, plane, spans[0][0] // factor, spans[1][0] // factor)
    inner = tuple(
        slice((a - s[0]) // step, (b - s[0]) // step) for (a, b), s in zip((rows, columns), spans, strict=True)
    )
    seen = [
        slice((a - s[0]) // scale, -(-(b - s[0]) // scale)) for (a, b), s in zip((rows, columns), spans, strict=True)
    ]
    missing = int((~np.isfinite(np.pad(normalised, pads)[tuple(seen)])).sum())

    def out(t: torch.Tensor) -> np.ndarray:
        return stretch(t, factor // step)[0, 0][inner].float().cpu().numpy()

    observation = plan.observe(Patch(pixels, reliability, noise, pixel_nm, finer, binning))
    operator, weight = observation.operator, reliability * (within == 1)
    variance = observation.noise_std().clamp(min=1e-4) ** 2

    def fitted(x: torch.Tensor) -> np.ndarray | None:
        if plan.pointwise:
            return None
        data = operator.forward(x)
        data = data.repeat_interleave(finer, -2).repeat_interleave(finer, -1)
        return norm.undo(out(data))

    samples: list[np.ndarray] = []
    drawn: torch.Tensor | None = None
    for estimate in sample(run.prior, observation, budget, run.options.samples, place, check):
        if exact or plan.keep:
            estimate = keep_measured(estimate, observation)
        if estimate.sample is not None:
            drawn = estimate.sample if drawn is None else drawn
            samples.append(norm.undo(out(estimate.sample + beyond)))
        final = estimate.evaluations == estimate.total
        squares = (observation.y - operator.forward(estimate.mean)) ** 2
        squares = weight * (squares + (estimate.variance if plan.pointwise else 0.0)) / variance
        judged = final and not (exact or plan.keep)
        std = abs(norm.scale) * np.sqrt(np.maximum(out(estimate.variance), 0))
        if len(samples) >= SAMPLES_FOR_SPREAD:
            std = np.std(samples, axis=0, ddof=1).astype(np.float32)
        yield BlockEstimate(
            mean=norm.undo(out(estimate.mean + beyond)),
            std=std,
            samples=tuple(samples),
            evaluations=estimate.evaluations,
            total=estimate.total,
            squares=float(squares.sum()) if judged else 0.0,
            count=float((weight > 0).sum()) if judged else 0.0,
            missing=missing,
            fitted=fitted(drawn if run.wanted and drawn is not None else estimate.mean) if final else None,
        )
