"""A dial of tilt angles: which directions were measured, excluded and missed, and which tilt is looked at."""

from __future__ import annotations

import math

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFontMetricsF, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_mendem.wedge_tilts import LARGEST, SMALLEST, STEP, direction
from napari_mendem.widgets.dialled import Dialled

#: On a light and on a dark ground; told apart by the colour-blind (Okabe and Ito).
COLOURS = {"measured": ("#0072B2", "#56B4E9"), "missing": ("#D55E00", "#E69F00"), "current": ("#000000", "#F0E442")}

#: How close the mouse must be to a handle, and how far apart tilts may be picked from (pixels, degrees).
GRASP, REACH = 9.0, 6.0
#: Where the ticks of tilts begin, as a share of the radius.
INNER = 0.68
#: Crosses of excluded tilts are no closer than this (pixels).
CROSS = 9.0
LABELS = (-90, -60, -30, 0, 30, 60, 90)


class AngleDial(QWidget):
    """Half a clock face: the beam of the untilted view points up, positive tilts lie clockwise from it."""

    #: A tilt was chosen; a tilt was excluded or taken in again; the limit was moved, in degrees.
    selected = Signal(int)
    toggled = Signal(int)
    limit_moved = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.shown = Dialled()
        self._dragging = False
        self.setObjectName("dial")
        self.setAccessibleName("Tilt angles")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(200, 128)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(280, 164)

    def show_tilts(self, shown: Dialled) -> None:
        """Draw other tilts, or the same in another state."""
        self.shown = shown
        self.setAccessibleDescription(shown.summary)
        self.update()

    # Where things are.

    @property
    def _radius(self) -> float:
        text = QFontMetricsF(self.font()).height()
        return max(20.0, min(self.width() / 2 - 2.4 * text, self.height() - 3.2 * text))

    @property
    def _centre(self) -> QPointF:
        text = QFontMetricsF(self.font()).height()
        return QPointF(self.width() / 2, (self.height() + self._radius) / 2 + 0.3 * text)

    def point(self, angle: float, share: float = 1.0) -> QPointF:
        """Where a direction lies on the dial, at a share of its radius."""
        turn, long = math.radians(direction(angle)), share * self._radius
        return self._centre + QPointF(long * math.sin(turn), -long * math.cos(turn))

    def angle_at(self, place: QPointF) -> float:
        """The direction of a place, clamped to ±90°."""
        away = place - self._centre
        return max(-90.0, min(90.0, math.degrees(math.atan2(away.x(), -away.y()))))

    def tilt_at(self, place: QPointF) -> int | None:
        """The tilt that is nearest in direction, the one that is looked at last; None far from all of them."""
        away = place - self._centre
        if not 0.2 * self._radius < math.hypot(away.x(), away.y()) < self._radius + 2.5 * GRASP:
            return None
        here = self.angle_at(place)
        distances = [abs(direction(angle) - here) for angle in self.shown.angles]
        nearest = min(distances, default=math.inf)
        return distances.index(nearest) if nearest <= REACH else None

    def handle(self, side: int) -> QPointF:
        """Where a handle of the limit is: side -1 or 1."""
        return self.point(side * self.shown.limit) + (self.point(side * self.shown.limit) - self._centre) * (
            8.0 / self._radius
        )

    def _on_handle(self, place: QPointF) -> bool:
        return any(_distance(place, self.handle(side)) <= GRASP for side in (-1, 1))

    # Mouse and keys.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._dragging = self._on_handle(event.position())
        if not self._dragging:
            tilt = self.tilt_at(event.position())
            if tilt is not None:
                self.selected.emit(tilt)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragging:
            self._move_limit(abs(self.angle_at(event.position())))
            return
        over = self._on_handle(event.position())
        self.setCursor(Qt.CursorShape.SizeHorCursor if over else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._dragging = False

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        tilt = self.tilt_at(event.position())
        if tilt is not None and not self._on_handle(event.position()):
            self.toggled.emit(tilt)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, shown = event.key(), self.shown
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Home: -len(shown.angles)}
        steps[Qt.Key.Key_End] = len(shown.angles)
        limits = {Qt.Key.Key_Up: 1.0, Qt.Key.Key_Down: -1.0}
        if key in steps and shown.angles:
            self.selected.emit(self._beside(steps[key]))
        elif key in limits:
            self._move_limit(shown.limit + limits[key])
        elif key == Qt.Key.Key_Space and shown.current is not None:
            self.toggled.emit(shown.current)
        else:
            super().keyPressEvent(event)

    def _beside(self, step: int) -> int:
        """The tilt so many steps of angle from the current one."""
        order = sorted(range(len(self.shown.angles)), key=lambda tilt: self.shown.angles[tilt])
        here = order.index(self.shown.current) if self.shown.current in order else 0
        return order[max(0, min(len(order) - 1, here + step))]

    def _move_limit(self, limit: float) -> None:
        limit = max(SMALLEST, min(LARGEST, round(limit / STEP) * STEP))
        if limit != self.shown.limit:
            self.limit_moved.emit(limit)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.tip_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def tip_at(self, place: QPointF) -> str:
        """What is told about a place."""
        tilt = None if self._on_handle(place) else self.tilt_at(place)
        if tilt is None:
            return (
                "Drag the handles (or ↑ ↓) to change the limit. Click a tilt (or ← →) to look at it; "
                "double click (or Space) to exclude it."
            )
        return self.shown.said(tilt)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange, QEvent.Type.FontChange):
            self.update()

    # Drawing.

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(self.foregroundRole())
        dark = text.lightness() > 127
        if not self.isEnabled():
            text = _faded(text, 0.5)
        colours = {role: QColor(pair[dark]) for role, pair in COLOURS.items()}
        self._draw_face(painter, text, colours["missing"])
        self._draw_tilts(painter, text, colours)
        if self.shown.generated:
            self._draw_legend(painter, text, colours)
        self._draw_limit(painter, text)
        current = self.shown.current
        if current is not None and current < len(self.shown.angles):
            painter.setPen(QPen(colours["current"], 3.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawLine(self._centre, self.point(self.shown.angles[current]))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(text)
        painter.drawEllipse(self._centre, 3.0, 3.0)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.palette().color(self.palette().ColorRole.Highlight), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 3, 3)
        painter.end()

    def _draw_face(self, painter: QPainter, text: QColor, missing: QColor) -> None:
        centre, radius = self._centre, self._radius
        box = QRectF(centre.x() - radius, centre.y() - radius, 2 * radius, 2 * radius)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_faded(missing, 0.35))
        for start, end in self.shown.arcs if self.shown.angles else ():
            for low, high in ((start, min(end, 90.0)), (-90.0, end - 180.0)):
                if high > low:  # Qt counts sixteenths of a degree, counterclockwise from the right
                    painter.drawPie(box, round(16 * (90 - high)), round(16 * (high - low)))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(_faded(text, 0.45), 1))
        painter.drawPie(box, 0, 16 * 180)
        metrics = QFontMetricsF(self.font())
        painter.setPen(_faded(text, 0.8))
        wide, high = metrics.horizontalAdvance("\u221290°") + 2, metrics.height()
        for angle in LABELS:
            turn = math.radians(angle)
            away = QPointF(math.sin(turn) * (15 + wide / 2), -math.cos(turn) * (15 + high / 2))
            if abs(angle) == 90:  # below the end of the face: beside it may be a handle
                away = QPointF(0.0, 0.5 * high + 6.0)
            place = self.point(angle) + away
            label = QRectF(place.x() - wide / 2, place.y() - high / 2, wide, high)
            painter.drawText(label, int(Qt.AlignmentFlag.AlignCenter), f"{angle:d}°".replace("-", "\u2212"))

    def _draw_tilts(self, painter: QPainter, text: QColor, colours: dict[str, QColor]) -> None:
        for tilt, angle in enumerate(self.shown.angles):
            pen = _pen(colours, tilt in self.shown.generated)
            if not self.shown.counts(tilt):
                pen.setColor(_faded(text, 0.4))
                pen.setWidthF(1.0)
            painter.setPen(pen)
            painter.drawLine(self.point(angle, INNER), self.point(angle))
        painter.setPen(QPen(text, 1.2))
        last: QPointF | None = None
        for tilt in sorted(self.shown.excluded, key=lambda tilt: self.shown.angles[tilt]):
            middle = self.point(self.shown.angles[tilt], (1 + INNER) / 2)
            if last is None or _distance(middle, last) >= CROSS:  # of many beside each other some will do
                last = middle
                for across in (QPointF(3, 3), QPointF(3, -3)):
                    painter.drawLine(middle - across, middle + across)

    def _draw_legend(self, painter: QPainter, text: QColor, colours: dict[str, QColor]) -> None:
        """Which ticks were measured and which were not, below the face."""
        metrics, long, gap = QFontMetricsF(self.font()), 14.0, 5.0
        words = {name: metrics.horizontalAdvance(name) for name in ("measured", "generated")}
        place = self._centre + QPointF(-sum(words.values()) / 2 - long - 2 * gap, 0.5 * metrics.height() + 6.0)
        for name, wide in words.items():
            painter.setPen(_pen(colours, name == "generated"))
            painter.drawLine(place, place + QPointF(long, 0.0))
            painter.setPen(_faded(text, 0.8))
            box = QRectF(place.x() + long + gap, place.y() - metrics.height() / 2, wide + gap, metrics.height())
            painter.drawText(box, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), name)
            place += QPointF(long + 3 * gap + wide, 0.0)

    def _draw_limit(self, painter: QPainter, text: QColor) -> None:
        if not self.shown.angles:
            return
        for side in (-1, 1):
            painter.setPen(QPen(_faded(text, 0.6), 1, Qt.PenStyle.DashLine))
            painter.drawLine(self._centre, self.point(side * self.shown.limit))
            painter.setPen(QPen(text, 1))
            painter.setBrush(self.palette().color(self.palette().ColorRole.Button))
            painter.drawEllipse(self.handle(side), 5.0, 5.0)


def _pen(colours: dict[str, QColor], generated: bool) -> QPen:
    """Of a tick: what was generated is dashed, and has the colour of what it was made for."""
    if not generated:
        return QPen(colours["measured"], 1.4)
    pen = QPen(colours["missing"], 1.6, Qt.PenStyle.CustomDashLine, Qt.PenCapStyle.FlatCap)
    pen.setDashPattern([2.5, 2.0])
    return pen


def _distance(a: QPointF, b: QPointF) -> float:
    return math.hypot(a.x() - b.x(), a.y() - b.y())


def _faded(colour: QColor, share: float) -> QColor:
    paler = QColor(colour)
    paler.setAlphaF(share)
    return paler
