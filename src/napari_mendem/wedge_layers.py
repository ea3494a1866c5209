"""Layers that a view keeps up to date in place, and does not put back where the user has removed them. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Shapes, Surface, Vectors

from napari_mendem.layers import SPACING, TOOL

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

#: Marks the layers of the missing wedge in their metadata, with their role.
WEDGE = "mendem_wedge"

#: Colours that the colour-blind tell apart (Okabe and Ito): what was measured, missed, generated, and is looked at.
MEASURED, MISSING, GENERATED, CURRENT = "#56B4E9", "#E69F00", "#E69F00", "#F0E442"

#: All roles, in the order of their layers from the lowest.
ORDER = ("slice", "spectrum", "wedge", "tilts", "generated", "point", "tilt", "volume", "surface", "plane")

KINDS = {"image": ImageLayer, "shapes": Shapes, "vectors": Vectors, "surface": Surface}


@dataclass(frozen=True)
class Place:
    """Where data lie in the viewer: its scale, the place of its first pixel, and its units and axes."""

    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]
    axes: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    """Outlines and lines of a Shapes layer: vertices (n, ndim), "polygon" or "path", colours, widths, and words."""

    vertices: tuple[np.ndarray, ...] = ()
    kinds: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()
    faces: tuple[str, ...] = ()
    widths: tuple[float, ...] = ()
    words: tuple[str, ...] = ()

    def __add__(self, other: Drawn) -> Drawn:
        return Drawn(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    @classmethod
    def line(cls, vertices: np.ndarray, colour: str, width: float, words: str = "") -> Drawn:
        """A line through points."""
        return cls((vertices,), ("path",), (colour,), ("#00000000",), (width,), (words,))

    @classmethod
    def area(cls, vertices: np.ndarray, colour: str, width: float) -> Drawn:
        """A shaded area with its border."""
        return cls((vertices,), ("polygon",), (colour,), (f"{colour}59",), (width,), ("",))

    def same(self, other: Drawn | None) -> bool:
        """Whether both look the same."""
        if other is None or vars(self).keys() != vars(other).keys() or len(self.vertices) != len(other.vertices):
            return False
        plain = all(getattr(self, n) == getattr(other, n) for n in ("kinds", "edges", "faces", "widths", "words"))
        return plain and all(map(np.array_equal, self.vertices, other.vertices))


class KeptLayers:
    """Layers by role.

    Parameters
    ----------
    viewer
        Where they are. Layers of the same roles that are there already are taken over.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self._layers: dict[str, Layer] = {}
        self._drawn: dict[str, Drawn] = {}
        #: Roles whose layer the user has removed.
        self.dismissed: set[str] = set()
        self._at_work = False
        for layer in viewer.layers:
            role = layer.metadata.get(WEDGE)
            if role is not None:
                self._layers[role] = layer

    def get(self, role: str) -> Layer | None:
        """The layer of a role, where there is one."""
        return self._layers.get(role)

    def removed(self, layer: object) -> str | None:
        """The role of a layer of ours that the user has just removed; it is not made again until `welcome`."""
        for role, kept in list(self._layers.items()):
            if kept is layer:
                del self._layers[role]
                if not self._at_work:
                    self.dismissed.add(role)
                    return role
        return None

    def welcome(self, *roles: str) -> None:
        """Let removed layers be made again."""
        self.dismissed -= set(roles or tuple(self.dismissed))

    def drop(self, *roles: str) -> None:
        """Take layers away."""
        with self._working():
            for role in roles:
                layer = self._layers.pop(role, None)
                if layer is not None and layer in self.viewer.layers:
                    self.viewer.layers.remove(layer)

    def show(self, visible: bool, *roles: str) -> None:
        """Show or hide layers."""
        for role in roles:
            layer = self._layers.get(role)
            if layer is not None and layer.visible != visible:
                layer.visible = visible

    def put(
        self, kind: str, role: str, name: str, data: Any, place: Place, spacing: Any = None, **display: Any
    ) -> Layer | None:
        """Show data in the layer of a role; ``display`` is how a new layer looks, and later the user's business.

        Returns the layer where it was made anew.
        """
        if role in self.dismissed:
            return None
        layer = self._layers.get(role)
        ndim = len(place.scale)
        if layer is not None and (layer not in self.viewer.layers or layer.ndim != ndim):
            self.drop(role)
            layer = None
        if layer is None:
            return self._add(kind, role, name, data, place, spacing, display)
        if layer.name != name:
            layer.name = name
        _place(layer, place)
        layer.metadata[SPACING] = spacing
        if isinstance(data, Drawn):
            self._draw(role, layer, data)
        elif not _same(layer.data, data):
            layer.data = data
        return None

    def _draw(self, role: str, layer: Layer, drawn: Drawn) -> None:
        if drawn.same(self._drawn.get(role)):
            return
        self._drawn[role] = drawn
        layer.data = list(zip(drawn.vertices, drawn.kinds, strict=True))
        if drawn.vertices:
            layer.edge_color, layer.face_color = list(drawn.edges), list(drawn.faces)
            layer.edge_width = list(drawn.widths)
        layer.features = {"words": list(drawn.words)}
        layer.editable = False

    def _add(self, kind: str, role: str, name: str, data: Any, place: Place, spacing: Any, display: Any) -> Layer:
        layers = self.viewer.layers
        with self._working():
            selected, active = set(layers.selection), layers.selection.active
            drawn = data if isinstance(data, Drawn) else None
            if drawn is not None:
                display = {"ndim": len(place.scale), "features": {"words": []}, "opacity": 1.0, **display}
            layer = KINDS[kind](
                data if drawn is None else None,
                name=name,
                scale=place.scale,
                translate=place.translate,
                units=place.units,
                axis_labels=place.axes,
                metadata={WEDGE: role, SPACING: spacing, **({} if role == "slice" else {TOOL: True})},
                **display,
            )
            self.viewer.add_layer(layer)
            above = [layers.index(other) for r, other in self._layers.items() if ORDER.index(r) > ORDER.index(role)]
            if above:
                layers.move(len(layers) - 1, min(above))
            self._layers[role] = layer
            if drawn is not None:
                self._drawn.pop(role, None)
                self._draw(role, layer, drawn)
            if active is not None:
                layers.selection = selected
                layers.selection.active = active
        return layer

    @contextmanager
    def _working(self) -> Iterator[None]:
        """What is removed meanwhile, the user has not removed."""
        before, self._at_work = self._at_work, True
        try:
            yield
        finally:
            self._at_work = before


def _place(layer: Layer, place: Place) -> None:
    for name in ("scale", "translate"):
        value = getattr(place, name)
        if not np.array_equal(np.asarray(getattr(layer, name)), value):
            setattr(layer, name, value)
    if tuple(layer.axis_labels) != place.axes:
        layer.axis_labels = place.axes


def _same(before: Any, after: Any) -> bool:
    if isinstance(after, np.ndarray):
        return isinstance(before, np.ndarray) and before.shape == after.shape and np.array_equal(before, after)
    if len(before) != len(after):
        return False
    return all(np.shape(a) == np.shape(b) and np.array_equal(a, b) for a, b in zip(before, after, strict=True))
