"""The view modes: swipe, flicker, side by side, difference. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image as ImageLayer

from napari_mendem.compare.plane import Plane
from napari_mendem.compare.saved import Saved
from napari_mendem.compare.temporary import Temporary
from napari_mendem.viewport import View, shows_planes, visible

if TYPE_CHECKING:
    from napari.components import ViewerModel

MODES = ("off", "swipe", "flicker", "side by side", "difference")

#: Slices of more pixels are swiped in the part that is seen.
LARGEST = 1 << 21

#: Names of the layers that are there while a mode is on.
BEFORE, DIVIDER, DIFFERENCE = "Compare: before", "Compare: divider", "Compare: difference"


class CompareView:
    """Shows two layers of a viewer against each other, and leaves the viewer as it was.

    Parameters
    ----------
    viewer
        To be changed while a mode is on.

    Attributes
    ----------
    mode
        One of `MODES`.
    equal
        Whether both layers get the contrast limits of the first while a mode is on.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._saved, self.temporary = Saved(viewer), Temporary(viewer)
        self._a: ImageLayer | None = None
        self._b: ImageLayer | None = None
        self.mode = "off"
        self.equal = True
        self._divider = 0.5
        self._before: np.ndarray | None = None
        self._plane: Plane | None = None
        self._cut: tuple[int, View] | None = None
        self._first = True

    def show(self, mode: str, a: ImageLayer | None, b: ImageLayer | None) -> None:
        """Leave the mode that is on, and enter another."""
        self.leave()
        if mode == "off" or a is None or b is None or a is b:
            return
        self.mode, self._a, self._b = mode, a, b
        if mode != "difference":
            self.set_equal(self.equal)
        others = [layer for layer in self._viewer.layers if layer is not a and layer is not b]
        if mode == "side by side":
            self._saved.show(others, False)
            self._saved.show([a, b], True)
            # The grid begins with the lowest layer, and with the topmost where the stride is negative.
            order = 1 if self._viewer.layers.index(a) < self._viewer.layers.index(b) else -1
            self._saved.grid(stride=order, shape=(1, 2), spacing=4, enabled=True)
        elif mode != "difference":
            self._saved.show([layer for layer in others if isinstance(layer, ImageLayer)], False)
            self._saved.show([a, b], True)
        if mode == "flicker":
            self.flicker(True)

    def leave(self) -> None:
        """Everything as it was."""
        self.temporary.clear()
        self._saved.restore()
        if self._a is not None:
            self._follow_display(self._a, False)
        self.mode = "off"
        self._a = self._b = self._before = self._plane = self._cut = None

    def set_equal(self, equal: bool) -> None:
        """Switch the equal contrast on or off."""
        self.equal = equal
        if self.mode in ("off", "difference") or self._a is None or self._b is None:
            return
        if equal:
            self._saved.equal_contrast(self._a, self._b)
        else:
            self._saved.give_back_contrast()

    # Flicker.

    @property
    def shows_first(self) -> bool:
        """Whether it is the first image that flicker shows."""
        return self._first

    def flicker(self, first: bool | None = None) -> None:
        """Show the first or the second image; None is the other one."""
        if self.mode != "flicker" or self._a is None or self._b is None:
            return
        self._first = not self._first if first is None else first
        # The one that comes is shown before the other goes, or the background would flash.
        coming, going = (self._a, self._b) if self._first else (self._b, self._a)
        coming.visible = True
        going.visible = False

    # Swipe.

    @property
    def divider(self) -> float:
        """Where the divider is: 0 at the left edge of what is seen of the image, 1 at the right."""
        return self._divider

    def swipe(self, divider: float | None = None) -> None:
        """Move the divider, and draw anew what depends on the view."""
        if divider is not None:
            self._divider = min(max(divider, 0.0), 1.0)
        if self.mode != "swipe" or self._a is None or self._before is None or self._plane is None:
            return
        view = visible(self._viewer, self._a)
        if view is None:
            self._hide()
            return
        left, right = view.region[2:]
        column = round(left + self._divider * (right - left))
        if self._cut == (column, view):
            return
        self._cut = column, view
        self._draw_before(column, view)
        self.temporary.divider(DIVIDER, self._plane, column, view.thinning)

    def set_before(self, plane: Plane, pixels: np.ndarray) -> None:
        """The slice of the first image that swipe lays over the second; it is not copied."""
        if self.mode != "swipe" or self._a is None:
            return
        self._before, self._plane, self._cut = pixels, plane, None
        self._follow_display(self._a, True)
        self.swipe()

    def divider_at(self, position: Any) -> tuple[float, float]:
        """Of a point of the world: its distance from the divider in screen pixels, and its place from 0 to 1."""
        assert self._a is not None and self._plane is not None
        view = visible(self._viewer, self._a)
        if view is None or self._cut is None:
            return np.inf, self._divider
        left, right = view.region[2:]
        column = float(np.asarray(self._a.world_to_data(np.asarray(position)[-self._a.ndim :]))[-1])
        distance = abs(column + 0.5 - self._cut[0]) / self._cut[1].thinning
        return distance, (column + 0.5 - left) / (right - left)

    def _draw_before(self, column: int, view: View) -> None:
        assert self._a is not None and self._before is not None and self._plane is not None
        layer = self.temporary.get(BEFORE)
        top, bottom, first, _ = self._plane.region
        step = 1
        if self._before.size > LARGEST:  # what is seen of it, with no more pixels than the screen has
            step = max(1, int(view.thinning))
            top, bottom, first = view.region[0] // step * step, view.region[1], view.region[2] // step * step
        part = self._before[top + step // 2 : bottom : step, first + step // 2 : column : step]
        if not part.size:
            if layer is not None:
                layer.visible = False
            return
        # A view of the array: nothing is copied but what goes to the graphics card.
        display: dict[str, Any] = {"visible": True}
        if layer is None:
            display |= {**self._display(), "interpolation2d": self._a.interpolation2d}
        place = self._plane.cropped((top, bottom, first, column)).holding(part, step)
        self.temporary.image(BEFORE, part, place, **display)

    def _display(self) -> dict[str, Any]:
        assert self._a is not None
        return {name: getattr(self._a, name) for name in ("contrast_limits", "gamma", "colormap")}

    def _hide(self) -> None:
        self._cut = None
        for name in (BEFORE, DIVIDER):
            layer = self.temporary.get(name)
            if layer is not None:
                layer.visible = False

    def _follow_display(self, layer: ImageLayer, follow: bool) -> None:
        for name in ("contrast_limits", "gamma", "colormap"):
            event = layer.events[name]
            event.disconnect(self._display_changed)
            if follow:
                event.connect(self._display_changed)

    def _display_changed(self, _: object = None) -> None:
        layer = self.temporary.get(BEFORE)
        if layer is not None and self._a is not None:
            for name, value in self._display().items():
                setattr(layer, name, value)

    # Difference.

    def set_difference(self, plane: Plane, pixels: np.ndarray, limits: tuple[float, float], colormap: str) -> None:
        """Lay a computed picture over both."""
        if self.mode == "difference":
            shown = self.temporary.image(DIFFERENCE, pixels, plane, contrast_limits=limits, colormap=colormap)
            shown.visible = shows_planes(self._viewer)
