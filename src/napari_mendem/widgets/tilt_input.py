"""The rows of a dock that say which tilt series is meant, and where its angles are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QPushButton, QWidget

from mendem.errors import MendemError
from mendem.tomography.tilt_series import TiltSeries
from napari_mendem.tilt_layers import TILTS, is_tilt_series, series_of, take_angles
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.layer_choice import LayerChoice
from napari_mendem.widgets.layout import small_label
from napari_mendem.widgets.words import NO_BREAK

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

#: What a file dialog offers.
ANGLE_FILES = "Tilt angles (*.tlt *.rawtlt *.mdoc *.aln *.txt);;All files (*)"


class TiltChoice(LayerChoice):
    """The stacks of a viewer; a tilt series is preferred where nobody has chosen."""

    def _offered(self) -> list[Layer]:
        return [one for one in super()._offered() if one.ndim == 3 and not getattr(one, "rgb", False)]

    def _preferred(self, layers: list[Layer]) -> list[Layer]:
        tilted = [layer for layer in layers if is_tilt_series(layer)]
        return [layer for layer in tilted if layer.visible] or tilted


class TiltInput(QObject):
    """A choice of tilt series, what is known of the chosen one, and a button for the file of its angles.

    ``changed`` says that another series is chosen, or that its tilts are others.
    """

    changed = Signal()
    #: A file of angles could not be taken; with the sentence.
    refused = Signal(str)

    def __init__(self, viewer: ViewerModel, connections: Connections, dock: QWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self.choice = TiltChoice(viewer, connections)
        self.choice.setObjectName("series")
        self.choice.setToolTip("<qt>The tilt series: a stack with one image for each tilt.</qt>")
        self.about = small_label()
        self.about.setObjectName("about")
        self.angles = QPushButton("Angles…")
        self.angles.setObjectName("angles")
        self.angles.setToolTip(
            "<qt>Choose the file of the tilt angles (.tlt, .rawtlt, .mdoc, .aln or text, in degrees, one for each "
            "image). Files of the stack's own name are found without it.</qt>"
        )
        self.angles.clicked.connect(self._ask)
        #: Follows the tilts of the chosen layer.
        self.connections = Connections()
        self.choice.changed.connect(self._follow)
        self._follow()

    @property
    def layer(self) -> ImageLayer | None:
        """The chosen stack, whether it has angles or not."""
        layer = self.choice.layer
        return layer if isinstance(layer, ImageLayer) else None

    @property
    def file(self) -> str | None:
        """The file that the angles were chosen from; None where the stack came with them."""
        return None if self.layer is None else self.layer.metadata.get(TILTS, {}).get("file")

    def series(self) -> TiltSeries:
        """The chosen tilt series; `MendemError` where there is none."""
        if self.layer is None:
            raise MendemError(
                "there is no tilt series: open one (File › Open), or a sample (File › Open Sample › Mendem)"
            )
        return series_of(self.layer)

    def add_to(self, form: QFormLayout) -> None:
        """Add the rows to a form."""
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.choice, 1)
        row.addWidget(self.angles)
        form.addRow("Tilts", row)
        form.addRow("", self.about)

    def take(self, path: str) -> None:
        """Give the chosen stack the angles of a file."""
        if self.layer is None:
            return
        try:
            take_angles(self.layer, path)
        except MendemError as error:
            self.refused.emit(str(error))

    def tell(self) -> None:
        """Say what is known now."""
        layer = self.layer
        try:
            text = "No stack is open" if layer is None else about_series(self.series())
        except MendemError as error:
            text = str(error)
        self.about.setText(text)

    def _ask(self) -> None:
        layer = self.layer
        if layer is None:
            return
        folder = os.path.dirname(layer.source.path or "")
        path, _ = QFileDialog.getOpenFileName(self._dock, f"Tilt angles of {layer.name}", folder, ANGLE_FILES)
        if path:
            self.take(path)

    def _follow(self) -> None:
        self.connections.cut()
        layer = self.layer
        if layer is not None:
            for name in ("metadata", "data", "scale", "translate", "units"):
                self.connections.make(getattr(layer.events, name), self._altered)
        self.angles.setEnabled(layer is not None)
        self._altered()

    def _altered(self, _: object = None) -> None:
        self.tell()
        self.changed.emit()


def about_series(series: TiltSeries) -> str:
    """``41 tilts, -60° to 60° · 20 generated · 1.4 nm · 192 × 192 · not aligned``."""
    image = series.image
    assert image.voxel_size is not None
    angles = [series.true_angles[tilt] for tilt in series.measured or series.used]
    size = str(image.voxel_size) if image.voxel_size.known else "pixel size unknown"
    shape = " × ".join(str(n) for n in image.plane_shape)
    parts = [f"{len(angles)} tilts, {angles[0]:.4g}° to {angles[-1]:.4g}°", size, shape]
    out = len(series.excluded)
    made = len(series.used) - len(series.measured)
    parts[1:1] = [f"{count} {what}" for count, what in ((out, "excluded"), (made, "generated")) if count]
    parts += ["aligned", f"axis {series.axis_angle:.3g}° from y"] if series.aligned else ["not aligned"]
    return f"{NO_BREAK}· ".join(part.replace(" ", NO_BREAK) for part in parts)
