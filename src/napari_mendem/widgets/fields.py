"""Input fields made from a dataclass: help, unit, range and choices are declared once, in the task itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, get_type_hints

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

#: The widest whole number that a spin box holds.
LARGEST_INT = 2**31 - 1


class Choice(QComboBox):
    """One of several values; ``unit`` follows each."""

    changed = Signal()

    def __init__(self, choices: tuple[Any, ...], unit: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        for choice in choices:
            self.addItem(f"{choice}{unit}", choice)
        narrow(self)
        self.currentIndexChanged.connect(lambda _: self.changed.emit())

    def value(self) -> Any:
        return self.currentData()

    def setValue(self, value: Any) -> None:
        self.setCurrentIndex(max(0, self.findData(value)))


class Switch(QCheckBox):
    """True or false."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.toggled.connect(lambda _: self.changed.emit())

    def value(self) -> bool:
        return self.isChecked()

    def setValue(self, value: bool) -> None:
        self.setChecked(value)


class Whole(QSpinBox):
    """A whole number with its range and unit; 0 may stand for "auto"."""

    changed = Signal()

    def __init__(
        self,
        low: float | None,
        high: float | None,
        unit: str = "",
        zero_is_auto: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setRange(
            -LARGEST_INT if low is None else int(low), LARGEST_INT if high is None else min(int(high), LARGEST_INT)
        )
        self.setSuffix(f" {unit}" if unit else "")
        self.setSpecialValueText("auto" if zero_is_auto else "")
        self.setKeyboardTracking(False)
        narrow(self)
        self.valueChanged.connect(lambda _: self.changed.emit())


class Number(QDoubleSpinBox):
    """A real number with its range and unit."""

    changed = Signal()

    def __init__(self, low: float | None, high: float | None, unit: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(3)
        self.setRange(-1e12 if low is None else low, 1e12 if high is None else high)
        self.setSuffix(f" {unit}" if unit else "")
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setKeyboardTracking(False)
        narrow(self)
        self.valueChanged.connect(lambda _: self.changed.emit())


class AutoOrNumber(QWidget):
    """ "auto", or a number with its unit."""

    changed = Signal()

    def __init__(self, low: float | None, high: float | None, unit: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.mode = Choice(("auto", "given"), parent=self)
        self.number = Number(low, high, unit, self)
        self.number.setVisible(False)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.mode)
        row.addWidget(self.number, 1)
        self.mode.changed.connect(self._switch)
        self.number.changed.connect(self.changed)
        self.setFocusProxy(self.mode)

    def value(self) -> str | float:
        return "auto" if self.mode.value() == "auto" else self.number.value()

    def setValue(self, value: str | float) -> None:
        mode = "auto" if value == "auto" else "given"
        if value != "auto":
            self.number.blockSignals(True)  # heard while the mode says something else, it might be suggested anew
            self.number.setValue(float(value))
            self.number.blockSignals(False)
        if mode == self.mode.value():
            self.changed.emit()
        self.mode.setValue(mode)

    def suggest(self, value: float) -> None:
        """What "given" begins with, as long as nobody has given a number."""
        if self.value() == "auto":
            self.number.blockSignals(True)
            self.number.setValue(value)
            self.number.blockSignals(False)

    def _switch(self) -> None:
        self.number.setVisible(self.mode.value() != "auto")
        self.changed.emit()


class Text(QLineEdit):
    """A line of text."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.editingFinished.connect(self.changed)

    def value(self) -> str:
        return self.text()

    def setValue(self, value: str) -> None:
        self.setText(value)


class Prior(QComboBox):
    """A shipped prior by name, or the path of a checkpoint, typed in."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        import mendem

        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        models = Path(mendem.__file__).parent / "models"
        self.addItems(sorted(p.parent.name for p in models.glob("*/weights.safetensors")))
        narrow(self)
        self.activated.connect(lambda _: self.changed.emit())
        line = self.lineEdit()
        assert line is not None
        line.editingFinished.connect(self.changed)

    def value(self) -> str:
        return self.currentText()

    def setValue(self, value: str) -> None:
        self.setCurrentText(value)


def narrow(widget: QWidget) -> None:
    """Let a field shrink below the width of its longest entry, so that a dock may be 300 pixels wide."""
    widget.setMinimumWidth(70)
    widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def make_field(declared: Field, kind: Any) -> QWidget:
    """The input field of one parameter, at its default, with a tooltip of help, unit and range."""
    about = declared.metadata
    low, high, unit = about.get("low"), about.get("high"), about.get("unit", "")
    if declared.name == "prior":
        field: QWidget = Prior()
    elif about.get("choices"):
        field = Choice(about["choices"], " ×" if kind is int else "")
    elif kind is bool:
        field = Switch()
    elif kind is int:
        field = Whole(low, high, unit, zero_is_auto="0 chooses" in about.get("help", ""))
    elif kind is float:
        field = Number(low, high, unit)
    elif declared.default == "auto":
        field = AutoOrNumber(low, high, unit)
    else:
        field = Text()
    field.setObjectName(declared.name)
    field.setToolTip(tooltip(declared))
    if declared.default is not MISSING:
        field.setValue(declared.default)
    return field


def tooltip(declared: Field) -> str:
    """Help as a sentence, with unit and range."""
    about = declared.metadata
    text = about.get("help", "")
    text = text[:1].upper() + text[1:] + "."
    low, high, unit = about.get("low"), about.get("high"), about.get("unit", "")
    if high is not None and high < LARGEST_INT:
        text += f" {low:g} to {high:g}{' ' + unit if unit else ''}."
    elif unit:
        text += f" In {unit}."
    return f"<qt>{text}</qt>"


def label_of(declared: Field) -> str:
    """What stands before the field."""
    return declared.metadata.get("label") or declared.name.replace("_", " ").capitalize()


class Fields:
    """The fields of a dataclass, laid out in forms.

    Parameters
    ----------
    declared
        The dataclass type.
    plain, advanced
        Where the fields go; those without a second form go to the first.
    on_change
        Called after each change by the user or by `set`.
    made
        Fields by name that were made elsewhere and bring their own rows: with ``value``, ``setValue``, ``changed``, the
        widgets ``parts`` in their order, and ``add_to(form, label, tooltip)``.
    """

    def __init__(
        self,
        declared: type,
        plain: QFormLayout,
        advanced: QFormLayout | None,
        on_change: Any,
        made: Mapping[str, Any] | None = None,
    ) -> None:
        self.declared = declared
        hints = get_type_hints(declared)
        self.widgets: dict[str, Any] = {}
        for f in fields(declared):
            form = advanced if advanced is not None and f.metadata.get("advanced") else plain
            field = (made or {}).get(f.name)
            if field is not None:
                field.add_to(form, label_of(f), tooltip(f))
            else:
                field = make_field(f, hints[f.name])
                if isinstance(field, Switch):  # says itself what it switches
                    field.setText(label_of(f))
                form.addRow("" if isinstance(field, Switch) else label_of(f), field)
                label = form.labelForField(field)
                if label is not None:
                    label.setToolTip(field.toolTip())
            field.changed.connect(on_change)
            self.widgets[f.name] = field

    @property
    def in_order(self) -> list[QWidget]:
        """All widgets that take the keyboard, from top to bottom."""
        return [part for field in self.widgets.values() for part in getattr(field, "parts", [field])]

    def values(self) -> Any:
        """The dataclass with what the fields say; raises `MendemError` for what it refuses."""
        return self.declared(**{name: field.value() for name, field in self.widgets.items()})

    def set(self, **values: Any) -> None:
        """Fill fields by name."""
        for name, value in values.items():
            self.widgets[name].setValue(value)
