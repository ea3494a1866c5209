"""Questions of the Missing wedge dock, answered in a thread of their own: the newest wins."""

from __future__ import annotations

from functools import partial
from threading import Event

from qtpy.QtCore import QObject, QTimer, Signal

from mendem.errors import Cancelled
from napari_mendem import workers
from napari_mendem.compare.background import Background
from napari_mendem.wedge_work import Answer, Question, Work

#: Answers are looked for this often, ms.
POLL = 20


class Asker(QObject):
    """Asks `Work`, does not ask the same twice, and drops what is no longer wanted.

    Parameters
    ----------
    cpu_threads
        How many threads an answer may use; 0 for all.
    """

    answered = Signal(object)
    failed = Signal(object)
    #: Whether something is being computed now.
    working = Signal(bool)

    def __init__(self, cpu_threads: int, parent: QObject) -> None:
        super().__init__(parent)
        self._cpu_threads, self._work, self._background = cpu_threads, Work(), Background()
        self._asked: Question | None = None
        #: The event that stops what is at work: for whoever must stop it without holding this object.
        self.running: list[Event] = []
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        """Whether something is being computed."""
        return self._background.busy

    def ask(self, question: Question, again: bool = False) -> None:
        """Ask; the same question is asked only ``again``."""
        if not again and question.same(self._asked):
            return
        self.stop()
        self._asked, cancelled = question, Event()
        self.running.append(cancelled)
        self._background.ask("wedge", partial(self._compute, question, cancelled), self._answer, self._fail)
        self._timer.start()
        self.working.emit(True)

    def stop(self) -> None:
        """Stop what is being computed; nothing of it will be told."""
        for cancelled in self.running:
            cancelled.set()
        self._background.forget()
        if self.running:
            self._asked = None
            self._ended()

    def _compute(self, question: Question, cancelled: Event) -> Answer:
        """In a thread of its own."""

        def check() -> None:
            if cancelled.is_set():
                raise Cancelled

        workers.use_cpu_threads(self._cpu_threads)
        return self._work.answer(question, check)

    def _poll(self) -> None:
        if not self._background.poll():
            self._timer.stop()

    def _answer(self, answer: Answer) -> None:
        self._ended()
        self.answered.emit(answer)

    def _fail(self, error: BaseException) -> None:
        self._ended()
        self.failed.emit(error)

    def _ended(self) -> None:
        self.running.clear()
        self.working.emit(False)
