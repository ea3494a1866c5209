"""A prior learns from the volume of a layer: the job, with a preview by the newest weights, and the advice. No Qt."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mendem.errors import Cancelled
from napari_mendem.preview_volume import PlaneFrame, plane_frames
from napari_mendem.workers import Preparations, Request, use_cpu_threads

if TYPE_CHECKING:
    from mendem.engine import Progress, Run
    from mendem.priors.network_prior import NetworkPrior
    from mendem.training.own_advice import Advice
    from mendem.training.own_volume import Learning
    from napari_mendem.viewport import SideView


@dataclass(frozen=True)
class Learned:
    """What was learned: a weights file, and the held-out error before and after in units of the image."""

    path: Path
    held_out: tuple[float, float]
    minutes: float


class _Moved(Exception):
    """The user looks elsewhere: the preview is begun anew."""


class LearnJob:
    """One course of learning: `work` runs it, in any thread; everything else may be read meanwhile from another.

    Attributes
    ----------
    cancelled, stopped
        Set to forget what was learned, and to be content with it.
    view
        What the user looks at, set from the GUI thread; None for nothing.
    learning, frame
        How far it is, and the newest preview; None before the first.
    learned
        None before the end, and where nothing was gained.
    """

    def __init__(
        self, request: Request, minutes: float, folder: Path, preparations: Preparations, cpu_threads: int = 0
    ) -> None:
        self.request, self.minutes, self.folder = request, minutes, folder
        self.cancelled, self.stopped = threading.Event(), threading.Event()
        self.progress: Progress | None = None
        self.view: SideView | None = None
        self.learning: Learning | None = None
        self.frame: PlaneFrame | None = None
        self.learned: Learned | None = None
        self._preparations, self._cpu_threads = preparations, cpu_threads
        self._shown: tuple[SideView, NetworkPrior] | None = None

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> LearnJob:
        """Learn, and write what was gained. Raises `MendemError` for what the user can mend."""
        from mendem.training.own_volume import LearnedPrior, learn_from, save_learned

        try:
            self.check()
            use_cpu_threads(self._cpu_threads)
            run = self._preparations.get(self.request, self.check)
            prior = learn_from(
                run.prior,  # type: ignore[arg-type]  # a prior of the engine is a network
                run.image,
                run.grid,  # type: ignore[arg-type]  # a volume has one
                run.plan.noise,
                run.plan.normalisation,
                minutes=self.minutes,
                seed=self.request.options.seed,
                report=lambda now: self._report(run, now),
                check=self.check,
                stop=self.stopped.is_set,
            )
        except Cancelled:
            return self
        if isinstance(prior, LearnedPrior):
            path = self.folder / file_name(self.request.image.source)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_learned(prior, path)
            found = prior.facts["held out"]
            self.learned = Learned(path, (found["start"], found["learned"]), prior.facts["minutes"])
        return self

    def _report(self, run: Run, now: Learning) -> None:
        from mendem.engine import Progress

        self.learning = now
        left = now.seconds * (1 - now.fraction) / now.fraction if now.fraction else None
        self.progress = Progress(0, 1, now.fraction, left)
        view = self.view
        if view is None or self._shown == (view, now.prior):
            return

        def check() -> None:
            self.check()
            if self.view != view:
                raise _Moved

        try:
            for frame in plane_frames(replace(run, prior=now.prior), view, check):
                self.frame = frame
        except _Moved:
            return
        self._shown = view, now.prior


class AdviceJob:
    """Whether to learn from a volume; as `LearnJob`, some ten seconds."""

    def __init__(self, request: Request, preparations: Preparations, cpu_threads: int = 0) -> None:
        self.request = request
        self.cancelled = threading.Event()
        self.progress: Progress | None = None
        self.advice: Advice | None = None
        self._preparations, self._cpu_threads = preparations, cpu_threads

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> AdviceJob:
        from mendem.training.own_advice import recommend

        try:
            self.check()
            use_cpu_threads(self._cpu_threads)
            run = self._preparations.get(self.request, self.check)
            prior, grid = run.prior, run.grid
            norm, noise = run.plan.normalisation, run.plan.noise
            self.advice = recommend(prior, run.image, grid, noise, norm, run.novelty, self.check)  # type: ignore[arg-type]
        except Cancelled:
            pass
        return self


def file_name(source: str, now: datetime | None = None) -> str:
    """A name for weights that were learned from an image."""
    stem = re.sub(r"[^\w.-]+", "_", Path(source).name).strip("._") or "volume"
    stem = re.sub(r"\.(ome\.)?(zarr|tiff?|mrcs?|map|rec|st)$", "", stem, flags=re.IGNORECASE)[:60]
    return f"{stem}-{now or datetime.now():%Y%m%d-%H%M%S}.safetensors"
