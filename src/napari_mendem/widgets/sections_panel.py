"""What was found in the sections of a volume: one line, and a plot over their numbers that moves the slider."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_mendem.sections_found import Curves, curves, summary
from napari_mendem.widgets.fields import Choice
from napari_mendem.widgets.layout import small_label
from napari_mendem.widgets.plot import Line, Plot
from napari_mendem.widgets.words import unbroken

if TYPE_CHECKING:
    from mendem.normalise import Normalisation
    from mendem.physics.stack_report import StackReport
    from mendem.tasks.isotropic import Isotropic

#: Colours of the curves of one quantity.
ROLES = ("before", "after")


class SectionsPanel(QWidget):
    """The panel; hidden while nothing is known.

    Parameters
    ----------
    go_to
        Moves the viewer's slider to a section.
    """

    def __init__(self, go_to: Callable[[int], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._go_to = go_to
        self._curves: list[Curves] = []
        self._missing: tuple[int, ...] = ()
        self._text = ""
        self.summary = small_label()
        self.summary.setObjectName("sections_found")
        self.summary.setTextFormat(Qt.TextFormat.RichText)
        self.summary.linkActivated.connect(lambda link: self._go_to(int(link)))
        self.quantity = Choice(())
        self.quantity.setObjectName("sections_quantity")
        self.quantity.setToolTip("What is plotted over the number of the section")
        self.plot = Plot("section", "")
        self.plot.setObjectName("sections_plot")
        self.plot.setFixedHeight(130)
        self.plot.setToolTip("<qt>Click to go to a section. Green: the one at the slider. Dashed: missing ones.</qt>")
        self.plot.clicked.connect(self._clicked)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.summary)
        column.addWidget(self.quantity)
        column.addWidget(self.plot)
        self.quantity.changed.connect(self._draw)
        self.setVisible(False)

    def forget(self) -> None:
        """Nothing is known any more."""
        self._curves, self._missing = [], ()
        self.setVisible(False)

    def tell(self, report: StackReport, task: Isotropic, level: Normalisation) -> None:
        """Show what was found."""
        self._text = unbroken(summary(report, task))
        self._write()
        self._curves, self._missing = curves(report, level), report.missing
        kept = self.quantity.value()
        self.quantity.blockSignals(True)
        self.quantity.clear()
        for one in self._curves:
            self.quantity.addItem(one.name, one.name)
        self.quantity.setValue(kept)
        self.quantity.blockSignals(False)
        self.quantity.setVisible(len(self._curves) > 1)
        self.plot.setVisible(bool(self._curves))
        self._draw()
        self.setVisible(True)

    def mark(self, section: int | None) -> None:
        """Which section the slider is at."""
        self.plot.point_at(section)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._write()

    def _write(self) -> None:
        """Links in the colour of the text, which is seen on any ground."""
        colour = self.summary.palette().color(self.summary.foregroundRole()).name()
        text = self._text.replace("<a ", f'<a style="color: {colour}" ')
        if text != self.summary.text():
            self.summary.setText(text)

    def _draw(self) -> None:
        one = next((c for c in self._curves if c.name == self.quantity.value()), None)
        if one is None:
            return
        self.plot.y_label = one.label
        x = np.arange(len(next(iter(one.values.values()))), dtype=float)
        lines = [Line(name, x, y, role) for (name, y), role in zip(one.values.items(), ROLES, strict=False)]
        marks = [(float(i), "" if number else "missing") for number, i in enumerate(self._missing)]
        self.plot.show_lines(lines, marks)

    def _clicked(self, x: float) -> None:
        count = len(next(iter(self._curves[0].values.values())))
        self._go_to(min(max(round(x), 0), count - 1))
