"""What docks share as windows: whether they can be seen, Escape, and a tidy end."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import Any, Protocol

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QWidget

from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.errand import Errand
from napari_mendem.widgets.tabs import share_place


class FrontDock(QWidget):
    """A dock that is told when it comes to the front and when it can no longer be seen. Escape cancels."""

    @property
    def busy(self) -> bool:
        """Whether something is at work."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Stop what is at work."""
        raise NotImplementedError

    def _in_front(self, front: bool) -> None:
        """The dock came to the front, or it is closed or behind another one."""
        raise NotImplementedError

    def _minimised(self) -> None:
        """The window is minimised."""

    def sizeHint(self) -> QSize:
        """As wide as the information needs to be read well."""
        return super().sizeHint().expandedTo(QSize(300, 0))

    def hideEvent(self, event: Any) -> None:
        super().hideEvent(event)
        if event.spontaneous():
            self._minimised()
        else:
            self._in_front(False)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._in_front(True)

    def keyPressEvent(self, event: Any) -> None:
        """Escape cancels."""
        if self.busy and event.key() == Qt.Key.Key_Escape:
            self.cancel()
        else:
            super().keyPressEvent(event)


class Output(Protocol):
    """Layers of a live preview."""

    def remove(self) -> None: ...


class LiveDock(FrontDock):
    """A dock with a live preview and one errand at a time; a subclass makes ``live`` and ``ui``, and calls `_ready`."""

    live: Any
    ui: Any

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._connections = Connections()
        self._running: list[Event] = []
        #: Whether the dock can be seen: otherwise it leaves no preview.
        self.in_front = True
        self.errand = Errand(self)

    @property
    def busy(self) -> bool:
        """Whether something is at work."""
        return self.errand.busy

    def cancel(self) -> None:
        """Stop what is at work; what is finished is kept, and marked partial."""
        if self.busy:
            self.ui.cancel.setEnabled(False)
        self.errand.cancel()

    def _failed(self, error: BaseException) -> None:
        """Something at work has gone wrong."""
        raise NotImplementedError

    def _ready(self, previewing: list[Event], *connections: Connections) -> None:
        """``previewing`` holds the event that stops the preview in work; ``connections`` end with the dock."""
        # Nothing below may hold this widget: it runs when Qt has deleted it.
        connected = self._connections, *connections
        self.destroyed.connect(partial(_shut, connected, previewing, self._running, self.live.output))
        share_place(self, self._in_front)

    def _in_front(self, front: bool) -> None:
        """A dock that is closed or behind another one computes no preview, and leaves none behind."""
        self.in_front = front
        if not front:
            self.live.pause(True)
            self.live.output.remove()
        elif not self.busy:
            self.live.pause(False)

    def _minimised(self) -> None:
        self.live.pause(True)


def _shut(
    connections: tuple[Connections, ...],
    previewing: list[Event],
    running: list[Event],
    output: Output,
    _: object = None,
) -> None:
    """Leave nothing at work, nothing connected and no preview behind a dock that is gone."""
    for made in connections:
        made.cut()
    for cancelled in (*previewing, *running):
        cancelled.set()
    output.remove()
