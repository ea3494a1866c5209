"""The missing wedge in the viewer: beside the tilts in 2-D, beside the tomogram in 3-D. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_mendem import wedge_flat, wedge_solid
from napari_mendem.viewport import shown_direction
from napari_mendem.views import LOOKING, UP
from napari_mendem.wedge_flat import FlatView, Length
from napari_mendem.wedge_page import Page
from napari_mendem.wedge_solid import BLOCK, SolidView

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

    from napari_mendem.wedge_layers import KeptLayers
    from napari_mendem.wedge_work import Answer


class WedgeView:
    """Shows answers in the way that the viewer's axes ask for.

    Parameters
    ----------
    viewer
        Where.
    kept
        The layers.
    """

    def __init__(self, viewer: ViewerModel, kept: KeptLayers) -> None:
        self._viewer, self._kept = viewer, kept
        self._flat, self._solid = FlatView(kept), SolidView(kept)
        self._before: dict[Layer, dict[str, Any]] = {}
        self._camera: dict[str, Any] | None = None

    def plane(self, layer: ImageLayer, tomogram: ImageLayer | None) -> str:
        """The plane of Fourier space that belongs to the axes that are shown.

        Rows and columns of tilts are of many directions: beside them lies the plane across the tilt axis.
        """
        shown = shown_direction(self._viewer)
        if shown == "yz":
            return "kz ky"
        tomogram_alone = tomogram is not None and tomogram.visible and not layer.visible
        return "ky kx" if shown == "xy" and tomogram_alone else "kz kx"

    def show(self, answer: Answer, layer: ImageLayer, tomogram: ImageLayer | None, wanted: set[str], tilt: int) -> None:
        """Bring the layers up to date; ``wanted`` are roles of either view."""
        voxel = answer.question.series.image.voxel_size
        length = Length(None if voxel is None else voxel.values[-1], "" if voxel is None else voxel.unit)
        if self._viewer.dims.ndisplay == 3:
            first = self._kept.get("volume") is None
            self._solid.show(answer, layer, tomogram, wanted & set(wedge_solid.ALL), tilt, length)
            if first and self._kept.get("volume") is not None:
                shown = [one for one in self._viewer.layers if one.visible]
                self._viewer.fit_to_view(layers=shown)
            return
        page = Page.of(self._viewer, layer, tomogram)
        if page is None:
            return
        first = all(self._kept.get(role) is None for role in wedge_flat.ALL)
        self._flat.show(answer, layer, page, wanted & set(wedge_flat.ALL), tilt, length)
        if first:
            self._viewer.fit_to_view()

    def turned(self, layer: ImageLayer, tomogram: ImageLayer | None) -> None:
        """3-D was entered or left: what belongs to the other view is hidden meanwhile, or goes."""
        solid = self._viewer.dims.ndisplay == 3
        if solid and not self._before:
            flat = [self._kept.get(role) for role in wedge_flat.ALL]
            for one in (layer, *(one for one in flat if one is not None)):
                self._before[one] = {"visible": one.visible}
                one.visible = False
            if tomogram is not None:
                self._before[tomogram] = {name: getattr(tomogram, name) for name in ("visible", *BLOCK)}
                for name, value in {"visible": True, **BLOCK}.items():
                    setattr(tomogram, name, value)
        elif not solid and self._before:
            self.release()
            self._kept.drop(*wedge_solid.ALL)

    def release(self) -> None:
        """Show what 3-D has hidden: nobody will when the dock is gone."""
        before, self._before = self._before, {}
        for one, values in before.items():
            for name, value in values.items():
                setattr(one, name, value)

    def enter_solid(self) -> None:
        """Show everything in 3-D, from a side from which the wedge is seen."""
        camera, dims = self._viewer.scene.camera, self._viewer.dims
        self._camera = {name: getattr(camera, name) for name in ("center", "zoom", "angles")}
        dims.order = tuple(range(dims.ndim))
        dims.ndisplay = 3
        camera.set_view_direction(LOOKING, UP)

    def leave_solid(self) -> None:
        """Back to 2-D, as it was seen before."""
        self._viewer.dims.ndisplay = 2
        if self._camera is not None:
            for name, value in self._camera.items():
                setattr(self._viewer.scene.camera, name, value)
            self._camera = None
