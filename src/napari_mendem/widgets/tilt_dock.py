"""What the docks of tilt series share: the series, a job at work, messages, and a tidy end."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QWidget

from napari_mendem.layers import unwrapped
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.dock_foot import DockFoot
from napari_mendem.widgets.errand import Errand
from napari_mendem.widgets.messages import in_words
from napari_mendem.widgets.tabs import share_place
from napari_mendem.widgets.tilt_input import TiltInput

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Output(Protocol):
    """Layers of a live preview."""

    def remove(self) -> None: ...


class Live(Protocol):
    """A live preview that can wait."""

    output: Any

    def pause(self, paused: bool) -> None: ...


class TiltDock(QWidget):
    """Base of the docks that work on a tilt series; a subclass makes `live` and calls `_ready`.

    Parameters
    ----------
    viewer
        The viewer whose tilt series are worked on.
    foot
        Of the dock, with its buttons.
    """

    title: ClassVar[str] = ""
    live: Live

    def __init__(self, viewer: ViewerModel, foot: DockFoot, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = unwrapped(viewer)
        self.setObjectName(self.title.lower())
        self._connections = Connections()
        self._running: list[Event] = []
        #: Whether the dock can be seen: otherwise it leaves no preview.
        self.in_front = True
        self.ui = foot
        self.input = TiltInput(self.viewer, self._connections, self)
        self.errand = Errand(self)

    def _ready(self, previewing: list[Event]) -> None:
        """Connect what all docks have; ``previewing`` holds the event that stops the preview in work."""
        self.ui.restore.clicked.connect(self.restore)
        self.ui.cancel.clicked.connect(self.cancel)
        self.input.refused.connect(self._refuse)
        connected = self._connections, self.input.connections
        # Nothing below may hold this widget: it runs when Qt has deleted it.
        self.destroyed.connect(partial(_shut, connected, previewing, self._running, self.live.output))
        share_place(self, self._in_front)

    # What scripts and tests drive.

    @property
    def busy(self) -> bool:
        """Whether something is at work."""
        return self.errand.busy

    def restore(self) -> None:
        """Start; returns at once."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Stop what is at work."""
        if self.busy:
            self.ui.cancel.setEnabled(False)
        self.errand.cancel()

    # Messages.

    def _refuse(self, text: str) -> None:
        """What cannot be done, in the dock and as a notification."""
        from napari.utils.notifications import show_warning

        self.ui.say(text)
        show_warning(text)

    def _failed(self, error: BaseException) -> None:
        from napari.utils.notifications import show_error

        text = in_words(error, self.title)
        self.ui.say(text)
        show_error(text)

    def _to_clipboard(self, text: str, what: str) -> None:
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(text)
        here = ", for napari's console: it takes layers from the viewer" if "viewer.layers" in text else ""
        self.ui.say(f"Copied as {what}{here}.")

    # Qt.

    def sizeHint(self) -> QSize:
        """As wide as the information needs to be read well."""
        return super().sizeHint().expandedTo(QSize(300, 0))

    def _in_front(self, front: bool) -> None:
        """A dock that is closed or behind another one computes no preview, and leaves none behind."""
        self.in_front = front
        if not front:
            self.live.pause(True)
            self.live.output.remove()
        elif not self.busy:
            self.live.pause(False)

    def hideEvent(self, event: Any) -> None:
        super().hideEvent(event)
        if event.spontaneous():  # the window is minimised
            self.live.pause(True)
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
