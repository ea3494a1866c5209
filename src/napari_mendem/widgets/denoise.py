"""The dock widget of the Denoise task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mendem.tasks.denoise import Denoise
from napari_mendem.widgets.task_widget import TaskWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer


class DenoiseWidget(TaskWidget):
    """Remove the noise of a micrograph, or of each slice of a stack."""

    task = Denoise

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
