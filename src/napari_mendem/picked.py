"""A blur measured where the user points: the layers to point in, and the job that measures. No Qt."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points, Shapes

from mendem.errors import MendemError
from mendem.image import Image
from napari_mendem.layers import TOOL, Look
from napari_mendem.marks import placement
from napari_mendem.viewport import full_shape

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

    from mendem.engine import Progress
    from mendem.physics.blur_estimate import BlurEstimate

#: Names of the layers that the user points in.
EDGE_LAYER, BEAD_LAYER = "Line across an edge", "Point on a bead"

#: What messages say of the place, in pixels of the part that was read.
PLACE = r" (at|from) row -?\d+, column -?\d+( to row -?\d+, column -?\d+)?"

#: Pixels around what was picked that are read.
AROUND = 96


@dataclass(frozen=True)
class Pick:
    """A line (2, 2) across an edge, or a point (1, 2) on a bead, in pixels of slice ``plane`` of the image."""

    points: np.ndarray
    plane: int


class MeasureJob:
    """Measures the blur at a pick; ``found`` is None before the end."""

    def __init__(self, image: Image, pick: Pick) -> None:
        self.image, self.pick = image, pick
        self.cancelled = threading.Event()
        self.progress: Progress | None = None
        self.found: BlurEstimate | None = None

    def work(self) -> MeasureJob:
        """Raises `MendemError` where there is no edge or bead; the user has just seen where."""
        from mendem.physics.picked_blur import psf_from_bead, psf_from_edge

        points, shape = self.pick.points, self.image.plane_shape
        low = np.clip(np.floor(points.min(axis=0)) - AROUND, 0, None).astype(int)
        high = np.clip(np.ceil(points.max(axis=0)) + AROUND + 1, 0, shape).astype(int)
        high = np.maximum(high, low + 1)
        pixels = self.image.read(self.pick.plane, slice(low[0], high[0]), slice(low[1], high[1]))
        here = points - low
        try:
            if len(here) == 1:
                self.found = psf_from_bead(pixels, *here[0])
            else:
                self.found = psf_from_edge(pixels, tuple(here[0]), tuple(here[1]))
        except MendemError as error:
            raise MendemError(re.sub(PLACE, "", str(error))) from error
        return self


def pointing_layer(viewer: ViewerModel, image: ImageLayer, edge: bool) -> Shapes | Points:
    """An empty layer on the image in which a line or a point is drawn next; an older one goes."""
    name = EDGE_LAYER if edge else BEAD_LAYER
    for layer in [layer for layer in viewer.layers if layer.name == name and layer.metadata.get(TOOL)]:
        viewer.layers.remove(layer)
    shared = {"ndim": image.ndim, "name": name, "metadata": {TOOL: True}, **Look.of(image).place}
    pixel = 1 / (viewer.scene.camera.zoom * float(abs(image.scale[-1])))  # of the screen, in those of the image
    layer: Shapes | Points
    if edge:
        layer = Shapes(**shared, edge_color="cyan", face_color="transparent", edge_width=3 * pixel)
    else:
        layer = Points(**shared, size=15 * pixel, face_color="transparent", border_color="cyan", border_width=0.1)
    viewer.add_layer(layer)
    viewer.layers.selection.active = layer
    layer.mode = "add_line" if edge else "add"
    return layer


def pick_of(layer: Layer, image: ImageLayer) -> Pick | None:
    """The line or the point that was drawn last; None where there is none yet, and beside the image's slices."""
    if not len(layer.data):
        return None
    drawn = np.atleast_2d(np.asarray(layer.data[-1], float))
    if isinstance(layer, Shapes) and (layer.shape_type[-1] != "line" or np.ptp(drawn, axis=0).max() == 0):
        return None
    back = placement(image, layer)  # from the drawn layer to the image's pixels
    points = drawn @ back[:, :-1].T + back[:, -1]
    index, shape = np.round(points[0, :-2]).astype(int), full_shape(image)
    if any(not 0 <= i < n for i, n in zip(index, shape, strict=False)):
        return None
    plane = int(np.ravel_multi_index(tuple(index), shape[:-2])) if len(index) else 0
    return Pick(points[:, -2:], plane)
