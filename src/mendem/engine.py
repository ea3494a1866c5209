"""The engine: what is decided before a run, and the blocks of a run. It knows nothing of single tasks.

A run has two grids: the image's, on which regions are given, and the result's, ``scale`` times finer, in whose pixels
blocks are counted. Pixel i of the image lies at ``scale * i + (scale - 1) / 2`` of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mendem.appraisal.novelty import Novelty, assess
from mendem.blocks import (
    BLOCK,
    HALO,
    VOLUME_BLOCK,
    VOLUME_HALO,
    Block,
    Region,
    blocks_of,
    checked_region,
    volume_blocks,
)
from mendem.device import available_bytes, choose_device, choose_dtype
from mendem.errors import MendemError
from mendem.image import Image
from mendem.noise_refinement import refine_noise
from mendem.normalise import check_intensities, estimate_normalisation
from mendem.options import Options
from mendem.physics.noise import NoiseModel
from mendem.physics.section_grid import SectionGrid
from mendem.priors.prior import Prior, never
from mendem.resampling import binned_noise, choose_binning, outside
from mendem.tasks.base import Plan, Task

#: Pixels of the planes of a volume that are asked about at once, and how many float32 arrays of the size of a block are
#: alive at the peak.
VOLUME_BATCH = 1 << 20
VOLUMES_AT_ONCE = 14


@dataclass(frozen=True)
class Run:
    """Everything that is decided before the first block.

    ``given`` is the user's image, ``image`` what is restored (see `mendem.tasks.base.Plan`). ``region`` is the part of
    each of its slices that is restored; ``planes`` the slices. ``binning`` is the factor by which the
    image is shrunk to suit the prior, 1 for none. ``memory_bytes`` is the expected peak beside input and output.
    ``novelty`` is how unlike the prior's training the image is, None where the prior cannot tell. ``estimated`` is the
    noise as the plan first took it to be. ``lean`` leaves out of the ``channels`` what no file of a result holds.
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
    lean: bool = False

    @property
    def scale(self) -> int:
        """Pixels of the result for each pixel of the image, along y and x."""
        return self.task.scale

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a restored slice, in pixels of the result."""
        return self.scale * (self.region[1] - self.region[0]), self.scale * (self.region[3] - self.region[2])

    @property
    def grid(self) -> SectionGrid | None:
        """How the slices lie in a volume of finer planes; None where slices are restored one by one."""
        return self.plan.grid

    @property
    def blocks(self) -> list[Block]:
        """All blocks in the order in which they are computed, in pixels of the result's region."""
        if self.grid is not None:
            return volume_blocks((self.grid.height, *self.shape))
        return [block for plane in self.planes for block in blocks_of(plane, self.shape)]

    @property
    def result_planes(self) -> int:
        """Slices of the result."""
        return len(self.planes) if self.grid is None else self.grid.height

    def places(self, block: Block) -> slice:
        """Where the planes of a part of the result lie among those that are restored."""
        if self.grid is not None:
            return slice(*block.planes)
        first = self.planes.index(block.plane)
        return slice(first, first + 1)

    @property
    def channels(self) -> tuple[str, ...]:
        """What each block brings."""
        if self.lean:
            return ("mean", "std", "sample 0") if self.options.estimate == "sample" else ("mean", "std")
        samples = (f"sample {i}" for i in range(self.options.samples))
        return ("mean", "std", *samples, *(() if self.plan.pointwise or self.grid is not None else ("fitted",)))

    @property
    def wanted(self) -> int:
        """Which of the channels is the result."""
        return self.channels.index("sample 0") if self.options.estimate == "sample" else 0

    @property
    def dtype(self) -> np.dtype:
        """Pixel type of a result in memory: the input's own where measured pixels are kept."""
        return self.given.dtype if self.plan.keep else np.dtype(np.float32)


@dataclass(frozen=True)
class Progress:
    """How far a run is: blocks done, all blocks, share of the work, remaining seconds (None at first)."""

    block: int
    blocks: int
    fraction: float
    seconds_left: float | None


@dataclass
class Summary:
    """What a run found while it worked; ``resumed`` is how often it was interrupted and went on."""

    finished: int = 0
    blocks: int = 0
    evaluations: int = 0
    squares: float = 0.0
    count: float = 0.0
    seconds: float = 0.0
    partial: bool = False
    resumed: int = 0
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
    from mendem.priors.checkpoint import DEFAULT_PRIOR
    from mendem.priors.network_prior import load_prior
    from mendem.priors.noise_reader import read_noise

    options, inputs = options or Options(), inputs or {}
    if unknown := sorted(set(inputs) - {slot.name for slot in task.inputs}):
        slots = ", ".join(slot.name for slot in task.inputs) or "none"
        raise MendemError(f"{unknown[0]!r} is no input of {task.name}; its inputs are: {slots}")
    region = checked_region(region, image.plane_shape)
    device = choose_device(options.device)
    dtype = choose_dtype(device)
    prior = load_prior(task.prior if options.prior == "auto" else options.prior, device, dtype)
    # Noise and novelty are those of single slices.
    looking = prior if prior.frames == 1 else load_prior(DEFAULT_PRIOR, device, dtype)
    if image.dtype.itemsize > 4:
        check_intensities(image, estimate_normalisation(image))
    if prior.frames > 1 and task.grid(image) is None:
        raise MendemError(f"the prior {prior.name} restores volumes, not single slices; choose another one")
    given = image
    with np.errstate(over="ignore"):  # what float32 does not hold counts as not measured
        same = earlier is not None and earlier.given.data is given.data and type(earlier.task) is type(task)
        plan = task.plan(image, inputs, check, earlier.plan if earlier is not None and same else None)
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
            better = refine_noise(image, read, plan.normalisation, looking, device)
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
            novelty = assess(image, binned_noise(plan.noise, binning), plan.normalisation, looking, device, binning)
    if novelty is not None and novelty.warning is not None:
        why += (novelty.warning,)
    needed, tile = _memory(task, plan, prior, region), options.tile
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


def _memory(task: Task, plan: Plan, prior: Prior, region: Region) -> int:
    """Expected peak beside input and output, in bytes."""
    lengths = [task.scale * (b - a) for a, b in (region[:2], region[2:])]
    if plan.grid is None:
        rows, columns = (min(n, BLOCK) / BLOCK * (BLOCK + 2 * (HALO + plan.margin)) for n in lengths)
        return int(rows * columns * prior.bytes_per_pixel)
    inner = [min(n, VOLUME_BLOCK) for n in (plan.grid.height, *lengths)]
    planes = min(plan.grid.height, inner[0] + 2 * VOLUME_HALO)
    return int(VOLUMES_AT_ONCE * 4 * planes * inner[1] * inner[2] + VOLUME_BATCH * prior.bytes_per_pixel)


def _looked_at(earlier: Run, image: Image, plan: Plan, prior: Prior, roughly: bool) -> bool:
    """Whether a run was prepared for the same pixels, the same first idea of their noise, and this prior."""
    if earlier.given.data is not image.data or earlier.prior.name != prior.name:
        return False
    if earlier.device != getattr(prior, "device", earlier.device):
        return False
    if (plan.image is not None or earlier.plan.image is not None) and plan.stack is None:
        filled = plan.image is not None and earlier.plan.image is not None
        return roughly and filled and plan.noise_from_one_image and earlier.plan.noise_from_one_image
    if plan.stack is not earlier.plan.stack:
        return False
    return (earlier.estimated, earlier.plan.normalisation) == (plan.noise, plan.normalisation)
