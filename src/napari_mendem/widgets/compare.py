"""The Compare dock: two images against each other, and what measurements become."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from napari.layers import Shapes
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QWidget
from superqt.utils import qdebounced

from mendem.errors import MendemError
from napari_mendem.compare.background import Background
from napari_mendem.compare.line import line_layer, start_line
from napari_mendem.compare.partners import input_of, is_restoration
from napari_mendem.compare.plane import Plane, overlap
from napari_mendem.layers import unwrapped
from napari_mendem.widgets.compare_half import HalfData
from napari_mendem.widgets.compare_layout import KEY, CompareLayout
from napari_mendem.widgets.compare_modes import Modes
from napari_mendem.widgets.compare_numbers import Numbers
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.tabs import share_place

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_mendem.compare.drag import DividerDrag
    from napari_mendem.compare.key import Key
    from napari_mendem.compare.view import CompareView

#: A change of the slice must have rested this long before it is read, ms.
REST = 40

#: What of a layer changes what is compared.
LAYER_EVENTS = ("data", "scale", "translate", "rotate", "shear", "affine", "units")


class CompareWidget(QWidget):
    """Compare two image layers of a viewer. Closing or hiding the dock leaves the viewer as it was.

    Parameters
    ----------
    napari_viewer
        Whose layers are compared.
    """

    def __init__(self, napari_viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer = unwrapped(napari_viewer)
        self.setObjectName("compare")
        self._connections, self._layer_connections = Connections(), Connections()
        self._watched: tuple[object, ...] = ()
        self.background = Background()
        self.ui = ui = CompareLayout(self, viewer, self._connections)
        self.numbers = Numbers(viewer, ui, self.background, self)
        self.half = HalfData(ui, self.numbers, self)
        self.modes = Modes(viewer, ui, self.numbers, self)
        self.view = self.modes.view
        self.refresh = qdebounced(self.refresh_now, timeout=REST)

        ui.before.changed.connect(self._pair_changed)
        ui.after.changed.connect(self._pair_changed)
        self.modes.said.connect(self._say)
        ui.area.changed.connect(self.numbers.ask_now)
        ui.tabs.currentChanged.connect(lambda _: self.numbers.ask_now())
        ui.draw.clicked.connect(self.draw_line)
        ui.width.valueChanged.connect(lambda _: self.numbers.ask_line())
        ui.halves.changed.connect(self._halves_changed)
        ui.validate.clicked.connect(self.half.start)
        ui.cancel.clicked.connect(self.half.cancel)
        for button, source in (
            (ui.profile_copy, ui.profile),
            (ui.power_copy, ui.power),
            (ui.frc_copy, ui.frc),
            (ui.table_copy, ui.table),
        ):
            button.clicked.connect(lambda _=False, source=source: _to_clipboard(source.as_text()))
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        for event in (camera.center, camera.zoom, viewer.canvas.events.size):
            self._connections.make(event, self._moved)
        for event in (dims.current_step, dims.ndisplay, dims.order):
            self._connections.make(event, self._sliced)
        self._connections.make(viewer.layers.events.removed, self._removed)
        self._connections.make(viewer.layers.events.inserted, self._layers_changed)
        self._connections.make(viewer.layers.events.renamed, self._layers_changed)
        self._connections.make(viewer.layers.selection.events.active, self._selected)
        # Nothing below may hold this widget: it runs when Qt has deleted it.
        connections, modes = (self._connections, self._layer_connections), self.modes
        self.destroyed.connect(partial(_shut, connections, modes.view, modes.drag, modes.key, self.half.running))
        self._choose_at_start()
        self._pair_changed()
        share_place(self)

    # What scripts and tests drive.

    @property
    def mode(self) -> str:
        """One of `MODES`."""
        return self.modes.mode

    @property
    def busy(self) -> bool:
        """Whether numbers are being computed or halves restored."""
        return self.background.busy or self.half.busy

    def set_mode(self, mode: str) -> None:
        """Show both images in one of `napari_mendem.compare.view.MODES`."""
        self.modes.set(mode)

    def draw_line(self) -> None:
        """Let the user draw the line of the profile."""
        layer = self.ui.before.layer
        if layer is None:
            self._say("There is no image to draw on")
            return
        if self.mode == "side by side":  # there the line would get a place of its own
            self.set_mode("swipe")
        start_line(self.viewer, layer)
        self._watch()

    # The two images.

    def _choose_at_start(self) -> None:
        restored = [layer for layer in self.viewer.layers if is_restoration(layer)]
        active = self.viewer.layers.selection.active
        if is_restoration(active):
            restored.append(active)
        if restored:
            self._choose(restored[-1])
        elif self.ui.before.count() > 1:
            self.ui.before.setCurrentIndex(0)
            if self.ui.after.layer is self.ui.before.layer:
                self.ui.after.setCurrentIndex(self.ui.after.count() - 1)

    def _choose(self, restored: Layer) -> None:
        given = input_of(self.viewer, restored)
        self.ui.after.choose(restored)
        if given is not None:
            self.ui.before.choose(given)

    def _selected(self, _: object = None) -> None:
        """A restoration that is selected is compared with its input."""
        active = self.viewer.layers.selection.active
        if is_restoration(active) and input_of(self.viewer, active) is not None:
            self._choose(active)
        self._watch()

    def _pair_changed(self) -> None:
        self.numbers.validated = False
        self._watch()
        self._say_about()
        self.half.refresh()
        self.modes.enter()
        self.numbers.ask()

    def _layers_changed(self, _: object = None) -> None:
        if not self.view.temporary.busy:
            self._watch()
            self._say_about()
            self.modes.offer_spread()
            self.numbers.ask()

    def _removed(self, event: object = None) -> None:
        if self.view.temporary.busy:
            return
        if getattr(event, "value", None) in self.view.temporary:  # the user has taken our layer away
            self.set_mode("off")
        self._layers_changed()

    def _watch(self) -> None:
        """Follow what changes the compared layers, the line, and whether the selected layer becomes a restoration."""
        layers = self.ui.before.layer, self.ui.after.layer, line_layer(self.viewer), self.viewer.layers.selection.active
        if layers == self._watched:
            return
        self._watched = layers
        self._layer_connections.cut()
        before, after, line, active = layers
        for layer in {before, after} - {None}:
            for name in LAYER_EVENTS:
                self._layer_connections.make(layer.events[name], self._layer_edited)
        if isinstance(line, Shapes):
            for name in ("set_data", "data", "highlight", "affine", "scale", "translate"):
                self._layer_connections.make(line.events[name], self._line_moved)
        if active is not None:
            self._layer_connections.make(active.events.metadata, self._selected)
        self.numbers.ask_line()

    def _say_about(self) -> None:
        a, b = self.ui.before.layer, self.ui.after.layer
        try:
            planes = self.numbers.planes()
            overlap(*planes)
        except MendemError as error:
            self.ui.about.setText("")
            self._say("" if a is None or b is None else str(error))
            return
        self._say("")
        texts = [f"{p.shape[0]} x {p.shape[1]}, {_pixel_size(p)}" for p in planes]
        self.ui.about.setText(texts[0] if texts[0] == texts[1] else f"{texts[0]}  \u2192  {texts[1]}")

    # What changes meanwhile.

    def refresh_now(self) -> None:
        """Read and compute anew what the mode and the tab show."""
        if not self.modes.hidden:
            self.modes.refresh()
            self.numbers.ask()

    def _moved(self, _: object = None) -> None:
        """The camera, or the size of the canvas."""
        self.view.swipe()
        if self.ui.area.value() == "part in view":
            self.numbers.ask()

    def _sliced(self, _: object = None) -> None:
        if not self.modes.hidden:
            self.refresh()

    def _layer_edited(self, _: object = None) -> None:
        self._say_about()
        self.numbers.validated = False
        self.refresh()

    def _line_moved(self, _: object = None) -> None:
        self.numbers.ask_line()

    def _halves_changed(self) -> None:
        self.numbers.validated = False
        self.numbers.ask_now()

    def _say(self, text: str) -> None:
        self.ui.message.setText(text)
        self.ui.message.setVisible(bool(text))

    # Qt.

    def sizeHint(self) -> QSize:
        return super().sizeHint().expandedTo(QSize(300, 0))

    def hideEvent(self, event: object) -> None:
        """A dock that is not seen changes nothing and computes nothing; a minimised window is left as it is."""
        super().hideEvent(event)
        if not event.spontaneous():  # type: ignore[attr-defined]
            self.modes.hidden = self.numbers.paused = True
            self.background.forget()
            self.modes.enter()
        self.numbers.ask()

    def showEvent(self, event: object) -> None:
        super().showEvent(event)
        if self.modes.hidden:
            self.modes.hidden = self.numbers.paused = False
            self.modes.enter()
        self.numbers.ask()

    def keyPressEvent(self, event: object) -> None:
        """Escape cancels the validation; the key of the flicker works here too."""
        key = event.key()  # type: ignore[attr-defined]
        if key == Qt.Key.Key_Escape and self.half.busy:
            self.half.cancel()
        elif key == getattr(Qt.Key, f"Key_{KEY}") and self.view.mode == "flicker":
            self.modes.flick()
        else:
            super().keyPressEvent(event)


def _pixel_size(plane: Plane) -> str:
    return f"{plane.pixel:.3g} nm" if plane.unit == "nm" else "no pixel size"


def _to_clipboard(text: str) -> None:
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    clipboard.setText(text)


def _shut(
    connections: tuple[Connections, ...],
    view: CompareView,
    drag: DividerDrag,
    key: Key,
    running: list[Event],
    _: object = None,
) -> None:
    """Leave nothing at work, nothing connected and nothing changed behind a widget that is gone."""
    for made in connections:
        made.cut()
    for cancelled in running:
        cancelled.set()
    drag.set_on(False)
    key.set_on(False)
    view.leave()
