"""The dock widget of the Inpaint task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mendem.tasks.inpaint import Inpaint
from napari_mendem.widgets.task_widget import TaskWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer


class InpaintWidget(TaskWidget):
    """Fill in marked or damaged places of a micrograph; what was measured stays as it is."""

    task = Inpaint

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
