"""Which part of the image is restored: all of it, what is seen, or a rectangle that the user draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from mendem.errors import MendemError
from napari_mendem.layers import TOOL
from napari_mendem.viewport import Region, current_slice, full_shape, rectangle_of, seen_region
from napari_mendem.widgets.fields import Choice

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

#: Name of the layer that a rectangle is drawn in.
RECTANGLE_LAYER = "Region to restore"


class RegionField(QWidget):
    """The choice of a region, with a button that makes a layer to draw it in."""

    changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: ImageLayer | None = None
        self.kind = Choice(("all", "visible", "rectangle"), parent=self)
        self.kind.setObjectName("region")
        self.kind.setToolTip(
            "<qt>All of the image, the part that is on the screen, or a rectangle drawn in a Shapes layer. "
            "The noise is estimated from the whole image in any case.</qt>"
        )
        self.draw = QPushButton("Draw", self)
        self.draw.setObjectName("draw")
        self.draw.setToolTip("Make a layer in which to draw the rectangle with the mouse")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.kind, 1)
        row.addWidget(self.draw)
        self.draw.clicked.connect(self.start_drawing)
        self.kind.changed.connect(self.changed)
        self.setFocusProxy(self.kind)

    def set_layer(self, layer: ImageLayer | None) -> None:
        """The image that the region is about."""
        self._layer = layer

    def start_drawing(self) -> None:
        """Make the layer for the rectangle, lying on the image, and let the user draw."""
        layer = self._layer
        if layer is None:
            return
        shapes = self._shapes()
        if shapes is None:
            shapes = Shapes(
                ndim=layer.ndim,
                name=RECTANGLE_LAYER,
                metadata={TOOL: True},
                scale=layer.scale,
                translate=layer.translate,
                rotate=layer.rotate,
                shear=layer.shear,
                affine=layer.affine,
                units=layer.units,
                axis_labels=layer.axis_labels,
                edge_color="yellow",
                face_color="transparent",
                # About three pixels of the screen as it is now; the width is one in the layer's own pixels.
                edge_width=3 / (self._viewer.scene.camera.zoom * float(abs(layer.scale[-1]))),
            )
            self._viewer.add_layer(shapes)
        self._viewer.layers.selection.active = shapes
        shapes.mode = "add_rectangle"
        self.kind.setValue("rectangle")

    def region(self) -> Region | None:
        """The region in pixels of a slice; None is all.

        Raises
        ------
        MendemError
            Where nothing is visible, or nothing is drawn.
        """
        layer, kind = self._layer, self.kind.value()
        found: Region | None = None
        if layer is None or kind == "all":
            return None
        if kind == "visible":
            found = seen_region(self._viewer, layer)
            if found is None:
                raise MendemError(
                    f"nothing of {layer.name} is on the screen in 2-D with its rows and columns; "
                    "move there (Home resets the view), or restore all of it"
                )
        else:
            shapes = self._shapes()
            found = None if shapes is None else rectangle_of(self._viewer, shapes, layer)
            if found is None:
                raise MendemError(f"no rectangle on {layer.name}: press Draw, and pull up a rectangle on the image")
        height, width = full_shape(layer)[-2:]
        return None if found == (0, height, 0, width) else found

    def slice_index(self) -> tuple[int, ...] | None:
        """The slice at the viewer's sliders."""
        return None if self._layer is None else current_slice(self._viewer, self._layer)

    def _shapes(self) -> Shapes | None:
        """The layer that `start_drawing` made; any other of shapes may be a mask, or a line of another tool."""
        made = [layer for layer in self._viewer.layers if isinstance(layer, Shapes) and layer.metadata.get(TOOL)]
        return ([layer for layer in made if layer.name == RECTANGLE_LAYER] or [None])[-1]
