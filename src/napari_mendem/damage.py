"""What looks damaged, found in the engine thread, and the Labels layer in which it is marked. No Qt."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from mendem.image import Image
from napari_mendem.layers import Look
from napari_mendem.marks import TOLERANCE, placement
from napari_mendem.viewport import full_shape

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from mendem.engine import Progress

#: Name of the layer in which places are painted.
PAINT_LAYER = "Places to fill in"

#: Diameter of the brush and width of the outlines on the screen when the layer is made, pixels.
BRUSH, CONTOUR = 30, 1.5

#: Colours of the kinds of damage in their order, and of what is painted.
COLOURS = ("red", "cyan", "magenta", "orange", "lime", "deepskyblue")
PAINTED = "yellow"


class ProposeJob:
    """Looks for damage slice by slice; everything but `work` may be read meanwhile from another thread.

    What is found takes the place of an earlier proposal; what was painted by hand stays.

    Attributes
    ----------
    labels
        uint8 in the shape of the image, changed in place: classes of `mendem.appraisal.damage.LABELS`, and what was
        painted. That of a layer may be given.
    found
        How much of each kind, in words.
    done
        Whether all slices have been looked at.
    """

    def __init__(self, image: Image, planes: tuple[int, ...] | None, labels: np.ndarray | None = None) -> None:
        self.image = image
        self.planes = tuple(range(image.plane_count)) if planes is None else planes
        self.cancelled = threading.Event()
        self.progress: Progress | None = None
        self.labels = np.zeros(image.shape, np.uint8) if labels is None else labels
        self.found: tuple[str, ...] = ()
        self.done = False

    def work(self) -> ProposeJob:
        """Look at all slices."""
        from mendem.appraisal.damage import propose_damage
        from mendem.engine import Progress

        started, count, painted = time.monotonic(), len(self.planes), painted_label()
        stack = self.labels.reshape(-1, *self.image.plane_shape)
        several = self.image.plane_count > 1
        for number, plane in enumerate(self.planes):
            if self.cancelled.is_set():
                return self
            damage = propose_damage(self.image.read(plane))
            proposed = stack[plane] < painted
            stack[plane][proposed] = damage.labels[proposed]
            self.found += tuple(f"{text}{f' in slice {plane}' if several else ''}" for text in damage.found)
            share = (number + 1) / count
            left = (time.monotonic() - started) * (1 - share) / share
            self.progress = Progress(number, count, share, left)
        self.done = True
        return self


def own_marks(viewer: ViewerModel, image: ImageLayer) -> Labels | None:
    """Our layer that lies on an image, pixel on pixel."""
    for layer in reversed(viewer.layers):
        if isinstance(layer, Labels) and layer.name.startswith(PAINT_LAYER) and _lies_on(layer, image):
            return layer
    return None


def paint_layer(viewer: ViewerModel, image: ImageLayer, labels: np.ndarray | None = None) -> Labels:
    """The layer to mark places of ``image`` in: ours that lies on it, else a new one with ``labels``."""
    marks = own_marks(viewer, image)
    if marks is not None:
        return marks
    marks = Labels(
        np.zeros(full_shape(image), np.uint8) if labels is None else labels,
        name=PAINT_LAYER,
        features=_names(),
        colormap=_colours(),
        opacity=1.0,
        blending="translucent",
        **Look.of(image).place,
    )
    viewer.add_layer(marks)
    pixel = viewer.scene.camera.zoom * float(abs(image.scale[-1]))
    marks.contour = max(1, round(CONTOUR / pixel))  # what is filled in stays in sight
    marks.brush_size = max(1, round(BRUSH / pixel))
    marks.selected_label = painted_label()
    return marks


def painted_label() -> int:
    """The label of what is painted by hand: the one after those of `propose_damage`."""
    from mendem.appraisal.damage import LABELS

    return max(LABELS) + 1


def _lies_on(layer: Labels, image: ImageLayer) -> bool:
    shape = full_shape(image)
    if full_shape(layer) != shape:
        return False
    return np.allclose(placement(layer, image), np.eye(len(shape), len(shape) + 1), atol=TOLERANCE / max(shape))


def _names() -> dict[str, list]:
    """What each label stands for, as napari shows it beside the coordinates."""
    from mendem.appraisal.damage import LABELS

    named = {0: "kept", **LABELS, painted_label(): "painted"}
    return {"index": list(named), "damage": list(named.values())}


def _colours() -> DirectLabelColormap:
    """One colour for each kind of damage, and one for all that is painted by hand."""
    from mendem.appraisal.damage import LABELS

    kinds = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(LABELS)}
    return DirectLabelColormap(color_dict={**kinds, None: PAINTED, painted_label(): PAINTED, 0: "transparent"})
