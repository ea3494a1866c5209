"""How the Missing wedge dock follows the viewer: its axes, its sliders, and layers that the user removes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QTimer

from napari_mendem.viewport import current_slice, go_to, shown_direction

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from mendem.tomography.tilt_series import TiltSeries
    from napari_mendem.wedge_layers import KeptLayers
    from napari_mendem.wedge_view import WedgeView
    from napari_mendem.widgets.connections import Connections
    from napari_mendem.widgets.missing_wedge_layout import MissingWedgeLayout

#: Layers by the check box that switches them.
SWITCHED = {
    "fourier": ("spectrum", "wedge", "tilts", "generated", "volume", "surface"),
    "ray": ("tilt", "plane"),
    "point": ("point",),
}


class Follows:
    """The following part of `MissingWedgeWidget`."""

    viewer: ViewerModel
    ui: MissingWedgeLayout
    kept: KeptLayers
    view: WedgeView
    _connections: Connections
    _layer: ImageLayer | None
    _series: TiltSeries | None
    _tilt: int
    #: Whether layers are being drawn: the viewer's sliders may move when layers come and go.
    _drawing: bool

    def select(self, tilt: int) -> None:
        raise NotImplementedError

    def _draw(self) -> None:
        raise NotImplementedError

    def _ask(self, again: bool = False) -> None:
        raise NotImplementedError

    def _follow(self) -> None:
        """Connect the viewer's axes, sliders and layers."""
        # After napari has dealt with its own event: layers come and go then.
        self._turn = QTimer(self)  # type: ignore[call-overload]
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._turned)
        dims = self.viewer.dims.events
        for event in (dims.order, dims.ndisplay):
            self._connections.make(event, self._turning)
        self._connections.make(dims.current_step, self._moved)
        self._connections.make(self.viewer.layers.events.removed, self._layer_removed)

    def _moved(self, _: object = None) -> None:
        """The viewer's sliders: another tilt, or another plane."""
        if self._series is None or self._drawing or self._turn.isActive():
            return
        shown = shown_direction(self.viewer)
        if shown == "xy":
            tilt = self._tilt_in_stack()
            if tilt is not None and tilt != self._tilt:
                self.select(tilt)
            return
        layer = self._layer
        if shown == "xz" and layer is not None and self.ui.axis.value() == 0:
            row = int(round(layer.world_to_data(self.viewer.dims.point[-3:])[1]))
            if 0 <= row <= self.ui.row_number.maximum() and row != self.ui.row_number.value():
                self.ui.row_number.setValue(row)
        self._draw()

    def _turning(self, _: object = None) -> None:
        self._turn.start(0)

    def _turned(self) -> None:
        """Other axes are shown, or 3-D was entered or left."""
        solid, layer = self.viewer.dims.ndisplay == 3, self._layer
        with QSignalBlocker(self.ui.solid):
            self.ui.solid.setChecked(solid)
        if layer is None or self._series is None:
            return
        self.view.turned(layer, self.ui.tomogram.layer)
        if shown_direction(self.viewer) == "xy":
            go_to(self.viewer, layer, 0, self._tilt)
        self._draw()
        self._ask()

    def _show_solid(self, on: bool) -> None:
        if self._layer is not None:
            self.view.enter_solid() if on else self.view.leave_solid()

    def _layer_removed(self, event: object = None) -> None:
        role = self.kept.removed(getattr(event, "value", None))
        for name, roles in SWITCHED.items():
            if role in roles and all(self.kept.get(other) is None for other in roles):
                box = getattr(self.ui, name)
                with QSignalBlocker(box):
                    box.setChecked(False)

    def _tilt_in_stack(self) -> int | None:
        layer = self._layer
        if layer is None or layer not in self.viewer.layers or shown_direction(self.viewer) != "xy":
            return None
        index = current_slice(self.viewer, layer)
        return index[0] if index else None
