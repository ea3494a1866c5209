"""The button *Negative control*."""

from __future__ import annotations

import time

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer

from mendem.tasks import Denoise
from napari_mendem.control import CONTROL, WINDOW, window_in_view


@pytest.fixture
def viewer() -> ViewerModel:
    made = ViewerModel()
    made.canvas.size = (400, 400)
    return made


def press(widget, wait) -> None:
    widget.ui.control.click()
    assert widget.busy
    wait(lambda: not widget.busy)


def pictures(viewer) -> dict[str, ImageLayer]:
    return {
        layer.name.partition("control: ")[2]: layer
        for layer in viewer.layers
        if CONTROL in layer.metadata and isinstance(layer, ImageLayer)
    }


def test_six_pictures_beside_the_image_at_its_contrast(viewer, make_widget, wait, micrograph):
    raw = viewer.add_image(micrograph, name="raw", scale=(3, 3), translate=(50, 70), units=("nm", "nm"))
    raw.contrast_limits = (600, 1400)
    widget = make_widget(viewer)
    viewer.layers.selection.active = raw
    press(widget, wait)
    shown = pictures(viewer)
    assert list(shown)[::-1] == [  # the list shows the last layer on top
        "image", "image restored", "empty", "empty restored", "random phases", "random phases restored",
    ]  # fmt: skip
    np.testing.assert_array_equal(shown["image"].data, micrograph)
    edge = raw.extent.world[1, 1]
    boxes = []
    for layer in shown.values():
        assert layer.visible and tuple(layer.scale) == (3, 3) and layer.units == raw.units
        assert tuple(layer.contrast_limits) == (600, 1400) and layer.data.shape == micrograph.shape
        assert layer.extent.world[0, 1] > edge  # nothing of the image is covered
        boxes.append(layer.extent.world)
    for i, a in enumerate(boxes):
        assert all((a[1] < b[0]).any() or (b[1] < a[0]).any() for b in boxes[i + 1 :])
    assert viewer.layers.selection.active is raw and widget.ui.image.layer is raw
    names = viewer.layers["raw · control: names"]
    assert len(names.data) == 6 and list(names.text.string.array) == list(shown)[::-1]


def test_it_says_what_was_found_until_it_is_about_something_else(viewer, make_widget, wait, micrograph):
    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    assert not widget.ui.found.isVisibleTo(widget)
    press(widget, wait)
    said = widget.ui.found.text()
    assert widget.ui.found.isVisibleTo(widget) and "Empty:" in said and "Random phases:" in said
    viewer.add_image(micrograph, name="other")
    widget.ui.image.choose(viewer.layers["other"])
    assert not widget.ui.found.isVisibleTo(widget)


def test_again_takes_the_place_of_the_last_and_spares_others(viewer, make_widget, wait, micrograph):
    viewer.add_image(micrograph, name="raw")
    viewer.add_image(micrograph, name="other")
    widget = make_widget(viewer)
    for name in ("raw", "other", "raw"):
        widget.ui.image.choose(viewer.layers[name])
        press(widget, wait)
    assert len(viewer.layers) == 2 + 2 * 7


def test_of_a_stack_the_slice_in_view(viewer, make_widget, wait, micrograph):
    stack = np.stack([micrograph // 2, micrograph, micrograph // 3])
    viewer.add_image(stack, name="raw", scale=(10, 2, 2))
    viewer.dims.set_point(0, 10)
    press(make_widget(viewer), wait)
    shown = pictures(viewer)["image"]
    np.testing.assert_array_equal(shown.data, micrograph[None])
    assert shown.translate[0] == 10 and viewer.layers["raw · control: names"].ndim == 3


def test_it_does_what_the_fields_say(viewer, make_widget, wait, micrograph, options):
    from mendem.negative_control import negative_control

    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    widget.ui.options.set(estimate="sample", seed=7)
    press(widget, wait)
    expected = negative_control(micrograph, Denoise(), options=options, estimate="sample", seed=7)
    np.testing.assert_array_equal(pictures(viewer)["empty restored"].data, expected.empty.restored)
    assert widget.ui.found.text().replace("\u00a0", " ") == "\n".join(expected.sentences())


@pytest.mark.parametrize(
    ("centre", "zoom", "expected"),
    [((500, 1000), 1.0, (244, 756, 744, 1256)), ((0, 0), 8.0, (0, WINDOW, 0, WINDOW))],
)
def test_the_window_is_around_the_middle_of_the_view(viewer, centre, zoom, expected):
    layer = viewer.add_image(np.zeros((1500, 2000), np.uint8))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, *centre), zoom
    region, index = window_in_view(viewer, layer)
    assert region == pytest.approx(expected, abs=1) and index == ()
    assert region[1] - region[0] == region[3] - region[2] == WINDOW


def test_the_middle_of_the_image_where_it_is_not_in_view(viewer):
    layer = viewer.add_image(np.zeros((5, 700, 100), np.uint8))
    viewer.dims.ndisplay = 3
    assert window_in_view(viewer, layer)[0] == (94, 606, 0, 100)


def test_cancelled_it_leaves_nothing(viewer, make_widget, wait, micrograph, monkeypatch):
    from mendem.priors.network_prior import NetworkPrior

    def late(self, x_t, sigma, condition, check=lambda: None):
        while True:
            time.sleep(0.003)
            check()

    viewer.add_image(micrograph, name="raw")
    widget = make_widget(viewer)
    press(widget, wait)  # the noise is known now
    for layer in list(viewer.layers)[1:]:
        viewer.layers.remove(layer)
    monkeypatch.setattr(NetworkPrior, "denoise", late)
    widget.ui.options.set(seed=3)
    widget.ui.control.click()
    assert not widget.ui.restore.isEnabled() and not widget.ui.control.isEnabled()
    widget.restore()  # one thing at a time
    widget.ui.cancel.click()
    wait(lambda: not widget.busy)
    assert len(viewer.layers) == 1 and "Cancelled" in widget.ui.message.text()
    assert widget.ui.control.isEnabled() and not widget.ui.cancel.isEnabled()


def test_what_cannot_be_done_is_said(viewer, make_widget, wait, micrograph, monkeypatch):
    heard: list[str] = []
    for name in ("show_warning", "show_error"):
        monkeypatch.setattr(f"napari.utils.notifications.{name}", heard.append)
    widget = make_widget(viewer)
    widget.ui.control.click()
    assert not widget.busy and "there is no image" in heard[0]
    viewer.add_image(micrograph, name="raw")
    widget.ui.options.set(prior="nowhere.safetensors")
    press(widget, wait)
    assert "nowhere.safetensors" in heard[1] and len(viewer.layers) == 1
