"""The buttons *Measure at edge* and *Measure at bead* of a task's dock widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers.base import ActionType
from qtpy.QtCore import QTimer

from mendem.errors import MendemError
from napari_mendem.layers import image_from_layer
from napari_mendem.picked import MeasureJob, pick_of, pointing_layer
from napari_mendem.widgets.blur_field import BlurField
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.errand import Errand

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

    from mendem.physics.blur_estimate import BlurEstimate
    from napari_mendem.widgets.task_widget import TaskWidget

EDGE = "Pull a line straight across a sharp edge with the mouse, at least three times as long as the edge is blurred."
BEAD = "Click on the middle of a small bead or point on even ground."

#: Name of the layer with the picture of a blur that is not round.
PICTURE_LAYER = "Measured blur"


class Measuring:
    """Lets the user point at an edge or a bead, and fills in the blur that is measured there.

    Parameters
    ----------
    dock
        Whose image is measured.
    field
        Which receives the blur.
    errand
        What runs the measurement.
    """

    def __init__(self, dock: TaskWidget, field: BlurField, errand: Errand) -> None:
        self._dock, self._field, self._errand = dock, field, errand
        #: Cut by whoever destroys the widget.
        self.connections = Connections()
        self._drawn: tuple[Layer, ImageLayer] | None = None
        # napari is still drawing a shape when it says that it was added.
        self._soon = QTimer(dock)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._measure)
        field.measure_edge.clicked.connect(lambda: self.start(edge=True))
        field.measure_bead.clicked.connect(lambda: self.start(edge=False))

    def start(self, edge: bool) -> None:
        """Make the layer to point in; the measurement begins when something has been drawn."""
        dock, image = self._dock, self._dock.ui.image.layer
        if image is None:
            dock._say("there is no image to measure on: open one (File › Open)", alarm=True)
            return
        layer = pointing_layer(dock.viewer, image, edge)
        self.connections.cut()

        def drawn(event: Any) -> None:
            if event.action in (ActionType.ADDED, ActionType.CHANGED):
                self._drawn = layer, image
                self._soon.start(0)

        self.connections.make(layer.events.data, drawn)
        self._errand.say(EDGE if edge else BEAD)

    def _measure(self) -> None:
        dock = self._dock
        assert self._drawn is not None
        layer, image = self._drawn
        if dock.busy or layer not in dock.viewer.layers or image not in dock.viewer.layers:
            return
        pick = pick_of(layer, image)
        if pick is None:
            return
        try:
            job = MeasureJob(image_from_layer(image), pick)
        except MendemError as error:
            dock._say(str(error), alarm=True)
            return
        what = "edge" if len(pick.points) == 2 else "bead"
        self._errand.start(job, f"{image.name} · blur", lambda: self._fill(job.found, what))

    def _fill(self, found: BlurEstimate | None, what: str) -> None:
        if found is None:
            return
        if found.picture is None:
            self._field.setValue(found.text)
        else:
            picture = self._dock.viewer.add_image(found.picture, name=PICTURE_LAYER, visible=False)
            self._field.choose(picture)
        self._errand.say(f"Measured at the {what}: {found.describe()}.")
