"""A key of the viewer that is bound for a while. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.utils.key_bindings import coerce_keybinding

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Key:
    """Calls ``pressed`` when the key is pressed in the canvas; a key that somebody else has bound is left to them."""

    def __init__(self, viewer: ViewerModel, key: str, pressed: Callable[[], None]) -> None:
        self._viewer, self._key, self._pressed = viewer, key, pressed
        self._bound = False

    def set_on(self, on: bool) -> None:
        """Bind the key, or let go of it."""
        if on and not self._bound and coerce_keybinding(self._key) not in self._viewer.keymap:
            self._viewer.bind_key(self._key, lambda _: self._pressed())
            self._bound = True
        elif not on and self._bound:
            self._viewer.bind_key(self._key, None)
            self._bound = False
