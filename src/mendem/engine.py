"""The engine: what is decided before a run, and the blocks of a run. It knows nothing of single tasks.

A run has two grids: the image's, on which regions are given, and the result's, ``scale`` times finer, in whose pixels
blocks are counted. Pixel i of the image lies at ``scale * i + (scale - 1) / 2`` of the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mendem.appraisal.novelty import Novelty, assess
from mendem.blocks import ALIGN, BLOCK, HALO, Blender, Block, Region, blocks_of, checked_region, on_grid, with_halo
from mendem.device import available_bytes, choose_device, choose_dtype
from mendem.errors import Cancelled, MendemError
from mendem.image import Image
from mendem.measured import put_back
from mendem.noise_refinement import refine_noise
from mendem.normalise import check_intensities, estimate_normalisation
from mendem.options import Options
from mendem.physics.noise import NoiseModel
from mendem.priors.prior import Prior, never
from mendem.resampling import binned_noise, choose_binning, outside, shrink, stretch
from mendem.tasks.base import Patch, Plan, Task


@dataclass(frozen=True)
class Run:
    """Everything that is decided before the first block.

    ``given`` is the user's image, ``image`` what is restored (see `mendem.tasks.base.Plan`). ``region`` is the part of
    each of its slices that is restored; ``planes`` the slices. ``binning`` is the factor by which the
    image is shrunk to suit the prior, 1 for none. ``memory_bytes`` is the expected peak beside input and output.
    ``novelty`` is how unlike the prior's training the image is, None where the prior cannot tell. ``estimated`` is the
    noise as the plan first took it to be.
    """

    given: Image
    image: Image
    task: Task
    options: Options
    inputs: Mapping[str, Image]
    plan: Plan
    prior: Prior
    device: str
    region: Region
    planes: tuple[int, ...]
    binning: int
    memory_bytes: int
    notes: tuple[str, ...]
    novelty: Novelty | None = None
    estimated: NoiseModel | None = None

    @property
    def scale(self) -> int:
        """Pixels of the result for each pixel of the image, along y and x."""
        return self.task.scale

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a restored slice, in pixels of the result."""
        return self.scale * (self.region[1] - self.region[0]), self.scale * (self.region[3] - self.region[2])

    @property
    def blocks(self) -> list[Block]:
        """All blocks in the order in which they are computed, in pixels of the result's region."""
        return [block for plane in self.planes for block in blocks_of(plane, self.shape)]

    @property
    def channels(self) -> tuple[str, ...]:
        """What each block brings."""
        samples = (f"sample {i}" for i in range(self.options.samples))
        return ("mean", "std", *samples, *(() if self.plan.pointwise else ("fitted",)))

    @property
    def wanted(self) -> int:
        """Which of the channels is the result."""
        return self.channels.index("sample 0") if self.options.estimate == "sample" else 0

    @property
    def dtype(self) -> np.dtype:
        """Pixel type of a result in memory: the input's own where measured pixels are kept."""
        return self.given.dtype if self.plan.keep else np.dtype(np.float32)


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


@dataclass(frozen=True)
class Progress:
    """How far a run is: blocks done, all blocks, share of the work, remaining seconds (None at first)."""

    block: int
    blocks: int
    fraction: float
    seconds_left: float | None


@dataclass
class Summary:
    """What a run found while it worked."""

    finished: int = 0
    blocks: int = 0
    evaluations: int = 0
    squares: float = 0.0
    count: float = 0.0
    seconds: float = 0.0
    partial: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def chi2(self) -> float | None:
        """As far from the data as noise and spread say where it is 1; None where there is nothing to compare with."""
        return self.squares / self.count if self.count else None


def prepare(
    image: Image,
    task: Task,
    options: Options | None = None,
    inputs: Mapping[str, Image] | None = None,
    region: Region | None = None,
    planes: tuple[int, ...] | None = None,
    earlier: Run | None = None,
    roughly: bool = False,
    check: Callable[[], None] = never,
) -> Run:
    """Load the prior, look at the whole image, decide how it will be restored; `MendemError` where it cannot be.

    What an ``earlier`` run found out about the same pixels with the same prior is taken over where it would be found
    again, so that another blur or another factor is answered soon; ``roughly``, also where other pixels are filled in,
    which changes the noise that is found a little. ``check`` is called between the steps; it may raise `Cancelled`.
    """
    from mendem.priors.network_prior import load_prior
    from mendem.priors.noise_reader import read_noise

    options, inputs = options or Options(), inputs or {}
    if unknown := sorted(set(inputs) - {slot.name for slot in task.inputs}):
        slots = ", ".join(slot.name for slot in task.inputs) or "none"
        raise MendemError(f"{unknown[0]!r} is no input of {task.name}; its inputs are: {slots}")
    region = checked_region(region, image.plane_shape)
    device = choose_device(options.device)
    prior = load_prior(options.prior, device, choose_dtype(device))
    if image.dtype.itemsize > 4:
        check_intensities(image, estimate_normalisation(image))
    given = image
    with np.errstate(over="ignore"):  # what float32 does not hold counts as not measured
        plan = task.plan(image, inputs)
        image = plan.image or image
        if planes is not None and not (planes and all(0 <= p < image.plane_count for p in planes)):
            raise MendemError(f"the slices {planes} are none, or outside the {image.plane_count} of the image")
        check()
        estimated = plan.noise
        known = earlier if earlier is not None and _looked_at(earlier, given, plan, prior, roughly) else None
        if known is not None:
            plan = replace(plan, noise=known.plan.noise)
        elif plan.noise_from_one_image:
            read = read_noise(image, plan.noise, device)
            check()
            better = refine_noise(image, read, plan.normalisation, prior, device)
            plan = replace(plan, noise=better)
            check()
    said = (*image.metadata.get("notes", ()), *check_intensities(image, plan.normalisation))
    if not (image.voxel_size and image.voxel_size.known or any("voxel size" in note for note in said)):
        said += ("The voxel size is unknown.",)
    binning, why = 1, tuple[str, ...]()
    # A blurred picture is unlike sharp ones, however familiar its tissue: held-out ones would be warned of too.
    unjudged = plan.noise.absent and plan.pointwise or plan.margin > 0
    if plan.noise.absent:
        said += ("No noise was found: what was measured comes back as it is.",) if plan.margin == 0 else ()
    elif options.resample and plan.pointwise and not plan.keep:
        binning, why = choose_binning(image, plan.noise, prior.coverage)
    else:
        why = outside(image, task.scale, prior.coverage)
    novelty = None
    if known is not None and known.novelty is not None and known.binning == binning and not unjudged:
        novelty = known.novelty
    elif not unjudged:
        with np.errstate(over="ignore"):
            novelty = assess(image, binned_noise(plan.noise, binning), plan.normalisation, prior, device, binning)
    if novelty is not None and novelty.warning is not None:
        why += (novelty.warning,)
    lengths = (task.scale * (b - a) for a, b in (region[:2], region[2:]))
    rows, columns = (min(n, BLOCK) / BLOCK * (BLOCK + 2 * (HALO + plan.margin)) for n in lengths)
    needed = int(rows * columns * prior.bytes_per_pixel)
    tile = options.tile
    while not tile and needed > 0.6 * available_bytes(device):
        tile, needed = 512, needed // 2
    prior.tile = tile or None
    return Run(
        given=given,
        image=image,
        task=task,
        options=options,
        inputs=inputs,
        plan=plan,
        prior=prior,
        device=device,
        region=region,
        planes=tuple(range(image.plane_count)) if planes is None else planes,
        binning=binning,
        memory_bytes=needed,
        notes=(*said, *plan.notes, *why),
        novelty=novelty,
        estimated=estimated,
    )


