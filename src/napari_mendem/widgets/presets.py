"""Presets in the dock widget of a task: what the fields say is saved under a name, and chosen again."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QWidget
from superqt import QCollapsible

from mendem import presets
from mendem.errors import MendemError
from mendem.presets import Preset
from napari_mendem.widgets.layer_choice import LayerChoice
from napari_mendem.widgets.layout import make_button

if TYPE_CHECKING:
    from napari_mendem.widgets.task_widget import TaskWidget

#: What a file dialog shows.
FILTER = f"Presets (*{presets.SUFFIX})"


class TaskPresets(QObject):
    """Buttons under Advanced: *Save preset…*, and *Load preset* with a menu.

    Parameters
    ----------
    dock
        Whose fields are saved and filled.
    """

    def __init__(self, dock: TaskWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        tip = "<qt>Keep task, parameters and options under a name, for Batch, the command line and another day.</qt>"
        self.save_button: QPushButton = make_button("Save preset…", "save_preset", tip)
        self.load_button: QPushButton = make_button(
            "Load preset", "load_preset", "<qt>Fill the fields as a preset says, or as a result was made.</qt>"
        )
        self.menu = QMenu(self.load_button)
        self.load_button.setMenu(self.menu)
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.save_button, 1)
        row.addWidget(self.load_button, 1)
        advanced = dock.findChild(QCollapsible, "advanced")
        assert advanced is not None
        advanced.addWidget(box)
        self.save_button.clicked.connect(lambda: self.ask_where())
        self.menu.aboutToShow.connect(self.offer)

    def ask_where(self) -> None:
        """Save what the fields say where the user wants it."""
        path = ask_to_save(self._dock, self._dock.task.name)
        if path is not None:
            self.save(path)

    def save(self, path: Path) -> None:
        """Save what the fields say."""
        dock = self._dock
        try:
            preset = Preset(dock.ui.parameters.values(), dock.ui.options.values())
            preset.save(path, overwrite=True)
        except MendemError as error:
            dock._say(str(error), alarm=True)
            return
        lost = [presets.left_out(slot) for slot in dock.inputs.layers()]
        dock._say("\n".join([f"Saved as {path.stem}.", *lost]))

    def offer(self) -> None:
        """Fill the menu: the user's presets for this task, what results were made with, and any file."""
        self.menu.clear()
        for path in presets.saved():
            try:
                known = presets.load(path)
            except MendemError:
                continue
            if isinstance(known.task, self._dock.task):
                action = self.menu.addAction(path.stem)
                action.setToolTip(known.words)
                action.triggered.connect(partial(self._load, path))
        self.menu.addSeparator()
        for layer in reversed(self._dock.viewer.layers):
            record = layer.metadata.get("mendem") or {}
            if record.get("task", {}).get("name") == self._dock.task.name:
                action = self.menu.addAction(f"As {layer.name}")
                action.triggered.connect(partial(self._take, record, layer.name))
        self.menu.addSeparator()
        self.menu.addAction("From file…").triggered.connect(lambda: self.ask_which())
        self.menu.setToolTipsVisible(True)

    def ask_which(self) -> None:
        """Load a preset that the user looks for."""
        path = ask_to_open(self._dock)
        if path is not None:
            self._load(path)

    def _load(self, path: Path, _: bool = False) -> None:
        try:
            preset = presets.load(path)
        except MendemError as error:
            self._dock._say(str(error), alarm=True)
            return
        self.fill(preset, path.stem)

    def _take(self, record: dict, name: str, _: bool = False) -> None:
        try:
            preset = presets.from_provenance(record, name)
        except MendemError as error:
            self._dock._say(str(error), alarm=True)
            return
        self.fill(preset, name)

    def fill(self, preset: Preset, name: str) -> None:
        """Let the fields say what a preset says; layers that filled input slots are let go."""
        dock = self._dock
        if not isinstance(preset.task, dock.task):
            title = preset.task.title
            dock._say(f"{name} is a preset for {title}: load it in that dock, or choose it in Batch.", alarm=True)
            return
        for slot in dock.ui.slots.values():
            if isinstance(slot, LayerChoice):
                slot.setCurrentIndex(0)
        try:
            dock.ui.parameters.set(**preset.task.parameters())
            dock.ui.options.set(**{f.name: getattr(preset.options, f.name) for f in fields(preset.options)})
        except MendemError as error:
            dock._say(f"{name}: {error}", alarm=True)
            return
        said = [f"As in {name}.", *preset.notes]
        now = Preset(dock.ui.parameters.values(), dock.ui.options.values())
        if (now.task, now.options) != (preset.task, preset.options):
            said.append("The fields may not hold all of its values exactly; Batch takes them as they are.")
        dock._say("\n".join(said))


def ask_to_save(parent: QWidget, name: str) -> Path | None:
    """Where a preset is to be saved, asked in the system's dialog; None where the user thinks better of it."""
    start = presets.folder()
    try:
        start.mkdir(parents=True, exist_ok=True)
    except OSError:
        start = Path.home()
    text, _ = QFileDialog.getSaveFileName(parent, "Save preset", str(start / f"{name}{presets.SUFFIX}"), FILTER)
    if not text:
        return None
    return Path(text if text.endswith(presets.SUFFIX) else text + presets.SUFFIX)


def ask_to_open(parent: QWidget) -> Path | None:
    """Which preset is to be opened, asked in the system's dialog; None where the user thinks better of it."""
    text, _ = QFileDialog.getOpenFileName(parent, "Load preset", str(presets.folder()), FILTER)
    return Path(text) if text else None
