"""The Denoise widget, on a viewer without a window and in a real one."""

from __future__ import annotations

import subprocess
import sys
import time

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication, QCheckBox, QComboBox, QPushButton

import mendem
from mendem.tasks import Denoise
from mendem.wording import number
from napari_mendem.layers import PREVIEW
from napari_mendem.preferences import Preferences, preferences


@pytest.fixture
def viewer() -> ViewerModel:
    made = ViewerModel()
    made.canvas.size = (400, 400)
    return made


def run(widget, wait) -> None:
    widget.restore()
    assert widget.busy
    wait(lambda: not widget.busy)


def slow(monkeypatch, seconds: float = 0.03) -> None:
    """Make each evaluation of the network take a while, with checks in between."""
    from mendem.priors.network_prior import NetworkPrior

    denoise = NetworkPrior.denoise

    def late(self, x_t, sigma, condition, check=lambda: None):
        for _ in range(10):
            time.sleep(seconds / 10)
            check()
        return denoise(self, x_t, sigma, condition, check)

    monkeypatch.setattr(NetworkPrior, "denoise", late)


@pytest.mark.parametrize("kind", ["2-D", "stack", "dask", "big-endian", "not a number", "four axes"])
def test_every_kind_of_image_is_restored(kind, viewer, make_widget, wait, micrograph, options):
    data = {
        "2-D": micrograph,
        "stack": np.stack([micrograph] * 2),
        "dask": da.from_array(np.stack([micrograph] * 2), chunks=(1, 100, 240)),
        "big-endian": micrograph.astype(">u2"),
        "not a number": np.where(micrograph > 1230, np.nan, micrograph).astype(np.float32),
        "four axes": np.stack([micrograph] * 2)[None],
    }[kind]
    viewer.add_image(data, name="raw")
    run(make_widget(viewer), wait)
    result = viewer.layers["raw · Denoise"]
    expected = mendem.restore(data, Denoise(), options=options).image.data
    np.testing.assert_array_equal(result.data, expected)
    assert result.metadata["mendem"]["options"]["prior"] == options.prior


def test_running_twice_keeps_both_results(viewer, make_widget, wait, micrograph):
    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    run(widget, wait)
    run(widget, wait)
    assert len([layer for layer in viewer.layers if layer.name.startswith("raw · Denoise")]) == 4


@pytest.mark.parametrize("what", ["no image", "colours", "labels only", "nothing in view", "no rectangle"])
def test_what_cannot_be_restored_is_said_and_nothing_runs(what, viewer, make_widget, said, micrograph):
    widget = None
    if what == "colours":
        viewer.add_image(np.zeros((60, 60, 3), np.uint8), rgb=True, name="photo")
    elif what == "labels only":
        viewer.add_labels(np.zeros((60, 60), int))
    elif what != "no image":
        viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    if what == "nothing in view":
        viewer.scene.camera.center = (0, 1e6, 1e6)
        widget.ui.region.kind.setValue("visible")
    if what == "no rectangle":
        widget.ui.region.kind.setValue("rectangle")
    widget.restore()
    assert not widget.busy and len(said) == 1
    assert widget.ui.message.text() == said[0]


def test_an_error_in_the_engine_is_said_and_the_widget_goes_on(viewer, make_widget, wait, said, micrograph, tiny_prior):
    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    widget.ui.options.set(prior="nowhere.safetensors")
    run(widget, wait)
    assert "nowhere.safetensors" in said[0] and len(viewer.layers) == 1
    widget.ui.options.set(prior=tiny_prior)
    run(widget, wait)
    assert "raw · Denoise" in viewer.layers


def test_the_region_on_the_screen_is_restored_in_its_place(viewer, make_widget, wait, micrograph):
    raw = viewer.add_image(micrograph, name="raw", scale=(3, 3))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 300, 300), 2.0
    widget = make_widget(viewer)
    widget.ui.region.kind.setValue("visible")
    run(widget, wait)
    result = viewer.layers["raw · Denoise"]
    assert result.metadata["mendem"]["region"] == [67, 134, 67, 134]
    assert result.data_to_world((0, 0)) == pytest.approx(raw.data_to_world((67, 67)))


def test_a_rectangle_can_be_drawn(viewer, make_widget, wait, micrograph):
    viewer.add_image(micrograph, name="raw", scale=(3, 3), units=("nm", "nm"))
    widget = make_widget(viewer)
    widget.ui.region.draw.click()
    shapes = viewer.layers.selection.active
    assert shapes.mode == "add_rectangle" and shapes.units == viewer.layers["raw"].units
    shapes.add_rectangles([[20, 30], [79, 99]])
    run(widget, wait)
    assert viewer.layers["raw · Denoise"].metadata["mendem"]["region"] == [20, 80, 30, 100]


