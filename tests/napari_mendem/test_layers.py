"""Layers to images and back: pixels, voxel size, units, and the place of a result."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image as ImageLayer

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from napari_mendem.layers import Look, Raster, image_from_layer, layer_from_image, residual_limits, spread_limits


def layer(data, **kwargs) -> ImageLayer:
    return ImageLayer(data, contrast_limits=(0, 1), **kwargs)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("nm", "nm"), ("angstrom", "angstrom"), ("um", "um"), ("Å", "angstrom"), ("micrometer", "um")],
)
def test_scale_and_units_become_the_voxel_size(unit, expected):
    image = image_from_layer(layer(np.zeros((4, 5, 6)), scale=(8, 3.4, 3.4), units=(unit,) * 3))
    assert image.voxel_size == VoxelSize((8.0, 3.4, 3.4), expected)


def test_pixels_are_an_unknown_voxel_size():
    assert not image_from_layer(layer(np.zeros((5, 6)), scale=(2, 2))).voxel_size.known


def test_an_affine_that_scales_counts():
    image = image_from_layer(layer(np.zeros((5, 6)), scale=(2, 2), affine=np.diag([3, 3, 1.0]), units=("nm", "nm")))
    assert image.voxel_size.values == pytest.approx((6, 6))


def test_frames_have_no_length_beside_pixels_that_have_one():
    made = layer(np.zeros((4, 5, 6)), scale=(1, 5, 5), units=("pixel", "nm", "nm"), axis_labels=("frame", "y", "x"))
    image = image_from_layer(made)
    assert image.axes == ("frame", "y", "x")
    assert image.voxel_size == VoxelSize((None, 5.0, 5.0))


def test_a_dask_layer_stays_lazy():
    data = da.zeros((3, 50, 60), chunks=(1, 50, 60), dtype=np.uint16)
    assert image_from_layer(layer(data)).data is data


def test_big_endian_pixels_are_read():
    image = image_from_layer(layer(np.arange(12, dtype=">u2").reshape(3, 4)))
    assert image.read(0)[2, 3] == 11


def test_colours_are_refused_with_what_to_do():
    with pytest.raises(MendemError, match="Split RGB"):
        image_from_layer(layer(np.zeros((5, 6, 3), np.uint8), rgb=True))


def test_a_multiscale_layer_gives_its_finest_level():
    made = layer([np.zeros((64, 64)), np.zeros((32, 32))], multiscale=True)
    assert image_from_layer(made).shape == (64, 64)


@pytest.mark.parametrize("unit", ["nm", "angstrom", "um"])
def test_an_image_survives_the_way_to_a_layer_and_back(unit):
    image = Image(np.ones((2, 5, 6), np.int16), ("z", "y", "x"), VoxelSize((8.0, 3.4, 3.4), unit), {"notes": ["a"]})
    data, kwargs, kind = layer_from_image(image)
    back = image_from_layer(ImageLayer(data, **kwargs))
    assert kind == "image"
    assert (back.axes, back.voxel_size, back.metadata) == (image.axes, image.voxel_size, image.metadata)
    assert back.data is image.data


def test_a_volume_three_columns_wide_is_not_taken_for_colours():
    data, kwargs, _ = layer_from_image(Image(np.ones((9, 8, 3), np.uint8)))
    assert not ImageLayer(data, **kwargs).rgb


def test_hot_pixels_do_not_decide_the_contrast():
    pixels = np.random.default_rng(0).normal(100, 5, (300, 300)).astype(np.float32)
    pixels[3, 4] = 1e9
    limits = layer_from_image(Image(pixels))[1]["contrast_limits"]
    assert 60 < limits[0] < limits[1] < 140


@pytest.mark.parametrize("fill", [np.nan, 7.0])
def test_an_image_without_contrast_opens(fill):
    data, kwargs, _ = layer_from_image(Image(np.full((20, 20), fill, np.float32)))
    ImageLayer(data, **kwargs)


def test_a_part_lies_where_it_lay_in_its_layer():
    angle, shear = 30.0, [0.2]
    affine = np.array([[0.9, 0.1, 5], [-0.2, 1.1, -3], [0, 0, 1]])
    whole = layer(
        np.zeros((50, 60)),
        scale=(2, 3),
        translate=(10, -4),
        rotate=angle,
        shear=shear,
        affine=affine,
        units=("nm", "nm"),
        axis_labels=("y", "x"),
    )
    part = layer(np.zeros((10, 10)), **Look.of(whole).at(Raster.of((7, 11))))
    assert part.data_to_world((2, 3)) == pytest.approx(whole.data_to_world((9, 14)))
    assert (part.units, part.axis_labels) == (whole.units, whole.axis_labels)


def test_samples_lie_on_their_input():
    whole = layer(np.zeros((5, 50, 60)), scale=(4, 2, 3), translate=(1, 2, 3), rotate=(0, 0, 20), units=("nm",) * 3)
    stack = layer(np.zeros((2, 5, 10, 10)), **Look.of(whole).stack_at(Raster.of((0, 7, 11)), "sample"))
    assert stack.data_to_world((1, 2, 3, 4)) == pytest.approx((1, *whole.data_to_world((2, 10, 15))))
    assert image_from_layer(stack).voxel_size.values[1:] == pytest.approx((4, 2, 3))


def test_limits_of_spread_and_residual_leave_out_what_is_missing():
    values = np.full((1, 40, 40), np.nan, np.float32)
    values[0, :20] = np.linspace(-2, 3, 800).reshape(20, 40)
    assert spread_limits(abs(values))[0] == 0
    low, high = residual_limits(values)
    assert low == -high
    assert 2.5 < high <= 3
    assert spread_limits(np.full((1, 4, 4), np.nan)) == (0.0, 1.0)
