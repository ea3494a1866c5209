"""Where everything stands in the Missing wedge dock. It decides nothing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer
from qtpy.QtCore import QObject, QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_mendem.layers import TOOL
from napari_mendem.tilt_layers import is_tilt_series
from napari_mendem.wedge_layers import WEDGE
from napari_mendem.wedge_tilts import LARGEST, SMALLEST, by_angle, full_limit, slices, used_tilts
from napari_mendem.widgets.angle_dial import AngleDial
from napari_mendem.widgets.dialled import Dialled, signed
from napari_mendem.widgets.dock_foot import scrolled
from napari_mendem.widgets.fields import narrow
from napari_mendem.widgets.layer_choice import LayerChoice
from napari_mendem.widgets.layout import make_button, new_form, small_label, tab_through
from napari_mendem.widgets.tilt_input import TiltInput

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from mendem.tomography.tilt_series import TiltSeries
    from napari_mendem.widgets.connections import Connections

#: What the spectrum is of where no tomogram is chosen.
OF_SLICE = "of the live slice"


class TomogramChoice(LayerChoice):
    """A volume that is no tilt series."""

    def _offered(self) -> list[Layer]:
        return [
            layer
            for layer in super()._offered()
            if isinstance(layer, ImageLayer)
            and layer.ndim == 3
            and not layer.rgb
            and not is_tilt_series(layer)
            and WEDGE not in layer.metadata
            and TOOL not in layer.metadata
        ]


class MissingWedgeLayout(QObject):
    """All parts of the dock."""

    def __init__(self, dock: QWidget, viewer: ViewerModel, connections: Connections) -> None:
        super().__init__(dock)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 6, 6, 6)
        column.addLayout(self._inputs(dock, viewer, connections))
        self.dial = AngleDial()
        column.addWidget(self.dial)
        column.addLayout(self._numbers())
        column.addLayout(self._results())
        column.addLayout(self._layers())
        column.addStretch(1)
        outer = QVBoxLayout(dock)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled(inner), 1)
        outer.addLayout(self._foot())
        tab_through(
            self.input.choice,
            self.input.angles,
            self.tomogram,
            self.dial,
            self.limit,
            self.beyond,
            self.axis,
            self.tilt,
            self.row,
            self.row_number,
            self.fourier,
            self.ray,
            self.point,
            self.live,
            self.solid,
            self.restore,
            self.cancel,
            self.fill,
        )

    def enable(self, there: bool) -> None:
        """Whether there is a tilt series to work with."""
        for widget in (self.dial, self.limit, self.axis, self.tilt, self.row, self.row_number, self.restore, self.live):
            widget.setEnabled(there)
        for button in (self.solid, self.fill):
            button.setEnabled(there)
        self.beyond.setEnabled(False)

    def take_over(self, series: TiltSeries) -> None:
        """Set the fields by a series: all its tilts, its tilt axis, its middle slice."""
        rows = slices(series, series.axis_angle)
        blocked = [QSignalBlocker(w) for w in (self.limit, self.axis, self.tilt, self.row, self.row_number)]
        self.limit.setValue(full_limit(series))
        self.axis.setValue(series.axis_angle)
        self.tilt.setRange(0, series.count - 1)
        for field in (self.row, self.row_number):
            field.setRange(0, rows - 1)
            field.setValue(rows // 2)
        del blocked

    def show_tilt(self, series: TiltSeries, tilt: int) -> None:
        """The tilt that is looked at, on its slider and in words."""
        with QSignalBlocker(self.tilt):
            self.tilt.setValue(by_angle(series).index(tilt))
        self.angle.setText(signed(series.true_angles[tilt]))

    def show_dial(self, series: TiltSeries, tilt: int) -> None:
        """All tilts on the dial, and what the measured ones within the limit leave missing."""
        from mendem.tomography.directions import missing_arcs

        angles, excluded, limit = series.true_angles, frozenset(series.excluded), self.limit.value()
        generated = frozenset(series.generated)
        measured = used_tilts(angles, excluded | generated, limit)
        arcs = missing_arcs([angles[k] for k in measured]) if measured else ((-90.0, 90.0),)
        self.dial.show_tilts(Dialled(angles, excluded, limit, arcs, tilt, generated))
        beyond = self.dial.shown.beyond
        self.beyond.setEnabled(bool(measured and beyond))
        self.beyond.setText("Include" if beyond and beyond <= excluded else "Exclude")

    def _inputs(self, dock: QWidget, viewer: ViewerModel, connections: Connections) -> QFormLayout:
        form = new_form()
        self.input = TiltInput(viewer, connections, dock)
        self.tomogram = TomogramChoice(viewer, connections, words=(OF_SLICE,))
        self.tomogram.setObjectName("tomogram")
        self.tomogram.setToolTip(
            "<qt>Whose power spectrum and energies are shown: a tomogram of this series, or the slice that is "
            "reconstructed here.</qt>"
        )
        self.input.add_to(form)
        form.addRow("Spectrum", self.tomogram)
        return form

    def _numbers(self) -> QGridLayout:
        self.limit, self.axis = QDoubleSpinBox(), QDoubleSpinBox()
        self.limit.setRange(SMALLEST, LARGEST)
        self.limit.setDecimals(1)
        self.limit.setObjectName("limit")
        self.limit.setToolTip("<qt>Tilts further from 0° do not count, as if they had not been recorded; degrees.</qt>")
        self.axis.setRange(-180.0, 180.0)
        self.axis.setDecimals(2)
        self.axis.setSingleStep(0.1)
        self.axis.setObjectName("axis")
        self.axis.setToolTip(
            "<qt>The tilt axis that is tried: degrees counterclockwise from y, as IMOD counts them. The layer keeps "
            "its own.</qt>"
        )
        self.tilt, self.row = QSlider(Qt.Orientation.Horizontal), QSlider(Qt.Orientation.Horizontal)
        self.angle, self.row_number = QLabel(), QSpinBox()
        self.tilt.setObjectName("tilt")
        self.tilt.setToolTip(
            "<qt>The tilt that is looked at: in the dial, in the stack, in Fourier space, as the ray in the slice.</qt>"
        )
        self.angle.setObjectName("angle")
        self.angle.setMinimumWidth(self.angle.fontMetrics().horizontalAdvance("\u2212188.8°"))
        self.angle.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        tip = "<qt>The slice across the tilt axis: a row of the aligned tilts, from 0.</qt>"
        self.row.setObjectName("row")
        self.row_number.setObjectName("row_number")
        for widget in (self.row, self.row_number):
            widget.setToolTip(tip)
        for box in (self.limit, self.axis):
            box.setKeyboardTracking(False)
            narrow(box)
        self.row_number.setKeyboardTracking(False)
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        self.beyond = make_button(
            "Exclude",
            "beyond",
            "<qt>Exclude the tilts beyond the limit, or take them in again: the layer remembers it, and all docks "
            "leave them out.</qt>",
        )
        for number, (label, box) in enumerate((("Limit (°)", self.limit), ("Axis (°)", self.axis))):
            grid.addWidget(QLabel(label), number, 0)
            grid.addWidget(box, number, 1, 1, 2 - (box is self.limit))
        grid.addWidget(self.beyond, 0, 2)
        for number, (label, slider, value) in enumerate(
            (("Tilt", self.tilt, self.angle), ("Slice", self.row, self.row_number)), start=2
        ):
            grid.addWidget(QLabel(label), number, 0)
            grid.addWidget(slider, number, 1)
            grid.addWidget(value, number, 2)
        grid.setColumnStretch(1, 1)
        return grid

    def _results(self) -> QFormLayout:
        form = new_form()
        self.missing, self.elongation, self.energy = small_label(), small_label(), small_label()
        tips = {
            "missing": ("Missing", self.missing, "Part of Fourier space that no tilt measures."),
            "elongation": (
                "Elongation",
                self.elongation,
                "How much longer a point is imaged along z than along x: the ratio of the root mean square frequencies "
                "that are measured along x and z (1.55 for ±60°), and that of the widths at half maximum.",
            ),
            "energy": (
                "In the wedge",
                self.energy,
                "Part of the energy that lies in the missing wedge: plain, and whitened, where each ring of "
                "frequencies counts by its area alone. What is alike in all directions has the share that is missing.",
            ),
        }
        for name, (text, label, tip) in tips.items():
            label.setObjectName(name)
            head = QLabel(text)
            for widget in (head, label):
                widget.setToolTip(f"<qt>{tip}</qt>")
            form.addRow(head, label)
        return form

    def _layers(self) -> QGridLayout:
        grid = QGridLayout()
        self.fourier = _check("Wedge in Fourier space", "fourier", "Power spectrum, missing wedge and tilts as layers")
        self.ray = _check("Ray in slice", "ray", "The current tilt: its row, its ray and its line in Fourier space")
        self.point = _check("Point spread", "point_spread", "The image of a point by this tilt scheme, magnified")
        self.solid = make_button(
            "Show in 3-D", "solid", "<qt>Tomogram and Fourier space beside each other, turned together.</qt>"
        )
        self.solid.setCheckable(True)
        grid.addWidget(self.fourier, 0, 0, 1, 2)
        grid.addWidget(self.ray, 1, 0)
        grid.addWidget(self.point, 1, 1)
        return grid

    def _foot(self) -> QVBoxLayout:
        self.live = QCheckBox("Live")
        self.live.setObjectName("live")
        self.live.setToolTip("<qt>Reconstruct the slice again after each change.</qt>")
        self.stage = small_label()
        self.stage.setObjectName("stage")
        self.stage.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        live = QHBoxLayout()
        live.addWidget(self.live)
        live.addWidget(self.stage, 1)
        live.addWidget(self.solid)
        self.restore = make_button(
            "Reconstruct slice", "restore", "<qt>By weighted back-projection; layers that were removed come back.</qt>"
        )
        self.restore.setDefault(True)
        self.cancel = make_button("Cancel", "cancel", "Stop what is being computed (Esc)")
        self.cancel.setEnabled(False)
        self.fill = make_button("Fill…", "fill", "<qt>Open the dock that fills the missing wedge.</qt>")
        self.fill.setVisible(find_spec("napari_mendem.widgets.fill_wedge") is not None)
        run = QHBoxLayout()
        for widget in (self.restore, self.cancel, self.fill):
            run.addWidget(widget)
        self.message = small_label()
        self.message.setObjectName("message")
        self.message.setVisible(False)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        foot = QVBoxLayout()
        foot.setContentsMargins(6, 0, 6, 6)
        foot.addLayout(live)
        foot.addLayout(run)
        foot.addWidget(self.message)
        return foot


def _check(text: str, name: str, tip: str) -> QCheckBox:
    box = QCheckBox(text)
    box.setObjectName(name)
    box.setToolTip(f"<qt>{tip}.</qt>")
    box.setChecked(True)
    box.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
    return box
