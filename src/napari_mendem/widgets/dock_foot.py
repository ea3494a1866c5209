"""The lower end of a dock that runs something: live switch, buttons, progress, messages."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_mendem.widgets.layout import make_button, small_label


class DockFoot:
    """Everything below the fields.

    Parameters
    ----------
    run, tip
        Text and tooltip of the button that starts, whose object name is ``restore`` as in all docks.
    live_tip
        Tooltip of the live switch.
    """

    def __init__(self, run: str, tip: str, live_tip: str) -> None:
        self.live = QCheckBox("Live")
        self.live.setObjectName("live")
        self.live.setToolTip(f"<qt>{live_tip}</qt>")
        self.stage, self.cost = small_label(), small_label()
        self.stage.setObjectName("stage")
        self.stage.setWordWrap(False)
        self.stage.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.cost.setObjectName("cost")
        self.cost.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.restore = make_button(run, "restore", f"<qt>{tip}</qt>")
        self.restore.setDefault(True)
        self.cancel = make_button("Cancel", "cancel", "Stop (Esc)")
        self.progress = QProgressBar()
        self.progress.setObjectName("progress")
        self.message, self.found = small_label(), small_label()
        self.message.setObjectName("message")
        self.found.setObjectName("found")
        for label in (self.message, self.found):
            label.setVisible(False)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.buttons = QHBoxLayout()
        self.buttons.addWidget(self.restore)
        self.buttons.addWidget(self.cancel)
        #: What cannot be used while something is at work, beside the button that starts and the live switch.
        self.waiting: list[QWidget] = []
        self.set_busy(False)

    def set_busy(self, busy: bool) -> None:
        """Enable what makes sense while something is at work, or while nothing is."""
        for widget in (self.restore, self.live, *self.waiting):
            widget.setEnabled(not busy)
        self.cancel.setEnabled(busy)
        self.progress.setVisible(busy)

    def say(self, text: str) -> None:
        """A message; an empty one hides it."""
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def lay_out(self, *rows: QLayout | QWidget) -> QVBoxLayout:
        """All of it, with further ``rows`` at the end."""
        live = QHBoxLayout()
        for widget, stretch in ((self.live, 0), (self.stage, 0), (self.cost, 1)):
            live.addWidget(widget, stretch)
        foot = QVBoxLayout()
        foot.setContentsMargins(6, 0, 6, 6)
        for row in (live, self.buttons, self.progress, self.message, self.found, *rows):
            if isinstance(row, QWidget):
                foot.addWidget(row)
            else:
                foot.addLayout(row)
        return foot


def side_by_side(*buttons: QPushButton) -> QHBoxLayout:
    """A row of buttons."""
    row = QHBoxLayout()
    for button in buttons:
        row.addWidget(button)
    return row


def scrolled(inner: QWidget) -> QScrollArea:
    """Fields that scroll where the window is low, and never sideways."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inner)
    area.setMinimumHeight(120)
    area.setMinimumWidth(inner.minimumSizeHint().width() + area.verticalScrollBar().sizeHint().width())
    return area
