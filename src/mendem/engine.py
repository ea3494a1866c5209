"""The engine: what is decided before a run, and the blocks of a run. It knows nothing of single tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mendem.blocks import HALO, Blender, Block, blocks_of, with_halo
from mendem.device import available_bytes, choose_device, choose_dtype
from mendem.errors import Cancelled, MendemError
from mendem.image import Image
from mendem.options import Options
from mendem.priors.prior import Prior, never
from mendem.resampling import binned_noise, choose_binning, shrink, stretch
from mendem.tasks.base import Plan, Task

#: (first row, last row + 1, first column, last column + 1) in pixels of a slice.
Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class Run:
    """Everything that is decided before the first block.

    ``region`` is the part of each slice that is restored; ``planes`` the slices. ``binning`` is the factor
    by which the image is shrunk to suit the prior, 1 for none. ``memory_bytes`` is the expected peak beside the
    input and the output.
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

    ``squares`` and ``count`` add up to chi² over blocks (see `estimates`).
    """

    mean: np.ndarray
    std: np.ndarray
    samples: tuple[np.ndarray, ...]
    evaluations: int
    total: int
    squares: float
    count: float


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
    """Load the prior, look at the whole image, and decide how it will be restored.

    Raises `MendemError` for a device, prior, region or image that cannot be used.
    """
    from mendem.priors.network_prior import load_prior

    options, inputs = options or Options(), inputs or {}
    height, width = image.plane_shape
    region = region or (0, height, 0, width)
    if not (0 <= region[0] < region[1] <= height and 0 <= region[2] < region[3] <= width):
        raise MendemError(f"the region {region} is empty or outside the image of {height} x {width} pixels")
    device = choose_device(options.device)
    prior = load_prior(options.prior, device, choose_dtype(device))
    plan = task.plan(image, inputs)
    binning, why = choose_binning(image, plan.noise, prior.coverage) if options.resample else (1, ())
    pixels = min(1.0, (region[1] - region[0]) / 1024) * min(1.0, (region[3] - region[2]) / 1024) * (1024 + 2 * HALO) ** 2
    needed = int(pixels * prior.bytes_per_pixel)
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
        notes=(*plan.notes, *why),
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

    chi² is the mean over measured pixels of ``((y - mean)² + variance) / noise variance``. Where mean, spread and
    noise are right it is 1, whatever the image: E[(y - m)²] = noise - Var[x | y] for the posterior mean m.
    """
    import torch

    from mendem.physics.defects import reliable
    from mendem.sampling import BUDGETS, Place, sample

    factor = run.binning if binning is None else binning
    height, width = run.image.plane_shape
    r0, r1 = with_halo(rows, height, HALO * factor)
    c0, c1 = with_halo(columns, width, HALO * factor)
    r0, c0 = r0 - r0 % factor, c0 - c0 % factor
    native = run.image.read(plane, slice(r0, r1), slice(c0, c1)).astype(np.float32)
    size = native.shape
    check()

    norm = run.plan.normalisation
    noise = binned_noise(run.plan.noise, factor).affine(norm.centre, norm.scale)
    pixels = shrink(torch.from_numpy(norm.apply(native)).float()[None, None].to(run.device), factor)
    reliability = reliable(pixels, noise.std_at(0.0))
    pixels = torch.where(torch.isfinite(pixels), pixels, torch.zeros_like(pixels)).clamp(-30, 30)
    voxel = run.image.voxel_size.nm[-1] if run.image.voxel_size else None
    pixel_nm = None if voxel is None else voxel * factor
    place = Place(run.options.seed, plane, r0 // factor, c0 // factor)
    inner = (slice(rows[0] - r0, rows[1] - r0), slice(columns[0] - c0, columns[1] - c0))

    def out(t: torch.Tensor) -> np.ndarray:
        return stretch(t, factor)[0, 0, : size[0], : size[1]][inner].float().cpu().numpy()

    samples: list[np.ndarray] = []
    spent = 0
    for number, step in enumerate(run.plan.steps):
        observation = step(pixels, reliability, noise, pixel_nm)
        variance = observation.noise_std().clamp(min=1e-4) ** 2
        budget = BUDGETS[run.options.budget]
        last = number + 1 == len(run.plan.steps)
        for estimate in sample(run.prior, observation, budget, run.options.samples if last else 0, place, check):
            if estimate.sample is not None:
                samples.append(norm.undo(out(estimate.sample)))
            squares = reliability * ((observation.y - estimate.mean) ** 2 + estimate.variance) / variance
            std = abs(norm.scale) * np.sqrt(np.maximum(out(estimate.variance), 0))
            if len(samples) >= SAMPLES_FOR_SPREAD:
                std = np.std(samples, axis=0, ddof=1).astype(np.float32)
            yield BlockEstimate(
                mean=norm.undo(out(estimate.mean)),
                std=std,
                samples=tuple(samples),
                evaluations=spent + estimate.evaluations,
                total=spent + estimate.total,
                squares=float(squares.sum()) if estimate.evaluations == estimate.total else 0.0,
                count=float(reliability.sum()) if estimate.evaluations == estimate.total else 0.0,
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

    ``put(plane, first_row, arrays)`` receives float32 arrays (channels, rows, width) in the order of
    ``run.channels``, each row once and in order, NaN where a cancelled run left nothing. ``progress`` is
    called after each evaluation, ``check`` many times more; it may raise `Cancelled`, and then what was finished
    (the newest estimate of the block in work included) is handed over and the summary says ``partial``.
    """
    blocks = run.blocks
    summary = Summary(blocks=len(blocks))
    started = time.monotonic()
    index = 0
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
                index += 1
                latest = None
                put(plane, *blender.take(run.shape[0] if following is None else following.rows[0]))
    except Cancelled:
        summary.partial = True
        if latest is not None:
            blender.add(block, _arrays(latest, run.options.samples))
            summary.evaluations += latest.evaluations
        put(plane, *blender.take(run.shape[0]))
    summary.seconds = time.monotonic() - started
    return summary


def _arrays(estimate: BlockEstimate, samples: int) -> np.ndarray:
    missing = [np.full_like(estimate.mean, np.nan)] * (samples - len(estimate.samples))
    return np.stack([estimate.mean, estimate.std, *estimate.samples, *missing])
