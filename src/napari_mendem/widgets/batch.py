"""The Batch dock: several images with one preset."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QFileDialog, QWidget

from mendem import presets
from mendem.batch import DONE, FAILED, WAITING, Item, items_of, make_folder, tally
from mendem.errors import MendemError
from mendem.presets import Preset
from napari_mendem import workers
from napari_mendem.batch import BatchJob, Entry, FileJob, LayerJob, chosen_layers
from napari_mendem.layers import unwrapped
from napari_mendem.preferences import preferences
from napari_mendem.widgets.batch_layout import FOLDER, BatchLayout
from napari_mendem.widgets.batch_run import PREPARING, BatchRun
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.messages import in_words
from napari_mendem.widgets.tabs import share_place

if TYPE_CHECKING:
    from napari.components import ViewerModel

NO_PRESET = "No preset is chosen. They are saved in the dock of a task (Advanced, Save preset…)."


class BatchWidget(QWidget):
    """Restore several layers and files, one after the other, as one preset says.

    Parameters
    ----------
    napari_viewer
        Whose layers can be added, and where new ones go.
    """

    def __init__(self, napari_viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer = unwrapped(napari_viewer)
        self.setObjectName("batch")
        self.entries: list[Entry] = []
        self.preset: Preset | None = None
        self._connections = Connections()
        self.ui = ui = BatchLayout(self)
        self.run = BatchRun(ui.progress, partial(in_words, title="Batch"), self)

        ui.preset.changed.connect(self._preset_changed)
        ui.add_layers.clicked.connect(lambda: self.add_layers())
        ui.add_files.clicked.connect(lambda: self._ask_for_files())
        ui.add_zarr.clicked.connect(lambda: self._ask_for_zarr())
        ui.table.dropped.connect(self.add_files)
        ui.table.deleted.connect(self.remove)
        ui.remove.clicked.connect(self.remove)
        ui.browse.clicked.connect(lambda: self._ask_for_folder())
        ui.results.changed.connect(self._results_changed)
        for event in (ui.folder.editingFinished, ui.suffix.changed, ui.overwrite.changed):
            event.connect(self._again)
        ui.restore.clicked.connect(self.restore)
        ui.cancel.clicked.connect(self.cancel)
        self.run.changed.connect(self._show)
        self.run.ended.connect(self._ended)
        self._connections.make(viewer.layers.events.removed, self._layer_removed)
        # Nothing below may hold this widget: it runs when Qt has deleted it.
        self.destroyed.connect(partial(_shut, self._connections, self.run.running))
        self._preset_changed()
        share_place(self, self._in_front)

    # What scripts and tests drive.

    @property
    def busy(self) -> bool:
        """Whether a batch is at work."""
        return self.run.busy

    def add_layers(self, layers: list[ImageLayer] | None = None) -> None:
        """Add layers, those that are selected where none are given."""
        try:
            self._add(chosen_layers(self.viewer) if layers is None else layers)
        except MendemError as error:
            self._say(str(error), alarm=True)

    def add_files(self, paths: list[str]) -> None:
        """Add files by their paths."""
        self._add([os.fspath(path) for path in paths])

    def remove(self) -> None:
        """Take the selected rows from the list."""
        if not self.busy:
            gone = set(self.ui.table.chosen_rows())
            self._list([entry for row, entry in enumerate(self.entries) if row not in gone])

    def restore(self) -> None:
        """Restore all images that are not done; returns at once."""
        if self.busy:
            return
        self._read_again()
        try:
            make = self._work()
        except MendemError as error:
            self._say(str(error), alarm=True)
            return
        assert self.preset is not None
        todo = [entry for entry in self.entries if entry.state != DONE]
        for entry in todo:
            entry.state, entry.why = WAITING, ""
        self._list(self.entries)
        self._say("")
        self.ui.set_busy(True)
        self.run.start(todo, make, f"Batch · {self.preset.task.title}")

    def cancel(self) -> None:
        """Stop: what is finished is kept, and Start goes on with the rest."""
        if self.busy:
            self.ui.cancel.setEnabled(False)
        self.run.cancel()

    # Between fields and work.

    def _work(self) -> Callable[[Entry], BatchJob]:
        """From an image to its work; `MendemError` for what a batch cannot begin with."""
        preset, ui, threads = self.preset, self.ui, preferences().cpu_threads
        if preset is None:
            raise MendemError(self._wrong)
        if not self.entries:
            raise MendemError("There is nothing to restore: add layers or files.")
        if all(entry.state == DONE for entry in self.entries):
            raise MendemError("Everything is done: add images, or choose another preset or another place for results.")
        if ui.results.value() != FOLDER:
            return lambda entry: LayerJob(self._still_there(entry), self.viewer, preset, threads)
        folder, overwrite = ui.folder.text().strip(), ui.overwrite.value()
        if not folder:
            raise MendemError("Choose the folder that the results go to.")
        items = items_of([e.as_file for e in self.entries], folder, preset.task.name, ui.suffix.value())
        make_folder(folder)
        by_entry: dict[Entry, Item] = dict(zip(self.entries, items, strict=True))

        def make(entry: Entry) -> BatchJob:
            return FileJob(self._still_there(entry), by_entry[entry], preset, overwrite, threads)

        return make

    def _still_there(self, entry: Entry) -> Entry:
        if not isinstance(entry.source, str) and entry.source not in self.viewer.layers:
            raise MendemError("the layer was removed from the viewer")
        return entry

    def _preset_changed(self) -> None:
        self.preset, self._wrong = self._chosen()
        self.ui.about.setText(self._wrong if self.preset is None else self.preset.words)
        self._again()

    def _chosen(self) -> tuple[Preset | None, str]:
        """The preset as it is in its file now, or what is wrong."""
        path = self.ui.preset.path()
        try:
            return (None, NO_PRESET) if path is None else (presets.load(path), "")
        except MendemError as error:
            return None, str(error)

    def _read_again(self) -> None:
        """Follow what was saved under the name of the preset that is chosen."""
        if not self.busy:
            self.ui.preset.refresh()
            if self._chosen() != (self.preset, self._wrong):
                self._preset_changed()

    def _results_changed(self) -> None:
        self.ui.show_folder()
        self._again()

    def _again(self) -> None:
        """Everything is to be done as the fields are now."""
        if not self.busy:
            for entry in self.entries:
                entry.state, entry.why = WAITING, ""
            self._list(self.entries)
            self._say("")

    def _add(self, sources: list) -> None:
        known = [_key(entry.source) for entry in self.entries]
        fresh = {_key(source): source for source in sources if _key(source) not in known}
        if not self.busy:
            self._list([*self.entries, *map(Entry, fresh.values())])
            self._say("")
            workers.warm_up()

    def _list(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.ui.table.show_entries(entries)

    def _show(self, entry: Entry) -> None:
        row = self.entries.index(entry)
        self.ui.table.show_state(row, entry)
        if entry.state == PREPARING:
            self.ui.table.scrollToItem(self.ui.table.item(row, 0))

    def _ended(self) -> None:
        self.ui.set_busy(False)
        self._list(self.entries)
        failed = [entry for entry in self.entries if entry.state == FAILED]
        said = tally([entry.state for entry in self.entries], "image")
        self._say(said, alarm=bool(failed))

    def _layer_removed(self, event: object) -> None:
        if not self.busy:
            gone = event.value  # type: ignore[attr-defined]
            self._list([entry for entry in self.entries if entry.source is not gone])

    def _say(self, text: str, alarm: bool = False) -> None:
        self.ui.message.setText(text)
        self.ui.message.setVisible(bool(text))
        if alarm:
            from napari.utils.notifications import show_warning

            show_warning(text)

    # Dialogs.

    def _ask_for_files(self) -> None:
        from mendem.io import SUFFIXES

        patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES.readable if suffix != ".zarr")
        paths, _ = QFileDialog.getOpenFileNames(self, "Add files", "", f"Images ({patterns});;All files (*)")
        self.add_files(paths)

    def _ask_for_zarr(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Add an OME-Zarr")
        self.add_files([path] if path else [])

    def _ask_for_folder(self) -> None:
        start = self.ui.folder.text() or next((str(Path(e).parent) for e in self._files()), "")
        path = QFileDialog.getExistingDirectory(self, "Folder for the results", start)
        if path:
            self.ui.folder.setText(path)
            self._again()

    def _files(self) -> list[str]:
        return [entry.source for entry in self.entries if isinstance(entry.source, str)]

    # Qt.

    def sizeHint(self) -> QSize:
        return super().sizeHint().expandedTo(QSize(300, 0))

    def _in_front(self, front: bool) -> None:
        """A preset may have been saved in the dock that was in front before."""
        if front:
            self._read_again()

    def keyPressEvent(self, event: object) -> None:
        """Escape cancels."""
        if self.busy and event.key() == Qt.Key.Key_Escape:  # type: ignore[attr-defined]
            self.cancel()
        else:
            super().keyPressEvent(event)


def _key(source: ImageLayer | str) -> object:
    """What is the same for the same image."""
    return os.path.realpath(source) if isinstance(source, str) else id(source)


def _shut(connections: Connections, running: list[Event], _: object = None) -> None:
    """Leave nothing at work and nothing connected behind a widget that is gone."""
    connections.cut()
    for cancelled in running:
        cancelled.set()