def test_one_slice_of_a_stack(viewer, make_widget, wait, micrograph):
    viewer.add_image(np.stack([micrograph] * 3), name="raw")
    viewer.dims.set_current_step(0, 2)
    widget = make_widget(viewer)
    widget.ui.slices.setValue("current")
    run(widget, wait)
    result = viewer.layers["raw · Denoise"]
    assert result.data.shape == (1, *micrograph.shape) and result.translate[0] == 2


def test_cancel_keeps_what_is_finished_and_stops_soon(viewer, make_widget, wait, micrograph, monkeypatch):
    slow(monkeypatch, 0.2)
    viewer.add_image(np.stack([micrograph] * 20), name="raw")
    widget = make_widget(viewer)
    widget.restore()
    wait(lambda: "raw · Denoise" in viewer.layers)
    assert widget.ui.progress.value() > 0 and "left" in widget.ui.progress.format()
    start = time.monotonic()
    widget.ui.cancel.click()
    wait(lambda: not widget.busy)
    assert time.monotonic() - start < 3  # 20 slices take 8 s or more
    result = viewer.layers["raw · Denoise (partial)"]
    assert np.isfinite(result.data[0]).all() and np.isnan(result.data[-1]).all()
    assert widget.ui.restore.isEnabled() and not widget.ui.cancel.isEnabled()


@pytest.mark.parametrize("gone", ["input", "result", "all"])
def test_layers_may_go_while_a_run_is_at_work(gone, viewer, make_widget, wait, micrograph, monkeypatch):
    slow(monkeypatch, 0.1)
    raw = viewer.add_image(np.stack([micrograph] * 3), name="raw")
    widget = make_widget(viewer)
    widget.restore()
    wait(lambda: "raw · Denoise" in viewer.layers)
    if gone == "input":
        viewer.layers.remove(raw)
    elif gone == "result":
        viewer.layers.remove("raw · Denoise")
    else:
        viewer.layers.clear()
    wait(lambda: not widget.busy)
    assert ("raw · Denoise" in viewer.layers) == (gone == "input")


def live_layer(viewer):
    return next((layer for layer in viewer.layers if layer.metadata.get(PREVIEW)), None)


def test_the_preview_follows_view_slice_parameters_and_image(viewer, make_widget, wait, micrograph):
    viewer.add_image(np.stack([micrograph] * 3), name="raw")
    other = viewer.add_image(micrograph[:100], name="other", visible=False)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 100, 100), 8.0
    widget = make_widget(viewer)
    widget.ui.image.choose(viewer.layers["raw"])
    widget.ui.live.setChecked(True)

    def settled() -> bool:
        return live_layer(viewer) is not None and not widget.live.preview.busy

    wait(settled)
    assert tuple(live_layer(viewer).translate) == (viewer.dims.current_step[0], 75, 75)
    viewer.scene.camera.center = (0, 130, 120)
    wait(lambda: settled() and tuple(live_layer(viewer).translate)[1:] == (105, 95))
    viewer.dims.set_current_step(0, 2)
    wait(lambda: settled() and tuple(live_layer(viewer).translate) == (2, 105, 95))
    before = live_layer(viewer).data.copy()
    widget.ui.parameters.set(noise=200.0)
    wait(lambda: settled() and not np.array_equal(before, live_layer(viewer).data))
    widget.ui.image.choose(other)
    viewer.scene.camera.center = (0, 50, 50)
    wait(lambda: settled() and live_layer(viewer).name == "other · Denoise preview")
    widget.ui.live.setChecked(False)
    assert live_layer(viewer) is None


def test_the_preview_is_not_offered_as_an_image(viewer, make_widget, wait, micrograph):
    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    widget.ui.live.setChecked(True)
    wait(lambda: live_layer(viewer) is not None)
    assert [widget.ui.image.itemText(i) for i in range(widget.ui.image.count())] == ["raw"]
    viewer.layers["raw"].name = "renamed"
    assert widget.ui.image.itemText(0) == "renamed"
    viewer.layers.remove("renamed")
    assert widget.ui.image.layer is None
    wait(lambda: live_layer(viewer) is None)


