"""The engine: what is decided before a run, and the blocks of a run. It knows nothing of single tasks."""

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
from mendem.noise_refinement import refine_noise
from mendem.normalise import check_intensities, estimate_normalisation
from mendem.options import Options
from mendem.priors.prior import Prior, never
from mendem.resampling import binned_noise, choose_binning, shrink, stretch
from mendem.tasks.base import Plan, Task


@dataclass(frozen=True)
class Run:
    """Everything that is decided before the first block.

    ``region`` is the part of each slice that is restored; ``planes`` the slices. ``binning`` is the factor by which the
    image is shrunk to suit the prior, 1 for none. ``memory_bytes`` is the expected peak beside input and output.
    ``novelty`` is how unlike the prior's training the image is, None where the prior cannot tell.
    """

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

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a restored slice."""
        return self.region[1] - self.region[0], self.region[3] - self.region[2]

    @property
    def blocks(self) -> list[Block]:
        """All blocks in the order in which they are computed, in pixels of the region."""
        return [block for plane in self.planes for block in blocks_of(plane, self.shape)]

    @property
    def channels(self) -> tuple[str, ...]:
        """What each block brings."""
        return ("mean", "std", *(f"sample {i}" for i in range(self.options.samples)))


@dataclass(frozen=True)
class BlockEstimate:
    """The answer so far for one block, in the image's units; arrays (rows, columns) of what was asked for.

    ``squares`` and ``count`` add up to chi² over blocks (see `estimates`); ``missing`` pixels were not finite.
    """

    mean: np.ndarray
    std: np.ndarray
    samples: tuple[np.ndarray, ...]
    evaluations: int
    total: int
    squares: float
    count: float
    missing: int = 0


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
        """1 where the answer is as far from the data as noise and spread say; None where nothing was measured."""
        return self.squares / self.count if self.count else None


def prepare(
    image: Image,
    task: Task,
    options: Options | None = None,
    inputs: Mapping[str, Image] | None = None,
    region: Region | None = None,
    planes: tuple[int, ...] | None = None,
) -> Run:
    """Load the prior, look at the whole image, decide how it will be restored; `MendemError` where it cannot be."""
    from mendem.priors.network_prior import load_prior
    from mendem.priors.noise_reader import read_noise

    options, inputs = options or Options(), inputs or {}
    if unknown := sorted(set(inputs) - {slot.name for slot in task.inputs}):
        slots = ", ".join(slot.name for slot in task.inputs) or "none"
        raise MendemError(f"{unknown[0]!r} is no input of {task.name}; its inputs are: {slots}")
    region = checked_region(region, image.plane_shape)
    device = choose_device(options.device)
    prior = load_prior(options.prior, device, choose_dtype(device))
    if planes is not None and not (planes and all(0 <= p < image.plane_count for p in planes)):
        raise MendemError(f"the slices {planes} are none, or outside the {image.plane_count} of the image")
    if image.dtype.itemsize > 4:
        check_intensities(image, estimate_normalisation(image))
    with np.errstate(over="ignore"):  # what float32 does not hold counts as not measured
        plan = task.plan(image, inputs)
        if plan.noise_from_one_image:
            read = read_noise(image, plan.noise, device)
            better = refine_noise(image, read, plan.normalisation, prior, device)
            plan = replace(plan, noise=better)
    said = (*image.metadata.get("notes", ()), *check_intensities(image, plan.normalisation))
    if not (image.voxel_size and image.voxel_size.known or any("voxel size" in note for note in said)):
        said += ("The voxel size is unknown.",)
    binning, why = 1, tuple[str, ...]()
    if plan.noise.absent:
        why = ("No noise was found: what was measured comes back as it is.",)
    elif options.resample:
        binning, why = choose_binning(image, plan.noise, prior.coverage)
    novelty = None
    if not plan.noise.absent:  # else the image comes back as it is
        with np.errstate(over="ignore"):
            novelty = assess(image, binned_noise(plan.noise, binning), plan.normalisation, prior, device, binning)
    if novelty is not None and novelty.warning is not None:
        why += (novelty.warning,)
    rows, columns = (min(b - a, BLOCK) / BLOCK * (BLOCK + 2 * HALO) for a, b in (region[:2], region[2:]))
    needed = int(rows * columns * prior.bytes_per_pixel)
    tile = options.tile
    while not tile and needed > 0.6 * available_bytes(device):
        tile, needed = 512, needed // 2
    prior.tile = tile or None
    return Run(
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
    )


def estimates(
    run: Run,
    plane: int,
    rows: tuple[int, int],
    columns: tuple[int, int],
    check: Callable[[], None] = never,
    binning: int | None = None,
) -> Iterator[BlockEstimate]:
    """Restore one part of one slice, better and better; rows and columns are (start, stop) in the whole slice.

    chi² is the mean over measured pixels of ``((y - mean)² + variance) / noise variance``: 1 where mean, spread and
    noise are right, whatever the image, since E[(y - m)²] = noise - Var[x | y] for the posterior mean m.
    """
    import torch

    from mendem.physics.defects import reliable
    from mendem.sampling import BUDGETS, Place, keep_measured, sample

    factor = run.binning if binning is None else binning
    height, width = run.image.plane_shape
    r0, r1 = on_grid(with_halo(rows, height, HALO * factor), ALIGN * factor)
    c0, c1 = on_grid(with_halo(columns, width, HALO * factor), ALIGN * factor)
    native = run.image.read(plane, slice(r0, min(r1, height)), slice(c0, min(c1, width)))
    size = native.shape
    native = np.pad(native, ((0, r1 - r0 - size[0]), (0, c1 - c0 - size[1])), mode="edge")
    check()

    norm = run.plan.normalisation
    noise = binned_noise(run.plan.noise, factor).affine(norm.centre, norm.scale)
    with np.errstate(over="ignore"):  # a large offset does not survive float32, which therefore comes last
        normalised = norm.apply(native.astype(np.float64)).astype(np.float32)
    pixels = shrink(torch.from_numpy(normalised)[None, None].to(run.device), factor)
    exact = noise.absent
    reliability = torch.isfinite(pixels).float() if exact else reliable(pixels, noise.std_at(0.0))
    pixels = torch.where(torch.isfinite(pixels), pixels, torch.zeros_like(pixels))
    beyond = (pixels - pixels.clamp(-30, 30)) * reliability  # too bright for the prior: it is put back as measured
    pixels = pixels.clamp(-30, 30)
    voxel = run.image.voxel_size.nm[-1] if run.image.voxel_size else None
    pixel_nm = None if voxel is None else voxel * factor
    place = Place(run.options.seed, plane, r0 // factor, c0 // factor)
    inner = (slice(rows[0] - r0, rows[1] - r0), slice(columns[0] - c0, columns[1] - c0))
    missing = int((~np.isfinite(normalised[inner])).sum())

    def out(t: torch.Tensor) -> np.ndarray:
        return stretch(t, factor)[0, 0, : size[0], : size[1]][inner].float().cpu().numpy()

    samples: list[np.ndarray] = []
    spent = 0
    for number, step in enumerate(run.plan.steps):
        observation = step(pixels, reliability, noise, pixel_nm)
        weight = reliability.clone()
        weight[..., -(-size[0] // factor) :, :] = weight[..., -(-size[1] // factor) :] = 0  # outside the image
        variance = observation.noise_std().clamp(min=1e-4) ** 2
        budget = BUDGETS[run.options.budget]
        last = number + 1 == len(run.plan.steps)
        for estimate in sample(run.prior, observation, budget, run.options.samples if last else 0, place, check):
            if exact:
                estimate = keep_measured(estimate, observation)
            if estimate.sample is not None:
                samples.append(norm.undo(out(estimate.sample + beyond)))
            squares = weight * ((observation.y - estimate.mean) ** 2 + estimate.variance) / variance
            judged = estimate.evaluations == estimate.total and not exact
            std = abs(norm.scale) * np.sqrt(np.maximum(out(estimate.variance), 0))
            if len(samples) >= SAMPLES_FOR_SPREAD:
                std = np.std(samples, axis=0, ddof=1).astype(np.float32)
            yield BlockEstimate(
                mean=norm.undo(out(estimate.mean + beyond)),
                std=std,
                samples=tuple(samples),
                evaluations=spent + estimate.evaluations,
                total=spent + estimate.total,
                squares=float(squares.sum()) if judged else 0.0,
                count=float(weight.sum()) if judged else 0.0,
                missing=missing,
            )
        spent += estimate.total
        pixels = estimate.mean


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
    top, left = run.region[0], run.region[2]
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
                blender.add(block, _arrays(latest, run.options.samples))
                summary.squares += latest.squares
                summary.count += latest.count
                summary.evaluations += latest.total
                summary.finished += 1
                missing += latest.missing
                index += 1
                latest = None
                put(plane, *blender.take(run.shape[0] if following is None else following.rows[0]))
    except Cancelled:
        summary.partial = True
        if latest is not None:
            blender.add(block, _arrays(latest, run.options.samples))
            summary.evaluations += latest.evaluations
        put(plane, *blender.take(run.shape[0]))
    if missing:
        summary.notes.append(
            f"About {missing} pixels are not finite numbers: they were taken as not measured, and filled in."
        )
    summary.seconds = time.monotonic() - started
    return summary


def _arrays(estimate: BlockEstimate, samples: int) -> np.ndarray:
    missing = [np.full_like(estimate.mean, np.nan)] * (samples - len(estimate.samples))
    return np.stack([estimate.mean, estimate.std, *estimate.samples, *missing])
