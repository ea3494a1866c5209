"""The Missing wedge dock: what a tilt series measured, what it could not, and what that does to a tomogram."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QWidget
from superqt.utils import qthrottled

from mendem.errors import MendemError
from napari_mendem import workers
from napari_mendem.layers import image_from_layer, unwrapped
from napari_mendem.preferences import preferences
from napari_mendem.viewport import go_to, shown_direction
from napari_mendem.wedge_layers import KeptLayers
from napari_mendem.wedge_tilts import by_angle, limited, slices
from napari_mendem.wedge_view import WedgeView
from napari_mendem.wedge_work import Answer, Question
from napari_mendem.widgets import wedge_words
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.dialled import Dialled
from napari_mendem.widgets.front_dock import FrontDock
from napari_mendem.widgets.messages import in_words
from napari_mendem.widgets.missing_wedge_exclude import Excludes
from napari_mendem.widgets.missing_wedge_follow import SWITCHED, Follows
from napari_mendem.widgets.missing_wedge_layout import MissingWedgeLayout
from napari_mendem.widgets.tabs import share_place
from napari_mendem.widgets.wedge_asker import Asker

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from mendem.tomography.tilt_series import TiltSeries

TITLE = "Missing wedge"
#: While something moves, a slice is asked for at most this often, ms.
EVERY = 60


class MissingWedgeWidget(Follows, Excludes, FrontDock):
    """Shows the missing wedge of a tilt series. Its layers stay when the dock is closed.

    Parameters
    ----------
    napari_viewer
        Whose tilt series is shown.
    """

    def __init__(self, napari_viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer = unwrapped(napari_viewer)
        self.setObjectName("missing_wedge")
        chosen = preferences()
        self._connections, self._layer_connections = Connections(), Connections()
        self._layer: ImageLayer | None = None
        self._series: TiltSeries | None = None
        self._tilt = 0
        self._answer: Answer | None = None
        self._away = self._drawing = False
        self.asker = Asker(chosen.cpu_threads, self)
        self.ui = ui = MissingWedgeLayout(self, viewer, self._connections)
        self.kept = KeptLayers(viewer)
        self.view = WedgeView(viewer, self.kept)
        self.ask = qthrottled(self.ask_now, timeout=EVERY, leading=False)

        self.asker.answered.connect(self._answered)
        self.asker.failed.connect(self._failed)
        self.asker.working.connect(self._working)
        ui.input.changed.connect(self._series_changed)
        ui.input.refused.connect(self._say)
        ui.tomogram.changed.connect(self._changed)
        ui.dial.selected.connect(self.select)
        ui.dial.toggled.connect(self.exclude)
        ui.dial.limit_moved.connect(ui.limit.setValue)
        ui.limit.valueChanged.connect(self._changed)
        ui.axis.valueChanged.connect(self._changed)
        ui.tilt.valueChanged.connect(self._slid)
        ui.row.valueChanged.connect(ui.row_number.setValue)
        ui.row_number.valueChanged.connect(self._row_changed)
        for name in SWITCHED:
            getattr(ui, name).toggled.connect(partial(self._switched, name))
        ui.solid.toggled.connect(self._show_solid)
        ui.live.toggled.connect(self._live_toggled)
        ui.restore.clicked.connect(self.restore)
        ui.cancel.clicked.connect(self.cancel)
        ui.fill.clicked.connect(self._open_fill)
        ui.beyond.clicked.connect(self.exclude_beyond)
        self._follow()
        # Nothing below may hold this widget: it runs when Qt has deleted it.
        connected = self._connections, self._layer_connections, ui.input.connections
        self.destroyed.connect(partial(_shut, connected, self.asker.running, self.view))
        workers.warm_up()
        ui.live.setChecked(chosen.live)
        self._series_changed()
        share_place(self, self._in_front)

    # What scripts and tests drive.

    @property
    def busy(self) -> bool:
        """Whether something is being computed."""
        return self.asker.busy

    def restore(self) -> None:
        """Reconstruct the slice with what the fields say, and show everything; returns at once."""
        self.kept.welcome()
        self._ask(again=True)

    def cancel(self) -> None:
        """Stop what is being computed; what is shown stays."""
        self.asker.stop()

    def select(self, tilt: int) -> None:
        """Look at a tilt: in the dial, in the stack, in Fourier space and in the slice."""
        if self._series is None or not 0 <= tilt < self._series.count:
            return
        self._tilt = tilt
        self._show_tilt()
        layer = self._layer
        if layer is not None and shown_direction(self.viewer) == "xy" and self._tilt_in_stack() != tilt:
            go_to(self.viewer, layer, 0, tilt)
        self._draw()

    # The series and what the fields make of it.

    def question(self) -> Question:
        """What the fields ask for; raises `MendemError` where they cannot be followed."""
        layer = self._layer
        if self._series is None or layer is None:
            raise MendemError("there is no tilt series: open a stack with its angles beside it, or a sample")
        series = limited(self._series, self.ui.limit.value(), self.ui.axis.value())
        tomogram = self.ui.tomogram.layer
        data = None if tomogram is None else image_from_layer(tomogram).data
        return Question(
            series,
            self.ui.row_number.value(),
            None if data is None else int(data.shape[0]),
            data,
            self.view.plane(layer, tomogram),
            self.viewer.dims.ndisplay == 3,
        )

    def _series_changed(self) -> None:
        """Another series is chosen, or its tilts are others."""
        ui, layer, before = self.ui, self.ui.input.layer, self._series
        if layer is not self._layer:
            self.asker.stop()
            self._layer_connections.cut()
            self._layer, self._answer, before = layer, None, None
            if layer is not None:
                self._layer_connections.make(layer.events.visible, self._changed)
        self._say("")
        try:
            self._series = ui.input.series()
        except MendemError:  # which the input says
            self._series = None
        ui.enable(self._series is not None)
        if self._series is None:
            self.asker.stop()
            ui.dial.show_tilts(Dialled())
            for label in (ui.missing, ui.elongation, ui.energy, ui.angle):
                label.setText("")
            return
        if before is None or _frame(before) != _frame(self._series):
            self.ui.take_over(self._series)
            tilt = self._tilt_in_stack()
            angles = self._series.true_angles
            self.select(min(range(len(angles)), key=lambda k: abs(angles[k])) if tilt is None else tilt)
        self._show_tilt()
        self._changed()

    # What changes meanwhile.

    def _changed(self, _: object = None) -> None:
        """A field, or the layer, says something else."""
        if self._series is None:
            return
        rows = slices(self._series, self.ui.axis.value())
        for field in (self.ui.row, self.ui.row_number):
            if field.maximum() != rows - 1:
                field.setMaximum(rows - 1)
        self.ui.show_dial(self._series, self._tilt)
        self.ask()

    def _slid(self, place: int) -> None:
        if self._series is not None:
            self.select(by_angle(self._series)[place])

    def _row_changed(self, row: int) -> None:
        with QSignalBlocker(self.ui.row):
            self.ui.row.setValue(row)
        layer = self._layer
        if layer is not None and shown_direction(self.viewer) == "xz" and self.ui.axis.value() == 0:
            go_to(self.viewer, layer, 1, row)
        self._changed()

    def _switched(self, name: str, on: bool) -> None:
        if on:
            self.kept.welcome(*SWITCHED[name])
        self._draw()

    def _live_toggled(self, on: bool) -> None:
        if on:
            self.ask()
        else:
            self.cancel()

    # Questions and answers.

    def ask_now(self) -> None:
        """Ask, where the slice is wanted live."""
        if self._series is not None and self.ui.live.isChecked() and not self._away:
            self._ask()

    def _ask(self, again: bool = False) -> None:
        try:
            question = self.question()
        except MendemError as error:
            self.asker.stop()
            self._say(str(error))
            return
        self._say("")
        self.asker.ask(question, again)

    def _working(self, working: bool) -> None:
        self.ui.cancel.setEnabled(working)
        self.ui.stage.setText("computing…" if working else "")

    def _answered(self, answer: Answer) -> None:
        self.ui.missing.setText(wedge_words.missing(answer))
        self.ui.elongation.setText(wedge_words.elongation(answer))
        tomogram = self.ui.tomogram.layer
        record = None if tomogram is None else tomogram.metadata.get("mendem")
        self.ui.energy.setText(wedge_words.energy(answer, record))
        self._answer = answer
        self._draw()

    def _failed(self, error: BaseException) -> None:
        self._say(in_words(error, TITLE))

    # What is shown.

    def _show_tilt(self) -> None:
        """The current tilt in dial, slider and words."""
        assert self._series is not None
        self.ui.show_tilt(self._series, self._tilt)
        self.ui.show_dial(self._series, self._tilt)

    def _draw(self) -> None:
        """Bring the layers up to date."""
        layer, answer = self._layer, self._answer
        if layer is None or answer is None or self._series is None or layer not in self.viewer.layers:
            return
        wanted = {"slice"}.union(*(roles for name, roles in SWITCHED.items() if getattr(self.ui, name).isChecked()))
        if self._drawing or self._turn.isActive():
            return
        self._drawing = True  # the viewer's sliders may move when layers come and go
        try:
            self.view.show(answer, layer, self.ui.tomogram.layer, wanted, self._tilt)
        finally:
            self._drawing = False

    def _say(self, text: str) -> None:
        self.ui.message.setText(text[:1].upper() + text[1:])
        self.ui.message.setVisible(bool(text))

    def _open_fill(self) -> None:
        self.viewer.window.add_plugin_dock_widget("napari-mendem", "Fill wedge")

    # Qt.

    def _in_front(self, front: bool) -> None:
        """A dock that is closed or behind another one computes nothing; its layers stay."""
        self._away = not front
        if front:
            self.ask()
        else:
            self.asker.stop()


def _frame(series: TiltSeries) -> tuple:
    """What of a series the fields are set by."""
    return series.true_angles, series.axis_angle, series.image.plane_shape


def _shut(connections: tuple[Connections, ...], running: list[Event], view: WedgeView, _: object = None) -> None:
    """Leave nothing at work and nothing connected behind a widget that is gone; the layers stay."""
    for made in connections:
        made.cut()
    for cancelled in running:
        cancelled.set()
    view.release()
