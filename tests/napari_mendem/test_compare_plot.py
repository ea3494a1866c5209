"""The plot's axes, curves and colours."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QPalette
from qtpy.QtTest import QTest

from napari_mendem.widgets.plot import COLOURS, Line, Plot
from napari_mendem.widgets.plot_axis import Axis, written
from napari_mendem.widgets.plot_pieces import columns, segments


@pytest.mark.parametrize(
    "low, high, labels",
    [
        (0, 600, ["0", "200", "400", "600"]),
        (0.003, 0.1, ["0.02", "0.04", "0.06", "0.08", "0.10"]),
        (-90, 3, ["\u221280", "\u221260", "\u221240", "\u221220", "0"]),
        (-1e-6, 1e-6, ["\u22121e\u22126", "\u22125e\u22127", "0", "5e\u22127", "1e\u22126"]),
    ],
)
def test_ticks_are_round_and_within(low, high, labels):
    values, names = Axis(low, high).ticks(5)
    assert names == labels
    assert all(low - 1e-12 <= v <= high + 1e-12 for v in values)


def test_ticks_are_written_with_the_digits_that_their_step_needs():
    assert [written(v, 0.5) for v in (0.5, 1.0)] == ["0.5", "1.0"]
    assert written(65000, 5000) == "65000"


def test_an_axis_holds_all_finite_values_and_never_nothing():
    axis = Axis.around([np.array([1.0, np.nan]), np.array([5.0])])
    assert (axis.low, axis.high) == (1, 5)
    for empty in ([], [np.array([np.nan])], [np.array([3.0, 3.0])]):
        assert Axis.around(empty).high > Axis.around(empty).low


def test_gaps_stay_open_and_crowded_columns_keep_their_extremes():
    y = np.array([0.0, 1.0, np.nan, 2.0, 3.0])
    assert [(p.x1(), p.x2()) for p in segments(np.arange(5.0) * 10, y)] == [(0, 10), (30, 40)]
    rng = np.random.default_rng(0)
    x, y = np.linspace(0, 50, 5000), rng.normal(size=5000)
    y[2345] = 100
    drawn = segments(x, y)
    assert len(drawn) < 200 and max(p.y1() for p in drawn) == 100
    assert not segments(x, np.full(5000, np.nan)) and not columns(x, y * np.nan, y)


@pytest.mark.parametrize("dark", [False, True])
def test_curves_are_drawn_in_colours_that_suit_the_window(qtbot, dark):
    plot = Plot("distance (nm)", "intensity", "nothing yet")
    qtbot.addWidget(plot)
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.WindowText, QColor("white" if dark else "black"))
    palette.setColor(QPalette.ColorRole.Window, QColor("black" if dark else "white"))
    plot.setPalette(palette)
    plot.resize(300, 200)
    x = np.arange(100.0)
    plot.show_lines([Line("raw", x, np.full(100, 2.0)), Line("1/7", x, np.full(100, 1.0), "threshold", dashed=True)])
    picture = plot.grab().toImage()
    wanted = QColor(COLOURS["before"][dark])
    found = {picture.pixelColor(150, row).name() for row in range(picture.height())}
    assert wanted.name() in found
    assert plot.message == ""
    plot.say("nothing more")
    assert plot.message == "nothing more" and not plot.lines


def test_the_mouse_reads_values(qtbot):
    plot = Plot("distance (nm)", "intensity")
    qtbot.addWidget(plot)
    plot.resize(300, 200)
    plot.show_lines([Line("raw", np.arange(10.0), np.arange(10.0), band=np.ones(10))])
    plot.show()
    before = plot.grab().toImage()
    QTest.mouseMove(plot, QPointF(150, 100).toPoint())
    plot._mouse = 150.0
    assert plot.grab().toImage() != before
    assert plot.as_text().splitlines()[:2] == ["distance (nm)\traw\traw spread", "0\t0\t1"]
    assert plot.focusPolicy() == Qt.FocusPolicy.NoFocus
