"""The control of a blur: its kind, its size in pixels or nanometres, its angle, or a layer with a picture of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QPushButton, QWidget

from mendem.errors import MendemError
from mendem.physics.ctf import TERMS
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.fields import Choice, Number
from napari_mendem.widgets.layer_choice import LayerChoice

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

#: What is known of each kind by the word that it begins with: its entry, the label of its size, and what that is.
KINDS = {
    "gaussian": ("Gaussian", "Width", "Full width at half maximum of the Gaussian"),
    "disc": ("disc", "Diameter", "Diameter of the disc into which defocus spreads a point"),
    "motion": ("motion", "Length", "How far the image drifted while it was recorded"),
    "ctf": ("CTF", "", ""),
}

#: Terms of a contrast transfer: label, unit, lowest, highest, what it starts with, and what it is.
OPTICS = {
    "defocus": ("Defocus", "nm", -1e5, 1e5, 1000.0, "Defocus; underfocus is positive"),
    "kv": ("Voltage", "kV", 10.0, 3000.0, TERMS["kv"][1], "Acceleration voltage"),
    "cs": ("Cs", "mm", -20.0, 100.0, TERMS["cs"][1], "Spherical aberration"),
    "amplitude": ("Amplitude", "", 0.0, 1.0, TERMS["amplitude"][1], "Share of amplitude contrast, 0 to 1"),
    "astigmatism": ("Astigmatism", "nm", 0.0, 1e5, 0.0, "Half the difference between the two foci"),
    "angle": ("Its angle", "°", -180.0, 180.0, 0.0, "Direction of the stronger focus, from x towards y"),
    "limit": ("Envelope", "nm", 0.0, 1e3, 0.0, "Length at which the Gaussian envelope falls to 1/e; 0 for none"),
}

TIP = (
    "<qt>What blurred the image. A Gaussian is a good guess where nothing is known but its width; a disc is defocus "
    "in light optics and SEM; motion is drift during the exposure; CTF is the contrast transfer of a transmission "
    "microscope; a picture is a layer that shows how one point looks.</qt>"
)

#: The entry for a layer.
PICTURE = "picture"

#: Smallest and largest size in pixels, and what a size starts with.
SMALLEST, LARGEST, START = 0.1, 60.0, 3.0


class BlurField(QObject):
    """Rows of a form that say what blurred an image, as the text of a task's parameter.

    Parameters
    ----------
    entries
        What the parameter declares: words such as "none", and beginnings such as "gaussian:"; kinds that are not
        known here are left out.
    default
        What it begins with.
    """

    changed = Signal()

    def __init__(
        self, viewer: ViewerModel, connections: Connections, entries: tuple[str, ...], default: str, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._default = default
        self._pixel_nm: float | None = None
        self._form: QFormLayout | None = None
        self.words = tuple(e for e in entries if ":" not in e)
        kinds = [e.rstrip(":") for e in entries if e.rstrip(":") in KINDS]
        self.kind = Choice(())
        self.kind.setObjectName("psf")
        for word in self.words:
            self.kind.addItem(word, word)
        for name in kinds:
            self.kind.addItem(KINDS[name][0], name)
        self.kind.addItem("picture (layer)", PICTURE)
        self.size, self.unit = Number(SMALLEST, LARGEST), Choice(("px", "nm"))
        self.size.setObjectName("psf_size")
        self.unit.setObjectName("psf_unit")
        self.unit.setToolTip("<qt>Pixels of the image, or nanometres where its pixel size is known.</qt>")
        self.size.setDecimals(2)
        self.size.setValue(START)
        self._unit = "px"
        self.angle = Number(-180.0, 180.0, "°")
        self.angle.setObjectName("psf_angle")
        self.angle.setDecimals(1)
        self.angle.setToolTip("<qt>Direction of the motion: 0° is along x, 90° along y (downwards).</qt>")
        self.optics = {name: _optical(name) for name in OPTICS}
        self.picture = LayerChoice(viewer, connections, words=("choose a layer",))
        self.picture.setObjectName("input_psf")
        self._sized = _side_by_side(self.size, self.unit)
        self.measure_edge, self.measure_bead = QPushButton("Measure at edge"), QPushButton("Measure at bead")
        self.measure_edge.setObjectName("measure_edge")
        self.measure_bead.setObjectName("measure_bead")
        self.measure_edge.setToolTip(
            "<qt>Draw a line straight across a sharp edge, at least three times as long as the edge is blurred: "
            "the width of the blur is measured there.</qt>"
        )
        self.measure_bead.setToolTip("<qt>Click on a small bead or point: the blur is measured there.</qt>")
        self._measuring = _side_by_side(self.measure_edge, self.measure_bead)
        self.unit.changed.connect(self._unit_changed)
        self.kind.changed.connect(self._kind_changed)
        for field in (self.size, self.angle, self.picture, *self.optics.values()):
            field.changed.connect(self.changed)
        self.setValue(default)

    @property
    def parts(self) -> list[QWidget]:
        """Everything that can be typed or chosen, from top to bottom."""
        buttons = [self.measure_edge, self.measure_bead]
        return [self.kind, self.size, self.unit, self.angle, *self.optics.values(), self.picture, *buttons]

    @property
    def searching(self) -> list[QWidget]:
        """Buttons that wait while something is at work."""
        return [self.measure_edge, self.measure_bead]

    def add_to(self, form: QFormLayout, label: str, _: str) -> None:
        """Add the rows to a form."""
        self._form = form
        self.kind.setToolTip(TIP)
        form.addRow(label, self.kind)
        form.addRow("Width", self._sized)
        form.addRow("Angle", self.angle)
        for name, field in self.optics.items():
            form.addRow(OPTICS[name][0], field)
        form.addRow("Picture", self.picture)
        form.addRow(self._measuring)
        self.picture.setToolTip("<qt>An image layer of one point, blurred as the image is, with the same pixels.</qt>")
        self._show_rows()

    @property
    def layer(self) -> Layer | None:
        """The layer with a picture of the blur, where that is how the blur is given."""
        return self.picture.layer if self.kind.value() == PICTURE else None

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer from code."""
        self.picture.choose(layer)
        self.kind.setValue(PICTURE)

    def set_pixel(self, nm: float | None) -> None:
        """The pixel size of the image, None where it is unknown: sizes can be in nanometres only where it is known."""
        if nm is None and self.unit.value() == "nm":
            self.unit.setValue("px")  # by the pixel size that was known
        self._pixel_nm = nm
        self.unit.setEnabled(nm is not None)
        if self.unit.value() == "nm":
            self._set_range()

    def value(self) -> str:
        """The parameter's text, as in ``gaussian:6px``; its default while a layer is chosen.

        Raises a `MendemError` where a layer is wanted and none is chosen.
        """
        kind = self.kind.value()
        if kind in self.words:
            return kind
        if kind == PICTURE:
            if self.picture.layer is None:
                raise MendemError("choose under Picture the layer with a picture of the blur")
            return self._default
        if kind == "ctf":
            return "ctf:" + ",".join(self._terms())
        angle = f"@{plain(self.angle.value(), 1)}" if kind == "motion" else ""
        return f"{kind}:{plain(self.size.value(), 2)}{self.unit.value()}{angle}"

    def setValue(self, text: str) -> None:
        """Show a text as `value` gives it; `MendemError` where it is no such text."""
        kind, _, rest = text.partition(":")
        unclear = f"the blur {text!r} is not understood; write as in gaussian:6px, disc:4nm or motion:8px@30"
        if kind == "ctf":
            for term in filter(None, rest.split(",")):
                name, _, value = term.partition("=")
                if name.strip() not in self.optics or not re.search(r"\d", value):
                    raise MendemError(unclear)
                factor = 1e3 if "um" in value or "µm" in value else 1.0
                self.optics[name.strip()].setValue(factor * float(re.sub(r"[^\d.+-]", "", value)))
        elif rest:
            match = re.fullmatch(r"(\d+\.?\d*|\.\d+)(px|nm)(?:@(-?\d+\.?\d*))?", rest.strip())
            if match is None:
                raise MendemError(unclear)
            self.unit.setValue(match[2])
            self.size.setValue(float(match[1]))
            self.angle.setValue(float(match[3] or 0))
        self.kind.setValue(kind)

    def _terms(self) -> list[str]:
        values = {name: field.value() for name, field in self.optics.items()}
        named = {n: v for n, v in values.items() if n in ("defocus", "kv", "cs") or v != OPTICS[n][4]}
        return [f"{n}={plain(v, 3)}{'nm' if OPTICS[n][1] == 'nm' else ''}" for n, v in named.items()]

    def _kind_changed(self) -> None:
        self._show_rows()
        self.changed.emit()

    def _unit_changed(self) -> None:
        """The same length in the other unit."""
        before, self._unit = self._unit, self.unit.value()
        value, nm = self.size.value(), self._pixel_nm
        self.size.blockSignals(True)
        self._set_range()
        if nm is not None and before != self._unit:
            self.size.setValue(value * nm if self._unit == "nm" else value / nm)
        self.size.blockSignals(False)
        self.changed.emit()

    def _set_range(self) -> None:
        factor = self._pixel_nm if self._unit == "nm" and self._pixel_nm else 1.0
        self.size.setRange(max(0.01, SMALLEST * factor), LARGEST * factor)

    def _show_rows(self) -> None:
        form, kind = self._form, self.kind.value()
        if form is None:
            return
        _, label, tip = KINDS.get(kind, ("", "", ""))
        form.labelForField(self._sized).setText(label or "Width")
        self.size.setToolTip(f"<qt>{tip}.</qt>")
        form.setRowVisible(self._sized, bool(label))
        form.setRowVisible(self.angle, kind == "motion")
        for field in self.optics.values():
            form.setRowVisible(field, kind == "ctf")
        form.setRowVisible(self.picture, kind == PICTURE)
        form.setRowVisible(self._measuring, kind == "gaussian" or kind in self.words)


def plain(value: float, digits: int) -> str:
    """A number without needless zeros, and never with a power of ten."""
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _optical(name: str) -> Number:
    _, unit, low, high, start, tip = OPTICS[name]
    field = Number(low, high, unit)
    field.setObjectName(f"psf_{name}")
    field.setDecimals(2 if name in ("amplitude", "limit", "cs") else 0)
    field.setValue(start)
    field.setToolTip(f"<qt>{tip}.</qt>")
    return field


def _side_by_side(*widgets: QWidget) -> QWidget:
    box = QWidget()
    row = QHBoxLayout(box)
    row.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        row.addWidget(widget, 1)
    return box
