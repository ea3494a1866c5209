"""The dock widget of the Isotropic task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mendem.tasks.isotropic import Isotropic
from napari_mendem.widgets.task_widget import TaskWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer


class IsotropicWidget(TaskWidget):
    """Restore a volume of sections to isotropic voxels."""

    task = Isotropic

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
