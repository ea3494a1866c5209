"""The live preview in the viewer: what starts it, and what shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import qdebounced

from mendem.errors import MendemError
from napari_mendem import workers
from napari_mendem.preview import Frame, LivePreview
from napari_mendem.preview_volume import PlaneFrame
from napari_mendem.results import PreviewLayer
from napari_mendem.viewport import SideView, View, shown_direction, visible, visible_side
from napari_mendem.widgets.connections import Connections
from napari_mendem.workers import Preparations, Request

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from mendem.engine import Run

#: A change must have rested this long before a preview is asked for, and answers are looked for this often (ms).
REST = 60
POLL = 20


class Live(QObject):
    """Follows the viewport of a layer, and previews what is seen while it is ``on``.

    While off, a new image or other parameters are still looked at once, so that noise, notes and memory are known.

    Parameters
    ----------
    viewer
        To be followed.
    wanted
        Gives the layer and the request for all of it, or None where there is nothing to preview.
    connections
        Where the connections to the viewer are kept.
    along_z
        Whether planes along z are previewed, in place of slices.
    """

    prepared = Signal(object)
    failed = Signal(object)
    stage = Signal(str)

    def __init__(
        self,
        viewer: ViewerModel,
        wanted: Callable[[], tuple[ImageLayer, Request] | None],
        title: str,
        preparations: Preparations,
        connections: Connections,
        cpu_threads: int,
        parent: QObject,
        along_z: bool = False,
    ) -> None:
        super().__init__(parent)
        self._along_z = along_z
        self._viewer, self._wanted, self._title, self._cpu_threads = viewer, wanted, title, cpu_threads
        self._layer: ImageLayer | None = None
        self._followed: ImageLayer | None = None
        self._on = self._paused = False
        self.preview = LivePreview(self._show, self._tell, self._failed, preparations)
        self.output = PreviewLayer(viewer)
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self._poll)
        self.ask = qdebounced(self.ask_now, timeout=REST)
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        moves = (camera.center, camera.zoom, viewer.canvas.events.size)
        for event in (*moves, dims.current_step, dims.ndisplay, dims.order):
            connections.make(event, self.follow)
        self._connections = Connections()

    @property
    def on(self) -> bool:
        """Whether the preview is wanted."""
        return self._on

    def set_on(self, on: bool) -> None:
        """Start or end the preview; its layer goes when it ends."""
        self._on = on
        if on:
            self.ask()
        else:
            self.preview.cancel()
            self.output.remove()
            self.stage.emit("")
            self.ask()  # noise, notes and memory are wanted all the same

    def pause(self, paused: bool) -> None:
        """Stop for a while, for example during a run; the layer stays."""
        self._paused = paused
        if paused:
            self.preview.cancel()
            self.stage.emit("")
        else:
            self.ask()

    def follow(self, _: object = None) -> None:
        """Something about the view has changed."""
        if self._on and not self._paused:
            self.ask()

    def ask_now(self) -> None:
        """Ask for what is seen now."""
        if self._paused:
            return
        try:
            wanted = self._wanted()
        except MendemError as error:
            self.preview.cancel()
            self._failed(error)
            return
        self._layer, request = wanted or (None, None)
        self._watch(self._layer)
        if self._layer is None or request is None:
            workers.warm_up()
            self.preview.cancel()
            self.output.remove()
            return
        view = self.view()
        if self._on and view is None:
            self.output.remove()
            self.stage.emit(self._why_none())
        if self.preview.request(request, view, self._cpu_threads):
            self._timer.start()
            if view is not None:
                self.stage.emit("computing…")

    def view(self) -> View | SideView | None:
        """What is to be previewed now; None for nothing."""
        if not self._on or self._layer is None:
            return None
        return (visible_side if self._along_z else visible)(self._viewer, self._layer)

    def _why_none(self) -> str:
        shown = shown_direction(self._viewer)
        if self._along_z and shown == "xy":
            return "needs xz or yz"
        return "nothing in view" if shown == "xy" or self._along_z and shown else "needs the 2-D view"

    def close(self) -> None:
        """End everything, also when Qt has taken the widgets away already."""
        self.preview.cancel()
        self._connections.cut()

    def _watch(self, layer: ImageLayer | None) -> None:
        """Follow what moves or changes the layer itself."""
        if layer is self._followed:
            return
        self._connections.cut()
        self._followed = layer
        if layer is not None:
            for name in ("data", "scale", "translate", "rotate", "shear", "affine", "units"):
                self._connections.make(layer.events[name], self._layer_changed)

    def _layer_changed(self, _: object = None) -> None:
        if not self._paused:
            self.ask()

    def _poll(self) -> None:
        if not self.preview.poll():
            self._timer.stop()

    def _show(self, frame: Frame | PlaneFrame) -> None:
        if self._on and self._layer is not None:
            self.output.show(frame, self._layer, self._title)
            self.stage.emit(frame.stage)

    def _failed(self, error: BaseException) -> None:
        """An answer to an earlier question must not be taken for this one's."""
        self.output.remove()
        self.stage.emit("")
        self.failed.emit(error)

    def _tell(self, run: Run) -> None:
        self.prepared.emit(run)
