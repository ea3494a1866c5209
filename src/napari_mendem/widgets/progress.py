"""How far a run is: the widget's own bar, and napari's activity dock."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from napari.utils import progress
from qtpy.QtWidgets import QProgressBar

from napari_mendem.widgets.words import duration

if TYPE_CHECKING:
    from mendem.engine import Progress


class RunProgress:
    """Shows the progress of one run; made, advanced and closed on the GUI thread."""

    def __init__(self, bar: QProgressBar, description: str) -> None:
        self._bar = bar
        # Not the moving bar of an unknown length: each of its steps draws napari's whole window anew.
        self._bar.setRange(0, 100)
        self._bar.setValue(0)
        self._bar.setFormat("preparing")
        self._activity = progress(total=100, desc=description, file=io.StringIO())
        self._shown: Progress | None = None

    def show(self, now: Progress | None) -> None:
        """Take over what the engine said last."""
        if now is None or now is self._shown:
            return
        self._shown = now
        percent = int(100 * now.fraction)
        left = "" if now.seconds_left is None else f" · {duration(now.seconds_left)} left"
        self._bar.setValue(percent)
        self._bar.setFormat(f"{percent} %{left}")
        if percent > self._activity.n:
            self._activity.update(percent - self._activity.n)

    def close(self) -> None:
        """The run is over."""
        self._bar.setValue(0)
        self._bar.setFormat("")
        self._activity.close()
