"""The view modes of the Compare dock: their buttons, the slider, the flicker's clock and key, the difference."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from mendem.errors import MendemError
from napari_mendem.compare import numbers
from napari_mendem.compare.drag import DividerDrag
from napari_mendem.compare.key import Key
from napari_mendem.compare.partners import spread_of
from napari_mendem.compare.view import MODES, CompareView
from napari_mendem.viewport import shows_planes
from napari_mendem.widgets.compare_layout import KEY

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_mendem.compare.plane import Plane
    from napari_mendem.widgets.compare_layout import CompareLayout
    from napari_mendem.widgets.compare_numbers import Numbers


class Modes(QObject):
    """Shows both images as the user chose.

    Parameters
    ----------
    viewer, ui
        To be changed, and what is chosen.
    numbers
        Knows the two images, and computes.
    """

    #: A sentence for the user.
    said = Signal(str)

    def __init__(self, viewer: ViewerModel, ui: CompareLayout, numbers: Numbers, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._ui, self._numbers = viewer, ui, numbers
        self.mode, self.hidden = "off", False
        self.view = CompareView(viewer)
        self.drag = DividerDrag(viewer, self.view, self._dragged)
        self.key = Key(viewer, KEY, self.flick)
        self.clock = QTimer(self)
        self.clock.timeout.connect(self.flick)
        ui.mode_group.idClicked.connect(lambda number: self.set(MODES[number]))
        ui.divider.valueChanged.connect(self._slid)
        ui.flick.clicked.connect(self.flick)
        ui.automatic.toggled.connect(self._automatic)
        ui.period.valueChanged.connect(self._automatic)
        ui.what.changed.connect(self._difference)
        ui.equal.toggled.connect(self.view.set_equal)

    def set(self, mode: str) -> None:
        """Choose one of `MODES`."""
        self.mode = mode
        self._ui.modes[mode].setChecked(True)
        self._ui.show_page(mode)
        self.enter()
        self._numbers.ask()

    def enter(self) -> None:
        """Enter the mode that is chosen, with the images that are chosen."""
        mode = "off" if self.hidden or not self._can_show() else self.mode
        self.view.show(mode, self._ui.before.layer, self._ui.after.layer)
        self.drag.set_on(self.view.mode == "swipe")
        self.key.set_on(self.view.mode == "flicker")
        self._automatic()
        self._say_shown()
        self.offer_spread()
        self.refresh()

    def refresh(self) -> None:
        """Read and compute anew what the mode shows of the current slice."""
        if self.view.mode not in ("swipe", "difference"):
            return
        if not shows_planes(self._viewer):
            self.said.emit("Swipe and difference need the 2-D view with rows and columns")
        try:
            before, _ = self._numbers.planes()
        except MendemError as error:
            self.said.emit(str(error))
            return
        if self.view.mode == "difference":
            self._difference()
        else:
            self._swipe(before)

    def flick(self) -> None:
        """In flicker mode, show the other image."""
        self.view.flicker()
        self._say_shown()

    def offer_spread(self) -> None:
        """Spread can be shown where there is a layer of it."""
        known = spread_of(self._viewer, self._ui.after.layer) is not None
        for row in (1, 2):
            self._ui.what.model().item(row).setEnabled(known)
        if not known:
            self._ui.what.setValue("difference")

    def _can_show(self) -> bool:
        try:
            self._numbers.planes()
        except MendemError as error:
            if self.mode != "off":
                self.said.emit(str(error))
            return False
        return True

    def _swipe(self, plane: Plane) -> None:
        self.view.swipe(self._ui.divider.value() / 1000)
        if isinstance(plane.data, np.ndarray):
            self.view.set_before(plane, plane.read())
        else:
            self._numbers.compute("slice", plane.read, partial(self.view.set_before, plane), self.said.emit)

    def _difference(self) -> None:
        if self.view.mode != "difference":
            return
        try:
            a, b = self._numbers.planes()
        except MendemError as error:
            self.said.emit(str(error))
            return
        spread, what, found = self._numbers.spread(), self._ui.what.value(), self._ui.found

        def answered(picture: numbers.Picture) -> None:
            self.view.set_difference(picture.plane, picture.pixels, picture.limits, picture.colormap)
            found.setText(picture.text)

        self._numbers.compute("difference", lambda: numbers.difference(a, b, spread, what), answered, found.setText)

    def _slid(self, value: int) -> None:
        self._ui.divider_at.setText(f"{value / 10:.0f} %")
        self.view.swipe(value / 1000)

    def _dragged(self) -> None:
        """The divider was moved in the canvas: the slider follows."""
        self._ui.divider.blockSignals(True)
        self._ui.divider.setValue(round(1000 * self.view.divider))
        self._ui.divider.blockSignals(False)
        self._ui.divider_at.setText(f"{100 * self.view.divider:.0f} %")

    def _automatic(self, _: object = None) -> None:
        if self.view.mode == "flicker" and self._ui.automatic.isChecked():
            self.clock.start(round(1000 * self._ui.period.value()))
        else:
            self.clock.stop()

    def _say_shown(self) -> None:
        self._ui.shown.setText("shown: before" if self.view.shows_first else "shown: after")
