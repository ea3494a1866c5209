"""A small line plot in the colours of the window: axes, ticks, legend, and the values under the mouse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_mendem.widgets.plot_axis import Axis
from napari_mendem.widgets.plot_pieces import columns, segments

#: Colours of the two images and of a threshold that are told apart by the colour-blind (Okabe and Ito), on a light
#: and on a dark ground.
COLOURS = {
    "before": ("#0072B2", "#56B4E9"),
    "after": ("#D55E00", "#E69F00"),
    "third": ("#009E73", "#2FBF93"),
    "threshold": ("#777777", "#999999"),
}

#: How much of the text's colour the frame, the grid and the small print have.
FRAME, GRID, FAINT = 0.45, 0.12, 0.75


@dataclass(frozen=True)
class Line:
    """A curve: ``role`` names its colour, ``band`` is drawn as ± around it."""

    name: str
    x: np.ndarray
    y: np.ndarray
    role: str = "before"
    band: np.ndarray | None = None
    dashed: bool = False


class Plot(QWidget):
    """Curves over one axis.

    Parameters
    ----------
    x_label, y_label
        Names of the axes with their units.
    empty
        What is said where there is nothing to draw.
    """

    #: Where the mouse was pressed, in units of the x axis.
    clicked = Signal(float)

    def __init__(self, x_label: str, y_label: str, empty: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.x_label, self.y_label, self._empty = x_label, y_label, empty
        self.lines: list[Line] = []
        self._marks: list[tuple[float, str]] = []
        self._here: float | None = None
        self._limits: tuple[float, float] | None = None
        self._mouse: float | None = None
        self._place: tuple[Axis, QRectF] | None = None
        self.setMouseTracking(True)
        self.setMinimumHeight(150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        return QSize(280, 200)

    def show_lines(
        self,
        lines: list[Line],
        marks: list[tuple[float, str]] | None = None,
        limits: tuple[float, float] | None = None,
    ) -> None:
        """Draw these curves, vertical marks with a label, and the y axis between ``limits``, where given."""
        self.lines = [line for line in lines if len(line.x)]
        self._marks, self._limits = marks or [], limits
        self.setAccessibleDescription(", ".join(line.name for line in self.lines))
        self.update()

    def point_at(self, x: float | None) -> None:
        """Draw a line where something is looked at."""
        self._here = x
        self.update()

    def say(self, text: str) -> None:
        """Words in place of curves."""
        self._empty = text
        self.show_lines([])

    @property
    def message(self) -> str:
        """What is said in place of curves."""
        return "" if self.lines else self._empty

    def as_text(self) -> str:
        """All curves as columns separated by tabs."""
        blocks = []
        for line in self.lines:
            columns = [line.x, line.y, *([] if line.band is None else [line.band])]
            head = [self.x_label, line.name, *([] if line.band is None else [f"{line.name} spread"])]
            rows = ["\t".join(f"{v:.6g}" for v in row) for row in zip(*columns, strict=True)]
            blocks.append("\n".join(["\t".join(head), *rows]))
        return "\n\n".join(blocks)

    # Qt.

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._mouse = event.position().x()
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self.lines and self._place is not None:
            axis, box = self._place
            if box.contains(event.position()):
                self.clicked.emit(axis.value(event.position().x(), box.left(), box.right()))

    def leaveEvent(self, event: QEvent) -> None:
        self._mouse = None
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange, QEvent.Type.FontChange):
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._text = self.palette().color(self.foregroundRole())
        self._dark = self._text.lightness() > 127
        if self.lines:
            font = painter.font()
            font.setPointSizeF(max(7.0, font.pointSizeF() * 0.85))
            painter.setFont(font)
            self._paint(painter, QFontMetricsF(font))
        else:
            painter.setPen(self._faded(FAINT))
            box = QRectF(self.rect()).adjusted(12, 12, -12, -12)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self._empty)
        painter.end()

    def _paint(self, painter: QPainter, metrics: QFontMetricsF) -> None:
        low, high = zip(*(_reach(line) for line in self.lines), strict=True)
        x = Axis.around([line.x for line in self.lines])
        y = Axis(*self._limits) if self._limits else Axis.around([*low, *high], 0.06)
        height = metrics.height()
        legend = [line for line in self.lines if line.name]
        rows = self._legend_rows(metrics, legend)
        top = height * len(rows) + 6
        bottom = self.height() - 2 * height - 8
        y_ticks, y_names = y.ticks(max(2, int((bottom - top) / (3 * height))))
        left = height + 8 + max((metrics.horizontalAdvance(name) for name in y_names), default=0.0)
        box = QRectF(left, top, max(self.width() - left - 10, 20.0), max(bottom - top, 20.0))
        self._place = x, box
        x_ticks, x_names = x.ticks(max(2, int(box.width() / (4.5 * metrics.horizontalAdvance("0") + 12))))

        xs = x.position(np.array(x_ticks), box.left(), box.right())
        ys = y.position(np.array(y_ticks), box.bottom(), box.top())
        painter.setPen(QPen(self._faded(GRID), 1))
        for pixel in ys:
            painter.drawLine(QPointF(box.left(), pixel), QPointF(box.right(), pixel))
        for pixel in xs:
            painter.drawLine(QPointF(pixel, box.top()), QPointF(pixel, box.bottom()))
        painter.setPen(self._faded(FAINT))
        for pixel, name in zip(xs, x_names, strict=True):
            wide = metrics.horizontalAdvance(name) + 2
            start = min(max(pixel - wide / 2, 0.0), self.width() - wide)
            painter.drawText(QRectF(start, box.bottom() + 3, wide, height), int(Qt.AlignmentFlag.AlignCenter), name)
        for pixel, name in zip(ys, y_names, strict=True):
            place = QRectF(height, pixel - height / 2, left - height - 5, height)
            painter.drawText(place, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), name)
        painter.setPen(self._text)
        below = QRectF(box.left(), box.bottom() + height + 4, box.width(), height)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), self.x_label)
        painter.save()
        painter.translate(0, box.bottom())
        painter.rotate(-90)
        painter.drawText(QRectF(0, 0, box.height(), height), int(Qt.AlignmentFlag.AlignCenter), self.y_label)
        painter.restore()

        painter.save()
        painter.setClipRect(box)
        for line in self.lines:
            self._draw(painter, line, x, y, box)
        self._draw_marks(painter, metrics, x, box)
        painter.restore()
        painter.setPen(QPen(self._faded(FRAME), 1))
        painter.drawRect(box)
        self._draw_legend(painter, metrics, rows, box)
        self._draw_readout(painter, metrics, x, y, box)

    def _draw(self, painter: QPainter, line: Line, x: Axis, y: Axis, box: QRectF) -> None:
        colour = self._colour(line.role)
        px = x.position(line.x, box.left(), box.right())
        py = y.position(line.y, box.bottom(), box.top())
        if line.band is not None:
            up = y.position(line.y + line.band, box.bottom(), box.top())
            down = y.position(line.y - line.band, box.bottom(), box.top())
            shade = QColor(colour)
            shade.setAlphaF(0.25)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setPen(QPen(shade, 1))
            if pieces := columns(px, up, down):
                painter.drawLines(pieces)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(colour, 1.0 if line.dashed else 1.5)
        if line.dashed:
            pen.setDashPattern([5, 3])
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if line.dashed:  # thresholds are smooth; dashes would begin anew with each piece
            painter.drawPolyline(QPolygonF([QPointF(*p) for p in zip(px.tolist(), py.tolist(), strict=True)]))
        elif pieces := segments(px, py):
            painter.drawLines(pieces)

    def _draw_marks(self, painter: QPainter, metrics: QFontMetricsF, x: Axis, box: QRectF) -> None:
        if self._here is not None:
            pixel = float(x.position(self._here, box.left(), box.right()))
            painter.setPen(QPen(self._colour("third"), 1.5))
            painter.drawLine(QPointF(pixel, box.top()), QPointF(pixel, box.bottom()))
        for value, name in self._marks:
            pixel = float(x.position(value, box.left(), box.right()))
            painter.setPen(QPen(self._faded(FAINT), 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(pixel, box.top()), QPointF(pixel, box.bottom()))
            wide = metrics.horizontalAdvance(name)
            start = pixel + 4 if pixel + 4 + wide < box.right() else pixel - 4 - wide
            painter.setPen(self._text)
            painter.drawText(QPointF(start, box.top() + metrics.ascent() + 3), name)

    def _legend_rows(self, metrics: QFontMetricsF, lines: list[Line]) -> list[list[tuple[Line, str, float]]]:
        """As many entries in a row as there is room for; names that are too long lose their middle."""
        rows: list[list[tuple[Line, str, float]]] = []
        room = self.width() - 16.0
        free = 0.0
        for line in lines:
            name = metrics.elidedText(line.name, Qt.TextElideMode.ElideMiddle, room - 28)
            wide = metrics.horizontalAdvance(name) + 36
            if not rows or wide > free:
                rows.append([])
                free = room + 12
            rows[-1].append((line, name, wide))
            free -= wide
        return rows

    def _draw_legend(
        self, painter: QPainter, metrics: QFontMetricsF, rows: list[list[tuple[Line, str, float]]], box: QRectF
    ) -> None:
        for number, row in enumerate(rows):
            wide = sum(w for _, _, w in row) - 12
            left = max(4.0, min(box.center().x() - wide / 2, self.width() - wide - 4))
            base = metrics.height() * number + metrics.ascent() + 1
            for line, name, room in row:
                pen = QPen(self._colour(line.role), 1.0 if line.dashed else 2.0)
                if line.dashed:
                    pen.setDashPattern([5, 3])
                painter.setPen(pen)
                middle = base - metrics.ascent() / 2 + 1
                painter.drawLine(QPointF(left, middle), QPointF(left + 18, middle))
                painter.setPen(self._text)
                painter.drawText(QPointF(left + 23, base), name)
                left += room

    def _draw_readout(self, painter: QPainter, metrics: QFontMetricsF, x: Axis, y: Axis, box: QRectF) -> None:
        """The values under the mouse."""
        if self._mouse is None or not box.left() <= self._mouse <= box.right():
            return
        at = x.value(self._mouse, box.left(), box.right())
        painter.setPen(QPen(self._faded(FRAME), 1))
        painter.drawLine(QPointF(self._mouse, box.top()), QPointF(self._mouse, box.bottom()))
        words = [(f"{at:.4g}", self._text)]
        for line in self.lines:
            if not line.dashed and line.x[0] <= at <= line.x[-1]:
                value = float(np.interp(at, line.x, line.y))
                words.append((f"{value:.4g}".replace("-", "\u2212"), self._colour(line.role)))
                pixel = float(y.position(value, box.bottom(), box.top()))
                painter.setBrush(self._colour(line.role))
                painter.setPen(Qt.PenStyle.NoPen)
                if box.top() <= pixel <= box.bottom():
                    painter.drawEllipse(QPointF(self._mouse, pixel), 3, 3)
        wide = max(metrics.horizontalAdvance(text) for text, _ in words) + 8
        left = self._mouse + 8 if self._mouse + 8 + wide < box.right() else self._mouse - 8 - wide
        ground = self.palette().color(self.backgroundRole())
        ground.setAlphaF(0.85)
        high = metrics.height()
        painter.fillRect(QRectF(left, box.bottom() - high * len(words) - 6, wide, high * len(words) + 2), ground)
        for number, (text, colour) in enumerate(words):
            painter.setPen(colour)
            base = box.bottom() - high * (len(words) - number) + metrics.ascent() - 5
            painter.drawText(QPointF(left + 4, base), text)

    def _colour(self, role: str) -> QColor:
        return QColor(COLOURS[role][self._dark])

    def _faded(self, share: float) -> QColor:
        colour = QColor(self._text)
        colour.setAlphaF(share)
        return colour


def _reach(line: Line) -> tuple[np.ndarray, np.ndarray]:
    band = 0.0 if line.band is None else np.nan_to_num(line.band)
    return line.y - band, line.y + band
