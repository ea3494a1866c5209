"""The buttons *Paint* and *Propose* of a task's dock widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels

from mendem.errors import MendemError
from napari_mendem.damage import ProposeJob, paint_layer, put_proposal
from napari_mendem.widgets.errand import Errand
from napari_mendem.widgets.mask_field import MaskField

if TYPE_CHECKING:
    from napari_mendem.widgets.task_widget import TaskWidget


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
        job = ProposeJob(request.image, request.planes)

        def done() -> None:
            if job.labels is None:
                self._errand.say("Cancelled: nothing was marked.")
            elif not job.labels.any():
                self._errand.say(
                    "Nothing was found that looks damaged: press Paint, and paint what is to be filled in."
                )
            elif image not in dock.viewer.layers:
                self._errand.say("The image is gone: nothing was marked.")
            else:
                marks = paint_layer(dock.viewer, image)
                put_proposal(marks, job.labels, job.planes)
                self._show(marks)
                more = f" and {len(job.found) - 6} more" if len(job.found) > 6 else ""
                self._errand.say(
                    f"Proposed as damaged: {'; '.join(job.found[:6])}{more}. Correct it with brush and eraser."
                )

        self._errand.start(job, f"{image.name} · damage", done)

    def _show(self, marks: Labels) -> None:
        marks.visible = True
        self._field.choose(marks)
        self._dock.viewer.layers.selection.active = marks
