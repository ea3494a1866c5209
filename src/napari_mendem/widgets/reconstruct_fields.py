"""The fields that say how a tomogram is reconstructed."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QSlider, QWidget

from mendem.image import VoxelSize
from mendem.tomography.density import Density
from mendem.tomography.sirt import Sirt
from mendem.tomography.tv import Tv
from mendem.tomography.wbp import Wbp
from napari_mendem.widgets.fields import Choice, Fields, Number, Switch, Whole, narrow

#: The methods and what they are called where one is chosen.
METHODS: dict[str, tuple[type[Wbp] | type[Sirt] | type[Tv], str]] = {
    "wbp": (Wbp, "WBP: weighted back-projection"),
    "sirt": (Sirt, "SIRT: iterative, quiet"),
    "tv": (Tv, "TV: total variation"),
}


class MethodFields(QObject):
    """The choice of a method with the parameters of each, of which those of the chosen one are shown."""

    changed = Signal()

    def __init__(self, form: QFormLayout, advanced: QFormLayout, parent: QObject) -> None:
        super().__init__(parent)
        self._forms = form, advanced
        self.choice = Choice(())
        for name, (_, text) in METHODS.items():
            self.choice.addItem(text, name)
        self.choice.setObjectName("method")
        self.choice.setToolTip(
            "<qt>WBP is the fastest, and linear. SIRT is smooth and quiet. TV is for objects with few flat values and "
            "sharp borders; it flattens textures, membranes and proteins.</qt>"
        )
        narrow(self.choice)
        form.addRow("Method", self.choice)
        self.of: dict[str, Fields] = {}
        for name, (declared, _) in METHODS.items():
            made = Fields(declared, form, advanced, self._changed)
            for field, widget in made.widgets.items():
                widget.setObjectName(f"{name}_{field}")
            self.of[name] = made
        self.of["tv"].widgets["noise"].setSpecialValueText("measured")
        self.choice.changed.connect(self._changed)
        self._show()

    @property
    def in_order(self) -> list[QWidget]:
        """All widgets that take the keyboard, from top to bottom."""
        return [self.choice, *(w for made in self.of.values() for w in made.in_order)]

    def value(self) -> Wbp | Sirt | Tv:
        """The method with its parameters; `MendemError` for what it refuses."""
        return self.of[self.choice.value()].values()

    def setValue(self, method: Wbp | Sirt | Tv) -> None:
        """Choose a method with its parameters."""
        name = type(method).__name__.lower()
        self.of[name].set(**{f.name: getattr(method, f.name) for f in fields(method)})
        self.choice.setValue(name)

    def _changed(self) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        chosen = self.choice.value()
        form, advanced = self._forms
        for name, made in self.of.items():
            for f in fields(made.declared):
                shown = name == chosen and not self._without_meaning(name, f)
                (advanced if f.metadata["advanced"] else form).setRowVisible(made.widgets[f.name], shown)

    def _without_meaning(self, name: str, field: Field) -> bool:
        """Iterations of WBP are those that its SIRT-like filter stands for."""
        filters = self.of[name].widgets.get("filter")
        return field.name == "iterations" and filters is not None and filters.value() != "sirt-like"


class BackgroundField(QObject):
    """``edges``, ``none``, or a number: what density 0 looks like."""

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.mode, self.number = Choice(("edges", "none", "given")), Number(None, None)
        self.mode.setObjectName("background")
        self.number.setObjectName("background_value")
        self.number.setVisible(False)
        self.mode.changed.connect(self._switch)
        self.number.changed.connect(self.changed)

    @property
    def parts(self) -> list[QWidget]:
        return [self.mode, self.number]

    def add_to(self, form: QFormLayout, label: str, tip: str) -> None:
        """Add the row to a form."""
        for part in self.parts:
            part.setToolTip(tip)
        form.addRow(label, _row(self.mode, self.number))

    def value(self) -> str | float:
        return self.number.value() if self.mode.value() == "given" else self.mode.value()

    def setValue(self, value: str | float) -> None:
        if not isinstance(value, str):
            self.number.setValue(float(value))
        self.mode.setValue(value if isinstance(value, str) else "given")

    def _switch(self) -> None:
        self.number.setVisible(self.mode.value() == "given")
        self.changed.emit()


class ThicknessField(QObject):
    """The extent along z in voxels or nanometres; 0 is as thick as the tilts are wide."""

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._voxel_nm: float | None = None
        self._unit = "px"
        self.number, self.unit = Number(0.0, 1e6), Choice(("px", "nm"))
        self.number.setObjectName("thickness")
        self.number.setDecimals(0)
        self.number.setSpecialValueText("auto")
        self.number.setToolTip(
            "<qt>Extent along z, in voxels of the tomogram or as a length. With SIRT and TV everything in the specimen "
            "must lie inside. Auto (0) is as thick as the tilts are wide: nothing is cut off, but it takes long.</qt>"
        )
        self.unit.setObjectName("thickness_unit")
        self.unit.setToolTip("<qt>Voxels, or nanometres where the pixel size is known.</qt>")
        self.unit.setEnabled(False)
        self.number.changed.connect(self.changed)
        self.unit.changed.connect(self._unit_changed)

    @property
    def parts(self) -> list[QWidget]:
        return [self.number, self.unit]

    def row(self) -> QWidget:
        """What stands in the form."""
        row = _row(self.number, self.unit)
        row.layout().setStretch(0, 1)
        return row

    def set_voxel(self, nm: float | None) -> None:
        """The voxel's length, which the unit is changed by."""
        self._voxel_nm = nm
        self.unit.setEnabled(nm is not None)
        if nm is None:
            self.unit.setValue("px")

    def value(self) -> int | VoxelSize | None:
        number = self.number.value()
        if not number:
            return None
        return VoxelSize((number,), "nm") if self._unit == "nm" else round(number)

    def setValue(self, value: int | VoxelSize | None) -> None:
        length = isinstance(value, VoxelSize)
        self.unit.setValue("nm" if length else "px")
        self.number.setValue(float(value.nm[0] or 0) if isinstance(value, VoxelSize) else float(value or 0))

    def _unit_changed(self) -> None:
        """The number stays as thick as it was."""
        before, self._unit = self._unit, self.unit.value()
        if before == self._unit or self._voxel_nm is None:
            return
        number = self.number.value()
        self.number.blockSignals(True)
        self.number.setDecimals(0 if self._unit == "px" else 1)
        self.number.setValue(number * self._voxel_nm if self._unit == "nm" else round(number / self._voxel_nm))
        self.number.blockSignals(False)
        self.changed.emit()


