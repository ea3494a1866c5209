"""The Compare dock: what each mode shows, and that it leaves the viewer as it was."""

from __future__ import annotations

from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_mendem.compare.line import LINE_LAYER
from napari_mendem.compare.view import BEFORE, DIFFERENCE, DIVIDER
from napari_mendem.widgets import compare_half
from napari_mendem.widgets.compare import CompareWidget

RECORD = {"task": {"name": "denoise", "parameters": {}}, "options": {}, "inputs": {"image": {"sha256": "abc"}}}
NM = {"scale": (5, 5), "units": ("nm", "nm")}


@pytest.fixture
def pair(viewer):
    """An image, the spread and the result of its restoration, and something above all of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(100, 10, (120, 160)).astype(np.float32)
    a = viewer.add_image(x, name="raw", contrast_limits=(60, 140), **NM)
    quantity = {**RECORD, "quantity": "standard deviation"}
    viewer.add_image(
        np.full_like(x, 3), name="raw · Denoise spread", visible=False, metadata={"mendem": quantity}, **NM
    )
    b = viewer.add_image(x + 1, name="raw · Denoise", contrast_limits=(80, 120), metadata={"mendem": RECORD}, **NM)
    viewer.add_image(np.zeros_like(x), name="else", **NM)
    viewer.reset_view()
    return a, b


@pytest.fixture
def make(qtbot, wait):
    """A dock that is done with what it computes at its start."""

    def make(viewer, owned: bool = False) -> CompareWidget:
        widget = CompareWidget(viewer)
        if not owned:
            qtbot.addWidget(widget)
        settle(widget, wait)
        return widget

    return make


def settle(widget, wait) -> None:
    """Until what rests has been asked for, and all of it is answered."""
    widget.refresh_now()
    widget.numbers.ask_now()
    wait(lambda: not widget.busy)


def state(viewer):
    grid = viewer.canvas.grid
    layers = [
        (v.name, v.visible, *(np.round(getattr(v, n, (0, 0)), 4).tolist() for n in ("contrast_limits",)))
        for v in viewer.layers
    ]
    selection = viewer.layers.selection.active
    return layers, grid.enabled, grid.stride, tuple(grid.shape), grid.spacing, selection, dict(viewer.keymap)


def test_a_restoration_and_its_input_are_chosen(viewer, pair, make):
    widget = make(viewer)
    assert (widget.ui.before.layer, widget.ui.after.layer) == pair
    other = viewer.add_image(np.ones((30, 30)), name="next")
    restored = viewer.add_image(np.ones((30, 30)), name="next · Deblur", metadata={"mendem": {}})
    assert widget.ui.after.layer is pair[1]
    restored.metadata = {"mendem": RECORD}  # as at the end of a run, when the layer is selected already
    assert (widget.ui.before.layer, widget.ui.after.layer) == (other, restored)
    viewer.layers.selection.active = pair[1]
    assert (widget.ui.before.layer, widget.ui.after.layer) == pair


@pytest.mark.parametrize("mode", ["swipe", "flicker", "side by side", "difference"])
@pytest.mark.parametrize("end", ["off", "hidden", "deleted", "removed"])
def test_every_mode_leaves_the_viewer_as_it_was(viewer, pair, make, wait, mode, end):
    viewer.canvas.grid.stride = 2
    before = state(viewer)
    widget = make(viewer, owned=end == "deleted")
    widget.show()
    widget.set_mode(mode)
    settle(widget, wait)
    assert state(viewer) != before
    if end == "off":
        widget.set_mode("off")
    elif end == "hidden":
        widget.hide()
    elif end == "deleted":
        widget.close()
        widget.deleteLater()
        QApplication.sendPostedEvents(widget, 52)  # DeferredDelete
        QApplication.processEvents()
    else:
        viewer.layers.remove(pair[1])
        widget.set_mode("off")
        before = ([row for row in before[0] if row[0] != "raw · Denoise"], *before[1:])
        assert widget.ui.after.layer is not pair[1]
    assert state(viewer) == before
    assert all(callback.__name__ != "_drag" for callback in viewer.mouse_drag_callbacks)


def test_a_hidden_dock_comes_back_in_its_mode(viewer, pair, make, wait):
    widget = make(viewer)
    widget.show()
    widget.set_mode("swipe")
    widget.hide()
    assert BEFORE not in viewer.layers
    widget.show()
    settle(widget, wait)
    assert BEFORE in viewer.layers and widget.mode == "swipe"


def test_swipe_shows_the_image_before_left_of_the_divider_without_a_copy(viewer, pair, make, wait):
    a, b = pair
    widget = make(viewer)
    widget.set_mode("swipe")
    settle(widget, wait)
    widget.ui.divider.setValue(250)
    shown = viewer.layers[BEFORE]
    assert shown.data.shape == (120, 40)
    assert np.shares_memory(shown.data, a.data)
    np.testing.assert_allclose(shown.data_to_world((0, 0)), a.data_to_world((0, 0)))
    assert a.visible and b.visible and not viewer.layers["else"].visible
    assert list(viewer.layers).index(shown) > list(viewer.layers).index(b)
    assert viewer.layers[DIVIDER].data_to_world((0, -0.5))[1] == pytest.approx(5 * 39.5)
    widget.ui.divider.setValue(0)
    assert not shown.visible
    widget.ui.divider.setValue(1000)
    assert shown.visible and shown.data.shape == (120, 160)
    # The divider stays where it is on the screen when the view moves.
    widget.ui.divider.setValue(500)
    viewer.scene.camera.zoom *= 4
    left, right = widget.view._cut[1].region[2:]
    assert widget.view._cut[0] == round((left + right) / 2) and right - left < 80


def test_swipe_of_a_large_slice_takes_what_the_screen_can_show(viewer, make, wait, monkeypatch):
    from napari_mendem.compare import view

    monkeypatch.setattr(view, "LARGEST", 1000)
    x = np.arange(2000.0 * 1600).reshape(1600, 2000)
    a = viewer.add_image(x, name="raw", **NM)
    viewer.add_image(x, name="raw · Denoise", metadata={"mendem": RECORD}, **NM)
    viewer.reset_view()
    widget = make(viewer)
    widget.set_mode("swipe")
    settle(widget, wait)
    shown = viewer.layers[BEFORE]
    assert shown.data.size < 500 * 500
    for place in ((0, 0), (20, 30)):
        there = a.world_to_data(shown.data_to_world(place))
        assert shown.data[place] == pytest.approx(x[tuple(np.round(there).astype(int))], abs=2002)


def test_swipe_reads_a_lazy_stack_once_for_each_slice(viewer, make, wait):
    reads = []

    def block(block_info=None):
        z = block_info[None]["array-location"][0][0]
        reads.append(z)
        return np.full((1, 60, 60), z, np.float32)

    lazy = da.map_blocks(block, chunks=((1,) * 4, 60, 60), dtype=np.float32)
    viewer.add_image(lazy, name="raw", contrast_limits=(0, 4))
    viewer.add_image(np.zeros((4, 60, 60), np.float32), name="raw · Denoise", metadata={"mendem": RECORD})
    viewer.reset_view()
    viewer.dims.set_current_step(0, 1)
    widget = make(viewer)
    widget.set_mode("swipe")
    settle(widget, wait)
    assert np.all(viewer.layers[BEFORE].data == 1)
    reads.clear()
    for value in (300, 400, 600):
        widget.ui.divider.setValue(value)
    assert not reads
    viewer.dims.set_current_step(0, 3)
    settle(widget, wait)
    assert np.all(viewer.layers[BEFORE].data == 3)


def test_contrast_is_equal_and_linked_and_given_back(viewer, pair, make):
    a, b = pair
    widget = make(viewer)
    widget.set_mode("flicker")
    assert list(b.contrast_limits) == list(a.contrast_limits) == [60, 140]
    b.contrast_limits = (70, 130)
    assert list(a.contrast_limits) == [70, 130]
    widget.ui.equal.setChecked(False)
    assert list(a.contrast_limits) == [60, 140] and list(b.contrast_limits) == [80, 120]
    b.contrast_limits = (90, 110)
    assert list(a.contrast_limits) == [60, 140]
    widget.set_mode("off")
    assert list(b.contrast_limits) == [90, 110]


def test_flicker_changes_by_button_key_and_time(viewer, pair, make, wait, qtbot):
    a, b = pair
    widget = make(viewer)
    widget.set_mode("flicker")
    assert (a.visible, b.visible) == (True, False)
    widget.ui.flick.click()
    assert (a.visible, b.visible) == (False, True) and "after" in widget.ui.shown.text()
    viewer.keymap[coerce_keybinding("K")](viewer)
    assert (a.visible, b.visible) == (True, False)
    qtbot.keyClick(widget, Qt.Key.Key_K)
    assert b.visible
    assert (widget.ui.period.minimum(), widget.ui.period.maximum()) == (0.2, 2.0)
    widget.ui.period.setValue(0.2)
    seen = []
    b.events.visible.connect(lambda: seen.append(b.visible))
    widget.ui.automatic.setChecked(True)
    wait(lambda: len(seen) >= 2)
    widget.set_mode("swipe")
    assert not widget.modes.clock.isActive()


def test_side_by_side_puts_the_image_before_to_the_left(viewer, pair, make):
    widget = make(viewer)
    for before, after in (pair, pair[::-1]):
        widget.ui.before.choose(before)
        widget.ui.after.choose(after)
        widget.set_mode("side by side")
        grid, layers = viewer.canvas.grid, viewer.layers
        assert grid.actual_shape(layers) == (1, 2)
        assert grid.position(layers.index(before), layers) == (0, 0)
        assert grid.position(layers.index(after), layers) == (0, 1)


def test_difference_and_spread_are_laid_over_both(viewer, pair, make, wait):
    widget = make(viewer)
    widget.set_mode("difference")
    settle(widget, wait)
    shown = viewer.layers[DIFFERENCE]
    np.testing.assert_allclose(shown.data, 1, atol=1e-4)
    assert shown.contrast_limits[0] == -shown.contrast_limits[1]
    widget.ui.what.setValue("spread")
    settle(widget, wait)
    assert np.all(viewer.layers[DIFFERENCE].data == 3)
    viewer.layers.remove("raw · Denoise spread")
    settle(widget, wait)
    assert widget.ui.what.value() == "difference"
    np.testing.assert_allclose(viewer.layers[DIFFERENCE].data, 1, atol=1e-4)


def test_a_temporary_layer_that_the_user_removes_ends_the_mode(viewer, pair, make, wait):
    widget = make(viewer)
    widget.set_mode("difference")
    settle(widget, wait)
    viewer.layers.remove(DIFFERENCE)
    assert widget.mode == "off" and widget.ui.modes["off"].isChecked()


def test_temporary_layers_are_not_offered_to_other_widgets(viewer, pair, make, wait):
    widget = make(viewer)
    widget.set_mode("swipe")
    settle(widget, wait)
    offered = [widget.ui.before.itemText(i) for i in range(widget.ui.before.count())]
    assert BEFORE not in offered and "raw" in offered


def test_the_profile_follows_the_line(viewer, pair, make, wait):
    widget = make(viewer)
    widget.draw_line()
    line = viewer.layers[LINE_LAYER]
    assert line.mode == "add_line" and viewer.layers.selection.active is line
    line.add_lines([[20, 10], [20, 90]])
    wait(lambda: len(widget.ui.profile.lines) == 2)
    before, after = widget.ui.profile.lines
    assert before.x[-1] == pytest.approx(400) and "(nm)" in widget.ui.profile.x_label
    np.testing.assert_allclose(before.y, pair[0].data[20, 10:91], rtol=1e-6)
    np.testing.assert_allclose(after.band, 3)
    line.data = [np.array([[20, 10], [60, 10]])]
    wait(lambda: len(widget.ui.profile.lines[0].x) == 41)
    np.testing.assert_allclose(widget.ui.profile.lines[0].y, pair[0].data[20:61, 10], rtol=1e-6)
    assert "distance (nm)\traw" in widget.ui.profile.as_text()


def test_no_resolution_is_claimed_without_a_second_half(viewer, pair, make, wait):
    widget = make(viewer)
    widget.ui.tabs.setCurrentIndex(2)
    settle(widget, wait)
    assert "no resolution is claimed" in widget.ui.frc.message
    widget.ui.halves.setValue("before and after")
    settle(widget, wait)
    assert "no resolution is claimed" in widget.ui.frc.message and not widget.ui.frc.lines
    viewer.add_image(pair[0].data + np.random.default_rng(1).normal(size=(120, 160)), name="second", **NM)
    widget.ui.before.choose(pair[0])
    widget.ui.after.choose(viewer.layers["second"])
    settle(widget, wait)
    assert widget.ui.frc.lines and "if the two were measured independently" in widget.ui.frc_note.text()


def test_power_and_measurements_are_shown_for_the_part_in_view(viewer, pair, make, wait):
    widget = make(viewer)
    widget.ui.tabs.setCurrentIndex(1)
    settle(widget, wait)
    assert [line.x[-1] for line in widget.ui.power.lines] == pytest.approx([0.1, 0.1])
    widget.ui.tabs.setCurrentIndex(3)
    settle(widget, wait)
    rows = widget.ui.table.as_text().splitlines()
    mean = next(row for row in rows if row.startswith("mean")).split("\t")
    assert float(mean[2]) - float(mean[1]) == pytest.approx(1, abs=0.1)
    pair[1].data[:, 80:] += 50
    viewer.scene.camera.center = (0, 300, 200)
    viewer.scene.camera.zoom = 4
    widget.ui.area.setValue("part in view")
    settle(widget, wait)
    mean = widget.ui.table.as_text().splitlines()[1].split("\t")
    assert float(mean[2]) - float(mean[1]) == pytest.approx(1, abs=0.1)


def test_half_data_validation_runs_in_the_engine_thread(viewer, make, wait, tiny_prior, monkeypatch):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    record = {**RECORD, "options": {"prior": tiny_prior, "device": "cpu", "budget": "preview"}}
    shown = gaussian_filter(rng.normal(0, 400, (96, 96)), 3)  # what the frames can be aligned by
    frames = (shown + rng.normal(100, 10, (4, 96, 96))).astype(np.float32)
    viewer.add_image(frames, name="raw")
    viewer.add_image(frames, name="raw · Denoise", metadata={"mendem": record})
    widget = make(viewer)
    widget.ui.tabs.setCurrentIndex(2)
    assert widget.ui.split.value() == "frames"
    widget.ui.validate.click()
    assert widget.half.busy and widget.ui.cancel.isEnabled()
    wait(lambda: not widget.half.busy)
    assert [line.name for line in widget.ui.frc.lines][:2] == ["raw halves", "restored halves (consistency)"]
    assert "no resolution" in widget.ui.frc_note.text()
    settle(widget, wait)
    assert widget.ui.frc.lines  # what was asked for stays
    widget.ui.validate.click()
    widget.ui.cancel.click()
    wait(lambda: not widget.half.busy)
    assert widget.ui.frc.message == "Cancelled."


def test_half_data_needs_a_stack_and_the_layers_that_the_task_needed(viewer, pair, make):
    widget = make(viewer)
    assert not widget.ui.validate.isEnabled() and "single image" in widget.ui.validate.toolTip()
    record = {**RECORD, "inputs": {"image": {}, "mask": {}}}
    with pytest.raises(Exception, match="mask"):
        compare_half.recipe(record, None)


def test_layers_that_cannot_be_compared_are_explained(viewer, make, wait):
    viewer.add_image(np.zeros((40, 40)), name="bare")
    viewer.add_image(np.zeros((40, 40)), name="known", **NM)
    widget = make(viewer)
    widget.set_mode("swipe")
    assert "bare has no pixel size" in widget.ui.message.text() and BEFORE not in viewer.layers
    viewer.layers["bare"].units, viewer.layers["bare"].scale = ("nm", "nm"), (5, 5)
    settle(widget, wait)
    widget.set_mode("swipe")
    settle(widget, wait)
    assert BEFORE in viewer.layers and not widget.ui.message.isVisibleTo(widget)


def test_it_opens_on_an_empty_viewer(make):
    widget = make(ViewerModel())
    for mode in widget.ui.modes:
        widget.set_mode(mode)
        assert widget.view.mode == "off"
    assert "two images are compared" in widget.ui.profile.message


def test_the_divider_is_dragged_in_the_canvas(viewer, pair, make, wait):
    widget = make(viewer)
    widget.set_mode("swipe")
    settle(widget, wait)
    drag = viewer.mouse_drag_callbacks[-1]
    at = SimpleNamespace(type="mouse_press", button=1, position=(300.0, 5 * 79.5))
    moving = drag(viewer, at)
    next(moving)
    assert not viewer.scene.camera.mouse_pan
    at.type, at.position = "mouse_move", (300.0, 5 * 39.5)
    next(moving)
    assert viewer.layers[BEFORE].data.shape == (120, 40)
    assert widget.ui.divider.value() == 250
    at.type = "mouse_release"
    with pytest.raises(StopIteration):
        next(moving)
    assert viewer.scene.camera.mouse_pan
    far = SimpleNamespace(type="mouse_press", button=1, position=(300.0, 600.0))
    with pytest.raises(StopIteration):
        next(drag(viewer, far))


def test_all_modes_in_a_real_window(make_napari_viewer, wait, make):
    viewer = make_napari_viewer(show=True)
    rng = np.random.default_rng(0)
    x = rng.normal(100, 10, (100, 100)).astype(np.float32)
    viewer.add_image(x, name="raw", contrast_limits=(0, 1000), colormap="gray", **NM)
    bright = {"scale": (2.5, 2.5), "translate": (-1.25, -1.25), "units": ("nm", "nm")}
    viewer.add_image(
        np.full((200, 200), 1000.0),
        name="raw · Super",
        contrast_limits=(0, 1000),
        metadata={"mendem": RECORD},
        **bright,
    )
    widget = make(viewer, owned=True)
    dock = viewer.window.add_dock_widget(widget, name="Compare", area="right")
    for mode in ("flicker", "side by side", "difference", "swipe"):
        widget.set_mode(mode)
        settle(widget, wait)
        QApplication.processEvents()
        assert widget.findChild(QScrollArea).widget().minimumSizeHint().width() <= 300
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].mean(axis=2)
    middle = picture[picture.shape[0] // 2]
    width = len(middle)
    # The dark image before on the left, the bright one after on the right.
    assert middle[int(0.4 * width)] < 100 < middle[int(0.6 * width)]
    viewer.window.remove_dock_widget(dock)
    assert [layer.name for layer in viewer.layers] == ["raw", "raw · Super"]
