"""What a task's dock widget says, and what it puts on the clipboard."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from qtpy.QtGui import QGuiApplication

from mendem.errors import MendemError
from napari_mendem import script

if TYPE_CHECKING:
    from mendem.tasks.base import Task
    from napari_mendem.widgets.inputs import Inputs
    from napari_mendem.widgets.layout import TaskLayout
    from napari_mendem.workers import Request

log = logging.getLogger(__name__)


class Messages:
    """The speaking part of `TaskWidget`."""

    task: type[Task]
    ui: TaskLayout
    inputs: Inputs
    #: Whether what is said is about fields that cannot be followed.
    _complaint = False

    def request(self) -> Request:
        raise NotImplementedError

    def _say(self, text: str, alarm: bool = False) -> None:
        """A line in the widget; an alarm is a napari notification too."""
        self._complaint = alarm
        self.ui.message.setText(text)
        self.ui.message.setVisible(bool(text))
        self.ui.chi2.setVisible(False)
        if alarm:
            from napari.utils.notifications import show_warning

            show_warning(text)

    def _preview_failed(self, error: BaseException) -> None:
        self._say(self._in_words(error))
        self._complaint = True

    def _failed(self, error: BaseException) -> None:
        from napari.utils.notifications import show_error

        text = self._in_words(error)
        self._say(text)
        show_error(text)

    def _in_words(self, error: BaseException) -> str:
        return in_words(error, self.task.title)

    def _copy(self, as_python: bool) -> None:
        try:
            request = self.request()
            layer = self.ui.image.layer
            if as_python:
                names = {slot: chosen.name for slot, chosen in self.inputs.layers().items()}
                text = script.as_python(request, layer.name if layer else "", names)
            else:
                text = script.as_command(request)
        except MendemError as error:
            self._say(str(error), alarm=True)
            return
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(text)
        here = ", for napari's console: it takes layers from the viewer" if "viewer.layers" in text else ""
        self._say(f"Copied as Python{here}." if as_python else "Copied as a command line.")


def in_words(error: BaseException, title: str) -> str:
    """What a user is told of an error; one of ours is logged too."""
    if isinstance(error, MendemError):
        return str(error)
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return f"{title} ran out of memory: take a smaller region, or a smaller tile (Advanced)"
    log.error("%s failed", title, exc_info=error)
    return f"{title} stopped because of an unexpected {type(error).__name__}: {error}"
