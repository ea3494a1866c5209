"""The live preview: what is on the screen, restored coarse to fine. No Qt: `LivePreview.poll` is called by a timer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import Cancelled
from napari_mendem import costs, workers
from napari_mendem.viewport import Region, View
from napari_mendem.workers import Preparations, Request

if TYPE_CHECKING:
    from mendem.engine import Run

#: The first, coarse answer is planned to take no longer than this, seconds.
FIRST_ANSWER = 0.4

#: Pixels per second of one evaluation that are assumed before any was measured.
ASSUMED_SPEED = {"cpu": 5e5, "mps": 1e7, "cuda": 5e7}

#: Largest part of a slice that is previewed, pixels along an axis: the middle of a larger view.
LARGEST = 4096

#: The fine answer is computed in pieces of this side, the middle first.
PIECE = 512


@dataclass(frozen=True)
class Frame:
    """An answer for the layer: pixels of ``region`` in slice ``index``; ``stage`` says how good, in words."""

    data: np.ndarray
    index: tuple[int, ...]
    region: Region
    stage: str
    final: bool


class PreviewJob:
    """One preview: `work` in the engine thread fills ``frame``, better and better, until done or cancelled.

    ``view`` None only prepares: the noise is estimated, and what the user must know is said.
    """

    def __init__(self, request: Request, view: View | None, preparations: Preparations, cpu_threads: int = 0) -> None:
        self.request, self.view = request, view
        self.cancelled = threading.Event()
        self.run: Run | None = None
        self.frame: Frame | None = None
        self.first_seconds: float | None = None
        self._preparations, self._cpu_threads = preparations, cpu_threads
        self._asked = time.monotonic()

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> None:
        """Compute. Raises `MendemError` for what the user can mend."""
        try:
            self.check()
            workers.use_cpu_threads(self._cpu_threads)
            self.run = run = self._preparations.get(self.request)
            if self.view is not None:
                self._preview(run, self.view)
        except Cancelled:
            pass

    def _preview(self, run: Run, view: View) -> None:
        region = middle_of(view.region)
        spent = replace(run, options=replace(run.options, samples=int(run.options.estimate == "sample")))
        factors = stages(run, region, view.thinning)
        canvas: np.ndarray | None = None
        for factor in factors:
            fine = factor == run.binning
            coarsest = canvas is None
            if canvas is None:
                canvas = np.full((region[1] - region[0], region[3] - region[2]), np.nan, np.float32)
            whole = coarsest and cost(region, factor, run.image.plane_shape) <= (4 * PIECE) ** 2
            pieces = [region] if whole else pieces_of(region, (4 if coarsest else 1) * PIECE * factor)
            # A coarse answer is one evaluation; the last stage spends the budget that was chosen.
            plan = spent if factor == factors[-1] else replace(spent, options=replace(spent.options, budget="preview"))
            for number, piece in enumerate(pieces):
                last = factor == factors[-1] and number + 1 == len(pieces)
                self._piece(plan, view, region, piece, factor, canvas, "" if fine else f"coarse, {factor}x", last)

    def _piece(
        self,
        run: Run,
        view: View,
        region: Region,
        piece: Region,
        factor: int,
        canvas: np.ndarray,
        stage: str,
        last: bool,
    ) -> None:
        from mendem.engine import estimates

        rows, columns = piece[:2], piece[2:]
        target = canvas[rows[0] - region[0] : rows[1] - region[0], columns[0] - region[2] : columns[1] - region[2]]
        started, spent = time.monotonic(), 0
        for estimate in estimates(run, view.plane, rows, columns, self.check, factor):
            now = time.monotonic()
            costs.measured_speed(
                run, cost(piece, factor, run.image.plane_shape) * (estimate.evaluations - spent), now - started
            )
            started, spent = now, estimate.evaluations
            target[:] = estimate.samples[0] if estimate.samples else estimate.mean
            if self.first_seconds is None:
                self.first_seconds = now - self._asked
            done = last and estimate.evaluations == estimate.total
            words = stage or ("" if done else "refining")
            self.frame = Frame(canvas.copy(), view.index, region, words, done)
            started = time.monotonic()


def cost(region: Region, factor: int, plane_shape: tuple[int, int]) -> float:
    """Pixels that one evaluation for a region takes, halo included, after binning."""
    from mendem.blocks import HALO, with_halo

    spans = ((region[:2], plane_shape[0]), (region[2:], plane_shape[1]))
    sides = [with_halo(span, length, HALO * factor) for span, length in spans]
    return float(np.prod([(b - a) / factor for a, b in sides]))


def stages(run: Run, region: Region, thinning: float) -> list[int]:
    """Binning factors, coarse to fine: the first is fast, the last shows all that the screen (or the run) can."""
    speed = costs.speed_of(run) or ASSUMED_SPEED.get(run.device, 5e5)
    finest = run.binning
    while 2 * finest <= thinning and cost(region, finest, run.image.plane_shape) > 2048**2:
        finest *= 2
    first = finest
    while cost(region, first, run.image.plane_shape) / speed > FIRST_ANSWER and first < 16 * finest:
        if min(region[1] - region[0], region[3] - region[2]) < 64 * first:
            break
        first *= 2
    return [finest] if first == finest else [first, finest]


def middle_of(region: Region, largest: int = LARGEST) -> Region:
    """The region, or its middle where it is larger than ``largest`` along an axis."""

    def middle(start: int, stop: int) -> tuple[int, int]:
        over = max(0, stop - start - largest)
        return start + over // 2, stop - (over - over // 2)

    return (*middle(*region[:2]), *middle(*region[2:]))


def pieces_of(region: Region, side: int) -> list[Region]:
    """The region cut at whole multiples of ``side``, the piece nearest to its middle first."""

    def cut(start: int, stop: int) -> list[tuple[int, int]]:
        edges = [start, *range((start // side + 1) * side, stop, side), stop]
        return list(zip(edges[:-1], edges[1:], strict=True))

    pieces = [(*rows, *columns) for rows in cut(*region[:2]) for columns in cut(*region[2:])]
    y, x = region[0] + region[1], region[2] + region[3]
    return sorted(pieces, key=lambda p: (p[0] + p[1] - y) ** 2 + (p[2] + p[3] - x) ** 2)


class LivePreview:
    """Keeps one preview at work: the newest request wins, and an older one is cancelled and never shown.

    Parameters
    ----------
    show
        Receives each new `Frame` of the newest request.
    prepared
        Receives the `mendem.engine.Run` once an image and its parameters have been looked at.
    failed
        Receives what went wrong.
    submit
        How work is started; `workers.submit`, or something that computes at once in a test.
    """

    def __init__(
        self,
        show: Callable[[Frame], None],
        prepared: Callable[[Run], None],
        failed: Callable[[BaseException], None],
        preparations: Preparations,
        submit: Callable[[Callable[[], Any]], Future] = workers.submit,
    ) -> None:
        self.show, self.prepared, self.failed = show, prepared, failed
        self.preparations = preparations
        self._submit = submit
        self._job: PreviewJob | None = None
        self._future: Future | None = None
        self._shown: Frame | None = None
        self._told: Run | None = None
        #: The event that stops what is at work: for whoever must stop it without holding this object.
        self.running: list[threading.Event] = []

    @property
    def busy(self) -> bool:
        """Whether the newest request is still at work."""
        return self._future is not None

    def request(self, request: Request, view: View | None, cpu_threads: int = 0) -> bool:
        """Ask for a preview; False where the same is already at work or shown."""
        job = self._job
        if job and job.view == view and _same(job.request, request) and not job.cancelled.is_set():
            return False
        self.cancel()
        self._job = PreviewJob(request, view, self.preparations, cpu_threads)
        self._shown = None
        self.running.append(self._job.cancelled)
        self._future = self._submit(self._job.work)
        return True

    def cancel(self) -> None:
        """Stop what is at work; nothing of it is shown any more."""
        if self._job is not None:
            self._job.cancelled.set()
        self.running.clear()
        self._job = self._future = None

    def poll(self) -> bool:
        """Hand over what is new; call it from the GUI thread. Returns whether more may come."""
        job, future = self._job, self._future
        if job is None or future is None:
            return False
        done = future.done()
        if job.run is not None and job.run is not self._told:
            self._told = job.run
            self.prepared(job.run)
        if job.frame is not None and job.frame is not self._shown:
            self._shown = job.frame
            self.show(job.frame)
        if done and self._future is future:
            self._future = None
            error = future.exception()
            if error is not None:
                self.failed(error)
        return not done


def _same(a: Request, b: Request) -> bool:
    return a.image.data is b.image.data and a.prepared_by == b.prepared_by and a.options == b.options
