"""The dock widget of the Isotropic task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer

from mendem.errors import MendemError
from mendem.image import Image
from mendem.tasks.isotropic import Isotropic
from napari_mendem.widgets import words
from napari_mendem.widgets.fields import AutoOrNumber
from napari_mendem.widgets.layout import small_label
from napari_mendem.widgets.task_widget import TaskWidget
from napari_mendem.widgets.volume_views import VolumeViews

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from mendem.engine import Run


class IsotropicWidget(TaskWidget):
    """Restore a volume of sections to isotropic voxels."""

    task = Isotropic
    volumes = True

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)

    def _extend(self) -> None:
        ui = self.ui
        ui.control.setVisible(False)  # it is one of single slices
        ui.gather("Correct", ("align", "contrast", "focus", "repair"))
        self.becomes = small_label()
        self.becomes.setObjectName("becomes")
        ui.add_row("", self.becomes, above="sampling")
        self.views = VolumeViews(
            self.viewer, lambda: ui.image.layer, self._newest, self._complain, self._connections, self
        )
        ui.add_buttons(self.views.row)

    def _complain(self, text: str) -> None:
        self._say(text, alarm=True)

    def _newest(self) -> ImageLayer | None:
        """The newest result of the chosen image."""
        layer = self.ui.image.layer
        if layer is None:
            return None
        name = f"{layer.name} · {self.task.title}"
        found = [
            other
            for other in self.viewer.layers
            if isinstance(other, ImageLayer) and other.name.startswith(name) and "mendem" in other.metadata
        ]
        results = [other for other in found if "quantity" not in other.metadata["mendem"]]
        return results[-1] if results else None

    def _image_changed(self) -> None:
        super()._image_changed()
        layer = self.ui.image.layer
        self.views.image_changed(layer is not None and layer.ndim == 3)
        self._describe()

    def _changed(self) -> None:
        super()._changed()
        self._describe()

    def _look_at(self, image: Image) -> None:
        super()._look_at(image)
        self._describe()

    def _describe(self) -> None:
        """Which fields have a meaning, and what the volume becomes."""
        ui, values = self.ui, self.ui.parameters.widgets
        sampling = values["sampling"].value()
        ui.show_field("thickness", sampling == "both")
        ui.show_field("keep", sampling == "skip")
        values["factor"].setEnabled(not values["target_voxel"].value())
        try:
            request = self.request()
            grid = request.task.grid(request.image)
        except MendemError:
            self.becomes.setText("")
            return
        assert grid is not None
        factor = values["factor"]
        assert isinstance(factor, AutoOrNumber)
        factor.suggest(grid.spacing)
        self.becomes.setText(words.about_grid(request.image, grid, request.region))

    def _told(self, run: Run) -> tuple[str, ...]:
        return () if run.plan.stack is None else run.plan.stack.notes
