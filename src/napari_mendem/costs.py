"""What a run will take, time and memory, before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mendem.blocks import Block
    from mendem.engine import Run, Summary


@dataclass(frozen=True)
class Outputs:
    """What a run hands over beside its result."""

    spread: bool = True
    residual: bool = False
    samples: bool = False


#: Measured pixels per second of one evaluation, halo included, by prior and device, and whether of single planes of a
#: volume: what is read around them takes as long as they do.
_speeds: dict[tuple[str, str, bool], float] = {}


def speed_of(run: Run, thin: bool = False) -> float | None:
    """Pixels per second of one evaluation, as measured so far; None before the first."""
    return _speeds.get((run.prior.name, run.device, thin))


def measured_speed(run: Run, pixels: float, seconds: float, thin: bool = False) -> None:
    """Learn from one evaluation."""
    key = run.prior.name, run.device, thin
    if seconds > 0 and pixels > 0:
        known = _speeds.get(key)
        _speeds[key] = pixels / seconds if known is None else 0.5 * known + 0.5 * pixels / seconds


def remember_speed(run: Run, summary: Summary) -> None:
    """Learn from a finished run."""
    if not summary.partial:
        measured_speed(run, pixels_of_run(run), summary.seconds)


def pixels_of(run: Run, rows: tuple[int, int], columns: tuple[int, int], factor: int) -> float:
    """Pixels that one evaluation for a part of a slice takes, halo and margin included.

    ``rows`` and ``columns`` are (start, stop) in pixels of the whole result; ``factor`` is how much coarser the grid of
    the computation is.
    """
    from mendem.blocks import HALO, with_halo

    lengths = (run.scale * n for n in run.image.plane_shape)
    sides = [with_halo(span, length, HALO * factor) for span, length in zip((rows, columns), lengths, strict=True)]
    margin = 2 * run.plan.margin * run.scale
    return float(np.prod([(b - a + margin) / factor for a, b in sides]))


def pixels_of_box(run: Run, box: Block, directions: Sequence[str], surroundings: bool = False) -> float:
    """Pixels of all planes that one evaluation for a part of a volume takes, halo included; see `mendem.volumes`.

    ``box`` is in pixels of the result's region; with ``surroundings`` the halo's planes are asked about too.
    """
    from mendem.blocks import ALIGN, VOLUME_HALO, on_grid, with_halo
    from mendem.volumes import sections_near

    assert run.grid is not None
    low, high, _ = sections_near(run.grid, *box.planes)
    starts = run.region[0], run.region[2]
    spans = [(a + first, b + first) for (a, b), first in zip((box.rows, box.columns), starts, strict=True)]
    wide = [
        on_grid(with_halo(span, length, VOLUME_HALO), ALIGN)
        for span, length in zip(spans, run.image.plane_shape, strict=True)
    ]
    asked = wide if surroundings else spans
    count = {"xz": asked[0][1] - asked[0][0], "yz": asked[1][1] - asked[1][0]}
    along = {"xz": wide[1][1] - wide[1][0], "yz": wide[0][1] - wide[0][0]}
    return float((high - low) * sum(count[d] * along[d] for d in directions))


def pixels_of_run(run: Run) -> float:
    """Pixels of all evaluations of a run, as `pixels_of` and `pixels_of_box` count them."""
    if run.grid is not None:
        return _pixels_of_volume(run)
    evaluations, pixels = work_of(run)
    return evaluations * pixels


def _pixels_of_volume(run: Run) -> float:
    from mendem.volumes import BUDGETS, XZ, YZ

    budget, drawn = BUDGETS[run.options.budget], run.options.samples
    pixels = 0.0
    for block in run.blocks:
        pixels += budget.turns * pixels_of_box(run, block, (XZ, YZ), drawn > 0)
        if drawn:  # each step of a sample asks in one direction, in turn
            pixels += drawn * budget.steps / 2 * pixels_of_box(run, block, (XZ, YZ), True)
    return pixels


def work_of(run: Run) -> tuple[int, float]:
    """Evaluations of each block, and pixels of all blocks of a run, as `pixels_of` counts them."""
    from mendem.blocks import blocks_of
    from mendem.sampling import BUDGETS

    budget = BUDGETS[run.options.budget]
    top, left = run.scale * run.region[0], run.scale * run.region[2]
    pixels = 0.0
    for block in blocks_of(0, run.shape):
        rows, columns = ((a + first, b + first) for (a, b), first in ((block.rows, top), (block.columns, left)))
        pixels += pixels_of(run, rows, columns, run.binning)
    return budget.turns + run.options.samples * budget.steps, pixels * len(run.planes)


def seconds_of(run: Run) -> float | None:
    """How long a run will take, from what was measured; None where nothing was."""
    speed = speed_of(run) or speed_of(run, thin=True)
    return None if speed is None else pixels_of_run(run) / speed


def bytes_of(run: Run, outputs: Outputs) -> int:
    """Memory that a run takes beside its input: the engine's peak, and the layers that it makes."""
    count = run.options.samples if outputs.samples else 0
    fine = run.dtype.itemsize + 4 * (outputs.spread + count)  # bytes for each pixel of the result
    pixels = run.result_planes * run.shape[0] * run.shape[1]
    measured = len(run.planes) * run.shape[0] * run.shape[1] // run.scale**2
    return _engine_bytes(run) + fine * pixels + 4 * outputs.residual * measured


def _engine_bytes(run: Run) -> int:
    """The engine's peak, which is known for the whole image, for its region."""
    from mendem.blocks import BLOCK, VOLUME_BLOCK
    from mendem.engine import VOLUME_BATCH

    # What is asked of the network at once does not depend on the region of a volume.
    fixed = 0 if run.grid is None else min(run.memory_bytes, VOLUME_BATCH * run.prior.bytes_per_pixel)
    block = BLOCK if run.grid is None else VOLUME_BLOCK
    full = (run.scale * n for n in run.image.plane_shape)
    share = np.prod([min(n, block) / min(whole, block) for n, whole in zip(run.shape, full, strict=True)])
    return fixed + int((run.memory_bytes - fixed) * share)
