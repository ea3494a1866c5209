"""Layers that a view mode needs for a while. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Layer, Vectors

from napari_mendem.compare.plane import Plane
from napari_mendem.layers import PREVIEW

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: Width of the divider on the screen, pixels.
DIVIDER_WIDTH = 2.0


def place_of(plane: Plane) -> dict[str, Any]:
    """Layer arguments that lay a two-dimensional array on the region of a plane."""
    return {"affine": plane.affine, "units": plane.world_units}


class Temporary:
    """Our own layers in a viewer: above all images, below what is drawn on them, never selected, taken away again."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layers: dict[str, Layer] = {}
        #: Whether layers are being added or removed by this object.
        self.busy = False

    def __contains__(self, layer: object) -> bool:
        return any(layer is own for own in self._layers.values())

    def get(self, name: str) -> Layer | None:
        return self._layers.get(name)

    def image(self, name: str, data: np.ndarray, plane: Plane, **display: Any) -> ImageLayer:
        """Show an array over ``plane``; a layer of that name is updated in place."""
        layer = self._layers.get(name)
        if isinstance(layer, ImageLayer):
            if not np.array_equal(layer.affine.affine_matrix, plane.affine):
                layer.affine = plane.affine
            layer.data = data
            for key, value in display.items():
                if getattr(layer, key) != value:
                    setattr(layer, key, value)
            return layer
        made = ImageLayer(data, name=name, metadata={PREVIEW: True}, rgb=False, **place_of(plane), **display)
        self._add(name, made)
        return made

    def divider(self, name: str, plane: Plane, column: int, thinning: float) -> None:
        """A line down the plane, left of a column of its region; ``thinning``: pixels of the plane per screen pixel."""
        width = DIVIDER_WIDTH * thinning
        layer = self._layers.get(name)
        there = plane.cropped((*plane.region[:2], plane.region[2] + column, plane.region[3]))
        if isinstance(layer, Vectors):
            layer.affine = there.affine  # moved, and not made anew
            if layer.edge_width != width:
                layer.edge_width = width
            layer.visible = True
            return
        made = Vectors(
            np.array([[[-0.5, -0.5], [plane.shape[0], 0.0]]]),
            name=name,
            metadata={PREVIEW: True},
            edge_color="yellow",
            edge_width=width,
            vector_style="line",
            **place_of(there),
        )
        self._add(name, made)

    def clear(self) -> None:
        """Take all of them away."""
        layers, self._layers = self._layers, {}
        self.busy = True
        try:
            for layer in layers.values():
                if layer in self._viewer.layers:
                    self._viewer.layers.remove(layer)
        finally:
            self.busy = False

    def _add(self, name: str, layer: Layer) -> None:
        layers = self._viewer.layers
        selected, active = set(layers.selection), layers.selection.active
        images = [i for i, other in enumerate(layers) if isinstance(other, ImageLayer) or other in self]
        self.busy = True
        try:
            self._layers[name] = layer
            layers.insert(images[-1] + 1 if images else len(layers), layer)
            layers.selection = selected
            layers.selection.active = active
        finally:
            self.busy = False
