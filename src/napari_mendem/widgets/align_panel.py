"""What an alignment is judged by: plots against the tilt angle, in a microscopist's terms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_mendem.alignment_checks import Curves, Judged
from napari_mendem.widgets.fields import Choice
from napari_mendem.widgets.layout import small_label
from napari_mendem.widgets.plot import Line, Plot
from napari_mendem.widgets.words import unbroken

#: Colours of the curves of one quantity, of which the last are used: what was stated, and what was found.
ROLES = ("before", "after")


class AlignPanel(QWidget):
    """The panel; hidden while there is no alignment.

    Parameters
    ----------
    go_to
        Moves the viewer's slider to a tilt, by its number in the stack.
    """

    def __init__(self, go_to: Callable[[int], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._go_to = go_to
        self._judged: Judged | None = None
        self.summary = small_label()
        self.summary.setObjectName("checks")
        self.quantity = Choice(())
        self.quantity.setObjectName("check")
        self.quantity.setToolTip("What is plotted over the tilt angle")
        self.plot = Plot("tilt angle (°)", "")
        self.plot.setObjectName("check_plot")
        self.plot.setFixedHeight(160)
        self.plot.setToolTip("<qt>Click to go to a tilt. Green: the one at the slider. Dashed: what is expected.</qt>")
        self.plot.clicked.connect(self._clicked)
        self.exclude = QCheckBox()
        self.exclude.setObjectName("exclude")
        self.exclude.setToolTip(
            "<qt>Tilts that do not fit the others, or whose shift is uncertain. They are left in unless you say so "
            "here before Accept.</qt>"
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.summary, self.quantity, self.plot, self.exclude):
            column.addWidget(part)
        self.quantity.changed.connect(self._draw)
        self.setVisible(False)

    def forget(self) -> None:
        """There is no alignment any more."""
        self._judged = None
        self.setVisible(False)

    def tell(self, judged: Judged) -> None:
        """Show what was found."""
        self._judged = judged
        self.summary.setText(unbroken("\n".join(judged.sentences)))
        kept = self.quantity.value()
        self.quantity.blockSignals(True)
        self.quantity.clear()
        for one in judged.curves:
            self.quantity.addItem(one.name, one.name)
        self.quantity.setValue(kept)
        self.quantity.blockSignals(False)
        self.exclude.setChecked(False)
        self.exclude.setVisible(bool(judged.doubtful))
        self.exclude.setText(f"Exclude the doubtful: {judged.named_doubtful}")
        self._draw()
        self.setVisible(True)

    def doubtful(self) -> tuple[int, ...]:
        """Tilts that are to be excluded."""
        return self._judged.doubtful if self._judged is not None and self.exclude.isChecked() else ()

    def mark(self, tilt: int | None) -> None:
        """Which tilt the slider is at."""
        judged = self._judged
        known = judged is not None and tilt in judged.tilts
        self.plot.point_at(judged.angles[judged.tilts.index(tilt)] if judged is not None and known else None)

    def _draw(self) -> None:
        judged = self._judged
        one = next((c for c in judged.curves if c.name == self.quantity.value()), None) if judged else None
        if judged is None or one is None:
            return
        self.plot.y_label = one.label
        doubtful = [(judged.angles[judged.tilts.index(tilt)], "") for tilt in judged.doubtful]
        self.plot.show_lines(lines_of(one, np.array(judged.angles)), doubtful)

    def _clicked(self, angle: float) -> None:
        judged = self._judged
        if judged is not None:
            self._go_to(judged.tilts[int(np.argmin([abs(a - angle) for a in judged.angles]))])


def lines_of(one: Curves, angles: np.ndarray) -> list[Line]:
    """What was measured, the last of it with its uncertainty, and dashed what is expected."""
    names = list(one.values)
    lines = []
    for name, role in zip(names, ROLES[-len(names) :], strict=True):
        band = one.band if name == names[-1] else None
        lines.append(Line(name, angles, one.values[name], role, band))
    if one.expected is not None:
        lines.append(Line("expected", angles, one.expected, "threshold", dashed=True))
    return lines
