"""The buttons *Paint* and *Propose* of a task's dock widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels

from mendem.errors import MendemError
from napari_mendem.damage import ProposeJob, own_marks, paint_layer
from napari_mendem.widgets.errand import Errand
from napari_mendem.widgets.mask_field import MaskField

if TYPE_CHECKING:
    from napari_mendem.widgets.task_widget import TaskWidget

NOTHING = "Nothing was found that looks damaged: press Paint, and paint what is to be filled in."


class Marking:
    """Makes the Labels layer in which places are marked, and lets the user paint.

    Parameters
    ----------
    dock
        Whose image is marked.
    field
        Where the layer is chosen.
    errand
        What runs the search for damage.
    """

    def __init__(self, dock: TaskWidget, field: MaskField, errand: Errand) -> None:
        self._dock, self._field, self._errand = dock, field, errand
        field.paint.clicked.connect(self.paint)
        field.propose.clicked.connect(self.propose)

    def paint(self) -> None:
        """Let the user paint over what is to be filled in."""
        image = self._dock.ui.image.layer
        if image is None:
            self._dock._say("there is no image to paint on: open one (File › Open)", alarm=True)
            return
        chosen = self._field.layer
        marks = chosen if isinstance(chosen, Labels) else paint_layer(self._dock.viewer, image)
        self._show(marks)
        marks.mode = "paint"

    def propose(self) -> None:
        """Mark what looks damaged; returns at once."""
        dock = self._dock
        if dock.busy:
            return
        try:
            request = dock.request()
        except MendemError as error:
            dock._say(str(error), alarm=True)
            return
        image = dock.ui.image.layer
        assert image is not None
        self._errand.forget()
        marks = own_marks(dock.viewer, image)
        job = ProposeJob(request.image, request.planes, None if marks is None else marks.data)

        def done() -> None:
            if image not in dock.viewer.layers:
                self._errand.say("The image is gone: nothing was marked.")
            elif not job.done and marks is None:
                self._errand.say("Cancelled: nothing was marked.")
            elif not job.found and marks is None:
                self._errand.say(NOTHING)
            else:
                layer = paint_layer(dock.viewer, image, job.labels)
                layer.data = job.labels  # which says that it was changed
                self._show(layer)
                self._errand.say(_found(job))

        self._errand.start(job, f"{image.name} · damage", done)

    def _show(self, marks: Labels) -> None:
        marks.visible = True
        self._field.choose(marks)
        self._dock.viewer.layers.selection.active = marks


def _found(job: ProposeJob) -> str:
    """What was found, of many slices the first few kinds."""
    if not job.found:
        return NOTHING if job.done else "Cancelled before anything was found."
    more = f" and {len(job.found) - 6} more" if len(job.found) > 6 else ""
    stopped = "" if job.done else "Cancelled before the end. "
    return f"{stopped}Proposed as damaged: {'; '.join(job.found[:6])}{more}. Correct it with brush and eraser."