class RowField(QObject):
    """Which slice is previewed: a row of the aligned tilts, before binning."""

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.slider, self.number = QSlider(Qt.Orientation.Horizontal), Whole(0, 0)
        self.slider.setObjectName("row_slider")
        self.number.setObjectName("row")
        self.number.setMaximumWidth(90)
        self._count = 0
        for part in (self.slider, self.number):
            part.setToolTip("<qt>The row along the tilt axis, of the aligned tilts, whose slice is previewed.</qt>")
        self.slider.valueChanged.connect(self.number.setValue)
        self.number.valueChanged.connect(self.slider.setValue)
        self.number.changed.connect(self.changed)

    @property
    def parts(self) -> list[QWidget]:
        return [self.slider, self.number]

    def row(self) -> QWidget:
        """What stands in the form."""
        row = _row(self.slider, self.number)
        row.layout().setStretch(0, 1)
        return row

    def set_count(self, count: int) -> None:
        """How many rows there are; another count begins in the middle."""
        if count == self._count:
            return
        self._count = count
        self.number.blockSignals(True)
        self.slider.setRange(0, max(0, count - 1))
        self.number.setRange(0, max(0, count - 1))
        self.slider.setValue(count // 2)
        self.number.setValue(count // 2)
        self.number.blockSignals(False)

    def value(self) -> int:
        return self.number.value()

    def setValue(self, row: int) -> None:
        self.number.setValue(row)


def density_fields(form: QFormLayout, on_change: Any, parent: QObject) -> Fields:
    """Contrast, background and gain."""
    return Fields(Density, form, None, on_change, {"background": BackgroundField(parent)})


def switch(name: str, text: str, tip: str, on: bool) -> Switch:
    made = Switch()
    made.setText(text)
    made.setObjectName(name)
    made.setToolTip(f"<qt>{tip}</qt>")
    made.setValue(on)
    return made


def _row(*widgets: QWidget) -> QWidget:
    box = QWidget()
    row = QHBoxLayout(box)
    row.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        row.addWidget(widget)
    return box
