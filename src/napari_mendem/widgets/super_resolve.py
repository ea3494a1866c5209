"""The dock widget of the SuperResolve task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mendem.tasks.super_resolve import SuperResolve
from napari_mendem.widgets.task_widget import TaskWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer


class SuperResolveWidget(TaskWidget):
    """Restore a micrograph on finer pixels than it was recorded with."""

    task = SuperResolve

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
