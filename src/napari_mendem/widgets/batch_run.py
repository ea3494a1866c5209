"""The images of a batch one after the other, in the engine thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QProgressBar

from mendem.batch import FAILED, WAITING
from mendem.errors import MendemError
from napari_mendem import workers
from napari_mendem.batch import BatchJob, Entry, short
from napari_mendem.widgets.errand import POLL
from napari_mendem.widgets.progress import RunProgress

if TYPE_CHECKING:
    from mendem.engine import Progress

#: What an image that is at work is said to be before it says how far it is.
PREPARING = "preparing"


class BatchRun(QObject):
    """Runs one batch at a time.

    Parameters
    ----------
    bar
        Shows how far all of it is.
    in_words
        What to say of an error.
    """

    #: The state of an image is another.
    changed = Signal(object)
    ended = Signal()

    def __init__(self, bar: QProgressBar, in_words: Callable[[BaseException], str], parent: QObject) -> None:
        super().__init__(parent)
        self._bar, self._in_words = bar, in_words
        self._waiting: list[Entry] = []
        self._entry: Entry | None = None
        self._job: BatchJob | None = None
        self._future: Future | None = None
        #: The event that stops the image in work; empty where none is. It outlives this object.
        self.running: list[Event] = []
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        """Whether an image is at work or will be."""
        return self._entry is not None

    def start(self, entries: list[Entry], make: Callable[[Entry], BatchJob], title: str) -> None:
        """Restore images; ``make`` says what work one is, when its turn comes."""
        self._waiting, self._make = list(entries), make
        self._count, self._began = len(entries), time.monotonic()
        self._progress = RunProgress(self._bar, title)
        self._next()
        self._timer.start()

    def cancel(self) -> None:
        """Stop the image in work and leave the others as they are."""
        self._waiting = []
        for cancelled in self.running:
            cancelled.set()

    def _next(self) -> None:
        """Begin with the next image that can be begun with, or end."""
        while self._waiting:
            self._entry = self._waiting.pop(0)
            try:
                self._job = self._make(self._entry)
            except MendemError as error:
                self._tell(FAILED, str(error))
                continue
            self.running[:] = [self._job.cancelled]
            self._future = workers.submit(self._job.work)
            self._tell(PREPARING)
            return
        self._entry = self._job = self._future = None
        self.running.clear()
        self._timer.stop()
        self._progress.close()
        self.ended.emit()

    def _poll(self) -> None:
        job, future, entry = self._job, self._future, self._entry
        if job is None or future is None or entry is None:
            return
        if not future.done():
            job.grow()
            if job.progress is not None:
                self._tell(f"{100 * job.progress.fraction:.0f} %")
                self._progress.show(self._overall(job.progress.fraction))
            return
        self._job = self._future = None
        error = future.exception()
        if error is None:
            self._tell(*job.finish())
        else:
            self._tell(FAILED, short(self._in_words(error), *([entry.source] if isinstance(entry.source, str) else [])))
        if entry.state == WAITING:  # it was cancelled before anything of it was finished
            self._waiting = []
        self._next()

    def _overall(self, share: float) -> Progress:
        """How far all images are."""
        from mendem.engine import Progress

        at = self._count - len(self._waiting) - 1
        fraction = (at + share) / self._count
        elapsed = time.monotonic() - self._began
        return Progress(at, self._count, fraction, elapsed * (1 - fraction) / fraction if fraction else None)

    def _tell(self, state: str, why: str = "") -> None:
        assert self._entry is not None
        if (self._entry.state, self._entry.why) != (state, why):
            self._entry.state, self._entry.why = state, why
            self.changed.emit(self._entry)
