"""The button *Negative control* of a task's dock widget."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mendem.errors import MendemError
from napari_mendem.control import ControlJob, show_control, window_in_view
from napari_mendem.layers import Look
from napari_mendem.viewport import full_shape
from napari_mendem.widgets.errand import Errand

if TYPE_CHECKING:
    from napari_mendem.widgets.task_widget import TaskWidget


class NegativeControl:
    """Runs the negative control of what a task's widget would do, where the user looks.

    Parameters
    ----------
    dock
        Whose image and fields count, and which shows what was found.
    errand
        What runs it.
    """

    def __init__(self, dock: TaskWidget, errand: Errand) -> None:
        self._dock, self._errand = dock, errand

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
        region, index = window_in_view(dock.viewer, layer)
        plane = int(np.ravel_multi_index(index, whole.image.shape[:-2])) if index else 0
        job = ControlJob(replace(whole, region=region, planes=(plane,)), dock._preparations, dock._cpu_threads)
        look, shape = Look.of(layer), full_shape(layer)
        self._errand.forget()

        def done() -> None:
            if job.control is None:
                dock._say("Cancelled before anything was finished.")
                return
            show_control(dock.viewer, job.control, look, index, shape)
            self._errand.say("\n".join(job.control.sentences()))

        self._errand.start(job, f"{layer.name} · negative control", done)
