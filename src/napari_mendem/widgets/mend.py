"""The dock widget of the Mend task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mendem.tasks.mend import Mend
from napari_mendem.widgets.task_widget import TaskWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer


class MendWidget(TaskWidget):
    """Undo noise, blur, holes and large pixels of a micrograph together."""

    task = Mend

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
