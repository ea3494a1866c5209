"""A job of a task's dock widget: one at a time, with progress, cancel and messages."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import QObject, QTimer

from mendem.errors import MendemError
from napari_mendem import workers
from napari_mendem.widgets.progress import RunProgress
from napari_mendem.widgets.words import unbroken

if TYPE_CHECKING:
    from mendem.engine import Progress
    from napari_mendem.widgets.front_dock import LiveDock

#: How often a running job is looked at, ms.
POLL = 50


class Job(Protocol):
    """What `Errand` runs: ``work`` in the engine thread, until it is done or ``cancelled`` is set."""

    cancelled: Event
    progress: Progress | None

    def work(self) -> Any: ...


class Errand(QObject):
    """Runs jobs of a dock in the engine thread.

    Parameters
    ----------
    dock
        Whose buttons wait meanwhile, and which shows progress, what was found and what went wrong.
    """

    def __init__(self, dock: LiveDock) -> None:
        super().__init__(dock)
        self._dock = dock
        self._job: Job | None = None
        self._done: Callable[[], None] | None = None
        self._meanwhile: Callable[[], None] | None = None
        self._ended: Callable[[], None] | None = None
        self._future: Future | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        """Whether a job is at work."""
        return self._future is not None

    def start(
        self,
        job: Job,
        title: str,
        done: Callable[[], None],
        meanwhile: Callable[[], None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """Start a job.

        Parameters
        ----------
        done
            Called in the GUI thread once the job has ended well, cancelled or not.
        meanwhile
            Called there again and again until it has.
        ended
            Called there last, also where it went wrong.
        """
        dock = self._dock
        self._job, self._done, self._meanwhile, self._ended = job, done, meanwhile, ended
        dock._running.append(job.cancelled)
        self._progress = RunProgress(dock.ui.progress, title)
        dock.live.pause(True)
        dock.ui.set_busy(True)
        self._future = workers.submit(job.work)
        self._timer.start()

    def cancel(self) -> None:
        """Ask the job to stop."""
        if self._job is not None:
            self._job.cancelled.set()

    def say(self, text: str) -> None:
        """What was found; it stays in sight until it is no longer about this image and these fields."""
        self._dock.ui.found.setText(unbroken(text))
        self._dock.ui.found.setVisible(bool(text))

    def forget(self) -> None:
        """What was found is out of date."""
        self.say("")

    def _poll(self) -> None:
        job, future, dock = self._job, self._future, self._dock
        if job is None or future is None or self._done is None or self._meanwhile is None:
            self._timer.stop()
            return
        ended = future.done()
        self._progress.show(job.progress)
        if not ended:
            self._meanwhile()
            return
        self._timer.stop()
        done, last, self._job, self._future = self._done, self._ended, None, None
        self._done = self._meanwhile = self._ended = None  # they hold the job and its arrays
        dock._running.remove(job.cancelled)
        self._progress.close()
        dock.ui.set_busy(False)
        error = future.exception()
        if error is not None:
            self.say(str(error) if isinstance(error, MendemError) else "")
            dock._failed(error)
        else:
            done()
        if last is not None:
            last()
        dock.live.pause(False)
