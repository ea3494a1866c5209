"""Where everything stands in the Batch dock. It decides nothing."""

from __future__ import annotations

from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QFormLayout, QGridLayout, QHBoxLayout, QLineEdit, QProgressBar, QVBoxLayout, QWidget

from mendem.batch import SAME
from napari_mendem.widgets.batch_table import BatchTable
from napari_mendem.widgets.fields import Choice, Switch
from napari_mendem.widgets.layout import make_button, small_label
from napari_mendem.widgets.preset_choice import PresetChoice

#: Where results go.
LAYERS, FOLDER = "new layers", "files in a folder"

#: The formats that are offered.
SUFFIXES = (SAME, ".tif", ".mrc", ".ome.zarr")


class BatchLayout(QObject):
    """All parts of the dock."""

    def __init__(self, dock: QWidget) -> None:
        super().__init__(dock)
        column = QVBoxLayout(dock)
        column.setContentsMargins(6, 6, 6, 6)
        self.preset = PresetChoice()
        self.about = small_label()
        self.about.setObjectName("about")
        column.addLayout(_form([("Preset", self.preset), ("", self.about)]))

        self.table = BatchTable()
        column.addWidget(self.table, 1)
        self.add_layers = make_button("Add layers", "add_layers", "<qt>Add the image layers that are selected.</qt>")
        self.add_files = make_button("Add files…", "add_files", "<qt>Add image files, which need not be open.</qt>")
        self.add_zarr = make_button("Add Zarr…", "add_zarr", "<qt>Add an OME-Zarr, which is a folder.</qt>")
        self.remove = make_button("Remove", "remove", "<qt>Take the selected rows from the list (Delete).</qt>")
        grid = QGridLayout()
        for number, button in enumerate((self.add_layers, self.add_files, self.add_zarr, self.remove)):
            grid.addWidget(button, number // 2, number % 2)
        column.addLayout(grid)

        self.results = Choice((LAYERS, FOLDER))
        self.results.setObjectName("results")
        self.results.setToolTip("<qt>New layers of the viewer, or files, for what is too much to look at.</qt>")
        self.folder = QLineEdit()
        self.folder.setObjectName("folder")
        self.folder.setToolTip(
            "<qt>Where the files go, made where it is missing. They are called after image and task: "
            "<i>cell-denoise.tif</i>.</qt>"
        )
        self.browse = make_button("Choose…", "browse", "<qt>Choose the folder.</qt>")
        place = QWidget()
        row = QHBoxLayout(place)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.folder, 1)
        row.addWidget(self.browse)
        self.suffix = Choice(SUFFIXES)
        self.suffix.setObjectName("suffix")
        self.suffix.setItemText(0, "same as the image")
        self.suffix.setToolTip("<qt>Format of the files; TIFF where that of the image cannot be written.</qt>")
        self.overwrite = Switch()
        self.overwrite.setObjectName("overwrite")
        self.overwrite.setText("Replace what exists")
        self.overwrite.setToolTip("<qt>Without it, images whose result is there already are skipped.</qt>")
        self._form = _form(
            [("Results", self.results), ("Folder", place), ("Format", self.suffix), ("", self.overwrite)]
        )
        self._in_folder = (place, self.suffix, self.overwrite)
        column.addLayout(self._form)

        self.restore = make_button("Start", "restore", "<qt>Restore all images that are not done.</qt>")
        self.restore.setDefault(True)
        self.cancel = make_button("Cancel", "cancel", "<qt>Stop; what is finished is kept (Esc).</qt>")
        run = QHBoxLayout()
        run.addWidget(self.restore)
        run.addWidget(self.cancel)
        column.addLayout(run)
        self.progress = QProgressBar()
        self.progress.setObjectName("progress")
        column.addWidget(self.progress)
        self.message = small_label()
        self.message.setObjectName("message")
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(self.message)
        self.show_folder()
        self.set_busy(False)

    def show_folder(self) -> None:
        """Ask for a folder only where results go into one."""
        for field in self._in_folder:
            self._form.setRowVisible(field, self.results.value() == FOLDER)

    def set_busy(self, busy: bool) -> None:
        """Enable what makes sense while a batch is at work, or while none is."""
        still = (self.preset, self.add_layers, self.add_files, self.add_zarr, self.remove, self.results, self.restore)
        for widget in (*still, *self._in_folder):
            widget.setEnabled(not busy)
        self.table.setAcceptDrops(not busy)
        self.cancel.setEnabled(busy)
        self.progress.setVisible(busy)


def _form(rows: list[tuple[str, QWidget]]) -> QFormLayout:
    form = QFormLayout()
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    form.setHorizontalSpacing(8)
    form.setVerticalSpacing(4)
    for label, field in rows:
        form.addRow(label, field)
    return form
