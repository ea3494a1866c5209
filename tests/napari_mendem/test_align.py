"""The Align dock, on a viewer without a window; most with an engine that answers at once."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtWidgets import QCheckBox, QPushButton

import mendem
from mendem.tomography import alignment as engine
from mendem.tomography.align_checks import AlignmentChecks
from mendem.tomography.tilt_files import read_tilt_series
from mendem.tomography.tilt_series import TiltSeries
from napari_mendem.layers import PREVIEW
from napari_mendem.preferences import Preferences
from napari_mendem.tilt_layers import layer_of, series_of, tilts_metadata
from napari_mendem.widgets import align

ANGLES = tuple(float(a) for a in range(-60, 61, 10))
COUNT = len(ANGLES)
SHIFTS = tuple((float(k % 3 - 1), float(k % 2)) for k in range(COUNT))
DOUBTFUL = (2,)


def series(**changes) -> TiltSeries:
    """A point that is shifted by whole pixels from tilt to tilt."""
    stack = np.zeros((COUNT, 40, 48), np.float32)
    for k, (dy, dx) in enumerate(SHIFTS):
        stack[k, 18 + int(dy) : 23 + int(dy), 20 + int(dx) : 27 + int(dx)] = 5
    image = mendem.Image(stack, ("tilt", "y", "x"), mendem.VoxelSize((None, 2.0, 2.0)), {"notes": []}, "ts")
    return TiltSeries(image, ANGLES, **changes)


def answer(given: TiltSeries, *, again: bool = False, **_) -> engine.Alignment:
    """What the engine would say."""
    ones = np.ones(COUNT)
    centre = np.stack([0 * ones, np.sin(np.radians(ANGLES))], 1)
    checks = AlignmentChecks(tuple(range(COUNT)), ANGLES, True, 0.9 * ones, ones, centre, centre, DOUBTFUL)
    moved = given if given.aligned and not again else replace(given, shifts=SHIFTS, axis_angle=0.5, aligned=True)
    return engine.Alignment(moved, checks, None, np.full((COUNT, 2), 0.1), 0.05)


@pytest.fixture
def at_once(monkeypatch) -> None:
    monkeypatch.setattr(engine, "align", answer)


@pytest.fixture
def make(qtbot, monkeypatch):
    monkeypatch.setattr(align, "preferences", lambda: Preferences(live=True, device="cpu", cpu_threads=1))

    def made(viewer) -> align.AlignWidget:
        widget = align.AlignWidget(viewer)
        qtbot.addWidget(widget)
        return widget

    return made


def add(viewer, made: TiltSeries):
    data, kwargs, _ = layer_of(made, "ts")
    return viewer.add_image(data, **kwargs)


def run(widget, wait) -> None:
    widget.restore()
    assert widget.busy
    wait(lambda: not widget.busy, 120)


def preview(viewer):
    return next((layer for layer in viewer.layers if layer.metadata.get(PREVIEW)), None)


def test_nothing_is_changed_before_it_is_accepted(viewer, make, wait, at_once):
    layer = add(viewer, series())
    widget = make(viewer)
    run(widget, wait)
    assert tilts_metadata(series_of(layer)) == tilts_metadata(series())
    shown = preview(viewer)
    assert shown is not None and viewer.layers.index(shown) > viewer.layers.index(layer)
    widget.accept.click()
    found = series_of(layer)
    assert found.shifts == SHIFTS and found.axis_angle == 0.5 and found.aligned and found.excluded == ()
    assert preview(viewer) is None and not widget.accept.isEnabled()


def test_undo_drops_a_proposal_and_takes_back_what_was_accepted(viewer, make, wait, at_once):
    layer = add(viewer, series())
    widget = make(viewer)
    assert not widget.undo.isEnabled()
    run(widget, wait)
    widget.undo.click()
    assert preview(viewer) is None and not widget.undo.isEnabled() and not series_of(layer).aligned
    run(widget, wait)
    widget.accept.click()
    assert series_of(layer).aligned
    widget.undo.click()
    assert tilts_metadata(series_of(layer)) == tilts_metadata(series()) and not widget.undo.isEnabled()


def test_doubtful_tilts_are_excluded_only_when_the_user_says_so(viewer, make, wait, at_once):
    layer = add(viewer, series())
    widget = make(viewer)
    run(widget, wait)
    assert widget.panel.exclude.text().endswith("2 (-40°)") and not widget.panel.exclude.isChecked()
    widget.panel.exclude.setChecked(True)
    widget.accept.click()
    assert series_of(layer).excluded == DOUBTFUL


def test_an_aligned_series_is_judged_and_left_alone_unless_told(viewer, make, wait, at_once):
    stated = series(shifts=((1.0, 1.0),) * COUNT)
    layer = add(viewer, stated)
    widget = make(viewer)
    assert "is aligned" in widget.ui.message.text()
    run(widget, wait)
    assert "left as it is" in widget.ui.message.text() and not widget.accept.isEnabled()
    assert widget.panel.plot.lines and preview(viewer) is None
    widget.again.setValue(True)
    run(widget, wait)
    widget.accept.click()
    assert series_of(layer).shifts == SHIFTS


def test_the_plots_are_over_the_angle_and_a_click_goes_to_the_tilt(viewer, make, wait, at_once):
    layer = add(viewer, series())
    widget = make(viewer)
    run(widget, wait)
    names = [widget.panel.quantity.itemText(i) for i in range(widget.panel.quantity.count())]
    assert names[:2] == ["mass", "centre of mass across the axis"] and "shift along the axis" in names
    for name in names:
        widget.panel.quantity.setValue(name)
        line = widget.panel.plot.lines[0]
        np.testing.assert_array_equal(line.x, ANGLES)
    widget.panel.quantity.setValue("shift across the axis")
    stated, found = widget.panel.plot.lines
    np.testing.assert_array_equal(stated.y, np.zeros(COUNT))
    # Turned upright by half a degree, a shift of less than 2 px changes by less than 0.02 px.
    np.testing.assert_allclose(found.y, [x for _, x in SHIFTS], atol=0.02)
    widget.panel.plot.clicked.emit(38.0)
    assert viewer.dims.current_step[0] == ANGLES.index(40.0)
    assert layer in viewer.layers


def test_the_alignment_is_saved_and_found_again(viewer, make, wait, at_once, tmp_path, said):
    mendem.write(tmp_path / "ts.mrc", series().image)
    add(viewer, series())
    widget = make(viewer)
    assert not widget.save.isEnabled()
    run(widget, wait)
    widget.save_to(str(tmp_path / "ts.xf"))
    found = read_tilt_series(tmp_path / "ts.mrc")
    np.testing.assert_allclose(found.shifts, SHIFTS, atol=2e-3)  # .xf has three decimals
    assert found.axis_angle == pytest.approx(0.5, abs=1e-4) and found.angles == ANGLES
    widget.save_to(str(tmp_path / "ts.xf"))
    assert len(said) == 1 and "exists" in said[0]


def test_cancel_leaves_the_tilts_as_they_were(viewer, make, wait, monkeypatch):
    def slow(given, *, check, progress, **_):
        for step in range(1000):
            check()
            progress(step / 1000)
            time.sleep(0.01)

    monkeypatch.setattr(engine, "align", slow)
    layer = add(viewer, series())
    widget = make(viewer)
    widget.restore()
    wait(lambda: widget.ui.progress.value() > 0)
    widget.ui.cancel.click()
    wait(lambda: not widget.busy)
    assert "Cancelled" in widget.ui.message.text() and not series_of(layer).aligned
    assert not widget.accept.isEnabled() and widget.ui.restore.isEnabled()


def test_what_cannot_be_aligned_is_one_sentence(viewer, make, wait, said):
    widget = make(viewer)
    widget.restore()
    assert "no tilt series" in said[0]
    small = mendem.Image(np.ones((COUNT, 8, 8), np.float32), ("tilt", "y", "x"), None, {"notes": []}, "small")
    add(viewer, TiltSeries(small, ANGLES))
    widget.restore()
    wait(lambda: not widget.busy, 120)
    assert "at least 32" in said[1] and not widget.accept.isEnabled() and widget.ui.message.text() == said[1]


def test_a_proposal_for_other_tilts_is_forgotten(viewer, make, wait, at_once):
    layer = add(viewer, series())
    widget = make(viewer)
    run(widget, wait)
    layer.metadata = {**layer.metadata, "tilts": {**layer.metadata["tilts"], "excluded": (0,)}}
    assert widget.proposal() is None and preview(viewer) is None and not widget.panel.isVisibleTo(widget)


def test_scripts_find_the_parts_by_name_and_300_pixels_are_enough(viewer, make, qtbot):
    add(viewer, series())
    widget = make(viewer)
    for name in ("restore", "cancel", "accept", "undo", "save", "angles"):
        assert widget.findChild(QPushButton, name) is not None
    assert widget.findChild(QCheckBox, "live") is not None
    widget.resize(300, 900)
    widget.show()
    qtbot.waitExposed(widget)
    assert widget.width() == 300