def test_the_noise_notes_and_cost_are_known_before_a_run(viewer, make_widget, wait, micrograph):
    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    wait(lambda: widget.ui.cost.text() != "")
    assert "grey levels" in widget.ui.noise.text() and "MB" in widget.ui.cost.text()
    assert "voxel size is unknown" in widget.ui.message.text()
    assert widget.ui.about.text().replace("\u00a0", " ") == "pixel size unknown · uint16 · 200 × 240"


def test_what_is_copied_is_on_the_clipboard(viewer, make_widget, micrograph, said):
    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    widget.findChild(QPushButton, "copy_python").click()
    assert QApplication.clipboard().text().startswith("import mendem")
    widget.findChild(QPushButton, "copy_command").click()
    assert "save the layer" in said[0]


def test_scripts_find_the_parts_by_name(viewer, make_widget):
    widget = make_widget(viewer)
    for name in ("restore", "cancel", "copy_python", "copy_command", "draw"):
        assert widget.findChild(QPushButton, name) is not None
    assert widget.findChild(QCheckBox, "live") is not None
    for name in ("image", "region", "slices", "estimate", "budget"):
        assert widget.findChild(QComboBox, name) is not None


def test_the_widget_is_readable_at_300_pixels(viewer, make_widget, qtbot):
    viewer.add_image(np.zeros((3, 50, 60)), name="a long name of a stack of micrographs")
    widget = make_widget(viewer)
    widget.resize(300, 900)
    widget.show()
    qtbot.waitExposed(widget)
    assert widget.width() == 300
    assert widget.ui.image.mapTo(widget, widget.ui.image.rect().bottomRight()).x() <= 300
    assert widget.ui.residual.mapTo(widget, widget.ui.residual.rect().bottomRight()).x() <= 300


def test_preferences_fall_back_to_their_defaults():
    assert preferences() == Preferences()


def test_importing_the_widget_loads_no_torch():
    code = "import sys, napari_mendem.widgets.denoise; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_a_window_may_close_while_a_run_is_at_work(make_napari_viewer, make_widget, wait, micrograph, monkeypatch):
    slow(monkeypatch, 0.3)
    viewer = make_napari_viewer()
    viewer.add_image(np.stack([micrograph] * 20), name="raw")
    widget = make_widget(viewer, owned=True)
    viewer.window.add_dock_widget(widget)
    widget.restore()
    wait(lambda: "raw · Denoise" in viewer.layers)
    job, future = widget.errand._job, widget.errand._future
    viewer.close()
    wait(lambda: future.done(), 10)
    assert job.cancelled.is_set()


def test_live_then_restore_in_a_real_window(make_napari_viewer, make_widget, wait, micrograph):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(micrograph, name="raw", scale=(5, 5), units=("nm", "nm"))
    widget = make_widget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.ui.live.setChecked(True)
    wait(lambda: live_layer(viewer) is not None and not widget.live.preview.busy)
    viewer.scene.camera.zoom *= 4
    wait(lambda: live_layer(viewer).data.shape[0] < 200)
    widget.restore()
    wait(lambda: not widget.busy)
    assert [layer.name for layer in viewer.layers] == ["raw", "raw · Denoise spread", "raw · Denoise"]
    assert {str(layer.units[0]) for layer in viewer.layers} == {"nanometer"}


def test_the_sample_is_chosen_and_not_its_hidden_truth(viewer, make_widget, micrograph):
    widget = make_widget(viewer)
    viewer.add_image(micrograph, name="truth", visible=False)
    noisy = viewer.add_image(micrograph, name="noisy")
    assert widget.ui.image.layer is noisy
    noisy.visible = False
    viewer.add_image(micrograph, name="later")
    assert widget.ui.image.layer is noisy


def test_a_scale_that_the_user_sets_is_seen(viewer, make_widget, wait, micrograph):
    note = "The voxel size is unknown: the file states none."
    layer = viewer.add_image(micrograph, name="raw", metadata={"notes": [note]})
    widget = make_widget(viewer)
    wait(lambda: widget.ui.message.text() == note)
    layer.units = ("nm", "nm")
    layer.scale = (4.0, 4.0)
    wait(lambda: widget.ui.about.text().startswith("4\u00a0nm") and "unknown" not in widget.ui.message.text())
    assert layer.metadata["notes"] == [note]


