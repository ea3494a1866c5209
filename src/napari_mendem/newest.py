"""One job at a time in the engine's thread, of which the newest alone counts. No Qt: a timer calls `Newest.poll`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Event
from typing import Any, Protocol

from napari_mendem import workers


class LiveJob(Protocol):
    """Work with a best answer so far, until it is done or ``cancelled`` is set."""

    cancelled: Event
    frame: Any

    def work(self) -> Any: ...


class Newest:
    """Keeps one job at work: an older one is cancelled, and never shown.

    Parameters
    ----------
    show
        Receives each new ``frame`` of the newest job.
    failed
        Receives what went wrong.
    submit
        How work is started; `workers.submit`, or something that computes at once in a test.
    """

    def __init__(
        self,
        show: Callable[[Any], None],
        failed: Callable[[BaseException], None],
        submit: Callable[[Callable[[], Any]], Future] = workers.submit,
    ) -> None:
        self._show, self._failed, self._submit = show, failed, submit
        self.job: LiveJob | None = None
        self._future: Future | None = None
        self._shown: Any = None
        #: The event that stops what is at work: for whoever must stop it without holding this object.
        self.running: list[Event] = []

    @property
    def busy(self) -> bool:
        """Whether the newest job is still at work."""
        return self._future is not None

    def start(self, job: LiveJob) -> None:
        """Start a job in place of the one before."""
        self.cancel()
        self.job, self._shown = job, None
        self.running.append(job.cancelled)
        self._future = self._submit(job.work)

    def cancel(self) -> None:
        """Stop what is at work; nothing of it is shown any more."""
        if self.job is not None:
            self.job.cancelled.set()
        self.running.clear()
        self.job = self._future = None

    def poll(self) -> bool:
        """Hand over what is new; call it from the GUI thread. Returns whether more may come."""
        job, future = self.job, self._future
        if job is None or future is None:
            return False
        done = future.done()
        if job.frame is not None and job.frame is not self._shown:
            self._shown = job.frame
            self._show(job.frame)
        if done and self._future is future:
            self._future = None
            error = future.exception()
            if error is not None:
                self._failed(error)
        return not done
