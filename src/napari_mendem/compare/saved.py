"""What a view mode changes in the viewer, and gives back: visibility, contrast limits, the grid. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

#: What the grid of the viewer is made of.
GRID = ("enabled", "stride", "shape", "spacing")


class Saved:
    """Remembers what something was before it was first changed, and puts it back in `restore`."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._visible: dict[Layer, bool] = {}
        self._limits: dict[ImageLayer, tuple[Any, Any]] = {}
        self._grid: dict[str, Any] = {}
        self._linked: list[ImageLayer] = []
        self._linking = False

    def show(self, layers: Iterable[Layer], visible: bool) -> None:
        """Show or hide layers."""
        for layer in layers:
            self._visible.setdefault(layer, bool(layer.visible))
            layer.visible = visible

    def grid(self, **changes: Any) -> None:
        """Change the viewer's grid."""
        grid = self._viewer.canvas.grid
        if not self._grid:
            self._grid = {name: getattr(grid, name) for name in GRID}
        for name, value in changes.items():
            setattr(grid, name, value)

    def equal_contrast(self, first: ImageLayer, second: ImageLayer) -> None:
        """Give the second layer the limits of the first; from now on each follows the other."""
        if self._linked:
            return
        for layer in (first, second):
            self._limits.setdefault(layer, (tuple(layer.contrast_limits), tuple(layer.contrast_limits_range)))
        second.contrast_limits = first.contrast_limits
        self._linked = [first, second]
        for layer in self._linked:
            layer.events.contrast_limits.connect(self._follow)

    def give_back_contrast(self) -> None:
        """The limits as they were, each layer its own."""
        for layer in self._linked:
            layer.events.contrast_limits.disconnect(self._follow)
        self._linked = []
        limits, self._limits = self._limits, {}
        for layer, (now, reach) in limits.items():
            layer.contrast_limits = now
            layer.contrast_limits_range = reach

    def restore(self) -> None:
        """Everything as it was; what the user has removed meanwhile stays away."""
        self.give_back_contrast()
        visible, self._visible = self._visible, {}
        for layer, was in visible.items():
            layer.visible = was
        kept, self._grid = self._grid, {}
        for name in reversed(GRID):  # enabled comes last
            if name in kept:
                setattr(self._viewer.canvas.grid, name, kept[name])

    def _follow(self, event: Any) -> None:
        if self._linking or len(self._linked) != 2:
            return
        first, second = self._linked
        other = second if event.source is first else first
        self._linking = True
        try:
            other.contrast_limits = event.source.contrast_limits
        finally:
            self._linking = False
