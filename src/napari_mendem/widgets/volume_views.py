"""The buttons of a volume's dock that change the view: planes along z, and input and result side by side in 3-D."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QHBoxLayout

from napari_mendem.views import PlaneSwitch, SideBySide, comparable
from napari_mendem.widgets.layout import make_button

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from napari_mendem.widgets.connections import Connections


class VolumeViews(QObject):
    """Two buttons in a row.

    Parameters
    ----------
    viewer
        Whose view they change.
    image, result
        Give the layers of the chosen image, and of its newest result; None where there is none.
    say
        Is told what cannot be done.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        image: Callable[[], ImageLayer | None],
        result: Callable[[], ImageLayer | None],
        say: Callable[[str], None],
        connections: Connections,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._image, self._result, self._say = image, result, say
        self._planes, self._pair = PlaneSwitch(viewer), SideBySide(viewer)
        self._viewer = viewer
        tip = "<qt>Switch between the sections and the planes along z, on which the live preview works.</qt>"
        self.planes = make_button("Show xz", "show_xz", tip)
        tip = "Show image and result as blocks beside each other, seen from the same side; press again to go back"
        self.compare = make_button("Compare in 3-D", "compare_3d", f"<qt>{tip}.</qt>")
        self.compare.setCheckable(True)
        self.row = QHBoxLayout()
        self.row.addWidget(self.planes)
        self.row.addWidget(self.compare)
        self.planes.clicked.connect(self._switch)
        self.compare.clicked.connect(self._compare)
        for event in (viewer.dims.events.order, viewer.dims.events.ndisplay):
            connections.make(event, self.follow)
        connections.make(viewer.layers.events.removed, self._removed)
        self.follow()

    def follow(self, _: object = None) -> None:
        """Say what the buttons would do now."""
        self.planes.setText("Show xy" if self._planes.along_z else "Show xz")
        if self._pair.on and self._viewer.dims.ndisplay != 3 and self.compare.isChecked():
            self._end()  # the user has gone back to 2-D by napari's own button

    def image_changed(self, volume: bool) -> None:
        """Another image was chosen; whether it is a volume."""
        self.planes.setEnabled(volume)
        self.compare.setEnabled(volume)

    def _switch(self) -> None:
        layer = self._image()
        if layer is None:
            return
        self._end()
        (self._planes.show_xy if self._planes.along_z else self._planes.show_xz)(layer)

    def _compare(self, wanted: bool) -> None:
        image, result = self._image(), self._result()
        if not wanted:
            self._end()
        elif image is None or result is None:
            self.compare.setChecked(False)
            self._say("there is no result to compare with yet: press Restore")
        elif not (comparable(image) and comparable(result)):
            self.compare.setChecked(False)
            self._say("the volumes are too large to be shown in 3-D: restore a region, and compare that")
        else:
            self._pair.show(image, result)

    def _removed(self, _: object = None) -> None:
        if self._pair.on and (self._image() is None or self._result() is None):
            self._end()

    def _end(self) -> None:
        self.compare.setChecked(False)
        self._pair.back()
