"""What the docks of tilt series share: the series, a job at work, messages, and a tidy end."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, ClassVar

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QWidget

from napari_mendem.layers import unwrapped
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.dock_foot import DockFoot
from napari_mendem.widgets.front_dock import LiveDock
from napari_mendem.widgets.messages import in_words
from napari_mendem.widgets.tilt_input import TiltInput

if TYPE_CHECKING:
    from napari.components import ViewerModel


class TiltDock(LiveDock):
    """Base of the docks that work on a tilt series; a subclass makes `live` and calls `_ready`.

    Parameters
    ----------
    viewer
        The viewer whose tilt series are worked on.
    foot
        Of the dock, with its buttons.
    """

    title: ClassVar[str] = ""

    def __init__(self, viewer: ViewerModel, foot: DockFoot, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = unwrapped(viewer)
        self.setObjectName(self.title.lower())
        self.ui = foot
        self.input = TiltInput(self.viewer, self._connections, self)

    def _ready(self, previewing: list[Event], *connections: Connections) -> None:
        """Connect what all docks of tilt series have too."""
        self.ui.restore.clicked.connect(self.restore)
        self.ui.cancel.clicked.connect(self.cancel)
        self.input.refused.connect(self._refuse)
        super()._ready(previewing, self.input.connections, *connections)

    # What scripts and tests drive.

    def restore(self) -> None:
        """Start; returns at once."""
        raise NotImplementedError

    # Messages.

    def _refuse(self, text: str) -> None:
        """What cannot be done, in the dock and as a notification."""
        from napari.utils.notifications import show_warning

        self.ui.say(text)
        show_warning(text)

    def _failed(self, error: BaseException) -> None:
        from napari.utils.notifications import show_error

        text = in_words(error, self.title)
        self.errand.forget()  # once is enough, and other fields may do
        self.ui.say(text)
        show_error(text)

    def _to_clipboard(self, text: str, what: str) -> None:
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(text)
        here = ", for napari's console: it takes layers from the viewer" if "viewer.layers" in text else ""
        self.ui.say(f"Copied as {what}{here}.")
