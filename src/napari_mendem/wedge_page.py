"""Where the pictures of the missing wedge lie beside a tilt series, in the plane that the viewer shows. No Qt.

tilt            | Fourier space
----------------+-----------------
slice (z, x)    | image of a point
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_mendem.viewport import shown_direction
from napari_mendem.wedge_layers import Place

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

#: Gap between pictures, as a share of the tilt's height.
GAP = 0.06


def edges(layer: ImageLayer) -> np.ndarray:
    """Lowest and highest edges (2, 3) of a layer's pixels along the last three axes of the world."""
    half = np.abs(np.asarray(layer.scale)[-3:]) / 2
    return np.asarray(layer.extent.world)[:, -3:] + [-half, half]


@dataclass(frozen=True)
class Page:
    """A plane of the viewer, and the box on it beside which the pictures lie.

    Attributes
    ----------
    axes
        The two axes that are shown, of the last three of the viewer, by rising number: (1, 2) for y and x.
    down
        Whether the first of them runs down the screen (else it runs to the right).
    low, high
        Edges of the box along these axes, in the viewer's world.
    at
        Place along the axis that is not shown.
    pixel
        Extent of a pixel of the tilts in the world.
    units
        Of lengths along y and x.
    """

    axes: tuple[int, int]
    down: bool
    low: np.ndarray
    high: np.ndarray
    at: float
    pixel: float
    unit: str

    @classmethod
    def of(cls, viewer: ViewerModel, layer: ImageLayer, tomogram: ImageLayer | None = None) -> Page | None:
        """Beside a tilt series, and beside the tomogram too; None in 3-D, and where other axes are shown."""
        dims = viewer.dims
        if shown_direction(viewer) == "":
            return None
        shown = [axis - dims.ndim + 3 for axis in dims.displayed]
        first, second = sorted(shown)
        boxes = np.array([edges(one) for one in (layer, tomogram) if one is not None])
        box = np.array([boxes[:, 0].min(0), boxes[:, 1].max(0)])
        hidden = dims.ndim - first - second
        return cls(
            (first, second),
            shown[0] == first,
            box[0, [first, second]],
            box[1, [first, second]],
            float(dims.point[hidden]),
            float(abs(layer.scale[-1])),
            str(layer.units[-1]),
        )

    @property
    def flat(self) -> bool:
        """Whether pictures have two axes alone, which napari shows at every place of its slider: y and x are shown."""
        return self.axes == (1, 2)

    @property
    def hidden(self) -> int:
        """The axis that is not shown."""
        return 3 - sum(self.axes)

    @property
    def side(self) -> float:
        """Height of a picture: that of the tilt."""
        return float((self.high - self.low)[1 if not self.down else 0])

    def corner(self, right: bool, below: bool) -> np.ndarray:
        """Where the edges of a picture to the right of the box, or below it, begin along both axes."""
        moved = (below, right) if self.down else (right, below)
        return np.where(moved, self.high + GAP * self.side, self.low)

    def place(self, corner: np.ndarray, step: np.ndarray, names: tuple[str, str]) -> Place:
        """Where an image lies whose first pixel begins at ``corner``."""
        first = corner + np.asarray(step) / 2
        if self.flat:
            return Place(tuple(map(float, step)), tuple(map(float, first)), (self.unit,) * 2, names)
        scale, translate, axes = [self.pixel] * 3, [self.at] * 3, ["across"] * 3
        for axis, length, begin, name in zip(self.axes, step, first, names, strict=True):
            scale[axis], translate[axis], axes[axis] = float(length), float(begin), name
        axes[self.hidden] = ("z", "y", "x")[self.hidden]
        return Place(tuple(scale), tuple(translate), (self.unit,) * 3, tuple(axes))

    def drawing(self) -> Place:
        """Where vertices in the world's coordinates lie."""
        if self.flat:
            return Place((1.0, 1.0), (0.0, 0.0), (self.unit,) * 2, ("y", "x"))
        translate = [0.0] * 3
        translate[self.hidden] = self.at
        return Place((1.0,) * 3, tuple(translate), (self.unit,) * 3, ("z", "y", "x"))

    def image(self, picture: np.ndarray) -> np.ndarray:
        """A picture (its axes as ``axes``) with the axes of its layer."""
        return picture if self.flat else np.expand_dims(picture, self.hidden)

    def spacing(self, stated: dict) -> dict:
        """The extent of a picture's pixel with the axes of its layer."""
        if self.flat:
            return stated
        values = list(stated["values"])
        values.insert(self.hidden, None)
        return {**stated, "values": tuple(values)}

    def points(self, places: np.ndarray) -> np.ndarray:
        """World coordinates (n, 2) along ``axes`` with the axes of their layer."""
        return places if self.flat else np.insert(places, self.hidden, 0.0, axis=1)
