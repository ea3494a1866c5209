"""Docks of mendem lie behind one another, with tabs: below one another they are too low to be used."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

#: Marks the widgets whose docks share a place.
SHARES = "mendem_dock"


def share_place(widget: QWidget, in_front: Callable[[bool], None] = lambda _: None) -> None:
    """Once ``widget`` is shown in a dock, put it in front of the other docks of mendem in that area.

    ``in_front`` is told whenever the dock comes to the front, or goes behind another one: Qt hides no widget then.
    """
    widget.setProperty(SHARES, True)
    timer = QTimer(widget)  # after napari has placed the dock; it ends with the widget
    timer.setSingleShot(True)
    timer.timeout.connect(lambda: _join(widget, in_front))
    timer.start(0)


def _join(widget: QWidget, in_front: Callable[[bool], None]) -> None:
    dock = widget.parent()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parent()
    if dock is None:
        return
    dock.visibilityChanged.connect(in_front)
    window = dock.parent()
    if not isinstance(window, QMainWindow) or dock.isFloating():
        return
    for other in window.findChildren(QDockWidget):
        shares = any(child.property(SHARES) for child in other.findChildren(QWidget))
        if other is dock or not shares or other.isFloating() or other.isHidden():
            continue
        if window.dockWidgetArea(other) == window.dockWidgetArea(dock):
            window.tabifyDockWidget(other, dock)
            dock.raise_()
            return
