"""Where everything stands in the Compare dock. It decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QGridLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_mendem.compare.numbers import DIFFERENCES
from napari_mendem.compare.view import MODES
from napari_mendem.widgets.compare_tabs import TabParts, button, row, small
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.fields import Choice
from napari_mendem.widgets.layer_choice import LayerChoice

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: Key that shows the other image in flicker mode.
KEY = "K"

MODE_TIPS = {
    "off": "Show the layers as they were",
    "swipe": "The image before is left of a divider, the image after right of it. Drag the divider in the canvas, "
    "or use the slider",
    "flicker": f"One image in the place of the other; {KEY} changes between them",
    "side by side": "Both images beside one another, moved and zoomed together",
    "difference": "After minus before on the coarser grid, in grey levels",
}


class CompareLayout(TabParts, QObject):
    """All parts of the Compare dock."""

    def __init__(self, dock: QWidget, viewer: ViewerModel, connections: Connections) -> None:
        super().__init__(dock)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 6, 6, 6)
        column.addLayout(self._images(viewer, connections))
        column.addLayout(self._modes())
        column.addWidget(self._pages())
        column.addLayout(self._common())
        self.message = small("message")
        self.message.setVisible(False)
        column.addWidget(self.message)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("tabs")
        # Four names fit into 300 pixels; scroll buttons would hide one.
        self.tabs.setUsesScrollButtons(False)
        for page, name, tip in (
            (self._profile(), "Profile", "Intensities along a line"),
            (self._power(), "Power", "Radial power spectrum"),
            (self._frc(), "FRC", "Fourier ring correlation of two independent halves"),
            (self._table(), "Measure", "What measurements become"),
        ):
            self.tabs.setTabToolTip(self.tabs.addTab(page, name), tip)
        column.addWidget(self.tabs, 1)
        scroll = QScrollArea(dock)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inner)
        whole = QVBoxLayout(dock)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)
        self.show_page("off")
        self.set_busy(False)

    def show_page(self, mode: str) -> None:
        """The controls of a mode."""
        for name, page in self.pages.items():
            page.setVisible(name == mode)

    def set_busy(self, busy: bool) -> None:
        """While the half-data validation runs."""
        self.cancel.setEnabled(busy)
        self.progress.setVisible(busy)
        self.cancel.setVisible(busy)
        self.validate.setVisible(not busy)

    def _images(self, viewer: ViewerModel, connections: Connections) -> QFormLayout:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(4)
        self.before = LayerChoice(viewer, connections)
        self.before.setObjectName("before")
        self.before.setToolTip("The image before, usually the one that was measured")
        self.after = LayerChoice(viewer, connections)
        self.after.setObjectName("after")
        self.after.setToolTip("<qt>The image after. Select a restoration in the layer list, and both are chosen.</qt>")
        self.about = small("about")
        form.addRow("Before", self.before)
        form.addRow("After", self.after)
        form.addRow("", self.about)
        return form

    def _modes(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(2)
        self.modes: dict[str, QPushButton] = {}
        self.mode_group = QButtonGroup(self)
        for number, mode in enumerate(MODES):
            chosen = QPushButton(mode.capitalize())
            chosen.setObjectName(f"mode_{mode.replace(' ', '_')}")
            chosen.setCheckable(True)
            chosen.setToolTip(f"<qt>{MODE_TIPS[mode]}.</qt>")
            chosen.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            self.mode_group.addButton(chosen, number)
            self.modes[mode] = chosen
            row, place = (0, 2 * number) if number < 3 else (1, 3 * (number - 3))
            grid.addWidget(chosen, row, place, 1, 2 if number < 3 else 3)
        self.modes["off"].setChecked(True)
        return grid

    def _pages(self) -> QWidget:
        holder = QWidget()
        rows = QVBoxLayout(holder)
        rows.setContentsMargins(0, 0, 0, 0)
        self.divider = QSlider(Qt.Orientation.Horizontal)
        self.divider.setObjectName("divider")
        self.divider.setRange(0, 1000)
        self.divider.setPageStep(100)
        self.divider.setSingleStep(10)
        self.divider.setValue(500)
        self.divider.setToolTip("<qt>Where the divider is: 0 to 100 % of what is seen of the image before.</qt>")
        self.divider_at = QLabel("50 %")
        self.divider_at.setMinimumWidth(self.divider_at.fontMetrics().horizontalAdvance("100 %"))
        self.divider_at.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

        self.flick = button(f"Show the other ({KEY})", "flick", "Show the other of the two images")
        self.automatic = QCheckBox("by itself, every")
        self.automatic.setObjectName("automatic")
        self.automatic.setToolTip("Change by itself")
        self.period = QDoubleSpinBox()
        self.period.setObjectName("period")
        self.period.setRange(0.2, 2.0)
        self.period.setSingleStep(0.1)
        self.period.setDecimals(1)
        self.period.setValue(0.5)
        self.period.setSuffix(" s")
        self.period.setToolTip("How long each image is shown, 0.2 to 2 s")
        self.shown = QLabel("before")
        self.shown.setObjectName("shown")

        self.what = Choice(DIFFERENCES)
        self.what.setObjectName("what")
        self.what.setToolTip(
            "<qt>After minus before; the spread of the restoration (a standard deviation, in grey levels); or the "
            "first over the second, where beyond ±2 a change is more than the data leaves open.</qt>"
        )
        self.found = small("found")
        flicker, difference = QWidget(), QWidget()
        two = QVBoxLayout(flicker)
        two.setContentsMargins(0, 0, 0, 0)
        two.addWidget(row(self.flick, self.shown, None))
        two.addWidget(row(self.automatic, self.period, None))
        under = QVBoxLayout(difference)
        under.setContentsMargins(0, 0, 0, 0)
        under.addWidget(self.what)
        under.addWidget(self.found)
        self.pages = {
            "swipe": row(self.divider, self.divider_at),
            "flicker": flicker,
            "difference": difference,
        }
        for page in self.pages.values():
            rows.addWidget(page)
        return holder

    def _common(self) -> QVBoxLayout:
        self.equal = QCheckBox("Equal contrast")
        self.equal.setObjectName("equal")
        self.equal.setChecked(True)
        self.equal.setToolTip(
            "<qt>While a mode is on, both images have the contrast limits of the image before. "
            "They get their own back afterwards.</qt>"
        )
        self.area = Choice(("whole slice", "part in view"))
        self.area.setObjectName("area")
        self.area.setToolTip(
            "<qt>Where power, FRC and measurements are taken: where both images are, or what is seen of it.</qt>"
        )
        rows = QVBoxLayout()
        rows.addWidget(self.equal)
        rows.addWidget(row(QLabel("Numbers from"), self.area))
        return rows
