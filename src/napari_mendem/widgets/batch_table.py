"""The images of a batch in a table, with the state of each; files can be dropped on it."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QPainter, QPalette
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_mendem.batch import Entry

#: What stands in an empty table.
EMPTY = "Drop image files here,\nor add files or selected layers"

#: The share of the width that names take at the most.
NAMES = 0.5


class _Roomy(QStyledItemDelegate):
    """Leaves some room above and below a text of several lines."""

    def sizeHint(self, option: object, index: object) -> QSize:
        return super().sizeHint(option, index) + QSize(0, 6)


class BatchTable(QTableWidget):
    """A row for each image."""

    #: Paths that were dropped.
    dropped = Signal(list)
    #: Delete was pressed.
    deleted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 2, parent)
        self.setObjectName("images")
        self.setHorizontalHeaderLabels(["Image", "State"])
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setAcceptDrops(True)
        self.setItemDelegate(_Roomy(self))
        self.setMinimumHeight(120)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None and columns is not None
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setStretchLastSection(True)
        columns.setHighlightSections(False)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def show_entries(self, entries: list[Entry]) -> None:
        """Make the rows anew."""
        self.setRowCount(len(entries))
        for row, entry in enumerate(entries):
            name = QTableWidgetItem(entry.name)
            name.setToolTip(entry.source if isinstance(entry.source, str) else f"The layer {entry.name}")
            self.setItem(row, 0, name)
            self.setItem(row, 1, QTableWidgetItem())
            self.show_state(row, entry)

    def show_state(self, row: int, entry: Entry) -> None:
        """Say what became of an image."""
        item = self.item(row, 1)
        assert item is not None
        item.setText(f"{entry.state}: {entry.why}" if entry.why else entry.state)
        item.setToolTip(entry.why)

    def chosen_rows(self) -> list[int]:
        """The selected rows."""
        return sorted({index.row() for index in self.selectedIndexes()})

    def resizeEvent(self, event: object) -> None:
        super().resizeEvent(event)
        viewport = self.viewport()
        assert viewport is not None
        self.setColumnWidth(0, int(NAMES * viewport.width()))

    def paintEvent(self, event: object) -> None:
        super().paintEvent(event)
        if self.rowCount():
            return
        viewport = self.viewport()
        painter = QPainter(viewport)
        painter.setPen(self.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text))
        painter.drawText(viewport.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, EMPTY)
        painter.end()

    def keyPressEvent(self, event: object) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):  # type: ignore[attr-defined]
            self.deleted.emit()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: object) -> None:
        self._take(event)

    def dragMoveEvent(self, event: object) -> None:
        self._take(event)

    def dropEvent(self, event: object) -> None:
        if self._take(event):
            self.dropped.emit(_paths(event))

    def _take(self, event: object) -> bool:
        """Accept files, and leave everything else to others."""
        wanted = bool(_paths(event))
        if wanted:
            event.setDropAction(Qt.DropAction.CopyAction)  # type: ignore[attr-defined]
            event.accept()  # type: ignore[attr-defined]
        else:
            event.ignore()  # type: ignore[attr-defined]
        return wanted


def _paths(event: object) -> list[str]:
    urls = event.mimeData().urls()  # type: ignore[attr-defined]
    return [url.toLocalFile() for url in urls if url.isLocalFile()]
