"""All blocks of a run, from the first to the last, wherever they are computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from mendem.blocks import Blender, Block
from mendem.engine import Progress, Run, Summary
from mendem.errors import Cancelled, MendemError
from mendem.journal import Journal, Tally
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
    tally: Tally


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
    named = {"mean": estimate.mean, "std": estimate.std}
    named |= {f"sample {i}": sample for i, sample in enumerate(estimate.samples)}
    if estimate.fitted is not None:
        named["fitted"] = estimate.fitted
    arrays = np.stack([named[c] if c in named else np.full_like(estimate.mean, np.nan) for c in run.channels])
    arrays = arrays if arrays.ndim == 4 else arrays[:, None]
    return Answer(arrays, Tally(estimate.evaluations, estimate.squares, estimate.count, estimate.missing))


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
    journal: Journal | None = None,
) -> Summary:
    """Restore all blocks, and hand over what is finished.

    ``progress`` is called after each evaluation, ``check`` many times more; it may raise `Cancelled`: then what was
    finished (of slices, the newest estimate of the block in work included) is handed over, what was not reached is not,
    and the summary says ``partial``. Blocks that the ``journal`` has as finished are neither computed nor, but for rows
    that they share with others, handed over again.
    """
    blocks = run.blocks
    tallies = {} if journal is None else dict(journal.done)
    before, earlier = len(tallies), 0.0 if journal is None else journal.seconds
    summary = Summary(blocks=len(blocks), resumed=0 if journal is None else journal.resumed)
    started = time.monotonic()
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
        done = len(tallies) + share
        elapsed, now = time.monotonic() - started, done - before
        left = elapsed * (len(blocks) - done) / now if now else None
        progress(Progress(min(len(tallies), len(blocks) - 1), len(blocks), done / len(blocks), left))

    assembly: SliceAssembly | VolumeAssembly = (
        SliceAssembly(run, hand_over) if run.grid is None else VolumeAssembly(run, hand_over)
    )
    if journal is not None and tallies:
        assembly.go_on(tallies, journal.arrays)
    try:
        for index, answer in source(run, [i for i in range(len(blocks)) if i not in tallies], tell, check):
            latest = None
            tallies[index] = answer.tally
            assembly.add(index, answer.arrays)
            if journal is not None:
                journal.add(index, answer.tally, answer.arrays, assembly.needed(), time.monotonic() - started)
            if source is not here:
                report()
        if journal is not None:
            journal.commit()
    except Cancelled:
        summary.partial = True
        if journal is not None:
            journal.commit()
        if latest is not None and run.grid is None:  # of a volume nothing of an unfinished block is kept
            summary.evaluations += latest[1].tally.evaluations
        assembly.stop(None if latest is None else latest[1].arrays)
    except BaseException:
        if journal is not None:
            with suppress(MendemError, OSError):
                journal.commit()
        raise
    for _, tally in sorted(tallies.items()):  # in one order, or sums would differ in their last bits
        summary.squares += tally.squares
        summary.count += tally.count
        summary.evaluations += tally.evaluations
    summary.finished = len(tallies)
    missing = sum(tally.missing for tally in tallies.values())
    if missing and run.plan.image is None:
        summary.notes.append(
            f"About {missing} pixels are not finite numbers: they were taken as not measured, and filled in."
        )
    summary.seconds = earlier + time.monotonic() - started
    return summary


def rows_handed_over(run: Run, done: Collection[int]) -> dict[int, int]:
    """Of each slice how many rows are final where these blocks are finished; nothing for a volume."""
    if run.grid is not None:
        return {}
    blocks = run.blocks
    following = next(i for i in range(len(blocks) + 1) if i not in done)
    rows = dict.fromkeys((block.plane for block in blocks[:following]), run.shape[0])
    if following < len(blocks) and blocks[following].plane in rows:
        rows[blocks[following].plane] = blocks[following].rows[0]
    return rows


class SliceAssembly:
    """Blends the blocks of each slice, and hands over its rows as soon as they are final, from first to last."""

    def __init__(self, run: Run, hand_over: Put) -> None:
        self._run, self._hand_over = run, hand_over
        self._blocks = run.blocks
        self._waiting: dict[int, np.ndarray | None] = {}  # None where it is still with the journal
        self._next = 0
        self._blender = Blender(run.shape, len(run.channels))

    def go_on(self, done: Collection[int], arrays: Callable[[int], np.ndarray]) -> None:
        """Begin after finished blocks; ``arrays`` gives those of which not all rows were handed over."""
        self._arrays = arrays
        self._next = next(i for i in range(len(self._blocks) + 1) if i not in done)
        self._waiting = {i: None for i in done if i > self._next}
        again = self._blended()
        if again:
            self._blender.first = self._blocks[again[0]].rows[0]
            for i in again:
                self._blender.add(self._blocks[i], arrays(i)[:, 0])
        if self._next < len(self._blocks):
            self._blender.take(self._handed_over())

    def add(self, index: int, arrays: np.ndarray) -> None:
        """Take the arrays of a block, in any order."""
        self._waiting[index] = arrays
        while self._next in self._waiting:
            found = self._waiting.pop(self._next)
            self._blend(self._arrays(self._next) if found is None else found)
            self._next += 1

    def needed(self) -> Collection[int]:
        """The blocks that were added and whose rows are not all handed over."""
        return {*self._waiting, *self._blended()}

    def stop(self, latest: np.ndarray | None) -> None:
        """Hand over what is there, with the unfinished arrays of the next block."""
        if latest is not None and self._next < len(self._blocks):
            self._blender.add(self._blocks[self._next], latest[:, 0])
        if self._next < len(self._blocks):
            self._take(self._blocks[self._next].plane, self._run.shape[0])

    def _handed_over(self) -> int:
        """The rows of the next block's slice that lie before it, and are final."""
        new = self._next == 0 or self._blocks[self._next - 1].plane != self._blocks[self._next].plane
        return 0 if new else self._blocks[self._next].rows[0]

    def _blended(self) -> list[int]:
        """The blocks before the next one that reach into rows which are not final, in order."""
        first, blocks = self._next, self._blocks
        if first < len(blocks):
            plane, handed_over = blocks[first].plane, self._handed_over()
            while first > 0 and blocks[first - 1].plane == plane and blocks[first - 1].rows[1] > handed_over:
                first -= 1
        return list(range(first, self._next))

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

    def go_on(self, done: Collection[int], arrays: Callable[[int], np.ndarray]) -> None:
        """Nothing: finished blocks were handed over whole."""

    def add(self, index: int, arrays: np.ndarray) -> None:
        """Take the arrays of a block, in any order."""
        self._hand_over(self._blocks[index], arrays)

    def needed(self) -> Collection[int]:
        """None: each is handed over at once."""
        return ()

    def stop(self, latest: np.ndarray | None) -> None:
        """Nothing: an unfinished block of a volume has planes that were not looked at yet."""
