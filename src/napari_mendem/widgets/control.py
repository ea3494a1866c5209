"""The button *Negative control* of a task's dock widget."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer

from mendem.errors import MendemError
from napari_mendem import workers
from napari_mendem.control import ControlJob, show_control, window_in_view
from napari_mendem.layers import Look
from napari_mendem.viewport import full_shape
from napari_mendem.widgets.progress import RunProgress

if TYPE_CHECKING:
    from napari_mendem.widgets.task_widget import TaskWidget

#: How often a running control is looked at, ms.
POLL = 50


class NegativeControl(QObject):
    """Runs the negative control of what a task's widget would do, where the user looks.

    Parameters
    ----------
    dock
        Whose image and fields count, and which shows progress, messages and what was found.
    """

    def __init__(self, dock: TaskWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._job: ControlJob | None = None
        self._future: Future | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        """Whether a control is at work."""
        return self._future is not None

    def start(self) -> None:
        """Compute the control of the window in view; returns at once."""
        dock = self._dock
        if dock.busy:
            return
        try:
            layer = dock.ui.image.layer
            whole = dock.request_all()
        except MendemError as error:
            dock._say(str(error), alarm=True)
            return
        assert layer is not None
        region, self._index = window_in_view(dock.viewer, layer)
        plane = int(np.ravel_multi_index(self._index, whole.image.shape[:-2])) if self._index else 0
        self._look, self._shape = Look.of(layer), full_shape(layer)
        self._job = ControlJob(replace(whole, region=region, planes=(plane,)), dock._preparations, dock._cpu_threads)
        dock._running.append(self._job.cancelled)
        self._progress = RunProgress(dock.ui.progress, f"{layer.name} · negative control")
        dock.live.pause(True)
        dock.ui.set_busy(True)
        self.forget()
        self._future = workers.submit(self._job.work)
        self._timer.start()

    def cancel(self) -> None:
        """Stop; an unfinished control shows nothing."""
        if self._job is not None:
            self._job.cancelled.set()

    def forget(self) -> None:
        """What an earlier control found is not about this image or these fields."""
        self._say("")

    def _say(self, text: str) -> None:
        self._dock.ui.control_found.setText(text)
        self._dock.ui.control_found.setVisible(bool(text))

    def _poll(self) -> None:
        job, future, dock = self._job, self._future, self._dock
        if job is None or future is None:
            self._timer.stop()
            return
        self._progress.show(job.progress)
        if not future.done():
            return
        self._timer.stop()
        self._job = self._future = None
        dock._running.remove(job.cancelled)
        self._progress.close()
        dock.ui.set_busy(False)
        error = future.exception()
        if error is not None:
            dock._failed(error)
        elif job.control is None:
            dock._say("Cancelled before anything was finished.")
        else:
            show_control(dock.viewer, job.control, self._look, self._index, self._shape)
            self._say("\n".join(job.control.sentences()))
        dock.live.pause(False)
