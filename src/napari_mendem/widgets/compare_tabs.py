"""The tabs of the Compare dock, and small parts that are used all over it. They decide nothing."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_mendem.widgets.compare_table import MeasureTable
from napari_mendem.widgets.fields import Choice, narrow
from napari_mendem.widgets.plot import Plot

#: What the FRC may be computed between.
HALVES = ("none", "before and after", "even and odd frames")


class TabParts:
    """The pages of the tabs; part of `CompareLayout`."""

    def _profile(self) -> QWidget:
        self.draw = button("Draw line", "draw_line", "Draw a line in the canvas; move it, and the profile follows")
        self.width = QSpinBox()
        self.width.setObjectName("line_width")
        self.width.setRange(1, 99)
        self.width.setSuffix(" px")
        narrow(self.width)
        self.width.setToolTip("<qt>How wide a band across the line is averaged, in pixels of the image before.</qt>")
        self.profile = Plot("distance (px)", "intensity", "Draw a line on the images")
        self.profile.setObjectName("profile")
        self.profile_copy = copy("copy_profile")
        return page(row(self.draw, QLabel("width"), self.width, None, self.profile_copy), self.profile)

    def _power(self) -> QWidget:
        self.power = Plot("frequency (1/px)", "power density (dB)", "Choose two images")
        self.power.setObjectName("power")
        self.power_copy = copy("copy_power")
        note = small("power_note")
        note.setText("0 dB: the largest of the image before. Each on its own grid, up to its Nyquist frequency.")
        return page(self.power, row(note, self.power_copy))

    def _frc(self) -> QWidget:
        self.halves = Choice(HALVES)
        self.halves.setObjectName("halves")
        self.halves.setToolTip(
            "<qt>Two images that were measured independently of one another: the two layers above, or the even and "
            "the odd frames of the image before.</qt>"
        )
        self.frc = Plot("frequency (1/px)", "FRC")
        self.frc.setObjectName("frc")
        self.frc_note = small("frc_note")
        self.frc_note.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.frc_copy = copy("copy_frc")
        self.validate = button("Validate with half data", "validate", "")
        self.split = Choice(("frames", "slices"))
        self.split.setObjectName("split")
        self.split.setToolTip(
            "<qt>What the planes of the stack are: repeated frames of one place, which are averaged, "
            "or the slices of a volume.</qt>"
        )
        self.cancel = button("Cancel", "cancel", "Stop the validation (Esc)")
        self.progress = QProgressBar()
        self.progress.setObjectName("progress")
        top = row(QLabel("Halves"), self.halves, self.frc_copy)
        return page(top, self.frc, self.frc_note, row(self.validate, self.split, self.progress, self.cancel))

    def _table(self) -> QWidget:
        self.table = MeasureTable()
        self.table_note = small("table_note")
        self.table_copy = copy("copy_table")
        whole = page(self.table, row(self.table_note, self.table_copy))
        whole.layout().addStretch(1)
        return whole


def page(*parts: QWidget) -> QWidget:
    """Parts below one another; plots take what room there is."""
    whole = QWidget()
    column = QVBoxLayout(whole)
    column.setContentsMargins(4, 6, 4, 4)
    for part in parts:
        column.addWidget(part, int(isinstance(part, Plot)))
    return whole


def row(*parts: QWidget | None) -> QWidget:
    """Parts beside one another; None is what stretches, else the first part that can."""
    holder = QWidget()
    line = QHBoxLayout(holder)
    line.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        if part is None:
            line.addStretch(1)
        else:
            line.addWidget(part, int(isinstance(part, QSlider | QProgressBar | Choice) or ignores_width(part)))
    return holder


def ignores_width(part: QWidget) -> bool:
    return part.sizePolicy().horizontalPolicy() == QSizePolicy.Policy.Ignored


def small(name: str) -> QLabel:
    """A line of information that wraps where the dock is narrow."""
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def button(text: str, name: str, tip: str) -> QPushButton:
    made = QPushButton(text)
    made.setObjectName(name)
    made.setToolTip(f"<qt>{tip}.</qt>" if tip else "")
    return made


def copy(name: str) -> QPushButton:
    return button("Copy", name, "Copy the values, as columns for a spreadsheet")
