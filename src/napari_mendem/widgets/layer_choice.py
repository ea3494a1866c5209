"""A combo box of layers that follows the viewer's layer list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer
from napari.layers import Labels, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_mendem.layers import PREVIEW, TOOL
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.fields import narrow

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


class LayerChoice(QComboBox):
    """One of the viewer's layers, or a word; layers that a widget made for itself are not offered.

    Parameters
    ----------
    viewer
        Whose layers.
    connections
        Where the connections to the viewer are kept.
    words
        Entries before the layers, of which the first is chosen at the start; without any, a layer always is.
    marks
        Whether Labels and Shapes layers are offered beside Image layers.
    """

    changed = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        connections: Connections,
        words: tuple[str, ...] = (),
        marks: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._words = viewer, words
        self._kinds = (ImageLayer, Labels, Shapes) if marks else (ImageLayer,)
        self._layer: Layer | None = None
        self._word = words[0] if words else ""
        #: Chosen by nobody, and hidden: a layer that is seen takes its place, as the sample's image that of its truth.
        self._provisional = False
        self._connections = connections
        narrow(self)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.reordered):
            connections.make(event, self.refresh)
        connections.make(viewer.layers.events.renamed, self.refresh)
        active = viewer.layers.selection.active
        self._layer = active if active in self._offered() and not words else None
        self.refresh()
        self.currentIndexChanged.connect(self._chosen)

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        return self._layer

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer from code."""
        layers = self._offered()
        if layer in layers:
            self._provisional = False
            self.setCurrentIndex(layers.index(layer) + self._first)

    def value(self) -> str:
        """The chosen word; the first one while a layer is chosen."""
        return self._word if self._layer is None else next(iter(self._words), "")

    def setValue(self, word: str) -> None:
        """Choose a word from code."""
        self.setCurrentIndex(self._words.index(word))

    def refresh(self, _: object = None) -> None:
        """Take over the viewer's layers; the choice stays where it can."""
        layers = self._offered()
        before = self._layer
        seen = self._preferred(layers)
        if self._layer not in layers or (self._provisional and seen):
            self._layer = None if self._words or not layers else (seen or layers)[-1]
            self._provisional = self._layer is not None and not seen
        self.blockSignals(True)
        self.clear()
        self.addItems([*self._words, *(layer.name for layer in layers)])
        if self._words and layers:
            self.insertSeparator(len(self._words))
        self.setCurrentIndex(self._index(layers))
        self.blockSignals(False)
        if before is not self._layer:
            self.changed.emit()

    @property
    def _first(self) -> int:
        """Position of the first layer: behind the words and a line."""
        return len(self._words) + bool(self._words)

    def _index(self, layers: list[Layer]) -> int:
        if self._layer is not None:
            return layers.index(self._layer) + self._first
        return self._words.index(self._word) if self._words else -1

    def _offered(self) -> list[Layer]:
        return [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, self._kinds) and not (layer.metadata.get(PREVIEW) or layer.metadata.get(TOOL))
        ]

    def _preferred(self, layers: list[Layer]) -> list[Layer]:
        """Those of which the last is chosen where nobody has chosen."""
        return [layer for layer in layers if layer.visible]

    def _chosen(self, index: int) -> None:
        layers = self._offered()
        self._provisional = False
        if 0 <= index < len(self._words):
            self._word, self._layer = self._words[index], None
        else:
            index -= self._first
            self._layer = layers[index] if 0 <= index < len(layers) else None
        self.changed.emit()
