"""The dock widget of the Deblur task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mendem.errors import MendemError
from mendem.tasks.deblur import Deblur
from napari_mendem.widgets.task_widget import TaskWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_mendem.workers import Request


class DeblurWidget(TaskWidget):
    """Undo a blur of a micrograph, and its noise."""

    task = Deblur

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)

    def check(self, request: Request) -> None:
        if request.task.parameters()["psf"] == "none" and "psf" not in request.inputs:
            raise MendemError("Choose under Blur what blurred the image, or measure it at an edge or a bead.")
