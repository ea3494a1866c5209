"""The Shapes layer with the line of the profile. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes

from napari_mendem.compare.plane import unit_lengths
from napari_mendem.layers import TOOL

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

#: Name of the layer that lines are drawn in.
LINE_LAYER = "Profile line"


def line_layer(viewer: ViewerModel) -> Shapes | None:
    """The layer with the line: the active one, else ours, else the last with a line in it."""
    layers = [layer for layer in viewer.layers if isinstance(layer, Shapes)]
    active = viewer.layers.selection.active
    if isinstance(active, Shapes) and (active.name.startswith(LINE_LAYER) or "line" in active.shape_type):
        return active
    ours = [layer for layer in layers if layer.name.startswith(LINE_LAYER)]
    others = [layer for layer in layers if "line" in layer.shape_type]
    return (ours or others or [None])[-1]


def start_line(viewer: ViewerModel, image: ImageLayer) -> Shapes:
    """The layer to draw a line in with the mouse, made where there is none, active and in its line mode."""
    found = line_layer(viewer)
    layer = found if found is not None and found.name.startswith(LINE_LAYER) else None
    if layer is None:
        affine = np.asarray(image.affine.affine_matrix)
        two = np.eye(3)
        two[:2, :2], two[:2, 2] = affine[-3:-1, -3:-1], affine[-3:-1, -1]
        layer = Shapes(
            ndim=2,  # one line for all slices
            name=LINE_LAYER,
            metadata={TOOL: True},
            scale=image.scale[-2:],
            translate=image.translate[-2:],
            affine=two,
            units=image.units[-2:],
            edge_color="cyan",
            face_color="transparent",
            # About three pixels of the screen as it is now; the width is one in the layer's own pixels.
            edge_width=3 / (viewer.scene.camera.zoom * float(abs(image.scale[-1]))),
        )
        viewer.add_layer(layer)
    layer.visible = True
    viewer.layers.selection.active = layer
    layer.mode = "add_line"
    return layer


def line_of(layer: Layer | None) -> tuple[np.ndarray, str] | None:
    """Start and end (2, 2) in the world in nm or pixels, and which; the selected line, else the one drawn last."""
    if not isinstance(layer, Shapes):
        return None
    lines = [i for i, kind in enumerate(layer.shape_type) if kind == "line" and len(layer.data[i]) == 2]
    if not lines:
        return None
    chosen = [i for i in sorted(layer.selected_data) if i in lines] or lines
    lengths, unit = unit_lengths(layer)
    ends = np.array([np.asarray(layer.data_to_world(point))[-2:] for point in layer.data[chosen[-1]]]) * lengths
    return (ends, unit) if np.linalg.norm(ends[1] - ends[0]) > 0 else None
