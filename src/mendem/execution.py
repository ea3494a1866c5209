"""All blocks of a run, from the first to the last, wherever they are computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mendem.blocks import Blender, Block
from mendem.engine import Progress, Run, Summary
from mendem.errors import Cancelled
from mendem.measured import put_back
from mendem.priors.prior import never
from mendem.slices import BlockEstimate, estimates

#: Receives finished parts of a result: where they lie in its region, and arrays (channels, planes, rows, columns) in
#: the order of ``run.channels``, float32, each pixel once; NaN where a cancelled run left nothing.
Put = Callable[[Block, np.ndarray], None]


@dataclass(frozen=True)
class Answer:
    """What one finished block brings: arrays (channels, planes, rows, columns), and what adds up over blocks."""

    arrays: np.ndarray
    evaluations: int = 0
    squares: float = 0.0
    count: float = 0.0
    missing: int = 0


def answers(run: Run, block: Block, check: Callable[[], None] = never) -> Iterator[tuple[float, Answer]]:
    """One block, better and better: the share of the work that is done, and the answer so far."""
    if run.grid is not None:
        from mendem.volumes import volume_estimates

        yield from ((e.evaluations / e.total, _answer(run, e)) for e in volume_estimates(run, block, check))
        return
    top, left = run.scale * run.region[0], run.scale * run.region[2]
    rows, columns = ((a + first, b + first) for (a, b), first in ((block.rows, top), (block.columns, left)))
    for estimate in estimates(run, block.plane, rows, columns, check):
        yield estimate.evaluations / estimate.total, _answer(run, estimate)


def _answer(run: Run, estimate: BlockEstimate) -> Answer:
    """In the order of ``run.channels``; NaN for what a block does not have yet."""
    absent = np.full_like(estimate.mean, np.nan)
    samples = [*estimate.samples, *[absent] * (run.options.samples - len(estimate.samples))]
    fitted = [absent if estimate.fitted is None else estimate.fitted] if "fitted" in run.channels else []
    arrays = np.stack([estimate.mean, estimate.std, *samples, *fitted])
    arrays = arrays if arrays.ndim == 4 else arrays[:, None]
    return Answer(arrays, estimate.evaluations, estimate.squares, estimate.count, estimate.missing)


#: From a run, the numbers of its blocks that are wanted, what is told how far the block in work is, and a check, to
#: numbers and answers, in any order. An answer that `Cancelled` leaves unfinished is not brought.
Source = Callable[
    [Run, Sequence[int], Callable[[float, Answer], None], Callable[[], None]], Iterator[tuple[int, Answer]]
]


def here(
    run: Run, wanted: Sequence[int], tell: Callable[[float, Answer], None], check: Callable[[], None]
) -> Iterator[tuple[int, Answer]]:
    """One block after the other, in this process."""
    blocks = run.blocks
    for index in wanted:
        for share, answer in answers(run, blocks[index], check):
            tell(share, answer)
        yield index, answer


def execute(
    run: Run,
    put: Put,
    progress: Callable[[Progress], None] = lambda _: None,
    check: Callable[[], None] = never,
    source: Source = here,
) -> Summary:
    """Restore all blocks, and hand over what is finished.

    ``progress`` is called after each evaluation, ``check`` many times more; it may raise `Cancelled`: then what was
    finished (of slices, the newest estimate of the block in work included) is handed over, what was not reached is not,
    and the summary says ``partial``.
    """
    blocks = run.blocks
    summary = Summary(blocks=len(blocks))
    started = time.monotonic()
    missing = 0
    latest: tuple[float, Answer] | None = None

    def hand_over(block: Block, arrays: np.ndarray) -> None:
        if run.grid is None:
            put_back(run, block.plane, block.rows[0], arrays[:, 0])
        put(block, arrays)

    def tell(share: float, answer: Answer) -> None:
        nonlocal latest
        latest = share, answer
        report(share)

    def report(share: float = 0.0) -> None:
        fraction = (summary.finished + share) / len(blocks)
        elapsed = time.monotonic() - started
        left = elapsed * (1 - fraction) / fraction if fraction else None
        progress(Progress(min(summary.finished, len(blocks) - 1), len(blocks), fraction, left))

    assembly: SliceAssembly | VolumeAssembly = (
        SliceAssembly(run, hand_over) if run.grid is None else VolumeAssembly(run, hand_over)
    )
    try:
        for index, answer in source(run, range(len(blocks)), tell, check):
            latest = None
            summary.squares += answer.squares
            summary.count += answer.count
            summary.evaluations += answer.evaluations
            summary.finished += 1
            missing += answer.missing
            assembly.add(index, answer.arrays)
            if source is not here:
                report()
    except Cancelled:
        summary.partial = True
        if latest is not None:
            summary.evaluations += latest[1].evaluations
        assembly.stop(None if latest is None else latest[1].arrays)
    if missing and run.plan.image is None:
        summary.notes.append(
            f"About {missing} pixels are not finite numbers: they were taken as not measured, and filled in."
        )
    summary.seconds = time.monotonic() - started
    return summary


class SliceAssembly:
    """Blends the blocks of each slice, and hands over its rows as soon as they are final, from first to last."""

    def __init__(self, run: Run, hand_over: Put) -> None:
        self._run, self._hand_over = run, hand_over
        self._blocks = run.blocks
        self._waiting: dict[int, np.ndarray] = {}
        self._next = 0
        self._blender = Blender(run.shape, len(run.channels))

    def add(self, index: int, arrays: np.ndarray) -> None:
        """Take the arrays of a block, in any order."""
        self._waiting[index] = arrays
        while self._next in self._waiting:
            self._blend(self._waiting.pop(self._next))
            self._next += 1

    def stop(self, latest: np.ndarray | None) -> None:
        """Hand over what is there, with the unfinished arrays of the next block."""
        if latest is not None and self._next < len(self._blocks):
            self._blender.add(self._blocks[self._next], latest[:, 0])
        if self._next < len(self._blocks):
            self._take(self._blocks[self._next].plane, self._run.shape[0])

    def _blend(self, arrays: np.ndarray) -> None:
        block = self._blocks[self._next]
        self._blender.add(block, arrays[:, 0])
        following = self._blocks[self._next + 1] if self._next + 1 < len(self._blocks) else None
        last = following is None or following.plane != block.plane
        self._take(block.plane, self._run.shape[0] if last or following is None else following.rows[0])
        if last:
            self._blender = Blender(self._run.shape, len(self._run.channels))

    def _take(self, plane: int, final_before: int) -> None:
        first, arrays = self._blender.take(final_before)
        if arrays.shape[1]:
            part = Block((plane, plane + 1), (first, first + arrays.shape[1]), (0, self._run.shape[1]))
            self._hand_over(part, arrays[:, None])


class VolumeAssembly:
    """Hands over each block of a volume as it is: they do not overlap."""

    def __init__(self, run: Run, hand_over: Put) -> None:
        self._blocks, self._hand_over = run.blocks, hand_over

    def add(self, index: int, arrays: np.ndarray) -> None:
        """Take the arrays of a block, in any order."""
        self._hand_over(self._blocks[index], arrays)

    def stop(self, latest: np.ndarray | None) -> None:
        """Nothing: an unfinished block of a volume has planes that were not looked at yet."""
