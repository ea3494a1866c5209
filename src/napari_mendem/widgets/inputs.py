"""The layers that fill a task's input slots: as images, and watched while they are chosen."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from mendem.image import Image
from mendem.tasks.base import Task
from napari_mendem.layers import image_from_layer
from napari_mendem.marks import marks_of, placement
from napari_mendem.viewport import current_slice, full_shape
from napari_mendem.widgets.connections import Connections

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

#: What of a layer changes what it says; those that a kind of layer does not have are left out.
EVENTS = ("data", "paint", "edge_width", "scale", "translate", "rotate", "shear", "affine", "units")

#: Bytes of a slice of labels up to which it is looked at for what no event says.
LARGEST_CHECKED = 16 << 20


class Slot(Protocol):
    """A field in which a layer may be chosen."""

    @property
    def layer(self) -> Layer | None: ...


class Inputs(QObject):
    """Images of the chosen layers; ``changed`` says that one of them was painted, drawn or moved.

    Parameters
    ----------
    viewer
        Whose sliders say which slice is shown.
    slots
        Fields by the name of their slot.
    task
        Says which slots mark pixels.
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel, slots: Mapping[str, Slot], task: type[Task], parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._slots = slots
        self._marking = {slot.name for slot in task.inputs if slot.marks}
        #: Cut by whoever destroys the widget.
        self.connections = Connections()
        self._watched: dict[str, Layer] = {}
        self._made: dict[str, tuple[tuple, Image]] = {}
        self._seen: dict[str, tuple[tuple[int, ...], int]] = {}

    def layers(self) -> dict[str, Layer]:
        """The chosen layers by the name of their slot."""
        return {name: slot.layer for name, slot in self._slots.items() if slot.layer is not None}

    def images(self, image: ImageLayer) -> dict[str, Image]:
        """What fills the slots, for a restoration of ``image``; marks are the same object until something changes."""
        chosen = self.layers()
        self._watch(chosen)
        return {
            name: self._marks(name, layer, image) if name in self._marking else image_from_layer(layer)
            for name, layer in chosen.items()
        }

    def _marks(self, name: str, layer: Layer, image: ImageLayer) -> Image:
        if layer.ndim <= image.ndim:
            key = (layer, full_shape(image), placement(layer, image).tobytes())
            if name in self._made and self._made[name][0] == key:
                return self._made[name][1]
            self._made[name] = key, marks_of(layer, image)
            return self._made[name][1]
        return marks_of(layer, image)  # which says what is wrong

    def _watch(self, chosen: dict[str, Layer]) -> None:
        if chosen == self._watched:
            return
        self.connections.cut()
        self._watched, self._made, self._seen = chosen, {}, {}
        for name, layer in chosen.items():

            def edited(_: object = None, name: str = name) -> None:
                self._made.pop(name, None)
                self.changed.emit()

            def drawn(_: object = None, name: str = name) -> None:
                if self._differs(name):
                    self._made.pop(name, None)
                    self.changed.emit()

            for event in EVENTS:
                if event in layer.events.emitters:
                    self.connections.make(layer.events[event], edited)
            if isinstance(layer, Labels):
                self._differs(name)
                self.connections.make(layer.events.set_data, drawn)

    def _differs(self, name: str) -> bool:
        """Whether the slice of a Labels layer that is shown has changed: undoing a stroke says no more than that."""
        layer = self._watched[name]
        index = current_slice(self._viewer, layer)
        if index is None or not isinstance(layer.data, np.ndarray) or layer.data[index].nbytes > LARGEST_CHECKED:
            return False
        now = index, zlib.crc32(np.ascontiguousarray(layer.data[index]))
        before = self._seen.get(name)
        self._seen[name] = now
        return before is not None and before[0] == now[0] and before[1] != now[1]
