"""A combo box of layers that follows the viewer's layer list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_mendem.layers import PREVIEW
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.fields import narrow

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


class LayerChoice(QComboBox):
    """One of the viewer's image layers; the preview's own layer is not offered.

    Parameters
    ----------
    viewer
        Whose layers.
    connections
        Where the connections to the viewer are kept.
    empty
        An entry for "none", if there is to be one.
    """

    changed = Signal()

    def __init__(
        self, viewer: ViewerModel, connections: Connections, empty: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._empty = viewer, empty
        self._layer: Layer | None = None
        #: Chosen by nobody, and hidden: a layer that is seen takes its place, as the sample's image that of its truth.
        self._provisional = False
        self._connections = connections
        narrow(self)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.reordered):
            connections.make(event, self.refresh)
        connections.make(viewer.layers.events.renamed, self.refresh)
        active = viewer.layers.selection.active
        self._layer = active if _eligible(active) and not empty else None
        self.refresh()
        self.currentIndexChanged.connect(self._chosen)

    @property
    def layer(self) -> ImageLayer | None:
        """The chosen layer."""
        return self._layer

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer from code."""
        layers = self._offered()
        if layer in layers:
            self._provisional = False
            self.setCurrentIndex(layers.index(layer) + bool(self._empty))

    def refresh(self, _: object = None) -> None:
        """Take over the viewer's layers; the choice stays where it can."""
        layers = self._offered()
        before = self._layer
        seen = [layer for layer in layers if layer.visible]
        if self._layer not in layers or (self._provisional and seen):
            self._layer = None if self._empty or not layers else (seen or layers)[-1]
            self._provisional = self._layer is not None and not seen
        self.blockSignals(True)
        self.clear()
        if self._empty:
            self.addItem(self._empty)
        self.addItems([layer.name for layer in layers])
        if self._layer is not None:
            self.setCurrentIndex(layers.index(self._layer) + bool(self._empty))
        self.blockSignals(False)
        if before is not self._layer:
            self.changed.emit()

    def _offered(self) -> list[Layer]:
        return [layer for layer in self._viewer.layers if _eligible(layer)]

    def _chosen(self, index: int) -> None:
        layers = self._offered()
        index -= bool(self._empty)
        self._provisional = False
        self._layer = layers[index] if 0 <= index < len(layers) else None
        self.changed.emit()


def _eligible(layer: Layer | None) -> bool:
    return isinstance(layer, ImageLayer) and not layer.metadata.get(PREVIEW)
