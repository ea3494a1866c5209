"""What a run will take, time and memory, before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mendem.engine import Run, Summary


@dataclass(frozen=True)
class Outputs:
    """What a run hands over beside its result."""

    spread: bool = True
    residual: bool = False
    samples: bool = False


#: Measured pixels per second of one evaluation, halo included, by prior and device.
_speeds: dict[tuple[str, str], float] = {}


def speed_of(run: Run) -> float | None:
    """Pixels per second of one evaluation, as measured so far; None before the first."""
    return _speeds.get((run.prior.name, run.device))


def measured_speed(run: Run, pixels: float, seconds: float) -> None:
    """Learn from one evaluation."""
    key = run.prior.name, run.device
    if seconds > 0 and pixels > 0:
        known = _speeds.get(key)
        _speeds[key] = pixels / seconds if known is None else 0.5 * known + 0.5 * pixels / seconds


def remember_speed(run: Run, summary: Summary) -> None:
    """Learn from a finished run."""
    evaluations, pixels = work_of(run)
    if not summary.partial:
        measured_speed(run, pixels * evaluations, summary.seconds)


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
    speed = speed_of(run)
    evaluations, pixels = work_of(run)
    return None if speed is None else evaluations * pixels / speed


def bytes_of(run: Run, outputs: Outputs) -> int:
    """Memory that a run takes beside its input: the engine's peak, and the layers that it makes."""
    full = (run.scale * n for n in run.image.plane_shape)
    share = np.prod([min(1.0, n / 1024) / min(1.0, whole / 1024) for n, whole in zip(run.shape, full, strict=True)])
    count = run.options.samples if outputs.samples else 0
    fine = run.dtype.itemsize + 4 * (outputs.spread + count)  # bytes for each pixel of the result
    pixels = len(run.planes) * run.shape[0] * run.shape[1]
    return int(run.memory_bytes * share) + fine * pixels + 4 * outputs.residual * pixels // run.scale**2
