"""Views of a volume, and the way back: planes along z in place of sections, and two volumes side by side. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mendem.viewport import full_shape, go_to, shown_direction, visible

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

#: How a volume is shown in 3-D: the faces of a block, each voxel as it is. The camera sees three of them.
BLOCK = {"rendering": "translucent", "interpolation3d": "nearest", "depiction": "volume", "blending": "translucent"}
LOOKING, UP = (0.5, -0.7, -0.5), (-1.0, 0.0, 0.0)

#: Volumes of more bytes are not sent to the graphics card as a whole.
LARGEST = 1 << 30


class PlaneSwitch:
    """Shows the planes xz of a volume, and its sections again as they were seen.

    Parameters
    ----------
    viewer
        Whose axes are switched.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._sections: tuple[tuple[int, ...], tuple[float, ...], float] | None = None

    @property
    def along_z(self) -> bool:
        """Whether planes along z are on the screen."""
        return shown_direction(self._viewer) in ("xz", "yz")

    def show_xz(self, layer: ImageLayer) -> None:
        """All of the plane through the row in the middle of what is seen of the sections."""
        viewer = self._viewer
        dims = viewer.dims
        view = visible(viewer, layer)
        self._sections = None
        if view is not None:
            self._sections = tuple(dims.order), tuple(viewer.scene.camera.center), viewer.scene.camera.zoom
            go_to(viewer, layer, 1, (view.region[0] + view.region[1] - 1) // 2)
        dims.ndisplay = 2
        n = dims.ndim
        dims.order = (*(axis for axis in range(n - 3)), n - 2, n - 3, n - 1)
        viewer.fit_to_view(layers=[layer])

    def show_xy(self, layer: ImageLayer) -> None:
        """The sections, where they were looked at before."""
        viewer = self._viewer
        viewer.dims.ndisplay = 2
        if self._sections is None:
            viewer.dims.order = tuple(range(viewer.dims.ndim))
            viewer.fit_to_view(layers=[layer])
            return
        order, centre, zoom = self._sections
        viewer.dims.order = order if len(order) == viewer.dims.ndim else tuple(range(viewer.dims.ndim))
        viewer.scene.camera.center, viewer.scene.camera.zoom = centre, zoom


@dataclass(frozen=True)
class _Before:
    """What a comparison changes."""

    grid: dict[str, Any]
    dims: dict[str, Any]
    camera: dict[str, Any]
    layers: dict[Layer, dict[str, Any]]


class SideBySide:
    """Shows two volumes beside each other in 3-D, seen from the same side, and then everything as it was before.

    Parameters
    ----------
    viewer
        Which shows them in its grid.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._before: _Before | None = None

    @property
    def on(self) -> bool:
        return self._before is not None

    def show(self, left: ImageLayer, right: ImageLayer) -> None:
        """Compare two layers; all others are hidden meanwhile."""
        viewer = self._viewer
        dims, camera, grid = viewer.dims, viewer.scene.camera, viewer.canvas.grid
        pair = (left, right)
        before = _Before(
            {name: getattr(grid, name) for name in ("stride", "shape", "spacing", "enabled")},
            {"order": tuple(dims.order), "point": tuple(dims.point), "ndisplay": dims.ndisplay},
            {name: getattr(camera, name) for name in ("center", "zoom", "angles", "perspective")},
            {
                layer: {"visible": layer.visible, **({k: getattr(layer, k) for k in BLOCK} if layer in pair else {})}
                for layer in viewer.layers
            },
        )
        for layer in viewer.layers:
            layer.visible = layer in pair
        for layer in pair:
            _set(layer, BLOCK)
        # The grid begins with the lowest layer.
        first_below = viewer.layers.index(left) < viewer.layers.index(right)
        _set(grid, {"stride": 1 if first_below else -1, "shape": (1, 2), "spacing": 0.02, "enabled": True})
        dims.order = tuple(range(dims.ndim))
        dims.ndisplay = 3
        camera.set_view_direction(LOOKING, UP)
        viewer.fit_to_view(layers=list(pair))
        self._before = before

    def back(self) -> None:
        """Everything as it was before, of what is still there."""
        before, self._before = self._before, None
        if before is None:
            return
        viewer = self._viewer
        for layer, values in before.layers.items():
            if layer in viewer.layers:
                _set(layer, values)
        _set(viewer.canvas.grid, before.grid)
        viewer.dims.ndisplay = before.dims["ndisplay"]
        if len(before.dims["order"]) == viewer.dims.ndim:
            viewer.dims.order = before.dims["order"]
            viewer.dims.point = before.dims["point"]
        _set(viewer.scene.camera, before.camera)


def comparable(layer: ImageLayer) -> bool:
    """Whether a layer is small enough to be shown as a block."""
    return int(np.prod(full_shape(layer))) * np.dtype(layer.dtype).itemsize <= LARGEST


def _set(model: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(model, name, value)
