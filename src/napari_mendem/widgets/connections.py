"""Connections to events that outlive a widget, made so that they can all be cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Connections:
    """Callbacks that are connected to napari's events, until `cut`.

    napari keeps a callback as long as its object lives in Python, which is longer than the Qt widget behind it does.
    """

    def __init__(self) -> None:
        self._made: list[tuple[Any, Callable[..., Any]]] = []

    def make(self, emitter: Any, callback: Callable[..., Any]) -> None:
        """Call ``callback`` on each event of ``emitter``."""
        emitter.connect(callback)
        self._made.append((emitter, callback))

    def cut(self) -> None:
        """Disconnect everything."""
        made, self._made = self._made, []
        for emitter, callback in made:
            try:
                emitter.disconnect(callback)
            except (ValueError, TypeError, RuntimeError):
                pass  # napari has let go of it already
