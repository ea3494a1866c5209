"""What is on the screen, in pixels of a layer."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Shapes

from napari_mendem.viewport import clipped, current_slice, rectangle_of, visible


@pytest.fixture
def viewer() -> ViewerModel:
    made = ViewerModel()
    made.canvas.size = (400, 600)
    return made


def test_only_the_pixels_on_the_screen_are_visible(viewer):
    layer = viewer.add_image(np.zeros((1000, 1000)))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 500.2, 400.2), 4.0
    view = visible(viewer, layer)
    assert view.region == (450, 551, 325, 476)  # 500.2 ± 50 and 400.2 ± 75
    assert view.thinning == pytest.approx(0.25)
    assert (view.plane, view.index) == (0, ())


def test_scale_and_units_are_taken_into_account(viewer):
    layer = viewer.add_image(np.zeros((1000, 1000)), scale=(5, 5), units=("nm", "nm"))
    viewer.layers.units = ("um", "um")
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 2.5, 2.5), 800.0
    assert visible(viewer, layer).region == (450, 551, 425, 576)  # 2500 nm ± 250 and ± 375


def test_a_rotated_layer_gives_the_box_around_the_screen(viewer):
    layer = viewer.add_image(np.zeros((1000, 1000)), rotate=90, translate=(500, 500))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 0, 800), 4.0
    r0, r1, c0, c1 = visible(viewer, layer).region
    assert (r1 - r0, c1 - c0) in {(150, 100), (151, 101), (151, 100), (150, 101)}
    middle = layer.data_to_world(((r0 + r1 - 1) / 2, (c0 + c1 - 1) / 2))
    assert middle == pytest.approx((0, 800), abs=1)


def test_nothing_is_visible_beside_the_image(viewer):
    layer = viewer.add_image(np.zeros((100, 100)))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 5000, 50), 4.0
    assert visible(viewer, layer) is None


def test_slices_are_counted_in_c_order(viewer):
    layer = viewer.add_image(np.zeros((3, 4, 50, 60)), scale=(2, 5, 1, 1))
    viewer.dims.set_current_step(0, 2)
    viewer.dims.set_current_step(1, 3)
    view = visible(viewer, layer)
    assert (view.index, view.plane) == ((2, 3), 11)


def test_a_slider_outside_the_layer_shows_nothing_of_it(viewer):
    short = viewer.add_image(np.zeros((2, 50, 60)))
    viewer.add_image(np.zeros((9, 50, 60)))
    viewer.dims.set_current_step(0, 8)
    assert current_slice(viewer, short) is None
    assert visible(viewer, short) is None


def test_a_plain_image_is_seen_below_a_stack(viewer):
    flat = viewer.add_image(np.zeros((50, 60)))
    viewer.add_image(np.zeros((9, 50, 60)))
    viewer.dims.set_current_step(0, 8)
    assert visible(viewer, flat) is not None


@pytest.mark.parametrize("change", [{"ndisplay": 3}, {"order": (1, 0, 2)}])
def test_other_views_than_rows_and_columns_show_nothing(viewer, change):
    layer = viewer.add_image(np.zeros((9, 50, 60)))
    for name, value in change.items():
        setattr(viewer.dims, name, value)
    assert visible(viewer, layer) is None


def test_the_rectangle_drawn_last_or_selected_counts(viewer):
    layer = viewer.add_image(np.zeros((100, 100)), scale=(5, 5), translate=(50, 0), units=("nm", "nm"))
    shapes = viewer.add_layer(Shapes(ndim=2, units=("nm", "nm")))
    assert rectangle_of(viewer, shapes, layer) is None
    shapes.add_rectangles([[[100, 100], [150, 200]], [[300, 0], [9999, 40]]])
    assert rectangle_of(viewer, shapes, layer) == (50, 100, 0, 9)
    shapes.selected_data = {0}
    assert rectangle_of(viewer, shapes, layer) == (10, 21, 20, 41)


def test_a_rectangle_beside_the_image_is_none(viewer):
    layer = viewer.add_image(np.zeros((100, 100)))
    shapes = viewer.add_shapes([[[-50, -50], [-20, -20]]], shape_type="rectangle")
    assert rectangle_of(viewer, shapes, layer) is None


def test_a_pixel_counts_when_it_is_touched():
    assert clipped(np.array([0.4, -9]), np.array([0.6, 2.4]), (5, 5)) == (0, 2, 0, 3)
    assert clipped(np.array([4.6, 0]), np.array([9, 1]), (5, 5)) is None