def test_the_preview_goes_and_says_why_in_3d(viewer, make_widget, wait, micrograph, qtbot):
    viewer.add_image(np.stack([micrograph] * 3), name="raw")
    widget = make_widget(viewer)
    widget.resize(300, 900)
    widget.show()
    qtbot.waitExposed(widget)
    widget.ui.live.setChecked(True)
    wait(lambda: live_layer(viewer) is not None and not widget.live.preview.busy)
    viewer.dims.ndisplay = 3
    wait(lambda: live_layer(viewer) is None and widget.ui.stage.text() == "needs the 2-D view")
    wait(lambda: widget.ui.stage.width() >= widget.ui.stage.sizeHint().width() > 0)
    viewer.dims.ndisplay = 2
    wait(lambda: live_layer(viewer) is not None)


def test_the_noise_is_known_when_live_is_switched_off_at_once(viewer, make_widget, wait, micrograph):
    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    widget.ui.live.setChecked(True)
    widget.live.ask_now()
    widget.ui.live.setChecked(False)
    wait(lambda: widget.ui.noise.text() != "")


def test_numbers_are_readable():
    assert [number(5974.2, 3), number(132.0, 1), number(6.123, 3), number(2.47e-10, 3)] == [
        "5970",
        "100",
        "6.12",
        "2.47e-10",
    ]


def test_the_arrays_of_a_run_are_the_layers_alone_once_it_is_over(viewer, make_widget, wait, micrograph):
    import gc
    import weakref

    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    widget.restore()
    job = weakref.ref(widget.errand._job)
    wait(lambda: not widget.busy)
    wait(lambda: gc.collect() >= 0 and job() is None, 5)


def test_in_a_real_dock_results_lie_below_what_is_drawn_and_a_closed_dock_leaves_no_preview(
    make_napari_viewer, tiny_prior, wait, micrograph
):
    """napari hands docks a proxy of the viewer, which gives each layer as a new object."""
    viewer = make_napari_viewer(show=True)
    raw = viewer.add_image(micrograph, name="raw")
    shapes = viewer.add_shapes([[[10, 10], [40, 40]]], shape_type="rectangle", name="scratch")
    dock, widget = viewer.window.add_plugin_dock_widget("napari-mendem", "Denoise")
    widget.ui.options.set(prior=tiny_prior, device="cpu")
    widget.ui.image.choose(raw)
    widget.ui.live.setChecked(True)
    wait(lambda: live_layer(viewer) is not None and not widget.live.preview.busy)
    assert [layer is shapes for layer in viewer.layers] == [False, False, True]
    widget.ui.live.setChecked(False)
    widget.restore()
    wait(lambda: not widget.busy)
    assert list(viewer.layers)[-1] is shapes and "raw · Denoise" in viewer.layers
    widget.ui.live.setChecked(True)
    wait(lambda: live_layer(viewer) is not None)
    viewer.window.remove_dock_widget(dock)
    wait(lambda: live_layer(viewer) is None)


def test_another_task_hides_the_answer_of_the_last_one(viewer, make_widget, wait, micrograph):
    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    widget.restore()
    wait(lambda: not widget.busy)
    assert widget.ui.chi2.isVisibleTo(widget)
    widget.ui.parameters.set(noise=12.0)
    assert not widget.ui.chi2.isVisibleTo(widget)


def test_draw_makes_a_layer_of_its_own_beside_other_shapes(viewer, make_widget, wait, micrograph):
    viewer.add_image(micrograph, name="raw")
    mask = viewer.add_shapes([[[10, 10], [40, 40]]], shape_type="rectangle", name="my mask")
    widget = make_widget(viewer)
    widget.ui.region.draw.click()
    drawn = viewer.layers.selection.active
    assert drawn is not mask and len(mask.data) == 1
    drawn.add_rectangles([[20, 30], [79, 99]])
    assert widget.request().region == (20, 80, 30, 100)


def test_docks_lie_behind_one_another_and_the_one_behind_has_no_preview(
    make_napari_viewer, tiny_prior, wait, micrograph
):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(micrograph, name="raw")
    dock, widget = viewer.window.add_plugin_dock_widget("napari-mendem", "Denoise")
    widget.ui.options.set(prior=tiny_prior, device="cpu")
    widget.ui.live.setChecked(True)
    wait(lambda: live_layer(viewer) is not None and not widget.live.preview.busy)
    other, _ = viewer.window.add_plugin_dock_widget("napari-mendem", "Compare")
    wait(lambda: live_layer(viewer) is None)
    assert dock.geometry().intersects(other.geometry()) or dock.visibleRegion().isEmpty()
    dock.raise_()
    wait(lambda: live_layer(viewer) is not None)
