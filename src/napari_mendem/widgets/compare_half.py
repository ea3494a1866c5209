"""The button *Validate with half data* of the Compare dock."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Event
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from mendem.errors import MendemError
from mendem.options import Options
from napari_mendem import workers
from napari_mendem.compare.half_job import HalfJob, recipe
from napari_mendem.compare.partners import record_of
from napari_mendem.layers import image_from_layer
from napari_mendem.preferences import preferences
from napari_mendem.viewport import full_shape
from napari_mendem.widgets.compare_numbers import in_words
from napari_mendem.widgets.progress import RunProgress

if TYPE_CHECKING:
    from napari_mendem.widgets.compare_layout import CompareLayout
    from napari_mendem.widgets.compare_numbers import Numbers

#: How often a running validation is looked at, ms.
POLL = 50


class HalfData(QObject):
    """Restores the two halves of the stack before, as the image after was restored, and shows their FRC."""

    def __init__(self, ui: CompareLayout, numbers: Numbers, parent: QObject) -> None:
        super().__init__(parent)
        self._ui, self._numbers = ui, numbers
        self._job: HalfJob | None = None
        self._future: Future | None = None
        #: The event that stops what is at work: for whoever must stop it without holding this object.
        self.running: list[Event] = []
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        return self._future is not None

    def refresh(self) -> None:
        """Offer it where the image before is a stack, with what its planes seem to be."""
        layer = self._ui.before.layer
        stack = layer is not None and not layer.rgb and len(full_shape(layer)) == 3
        self._ui.validate.setEnabled(stack)
        self._ui.split.setVisible(stack)
        if stack and layer is not None:
            by_length = str(layer.units[0]) != "pixel" or layer.axis_labels[0] == "z"
            self._ui.split.setValue("slices" if by_length else "frames")
        tip = "Restore the even and the odd planes of the image before apart, as the image after was restored"
        other = "Choose a stack as the image before: a single image has no second half"
        self._ui.validate.setToolTip(f"<qt>{tip if stack else other}.</qt>")

    def start(self) -> None:
        """Begin; returns at once."""
        layer, ui = self._ui.before.layer, self._ui
        if self.busy or layer is None:
            return
        chosen = preferences()
        try:
            task, options = recipe(record_of(ui.after.layer), Options(budget=chosen.budget, device=chosen.device))
            image = image_from_layer(layer)
        except MendemError as error:
            self._numbers.validated = False
            ui.frc.say(str(error))
            return
        self._unit = "nm" if image.voxel_size and image.voxel_size.nm[-1] else "px"
        self._job = HalfJob(image, task, options, ui.split.value(), chosen.cpu_threads)
        self.running.append(self._job.cancelled)
        self._progress = RunProgress(ui.progress, f"{layer.name} · half data")
        ui.set_busy(True)
        ui.split.setVisible(False)
        ui.frc_note.setText("")
        self._numbers.validated = True
        ui.frc.say(f"{task.title} restores both halves…")
        self._future = workers.submit(self._job.work)
        self._timer.start()

    def cancel(self) -> None:
        """Stop; half of a comparison says nothing."""
        if self._job is not None:
            self._ui.cancel.setEnabled(False)
            self._job.cancelled.set()

    def _poll(self) -> None:
        job, future, ui = self._job, self._future, self._ui
        if job is None or future is None:
            self._timer.stop()
            return
        self._progress.show(job.progress)
        if not future.done():
            return
        self._timer.stop()
        self._job = self._future = None
        self.running.clear()
        self._progress.close()
        ui.set_busy(False)
        self.refresh()
        error = future.exception()
        if error is not None or job.result is None:
            self._numbers.validated = False
            ui.frc.say("Cancelled." if error is None else in_words(error))
            return
        self._numbers.show_ring(job.result.ring, self._unit, job.result.restored)
        ui.frc_note.setText(job.result.note)
