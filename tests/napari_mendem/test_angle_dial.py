"""The dial of tilt angles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPointF, QRect, Qt
from qtpy.QtGui import QColor, QImage, QPalette

from napari_mendem.wedge_tilts import direction, used_tilts
from napari_mendem.widgets.angle_dial import COLOURS, INNER, AngleDial
from napari_mendem.widgets.dialled import Dialled

ANGLES = tuple(np.arange(-60.0, 61.0, 10.0))


@pytest.fixture
def dial(qtbot):
    made = AngleDial()
    qtbot.addWidget(made)
    made.resize(280, 170)
    made.show_tilts(Dialled(ANGLES, frozenset({2}), 50.0, ((50.0, 130.0),), 6))
    made.show()
    return made


@pytest.fixture
def heard(dial):
    events: list = []
    for name in ("selected", "toggled", "limit_moved"):
        getattr(dial, name).connect(lambda value, name=name: events.append((name, value)))
    return events


def press(qtbot, dial, place: QPointF, double: bool = False) -> None:
    click = qtbot.mouseDClick if double else qtbot.mouseClick
    click(dial, Qt.MouseButton.LeftButton, pos=place.toPoint())


def test_the_untilted_view_points_up_and_positive_tilts_lie_clockwise(dial):
    middle = dial.point(0.0, 0.0)
    assert dial.point(0.0).x() == pytest.approx(middle.x()) and dial.point(0.0).y() < middle.y()
    assert dial.point(60.0).x() > middle.x() > dial.point(-60.0).x()
    for angle in (-75.0, 12.0, 90.0):
        assert dial.angle_at(dial.point(angle, 0.7)) == pytest.approx(angle)


def test_directions_half_a_turn_apart_are_the_same():
    assert [direction(a) for a in (90.0, -90.0, 100.0, 180.0, -170.0)] == [90.0, -90.0, -80.0, 0.0, 10.0]
    assert used_tilts((0.0, 60.0, 120.0, 175.0), frozenset(), 60.0) == (0, 1, 2, 3)
    assert used_tilts((0.0, 60.0, 120.0, 175.0), frozenset({0}), 59.0) == (3,)


def test_a_click_selects_a_tilt_and_a_double_click_excludes_it(dial, heard, qtbot):
    press(qtbot, dial, dial.point(-20.0, 0.8))
    assert heard == [("selected", 4)]
    heard.clear()
    press(qtbot, dial, dial.point(30.0, 0.8), double=True)
    assert ("toggled", 9) in heard
    heard.clear()
    press(qtbot, dial, dial.point(85.0, 0.8))  # far from all tilts
    assert heard == []


def test_a_handle_is_dragged_to_a_limit(dial, heard, qtbot):
    qtbot.mousePress(dial, Qt.MouseButton.LeftButton, pos=dial.handle(1).toPoint())
    qtbot.mouseMove(dial, dial.point(31.0).toPoint())
    qtbot.mouseRelease(dial, Qt.MouseButton.LeftButton, pos=dial.point(31.0).toPoint())
    assert heard[0][0] == "limit_moved" and heard[0][1] == pytest.approx(31.0, abs=1.0)
    assert heard[0][1] % 0.5 == 0
    assert not any(name == "selected" for name, _ in heard)


def test_keys_do_what_the_mouse_does(dial, heard, qtbot):
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_Space):
        qtbot.keyClick(dial, key)
    assert heard == [("selected", 5), ("selected", 7), ("selected", 0), ("selected", 12), ("toggled", 6)]
    heard.clear()
    qtbot.keyClick(dial, Qt.Key.Key_Up)
    qtbot.keyClick(dial, Qt.Key.Key_Down)
    assert heard == [("limit_moved", 51.0), ("limit_moved", 49.0)]


def test_the_limit_stays_on_the_dial(dial, heard, qtbot):
    for limit, key in ((90.0, Qt.Key.Key_Up), (1.0, Qt.Key.Key_Down)):
        dial.show_tilts(Dialled(ANGLES, frozenset(), limit, (), None))
        qtbot.keyClick(dial, key)
    assert heard == []


def test_tilts_say_what_they_are(dial):
    assert dial.tip_at(dial.point(-20.0, 0.8)) == "Tilt 4: \u221220.0°, measured"
    assert dial.tip_at(dial.point(-40.0, 0.8)) == "Tilt 2: \u221240.0°, excluded"
    assert dial.tip_at(dial.point(60.0, 0.8)) == "Tilt 12: +60.0°, beyond the limit"
    assert "Drag the handles" in dial.tip_at(dial.handle(1))
    assert dial.accessibleDescription() == "10 of 13 tilts count, limit 50°"


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_drawn_in_the_colours_of_the_window(dial, qtbot, dark):
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Window, QColor("#202020" if dark else "#f0f0f0"))
    palette.setColor(QPalette.ColorRole.WindowText, QColor("#f0f0f0" if dark else "#202020"))
    dial.setPalette(palette)
    picture = dial.grab().toImage()

    def seen(place: QPointF) -> QColor:
        ratio = picture.width() / dial.width()
        return picture.pixelColor(int(place.x() * ratio), int(place.y() * ratio))

    current, ground = seen(dial.point(0.0, 0.5)), seen(dial.point(5.0, 0.4))
    assert current == QColor(COLOURS["current"][dark])
    assert ground == palette.color(QPalette.ColorRole.Window)
    missing = seen(dial.point(80.0, 0.5))
    assert missing.red() > missing.blue() + 40  # orange


def test_a_dial_without_tilts_is_drawn(qtbot):
    empty = AngleDial()
    qtbot.addWidget(empty)
    assert not empty.grab().isNull()
    assert empty.tilt_at(empty.point(0.0, 0.8)) is None


def test_generated_tilts_say_so_and_are_drawn_dashed_with_a_legend(dial):
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.WindowText, QColor("#f0f0f0"))
    dial.setPalette(palette)
    measured = Dialled((-40.0, 0.0, 40.0), frozenset(), 90.0, ((40.0, 140.0),))
    dial.show_tilts(measured)

    def along(angle: float) -> list[bool]:
        """Where a tick is drawn, from its inner end outward."""
        picture = dial.grab().toImage()
        ratio = picture.width() / dial.width()
        ground = picture.pixelColor(2, 2)
        places = [dial.point(angle, share) * ratio for share in np.linspace(INNER + 0.01, 0.97, 60)]
        drawn = [picture.pixelColor(int(place.x()), int(place.y())) for place in places]
        return [abs(c.red() - ground.red()) + abs(c.blue() - ground.blue()) > 60 for c in drawn]

    def below() -> QImage:
        return dial.grab(QRect(80, int(dial.point(0, 0).y()) + 4, 120, 30)).toImage()

    assert all(along(0.0))
    plain = below()
    dial.show_tilts(replace(measured, generated=frozenset({1})))
    assert 15 < sum(along(0.0)) < 50  # dashes
    assert below() != plain
    assert dial.tip_at(dial.point(0.0, 0.8)) == "Tilt 1: +0.0°, generated"
    assert dial.tip_at(dial.point(40.0, 0.8)) == "Tilt 2: +40.0°, measured"
    assert dial.accessibleDescription() == "3 of 3 tilts count (1 of them generated), limit 90°"
    dial.show_tilts(replace(measured, generated=frozenset({1}), excluded=frozenset({1})))
    assert dial.tip_at(dial.point(0.0, 0.8)) == "Tilt 1: +0.0°, generated, excluded"


def test_crosses_of_many_excluded_tilts_do_not_run_into_one_another(dial):
    def inked(angles: tuple[float, ...]) -> int:
        """Pixels that crosses change, of tilts that do not count anyway."""
        pictures = []
        for excluded in (frozenset(range(len(angles))), frozenset()):
            dial.show_tilts(Dialled(angles, excluded, 60.0))
            pictures.append(dial.grab().toImage())
        places = [(x, y) for x in range(dial.width()) for y in range(dial.height())]
        return sum(pictures[0].pixel(*place) != pictures[1].pixel(*place) for place in places)

    one = inked((75.0,))
    assert 0.5 * one < inked((74.0, 75.0, 76.0)) < 1.5 * one
    assert inked((68.0, 82.0)) > 1.5 * one
