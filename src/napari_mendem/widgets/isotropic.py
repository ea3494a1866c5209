"""The dock widget of the Isotropic task."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer

from mendem.errors import MendemError
from mendem.image import Image
from mendem.tasks.isotropic import Isotropic
from napari_mendem.viewport import current_slice, go_to
from napari_mendem.widgets import words
from napari_mendem.widgets.fields import AutoOrNumber
from napari_mendem.widgets.layout import small_label, tab_through
from napari_mendem.widgets.learn_box import LearnBox
from napari_mendem.widgets.sections_panel import SectionsPanel
from napari_mendem.widgets.task_widget import TaskWidget
from napari_mendem.widgets.volume_views import VolumeViews

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from mendem.engine import Run
    from napari_mendem.workers import Request


#: The switches of what is undone in sections.
CORRECTIONS = "align", "contrast", "focus", "repair"


class IsotropicWidget(TaskWidget):
    """Restore a volume of sections to isotropic voxels."""

    task = Isotropic
    volumes = True

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)

    def _extend(self) -> None:
        ui = self.ui
        ui.control.setVisible(False)  # it is one of single slices
        self.learning = LearnBox(self)
        self.learning.changed.connect(self._changed)
        ui.add_wide_row(self.learning, above="align")
        ui.gather("Correct", CORRECTIONS)
        self.becomes = small_label()
        self.becomes.setObjectName("becomes")
        ui.add_wide_row(self.becomes, above="sampling")
        self.sections = SectionsPanel(self._go_to, self)
        ui.add_wide_row(self.sections, above="noise")
        for event in (self.viewer.dims.events.current_step, self.viewer.layers.events.removed):
            self._connections.make(event, self._mark_section)
        self.views = VolumeViews(
            self.viewer, lambda: ui.image.layer, self._newest, self._complain, self._connections, self
        )
        ui.add_buttons(self.views.row)
        fields, box = ui.parameters.widgets, self.learning
        learned = box.method, box.which, box.minutes, box.learn, box.stop, box.save
        switches = (fields[name] for name in CORRECTIONS)
        tab_through(fields["keep"], *learned, *switches, self.sections.quantity, fields["noise"])
        tab_through(ui.live, self.views.planes, self.views.compare, ui.restore)

    def _complain(self, text: str) -> None:
        self._say(text, alarm=True)

    def _whole(self, layer: ImageLayer) -> Request:
        """With what was learned of the volume, where that is wanted."""
        request = super()._whole(layer)
        learned = self.learning.learned(layer, request)
        if learned is None:
            return request
        return replace(request, options=replace(request.options, prior=str(learned.path)))

    def request(self) -> Request:
        request, layer = super().request(), self.ui.image.layer
        if self.learning.wanted and layer is not None and self.learning.learned(layer, request) is None:
            raise MendemError(
                f"nothing has been learned from {layer.name} with these sections yet: press Learn, or choose the "
                "shipped prior under Method"
            )
        return request

    def _go_to(self, section: int) -> None:
        layer = self.ui.image.layer
        if layer is not None and layer.ndim == 3:
            go_to(self.viewer, layer, 0, section)

    def _mark_section(self, _: object = None) -> None:
        layer = self.ui.image.layer
        index = None if layer is None or layer.ndim != 3 else current_slice(self.viewer, layer)
        self.sections.mark(index[0] if index else None)

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
        self.sections.forget()
        super()._image_changed()
        layer = self.ui.image.layer
        self.learning.image_changed()
        self.views.image_changed(layer is not None and layer.ndim == 3)
        self._describe()

    def _prepared(self, run: Run) -> None:
        super()._prepared(run)
        if run.plan.stack is None or self.ui.image.layer is None:
            self.sections.forget()
            return
        assert isinstance(run.task, Isotropic)
        self.sections.tell(run.plan.stack, run.task, run.plan.normalisation)
        self._mark_section()

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
            request = self.request_all()
            grid = request.task.grid(request.image)
            region = self.ui.region.region()
        except MendemError:
            self.becomes.setText("")
            return
        assert grid is not None
        factor = values["factor"]
        assert isinstance(factor, AutoOrNumber)
        factor.suggest(grid.spacing)
        self.becomes.setText(words.about_grid(request.image, grid, region))

    def _told(self, run: Run) -> tuple[str, ...]:
        return () if run.plan.stack is None else run.plan.stack.notes
