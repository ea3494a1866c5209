"""The dock widget of the Frames task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mendem.tasks.frames import Frames
from napari_mendem.widgets.task_widget import TaskWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer


class FramesWidget(TaskWidget):
    """Align repeated frames of one place, average them, and restore the average."""

    task = Frames

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
