"""Marked pixels of an image, from layers of every kind and in every place."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Shapes

from mendem.errors import MendemError
from napari_mendem.layers import Look, Raster
from napari_mendem.marks import marks_of, placement

SKEWED = {
    "scale": (2, 3),
    "translate": (10, -4),
    "rotate": 30,
    "shear": [0.2],
    "affine": np.array([[0.9, 0.1, 5], [-0.2, 1.1, -3], [0, 0, 1]]),
    "units": ("nm", "nm"),
}


def image(shape=(60, 80), **place) -> ImageLayer:
    return ImageLayer(np.zeros(shape), contrast_limits=(0, 1), name="raw", **place)


def labels_with(shape, rows=slice(10, 20), columns=slice(30, 50), **place) -> Labels:
    data = np.zeros(shape, int)
    data[..., rows, columns] = 7
    return Labels(data, name="marks", **place)


def read(layer, on) -> np.ndarray:
    marks = marks_of(layer, on)
    assert marks.dtype == bool
    return np.stack([marks.read(p) for p in range(marks.plane_count)]).reshape(marks.shape)


@pytest.mark.parametrize("place", [{}, SKEWED], ids=["plain", "skewed"])
def test_labels_on_the_image_mark_where_they_are_not_0(place):
    raw, labels = image(**place), labels_with((60, 80), **place)
    np.testing.assert_array_equal(read(labels, raw), labels.data != 0)
    assert marks_of(labels, raw).source == "marks"


def test_labels_of_a_stack_mark_its_slices_and_flat_ones_all_of_them():
    raw = image((4, 60, 80))
    labels = labels_with((4, 60, 80))
    labels.data[2] = 0
    np.testing.assert_array_equal(read(labels, raw), labels.data != 0)
    flat = marks_of(labels_with((60, 80)), raw)
    assert flat.shape == (60, 80) and flat.read(0).sum() == 200


def test_an_image_marks_where_it_is_not_0_and_where_it_is_not_a_number():
    mask = np.zeros((60, 80), np.float32)
    mask[3, 4], mask[5, 6] = np.nan, -1
    there = read(ImageLayer(mask, translate=(2, 1)), image(translate=(1, 1)))
    assert np.argwhere(there).tolist() == [[4, 4], [6, 6]]


def test_an_image_on_the_image_s_own_grid_comes_as_it_is():
    mask = ImageLayer(np.eye(60, 80), name="mask", **SKEWED)
    assert marks_of(mask, image(**SKEWED)).data is mask.data


def test_labels_elsewhere_mark_the_pixels_that_they_cover():
    raw = image(scale=(5, 5), translate=(100, 100), units=("nm", "nm"))
    coarse = labels_with((10, 10), slice(2, 4), slice(3, 5), scale=(25, 25), translate=(110, 110), units=("nm", "nm"))
    # Label pixel (2, 3) is centred at 160, 185 nm, pixel (12, 17) of the image, and 5 of its pixels wide.
    expected = np.zeros((60, 80), bool)
    expected[10:20, 15:25] = True
    np.testing.assert_array_equal(read(coarse, raw), expected)
    micrometres = labels_with(
        (10, 10), slice(2, 4), slice(3, 5), scale=(0.025,) * 2, translate=(0.11,) * 2, units=("um", "um")
    )
    np.testing.assert_array_equal(read(micrometres, raw), expected)


def test_one_marked_pixel_of_a_finer_grid_marks_all_of_the_pixel():
    raw = image(**SKEWED)
    finer = Labels(np.zeros((240, 320), int), **Look.of(raw).at(Raster.of((0, 0), 4)))
    finer.data[41, 90] = 1
    assert np.argwhere(read(finer, raw)).tolist() == [[10, 22]]


def test_turned_labels_mark_what_they_cover():
    raw = image((60, 60))
    turned = labels_with((60, 60), slice(10, 20), slice(30, 50), rotate=90, translate=(59, 0))
    there = read(turned, raw)
    assert there.sum() == 200
    for row, column in np.argwhere(there):
        assert turned.data[tuple(np.round(turned.world_to_data((row, column))).astype(int))] == 7


def test_lazy_labels_are_read_slice_by_slice():
    data = da.zeros((3, 60, 80), chunks=(1, 60, 80), dtype=int)
    data[1, 5, 6] = 1
    marks = marks_of(Labels(data), image((3, 60, 80)))
    assert [int(marks.read(p).sum()) for p in range(3)] == [0, 1, 0]
    assert marks.read(1, slice(4, 8), slice(5, 9))[1, 1]


def test_what_was_read_does_not_change_when_the_layer_is_painted_on():
    raw, labels = image(), labels_with((60, 80))
    marks = marks_of(labels, raw)
    before = marks.read(0)
    labels.data[0, 0] = 1
    np.testing.assert_array_equal(marks.read(0), before)
    assert marks_of(labels, raw).read(0)[0, 0]


def test_a_layer_with_more_axes_than_the_image_is_refused():
    with pytest.raises(MendemError, match="3 axes"):
        marks_of(labels_with((2, 60, 80)), image())


@pytest.mark.parametrize("place", [{}, SKEWED], ids=["plain", "skewed"])
def test_shapes_mark_the_pixels_inside(place):
    raw = image(**place)
    shapes = Shapes(ndim=2, **place)
    shapes.add_rectangles([[10, 20], [14, 29]])
    shapes.add_polygons([[30, 30], [30, 40], [40, 30]])
    shapes.add_ellipses([[30, 60], [30, 76], [50, 76], [50, 60]])
    found = read(shapes, raw)
    assert found[10:15, 20:30].all() and found[9:16, 19:31].sum() == 50
    y, x = np.mgrid[:60, :80]
    triangle = (y >= 30) & (x >= 30) & (y + x <= 70)
    assert (found[29:42, 29:42] != triangle[29:42, 29:42]).sum() <= 11  # pixels whose centre lies on the slanted side
    ellipse = ((y - 40) / 10) ** 2 + ((x - 68) / 8) ** 2 <= 1
    assert (found[28:53, 58:79] != ellipse[28:53, 58:79]).sum() <= 8


def test_a_shape_drawn_in_the_world_lies_where_it_is_seen():
    raw, shapes = image(**SKEWED), Shapes(ndim=2, units=("nm", "nm"))
    corners = [raw.data_to_world(p) for p in ((9.6, 19.6), (9.6, 29.4), (14.4, 29.4), (14.4, 19.6))]
    shapes.add_polygons([corners])
    found = read(shapes, raw)
    assert found[10:15, 20:30].all() and found.sum() == 50


def test_lines_mark_their_width():
    raw, shapes = image(), Shapes(ndim=2)
    shapes.add_lines([[20, 5], [20, 75]], edge_width=3)
    shapes.add_paths([[[40, 10], [40, 30], [50, 30]]], edge_width=0.2)
    found = read(shapes, raw)
    assert found[19:22, 5:76].all() and not found[:18].any()
    assert found[40, 10:31].all() and found[40:51, 30].all() and found[35:].sum() == 31


def test_shapes_of_a_stack_mark_their_slice_and_flat_ones_all():
    raw, shapes = image((4, 60, 80)), Shapes(ndim=3)
    shapes.add_polygons([[[2, 10, 20], [2, 10, 30], [2, 15, 30], [2, 15, 20]]])
    assert [bool(plane.any()) for plane in read(shapes, raw)] == [False, False, True, False]
    flat = Shapes(ndim=2)
    flat.add_rectangles([[10, 20], [15, 30]])
    assert marks_of(flat, raw).plane_count == 1


def test_a_placement_is_napari_s_own():
    raw = image(**SKEWED)
    other = Labels(np.zeros((60, 80), int), scale=(4, 1), rotate=-20, units=("um", "um"))
    matrix = placement(other, raw)
    point = np.array([12.3, 45.6])
    expected = other.world_to_data(np.array(raw.data_to_world(point)) / 1000)
    assert matrix[:, :-1] @ point + matrix[:, -1] == pytest.approx(expected)