def _looked_at(earlier: Run, image: Image, plan: Plan, prior: Prior, roughly: bool) -> bool:
    """Whether a run was prepared for the same pixels, the same first idea of their noise, and this prior."""
    if earlier.given.data is not image.data or earlier.prior.name != prior.name:
        return False
    if earlier.device != getattr(prior, "device", earlier.device):
        return False
    if plan.image is not None or earlier.plan.image is not None:
        filled = plan.image is not None and earlier.plan.image is not None
        return roughly and filled and plan.noise_from_one_image and earlier.plan.noise_from_one_image
    return (earlier.estimated, earlier.plan.normalisation) == (plan.noise, plan.normalisation)


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


#: From this many samples on, the spread is theirs; with fewer it is the one that the prior predicts.
SAMPLES_FOR_SPREAD = 4


def execute(
    run: Run,
    put: Callable[[int, int, np.ndarray], None],
    progress: Callable[[Progress], None] = lambda _: None,
    check: Callable[[], None] = never,
) -> Summary:
    """Restore all blocks, and hand over finished rows.

    ``put(plane, first_row, arrays)`` receives float32 arrays (channels, rows, width) in the order of ``run.channels``,
    each row once and in order, NaN where a cancelled run left nothing. ``progress`` is called after each evaluation,
    ``check`` many times more; it may raise `Cancelled`: then what was finished (the newest estimate of the block in
    work included) is handed over, rows that were not reached are not, and the summary says ``partial``.
    """
    blocks = run.blocks
    summary = Summary(blocks=len(blocks))
    started = time.monotonic()
    index = missing = 0
    latest: BlockEstimate | None = None
    top, left = run.scale * run.region[0], run.scale * run.region[2]

    def hand_over(plane: int, first: int, arrays: np.ndarray) -> None:
        put_back(run, plane, first, arrays)
        put(plane, first, arrays)

    try:
        for plane in run.planes:
            blender = Blender(run.shape, len(run.channels))
            in_plane = [b for b in blocks if b.plane == plane]
            for block, following in zip(in_plane, [*in_plane[1:], None], strict=True):
                latest = None
                rows = (block.rows[0] + top, block.rows[1] + top)
                columns = (block.columns[0] + left, block.columns[1] + left)
                for latest in estimates(run, plane, rows, columns, check):
                    fraction = (index + latest.evaluations / latest.total) / len(blocks)
                    elapsed = time.monotonic() - started
                    progress(Progress(index, len(blocks), fraction, elapsed * (1 - fraction) / fraction))
                assert latest is not None
                blender.add(block, _arrays(latest, run))
                summary.squares += latest.squares
                summary.count += latest.count
                summary.evaluations += latest.total
                summary.finished += 1
                missing += latest.missing
                index += 1
                latest = None
                hand_over(plane, *blender.take(run.shape[0] if following is None else following.rows[0]))
    except Cancelled:
        summary.partial = True
        if latest is not None:
            blender.add(block, _arrays(latest, run))
            summary.evaluations += latest.evaluations
        hand_over(plane, *blender.take(run.shape[0]))
    if missing and run.plan.image is None:
        summary.notes.append(
            f"About {missing} pixels are not finite numbers: they were taken as not measured, and filled in."
        )
    summary.seconds = time.monotonic() - started
    return summary


def _arrays(estimate: BlockEstimate, run: Run) -> np.ndarray:
    """In the order of ``run.channels``; NaN for what a cancelled block does not have yet."""
    absent = np.full_like(estimate.mean, np.nan)
    samples = [*estimate.samples, *[absent] * (run.options.samples - len(estimate.samples))]
    fitted = [] if run.plan.pointwise else [absent if estimate.fitted is None else estimate.fitted]
    return np.stack([estimate.mean, estimate.std, *samples, *fitted])
