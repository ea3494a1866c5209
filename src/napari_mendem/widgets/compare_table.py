"""The table of measurements before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableWidget, QTableWidgetItem, QWidget

from mendem.wording import number

HEADS = ("", "before", "after", "change")


class MeasureTable(QTableWidget):
    """Rows of name, before, after, change in %; read only."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(HEADS), parent)
        self.setObjectName("table")
        self.setHorizontalHeaderLabels(HEADS)
        self.verticalHeader().setVisible(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ContiguousSelection)
        self.setTabKeyNavigation(False)
        self.setWordWrap(True)
        self.setSizeAdjustPolicy(QAbstractItemView.SizeAdjustPolicy.AdjustToContents)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head = self.horizontalHeader()
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        head.setMinimumSectionSize(30)

    def show_rows(self, rows: Sequence[Any]) -> None:
        """Rows with ``name``, ``unit``, ``before``, ``after`` and ``change``."""
        self.setRowCount(len(rows))
        for i, row in enumerate(rows):
            unit, before, after = _readable(row)
            name = f"{row.name}, {unit}" if unit else row.name
            cells = (name, _value(before), _value(after), _change(row.change))
            for j, text in enumerate(cells):
                item = QTableWidgetItem(text)
                side = Qt.AlignmentFlag.AlignLeft if j == 0 else Qt.AlignmentFlag.AlignRight
                item.setTextAlignment(int(side | Qt.AlignmentFlag.AlignVCenter))
                item.setToolTip(text)
                self.setItem(i, j, item)
        self.resizeRowsToContents()

    def as_text(self) -> str:
        """The table as columns separated by tabs."""
        rows = [[self.item(i, j).text() for j in range(len(HEADS))] for i in range(self.rowCount())]
        return "\n".join("\t".join(row) for row in [list(HEADS), *rows])


def _readable(row: Any) -> tuple[str, float | None, float | None]:
    """Large areas in square micrometres."""
    known = [v for v in (row.before, row.after) if v is not None]
    if row.unit != "nm²" or max(known, default=0.0) < 1e5:
        return row.unit, row.before, row.after
    return "µm²", *(None if v is None else v / 1e6 for v in (row.before, row.after))


def _change(percent: float | None) -> str:
    if percent is None:
        return "\u2013"
    text = f"{percent:+.1f} %"
    return "0.0 %" if text[1:] == "0.0 %" else text.replace("-", "\u2212")


def _value(value: float | None) -> str:
    return "\u2013" if value is None else number(value, 4).replace("-", "\u2212")
