"""One of the user's presets, or one in a file."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QWidget

from mendem import presets
from napari_mendem.widgets.fields import narrow
from napari_mendem.widgets.layout import make_button
from napari_mendem.widgets.presets import ask_to_open


class _List(QComboBox):
    """A list that is looked through anew whenever it is opened."""

    opening = Signal()

    def showPopup(self) -> None:
        self.opening.emit()
        super().showPopup()


class PresetChoice(QWidget):
    """A list of the presets that were saved, and a button for others."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = _List(self)
        self.list.setObjectName("preset")
        self.list.setPlaceholderText("none chosen")
        self.list.setToolTip(
            "<qt>What to do with each image. Presets are saved in the dock of a task, under Advanced.</qt>"
        )
        narrow(self.list)
        self.open = make_button("Open…", "open_preset", "<qt>Choose a preset that lies elsewhere.</qt>")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.list, 1)
        row.addWidget(self.open)
        self.setFocusProxy(self.list)
        self.refresh()
        self.list.opening.connect(self.refresh)
        self.list.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.open.clicked.connect(lambda: self.ask())

    def path(self) -> Path | None:
        """The chosen preset."""
        chosen = self.list.currentData()
        return None if chosen is None else Path(chosen)

    def choose(self, path: Path) -> None:
        """Choose a preset, whether it is one of those that are listed or not."""
        index = self.list.findData(str(path))
        if index < 0:
            self.list.addItem(path.name, str(path))
            index = self.list.count() - 1
        self.list.setCurrentIndex(index)
        self.changed.emit()  # what is in the file may have changed

    def refresh(self) -> None:
        """Look for what was saved or deleted; what is chosen stays."""
        chosen = self.path()
        self.list.blockSignals(True)
        self.list.clear()
        listed = presets.saved()
        for path in listed:
            self.list.addItem(path.stem, str(path))
        if chosen is not None and chosen not in listed:
            self.list.addItem(chosen.name, str(chosen))
        self.list.setCurrentIndex(-1 if chosen is None else self.list.findData(str(chosen)))
        self.list.blockSignals(False)

    def ask(self) -> None:
        """Let the user look for a preset."""
        path = ask_to_open(self)
        if path is not None:
            self.choose(path)
