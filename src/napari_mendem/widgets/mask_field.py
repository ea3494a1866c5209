"""The control of a mask: a word such as "auto", or a layer that marks pixels; and ways to make such a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QPushButton, QWidget

from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.layer_choice import LayerChoice

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


class MaskField(QObject):
    """Rows of a form that say which pixels are to be filled in.

    Parameters
    ----------
    words
        What the parameter declares; the first is its default.
    """

    changed = Signal()

    def __init__(
        self, viewer: ViewerModel, connections: Connections, words: tuple[str, ...], name: str, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.choice = LayerChoice(viewer, connections, words=words, marks=True)
        self.choice.setObjectName(f"input_{name}")
        self.paint, self.propose = QPushButton("Paint"), QPushButton("Propose")
        self.paint.setObjectName("paint")
        self.propose.setObjectName("propose")
        self.paint.setToolTip("<qt>Paint over what is to be filled in, in a Labels layer that lies on the image.</qt>")
        self.propose.setToolTip(
            "<qt>Look for what is damaged, and mark it in a Labels layer: correct it there with brush and eraser.</qt>"
        )
        self._buttons = QWidget()
        row = QHBoxLayout(self._buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.paint)
        row.addWidget(self.propose)
        self.choice.changed.connect(self.changed)

    @property
    def parts(self) -> list[QWidget]:
        """Everything that can be chosen or pressed, from top to bottom."""
        return [self.choice, self.paint, self.propose]

    @property
    def searching(self) -> list[QWidget]:
        """Buttons that wait while something is at work."""
        return [self.propose]

    def add_to(self, form: QFormLayout, label: str, tip: str) -> None:
        """Add the rows to a form."""
        self.choice.setToolTip(
            f"{tip.removesuffix('</qt>')} Or a layer: what is not 0 in a Labels or Image layer, "
            "or what lies within the shapes of a Shapes layer, is filled in.</qt>"
        )
        form.addRow(label, self.choice)
        form.addRow("", self._buttons)

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        return self.choice.layer

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer from code."""
        self.choice.choose(layer)

    def value(self) -> str:
        """The chosen word; the default while a layer is chosen."""
        return self.choice.value()

    def setValue(self, word: str) -> None:
        """Choose a word from code."""
        self.choice.setValue(word)
