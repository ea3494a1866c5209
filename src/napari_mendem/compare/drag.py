"""Dragging the divider of swipe with the mouse in the canvas. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from napari_mendem.compare.view import CompareView

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: How near to the divider a press takes hold of it, screen pixels.
REACH = 8.0


class DividerDrag:
    """Takes presses near the divider; every other press is left to napari.

    Parameters
    ----------
    moved
        Told when the divider has been dragged.
    """

    def __init__(self, viewer: ViewerModel, view: CompareView, moved: Callable[[], None]) -> None:
        self._viewer, self._view, self._moved = viewer, view, moved
        self._on = False

    def set_on(self, on: bool) -> None:
        """Listen to the mouse, or no longer."""
        callbacks = self._viewer.mouse_drag_callbacks
        if on and not self._on:
            callbacks.append(self._drag)
        elif not on and self._on and self._drag in callbacks:
            callbacks.remove(self._drag)
        self._on = on

    def _drag(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        active = viewer.layers.selection.active
        drawing = active is not None and str(getattr(active, "mode", "pan_zoom")) not in ("pan_zoom", "transform")
        if drawing or self._view.mode != "swipe" or event.button != 1:
            return
        distance, _ = self._view.divider_at(event.position)
        if distance > REACH:
            return
        camera = viewer.scene.camera
        pan, camera.mouse_pan = camera.mouse_pan, False
        try:
            yield
            while event.type == "mouse_move":
                self._view.swipe(self._view.divider_at(event.position)[1])
                self._moved()
                yield
        finally:
            camera.mouse_pan = pan
