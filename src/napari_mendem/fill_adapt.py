"""The network that fills wedges learns from one series, in the engine's thread. No Qt."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mendem.errors import Cancelled
from napari_mendem.fill_jobs import FillSource
from napari_mendem.fill_request import FillRequest
from napari_mendem.workers import use_cpu_threads

if TYPE_CHECKING:
    from mendem.engine import Progress

#: Seconds of learning at most.
SECONDS = 600.0


class AdaptJob:
    """Learns until it is stopped, by setting ``cancelled``; what was learned by then is taken where it is better.

    Attributes
    ----------
    said
        What came of it, in a sentence; empty before the end, and where it was stopped before the first step.
    """

    def __init__(self, request: FillRequest, source: FillSource, cpu_threads: int = 0) -> None:
        self.request = request
        self.cancelled = threading.Event()
        self.progress: Progress | None = None
        self.said = ""
        self._source, self._cpu_threads = source, cpu_threads

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> AdaptJob:
        """Learn; `MendemError` where it is not the network that fills."""
        from mendem.engine import Progress
        from mendem.training.wedge_adapt import adapt, adapted

        learned = None
        try:
            self.check()
            use_cpu_threads(self._cpu_threads)
            filling = self._source.get(self.request, self.check)
            for learned in adapt(filling, SECONDS, check=self.check):
                self.progress = Progress(learned.step, learned.step, learned.fraction, SECONDS - learned.seconds)
        except Cancelled:
            pass
        if learned is not None:
            self._source.adapt(self.request, adapted(filling, learned))
            self.said = self._source.learned
        return self
