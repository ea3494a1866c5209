"""One part of a volume, restored from its sections: planes along z are asked for in two directions, and joined.

A plane xz shows the sections as its rows, and so does a plane yz. The network sees one plane and its nearest
neighbours; the mean over both directions has the stripes of neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import torch
from torch import Tensor

from mendem.blocks import ALIGN, VOLUME_HALO, Block, on_grid, with_halo
from mendem.engine import VOLUME_BATCH, Run
from mendem.errors import MendemError
from mendem.physics.defects import reliable
from mendem.physics.noise import NoiseModel
from mendem.physics.observation import Observation
from mendem.physics.section_grid import SectionGrid
from mendem.physics.sections import Sections
from mendem.priors.condition import FRAME_DISTANCE, Condition, unturn_image
from mendem.priors.prior import never
from mendem.priors.solver import chain, noise_levels
from mendem.sampling import END_LEVEL, Budget, start_level
from mendem.slices import SAMPLES_FOR_SPREAD, BlockEstimate

#: Directions in which planes are asked for: along x, and along y.
XZ, YZ = "xz", "yz"

#: Symmetries of each direction, and evaluations of a sample, by budget.
BUDGETS = {"preview": Budget(1, 4), "balanced": Budget(1, 8), "best": Budget(4, 16)}

#: Symmetries in the order in which they are spent: a plane along z may be mirrored, but its axes do not change places.
MIRRORS = (0, 3, 1, 2)

#: Normalised intensities beyond this are left as they were measured.
BRIGHTEST = 30.0


def volume_estimates(
    run: Run, block: Block, check: Callable[[], None] = never, directions: tuple[str, ...] = (XZ, YZ)
) -> Iterator[BlockEstimate]:
    """Restore a part of a volume; block counts pixels of the result's region. Arrays are (planes, rows, columns).

    While it works the mean has the planes that are done, and interpolation elsewhere; the last estimate is whole.
    ``directions`` is both, or the one that is wanted soon. chi² is the mean over measured pixels of
    ``(y - A mean)² / noise variance``: at most 1 where mean and noise are right, since the spread of A x is left out.
    """
    budget = BUDGETS[run.options.budget]
    # A sample is drawn with its surroundings, which the next step of the chain looks at.
    part = _Part.read(run, block, run.options.samples > 0, check)
    turns = MIRRORS[: budget.turns]
    asked = sum(len(part.batches(d)) for d in directions)
    total = asked + run.options.samples * budget.steps
    spent = 0
    mean, variance = part.between(), None
    joined: list[tuple[Tensor, Tensor]] = []
    for direction in directions:
        answer = mean.clone(), torch.zeros_like(mean)
        for positions in part.batches(direction):
            part.ask(run, direction, positions, turns, answer, check)
            spent += 1
            if spent < asked:
                yield part.estimate(run, answer[0] if not joined else joined[0][0], None, [], spent, total)
        joined.append(answer)
    mean, variance = _join(joined)
    samples: list[Tensor] = []
    for number in range(run.options.samples):
        levels = noise_levels(
            highest := start_level(variance[part.kept][:, None]), min(END_LEVEL, highest / 20), budget.steps
        )
        noise = part.noise_field(run.options.seed, number)
        start = mean + (levels[0] ** 2 + variance).sqrt() * noise
        step = iter(range(budget.steps))

        def predict(x: Tensor, sigma: float, step: Iterator[int] = step) -> Tensor:
            direction = directions[next(step) % len(directions)]
            clean = (x.clone(), torch.zeros_like(x))
            for positions in part.batches(direction):
                part.ask(run, direction, positions, (0,), clean, check, x, sigma)
            return part.consistent(clean[0])

        for done, drawn in enumerate(chain(predict, start, levels), 1):
            spent += 1
            if done == budget.steps:
                samples.append(drawn)
            if spent < total:
                yield part.estimate(run, mean, variance, samples, spent, total)
    yield part.estimate(run, mean, variance, samples, total, total, final=True)


def _join(answers: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """The mean of both directions, and its variance: their errors are nearly the same, where they agree."""
    if len(answers) == 1:
        return answers[0]
    (a, s), (b, t) = answers
    return (a + b) / 2, ((s.sqrt() + t.sqrt()) / 2) ** 2


@dataclass
class _Part:
    """What was measured around a block, in normalised units, and where it lies.

    Attributes
    ----------
    pixels, reliability
        (sections, rows, columns); finite, and 0 where nothing was measured.
    beyond
        What the brightest pixels exceed `BRIGHTEST` by.
    operator
        From planes that begin at ``low`` to the sections.
    low, rows, columns
        First plane, and rows and columns (start, stop) of the image.
    window
        Rows and columns that are asked about, from the beginning of the part: those that are kept, or all.
    kept
        Of planes, rows and columns what is kept, from the beginning of the window.
    """

    pixels: Tensor
    reliability: Tensor
    beyond: Tensor
    operator: Sections
    noise: dict[str, NoiseModel]
    grid: SectionGrid
    low: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    window: tuple[slice, slice]
    kept: tuple[slice, slice, slice]
    keep: bool
    frames: int

    @classmethod
    def read(cls, run: Run, block: Block, whole: bool, check: Callable[[], None]) -> _Part:
        grid = run.grid
        assert grid is not None
        z0, z1 = block.planes
        top, left = run.region[0], run.region[2]
        inner_rows, inner_columns = (
            (a + first, b + first) for (a, b), first in ((block.rows, top), (block.columns, left))
        )
        low, high, sections = sections_near(grid, z0, z1)
        lengths = run.image.plane_shape
        rows, columns = (
            on_grid(with_halo(span, length, VOLUME_HALO), ALIGN)
            for span, length in zip((inner_rows, inner_columns), lengths, strict=True)
        )
        reads = [slice(a, min(b, n)) for (a, b), n in zip((rows, columns), lengths, strict=True)]
        pad = [(0, b - r.stop) for (_, b), r in zip((rows, columns), reads, strict=True)]
        norm = run.plan.normalisation
        pixels = np.empty((len(sections), rows[1] - rows[0], columns[1] - columns[0]), np.float32)
        for i, section in enumerate(sections):
            with np.errstate(over="ignore"):
                native = norm.apply(run.image.read(section, *reads).astype(np.float64)).astype(np.float32)
            pixels[i] = np.pad(native, pad, mode="edge")
            check()
        noise = run.plan.noise.affine(norm.centre, norm.scale)
        measured = torch.from_numpy(pixels).to(run.device)
        known = torch.isfinite(measured)
        reliability = known.float()
        if not noise.absent and not run.plan.keep:
            reliability = reliable(measured[:, None], noise.std_at(0.0))[:, 0]
        filled = _filled_along(measured, reliability > 0)
        clamped = filled.clamp(-BRIGHTEST, BRIGHTEST)
        cy, cx = noise.correlation
        window = [
            slice(0, b - a) if whole else slice(inner[0] - a, inner[1] - a)
            for inner, (a, b) in ((inner_rows, rows), (inner_columns, columns))
        ]
        firsts = low, *(span[0] + w.start for span, w in zip((rows, columns), window, strict=True))
        begins = z0, inner_rows[0], inner_columns[0]
        kept = [slice(a - f, a - f + n) for a, f, n in zip(begins, firsts, block.shape, strict=True)]
        starts = tuple(grid.start(i) - low for i in sections)
        return cls(
            pixels=clamped,
            reliability=reliability,
            beyond=filled - clamped,
            operator=Sections(starts, grid.width, grid.spacing, high - low),
            # A row of the scan is a row of the plane xz; in a plane yz its offset is one pixel's alone.
            noise={
                XZ: replace(noise, correlation=(0.0, cx)),
                YZ: replace(noise, correlation=(0.0, cy), scan_line=0.0),
            },
            grid=grid,
            low=low,
            rows=rows,
            columns=columns,
            window=(window[0], window[1]),
            kept=(kept[0], kept[1], kept[2]),
            keep=run.plan.keep or noise.absent,
            frames=run.prior.frames,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows and columns of the part."""
        return self.operator.height, self.pixels.shape[1], self.pixels.shape[2]

    def between(self) -> Tensor:
        """Cubic interpolation between the sections, of the window."""
        return self.operator.interpolate(self.pixels[:, *self.window])

    def batches(self, direction: str) -> list[range]:
        """The planes of the window to be asked about in one direction, some at a time; they count from the part's."""
        axis = 1 if direction == XZ else 2
        asked = range(self.window[axis - 1].start, self.window[axis - 1].stop)
        step = max(1, VOLUME_BATCH // (self.shape[0] * self.shape[3 - axis]))
        return [asked[i : i + step] for i in range(0, len(asked), step)]

    def condition(self, direction: str, positions: range) -> Condition:
        """What was observed of some planes and their neighbours, (N, frames, planes, length)."""
        axis = 1 if direction == XZ else 2
        offsets = FRAME_DISTANCE * (torch.arange(self.frames) - self.frames // 2)
        index = torch.tensor(positions)[:, None] + offsets
        last = self.shape[axis] - 1
        index = (last - (last - index.abs()).abs()).clamp(0, last)  # mirrored at the ends

        def planes(volume: Tensor) -> Tensor:
            taken = volume.movedim(axis, 0)[index.flatten().to(volume.device)]
            return taken.reshape(*index.shape, *taken.shape[1:])

        noise = self.noise[direction]
        return Observation(planes(self.pixels), self.operator, noise, planes(self.reliability)).condition()

    def ask(
        self,
        run: Run,
        direction: str,
        positions: range,
        turns: tuple[int, ...],
        answer: tuple[Tensor, Tensor],
        check: Callable[[], None],
        x: Tensor | None = None,
        sigma: float | None = None,
    ) -> None:
        """Put the mean and variance of some planes into ``answer``; given ``x``, a noisy volume, of what it shows.

        All volumes are of the window.
        """
        axis = 1 if direction == XZ else 2
        condition = self.condition(direction, positions)
        first, along = self.window[axis - 1].start, self.window[2 - axis]
        part = slice(positions.start - first, positions.stop - first)
        x_t = None if x is None else x.movedim(axis, 0)[part][:, None]
        for i, turn in enumerate(turns):
            turned = run.prior.denoise(x_t, sigma, condition.turned(turn), check)
            for target, value in zip(answer, turned, strict=True):
                planes = target.movedim(axis, 0)
                value = unturn_image(value, turn)[:, 0, :, along]
                planes[part] = value if i == 0 else planes[part] + (value - planes[part]) / (i + 1)

    def consistent(self, volume: Tensor) -> Tensor:
        """The window of a volume with what was measured without noise, or is kept, put back."""
        if not self.keep:
            return volume
        wide = volume.reshape(volume.shape[0], -1)
        pixels, known = self.pixels[:, *self.window], self.reliability[:, *self.window]
        y, reliability = (t.reshape(t.shape[0], -1) for t in (pixels, known))
        back = self.operator.consistent(wide, y, reliability).reshape(volume.shape)
        if self.grid.single:  # bit for bit, not to rounding
            for i, start in enumerate(self.operator.starts):
                back[int(start)] = torch.where(known[i] > 0, pixels[i], back[int(start)])
        return back

    def noise_field(self, seed: int, number: int) -> Tensor:
        """Standard normal numbers for a sample, which depend on the place in the volume alone."""
        from mendem.noise_hash import normal

        rows, columns = (
            range(first + w.start, first + w.stop)
            for (first, _), w in zip((self.rows, self.columns), self.window, strict=True)
        )
        planes = range(self.low, self.low + self.shape[0])
        return torch.stack([normal(seed, number, 0, z, rows, columns, self.pixels.device) for z in planes])

    def estimate(
        self,
        run: Run,
        mean: Tensor,
        variance: Tensor | None,
        samples: list[Tensor],
        spent: int,
        total: int,
        final: bool = False,
    ) -> BlockEstimate:
        """What is known so far, in the image's units."""
        norm = run.plan.normalisation
        if final:
            mean = self.consistent(mean)
        bright = self.operator.interpolate(self.beyond[:, *self.window])[self.kept] if bool(self.beyond.any()) else 0.0

        def out(t: Tensor) -> np.ndarray:
            return norm.undo((t[self.kept] + bright).float().cpu().numpy())

        squares = count = 0.0
        if final and not self.keep:
            squares, count = self._misfit(mean)
        drawn = [out(s) for s in samples]
        std = np.zeros(tuple(s.stop - s.start for s in self.kept), np.float32)
        if variance is not None:
            std = abs(norm.scale) * variance[self.kept].clamp(min=0).sqrt().float().cpu().numpy()
            if self.keep and self.grid.single:
                self._certain(std)
        if len(drawn) >= SAMPLES_FOR_SPREAD:
            std = np.std(drawn, axis=0, ddof=1).astype(np.float32)
        return BlockEstimate(out(mean), std, tuple(drawn), spent, total, squares, count)

    def _misfit(self, mean: Tensor) -> tuple[float, float]:
        """Squared residuals over the noise of the sections that begin in what is kept, and their number."""
        planes, *inner = self.kept
        begins = [i for i, s in enumerate(self.operator.starts) if planes.start <= s < planes.stop]
        y, weight = (t[begins][:, *self.window][:, *inner] for t in (self.pixels, self.reliability))
        kept = mean[:, *inner]
        fitted = self.operator.forward(kept.reshape(len(kept), -1))[begins].reshape(y.shape)
        variance = self.noise[XZ].variance(fitted).clamp(min=1e-8)
        return float((weight * (y - fitted) ** 2 / variance).sum()), float((weight > 0).sum())

    def _certain(self, std: np.ndarray) -> None:
        """No spread where a plane was measured."""
        planes, *inner = self.kept
        for i, start in enumerate(self.operator.starts):
            plane = int(start) - planes.start
            if 0 <= plane < len(std):
                known = (self.reliability[i][self.window][tuple(inner)] > 0).cpu().numpy()
                std[plane][known] = 0


def sections_near(grid: SectionGrid, z0: int, z1: int) -> tuple[int, int, tuple[int, ...]]:
    """First plane, end plane and the sections that tell about the planes from z0 to z1."""
    halo = max(VOLUME_HALO, ceil(2 * grid.spacing))
    while True:
        low, high = on_grid((max(0, z0 - halo), min(grid.height, z1 + halo)), ALIGN)

        sections = grid.measured(low, max(high, grid.height) if z1 + halo >= grid.height else high)
        if len(sections) > 1 or (low == 0 and high >= grid.height and sections):
            return low, high, sections
        if low == 0 and high >= grid.height:
            raise MendemError("no section of the volume was measured; look at the sections, or switch corrections off")
        halo *= 2


def _filled_along(pixels: Tensor, known: Tensor) -> Tensor:
    """Unknown pixels interpolated between the nearest known ones along the first axis; 0 where there are none."""
    if bool(known.all()):
        return pixels
    count = len(pixels)
    before, after = [torch.full_like(pixels[0], -1) for _ in range(2)]
    below, above = torch.zeros_like(pixels), torch.zeros_like(pixels)
    from_below, from_above = torch.full_like(pixels, float("inf")), torch.full_like(pixels, float("inf"))
    value, distance = torch.zeros_like(before), torch.full_like(before, float("inf"))
    for i in range(count):
        value, distance = torch.where(known[i], pixels[i], value), torch.where(known[i], 0.0, distance + 1)
        below[i], from_below[i] = value, distance
    value, distance = torch.zeros_like(after), torch.full_like(after, float("inf"))
    for i in reversed(range(count)):
        value, distance = torch.where(known[i], pixels[i], value), torch.where(known[i], 0.0, distance + 1)
        above[i], from_above[i] = value, distance
    near, far = 1 / from_below.clamp(min=1e-3), 1 / from_above.clamp(min=1e-3)
    total = near + far
    between = torch.where(total > 0, (near * below + far * above) / total.clamp(min=1e-12), 0.0)
    return torch.where(known, pixels, between)
