"""The live preview: what is on the screen, restored coarse to fine. No Qt: `LivePreview.poll` is called by a timer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import Cancelled
from napari_mendem import costs, workers
from napari_mendem.layers import Raster
from napari_mendem.newest import Newest
from napari_mendem.preview_volume import PlaneFrame, plane_frames
from napari_mendem.viewport import Region, SideView, View
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
    """An answer for the layer: ``region`` of slice ``index``, in pixels of the image.

    ``finer`` is how many pixels of ``data`` lie along y and x of one of the image's, below 1 where the screen shows no
    more. ``stage`` says how good the answer is, in words.
    """

    data: np.ndarray
    index: tuple[int, ...]
    region: Region
    stage: str
    final: bool
    finer: float = 1.0

    @property
    def pixels(self) -> np.ndarray:
        """``data`` with the axes of the image."""
        return self.data.reshape((1,) * len(self.index) + self.data.shape)

    @property
    def raster(self) -> Raster:
        """Where they lie."""
        return Raster.of((*self.index, self.region[0], self.region[2]), self.finer)


class PreviewJob:
    """One preview: `work` in the engine thread fills ``frame``, better and better, until done or cancelled.

    ``view`` None only prepares: the noise is estimated, and what the user must know is said.
    """

    def __init__(
        self, request: Request, view: View | SideView | None, preparations: Preparations, cpu_threads: int = 0
    ) -> None:
        self.request, self.view = request, view
        self.cancelled = threading.Event()
        self.run: Run | None = None
        self.frame: Frame | PlaneFrame | None = None
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
            self.run = run = self._preparations.get(self.request, self.check, roughly=True)
            if isinstance(self.view, SideView):
                self._preview_plane(run, self.view)
            elif self.view is not None:
                self._preview(run, self.view)
        except Cancelled:
            pass

    def _preview_plane(self, run: Run, view: SideView) -> None:
        for frame in plane_frames(run, view, self.check):
            self.frame = frame
            if self.first_seconds is None:
                self.first_seconds = time.monotonic() - self._asked

    def _preview(self, run: Run, view: View) -> None:
        shown = middle_of(view.region)
        factors = stages(run, shown, view.thinning)
        step = factors[-1] // run.binning  # what the screen does not show is not kept
        shown = whole_cells(shown, max(1, step // run.scale))
        region = in_result(shown, run.scale)
        finer = run.scale / step
        spent = replace(run, options=replace(run.options, samples=int(run.options.estimate == "sample")))
        # Where all slices become one there is no choice between them.
        index, plane = ((), 0) if run.task.merges else (view.index, view.plane)
        canvas = np.full([(b - a) // step for a, b in (region[:2], region[2:])], np.nan, np.float32)
        for factor in factors:
            coarse = factor != factors[-1]
            whole = factor == factors[0] and costs.pixels_of(run, region[:2], region[2:], factor) <= (4 * PIECE) ** 2
            pieces = [region] if whole else pieces_of(region, (4 if factor == factors[0] else 1) * PIECE * factor)
            # A coarse answer is one evaluation; the last stage spends the budget that was chosen.
            plan = replace(spent, options=replace(spent.options, budget="preview")) if coarse else spent
            words = "" if factor == run.binning else f"coarse, {factor}x"
            for number, (top, bottom, left, right) in enumerate(pieces):
                y, x = top - region[0], left - region[2]
                target = canvas[y // step : (y + bottom - top) // step, x // step : (x + right - left) // step]
                last = not coarse and number + 1 == len(pieces)
                for done in self._piece(plan, plane, (top, bottom), (left, right), factor, step, target):
                    said = words or ("" if last and done else "refining")
                    self.frame = Frame(canvas.copy(), index, shown, said, last and done, finer)

    def _piece(
        self,
        run: Run,
        plane: int,
        rows: tuple[int, int],
        columns: tuple[int, int],
        factor: int,
        step: int,
        target: np.ndarray,
    ) -> Iterator[bool]:
        """Restore one piece into ``target``, better and better; yields whether that was the last time."""
        from mendem.slices import estimates

        started, spent = time.monotonic(), 0
        for estimate in estimates(run, plane, rows, columns, self.check, factor, step):
            now = time.monotonic()
            pixels = costs.pixels_of(run, rows, columns, factor) * (estimate.evaluations - spent)
            costs.measured_speed(run, pixels, now - started)
            spent = estimate.evaluations
            target[:] = estimate.samples[0] if estimate.samples else estimate.mean
            if self.first_seconds is None:
                self.first_seconds = now - self._asked
            yield estimate.evaluations == estimate.total
            started = time.monotonic()


def stages(run: Run, region: Region, thinning: float) -> list[int]:
    """How much coarser than the result's grid is computed, coarse to fine.

    The first is fast, the last shows all that the screen (or the run) can.

    Parameters
    ----------
    region, thinning
        As of `View`: in pixels of the image.
    """
    rows, columns = (in_result(region, run.scale)[i : i + 2] for i in (0, 2))
    side = min(rows[1] - rows[0], columns[1] - columns[0])
    speed = costs.speed_of(run) or ASSUMED_SPEED.get(run.device, 5e5)
    finest = run.binning
    while 2 * finest <= thinning * run.scale and costs.pixels_of(run, rows, columns, finest) > 2048**2:
        if side < 64 * finest:
            break
        finest *= 2
    first = finest
    while costs.pixels_of(run, rows, columns, first) / speed > FIRST_ANSWER and first < 16 * finest:
        if side < 64 * first:
            break
        first *= 2
    return [finest] if first == finest else [first, finest]


def in_result(region: Region, scale: int) -> Region:
    """A region of the image in pixels of the result."""
    top, bottom, left, right = (scale * n for n in region)
    return top, bottom, left, right


def whole_cells(region: Region, side: int) -> Region:
    """The region shrunk to whole multiples of ``side``."""
    top, bottom, left, right = region
    return -(-top // side) * side, bottom // side * side, -(-left // side) * side, right // side * side


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


class LivePreview(Newest):
    """Keeps one preview at work; says what was found out of an image before it is answered.

    Parameters
    ----------
    show
        Receives each new `Frame`, or `PlaneFrame`, of the newest request.
    prepared
        Receives the `mendem.engine.Run` once an image and its parameters have been looked at.
    failed, submit
        As of `Newest`.
    """

    job: PreviewJob | None

    def __init__(
        self,
        show: Callable[[Any], None],
        prepared: Callable[[Run], None],
        failed: Callable[[BaseException], None],
        preparations: Preparations,
        submit: Callable[[Callable[[], Any]], Future] = workers.submit,
    ) -> None:
        super().__init__(show, failed, submit)
        self.prepared, self.preparations = prepared, preparations
        self._told: Run | None = None

    def request(self, request: Request, view: View | SideView | None, cpu_threads: int = 0) -> bool:
        """Ask for a preview; False where the same is already at work or shown."""
        job = self.job
        if job and job.view == view and _same(job.request, request) and not job.cancelled.is_set():
            return False
        self.start(PreviewJob(request, view, self.preparations, cpu_threads))
        return True

    def poll(self) -> bool:
        """Hand over what is new; call it from the GUI thread. Returns whether more may come."""
        self._tell()
        more = super().poll()
        self._tell()  # it may have ended meanwhile
        return more

    def _tell(self) -> None:
        job = self.job
        if job is not None and job.run is not None and job.run is not self._told:
            self._told = job.run
            self.prepared(job.run)


def _same(a: Request, b: Request) -> bool:
    return a.image.data is b.image.data and a.prepared_by == b.prepared_by and a.options == b.options
