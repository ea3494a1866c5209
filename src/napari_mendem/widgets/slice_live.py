"""The live slice of a tomogram: what starts it, and what shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import qdebounced

from mendem.errors import MendemError
from napari_mendem.newest import Newest
from napari_mendem.tomogram_layers import SlicePreview
from napari_mendem.tomogram_request import TomogramRequest
from napari_mendem.tomograms import LiveSlice, SliceJob, SliceSource
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.live import POLL, REST

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

#: What is previewed: the layer, what is wanted of it, and the row of the aligned tilts.
Wanted = tuple["ImageLayer", TomogramRequest, int]


class SliceLive(QObject):
    """Reconstructs one slice again after each change while it is on; the newest change wins.

    Parameters
    ----------
    viewer
        Where the slice is shown.
    wanted
        Says what is to be previewed; it may raise `MendemError`.
    connections
        Where the connections to the viewer are kept.
    """

    failed = Signal(object)
    stage = Signal(str)
    #: A slice is finished.
    finished = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        wanted: Callable[[], Wanted],
        connections: Connections,
        cpu_threads: int,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._wanted, self._cpu_threads = viewer, wanted, cpu_threads
        self.on = self._paused = False
        self.newest = Newest(self._show, self._failed)
        self.source: Any = SliceSource()
        self.output = SlicePreview(viewer)
        self._now: Wanted | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self._poll)
        self.ask = qdebounced(self.ask_now, timeout=REST)
        connections.make(viewer.dims.events.ndisplay, lambda _: self.ask())

    def set_on(self, on: bool) -> None:
        """Start or end the preview; its layers go when it ends."""
        self.on = on
        if on:
            self.ask()
        else:
            self._nothing("")

    def pause(self, paused: bool) -> None:
        """Stop for a while, for example during a run; the layers stay."""
        self._paused = paused
        if paused:
            self.newest.cancel()
            self.stage.emit("")
        else:
            self.ask()

    def ask_now(self) -> None:
        """Ask for the slice that is wanted now."""
        if self._paused or not self.on:
            return
        if self._viewer.dims.ndisplay != 2:
            self._nothing("needs the 2-D view")
            return
        try:
            layer, request, row = self._wanted()
        except MendemError as error:
            self._nothing("")
            self.failed.emit(error)
            return
        before, self._now = self._now, (layer, request, row)
        asked = self.newest.job is not None and before is not None
        if asked and before is not None and before[2] == row and before[1].same(request):
            return
        self.newest.start(self._job(request, row))
        self.stage.emit("computing…")
        self._timer.start()

    def _job(self, request: Any, row: int) -> Any:
        """What computes the slice."""
        return SliceJob(request, row, self.source, self._cpu_threads)

    def _nothing(self, why: str) -> None:
        self.newest.cancel()
        self.output.remove()
        self.stage.emit(why)

    def _poll(self) -> None:
        if not self.newest.poll():
            self._timer.stop()

    def _show(self, frame: LiveSlice) -> None:
        if not self.on or self._now is None:
            return
        layer, request, _ = self._now
        self.output.show(frame, request, layer)
        self.stage.emit(f"slice {frame.row}" if frame.final else f"slice {frame.row}, step {frame.step}")
        if frame.final:
            self.finished.emit(frame)

    def _failed(self, error: BaseException) -> None:
        self._nothing("")
        self.failed.emit(error)
