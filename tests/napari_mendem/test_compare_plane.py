"""Two layers on one grid: finer pixels, half-pixel shifts, regions, rotations, units."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from mendem.errors import MendemError
from napari_mendem.compare import numbers
from napari_mendem.compare.plane import on_common_grid, overlap, plane_of


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def planes(viewer, *layers):
    return tuple(plane_of(viewer, layer) for layer in layers)


def smooth(y, x):
    return 100 + np.sin(y / 40.0) + np.cos(x / 30.0)


def field(shape, nm, origin=(0.0, 0.0)):
    """A smooth function of the place in nm, at the centres of pixels."""
    y, x = np.mgrid[: shape[0], : shape[1]] * nm
    return smooth(y + origin[0], x + origin[1])


@pytest.mark.parametrize("factor", [2, 4])
def test_a_finer_grid_is_averaged_over_each_pixel(viewer, factor):
    rng = np.random.default_rng(0)
    fine = rng.normal(size=(32 * factor, 40 * factor)).astype(np.float32)
    nm = ("nm", "nm")
    a = viewer.add_image(np.zeros((32, 40), np.float32), scale=(8, 8), units=nm)
    shift = 8 * (1 / factor - 1) / 2
    b = viewer.add_image(fine, scale=(8 / factor,) * 2, translate=(shift, shift), units=nm)
    for first, second in ((a, b), (b, a)):
        plane, one, other = on_common_grid(*planes(viewer, first, second))
        averaged = other if first is a else one
        np.testing.assert_allclose(averaged, fine.reshape(32, factor, 40, factor).mean((1, 3)), atol=1e-6)
        assert plane.pixel == pytest.approx(8)


def test_a_region_is_compared_where_it_lies(viewer):
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(60, 70)).astype(np.float32)
    a = viewer.add_image(whole, scale=(5, 5), units=("nm", "nm"))
    b = viewer.add_image(whole[10:40, 20:60], scale=(5, 5), translate=(50, 100), units=("nm", "nm"))
    plane, one, other = on_common_grid(*planes(viewer, a, b))
    np.testing.assert_array_equal(one, other)
    assert plane.region == (10, 40, 20, 60)


def test_grids_that_are_turned_and_shifted_agree_in_the_world(viewer):
    angle = 12.0
    turn = np.array(
        [
            [np.cos(np.radians(angle)), -np.sin(np.radians(angle))],
            [np.sin(np.radians(angle)), np.cos(np.radians(angle))],
        ]
    )
    y, x = np.mgrid[:90, :90]
    there = np.einsum("ij,jyx->iyx", turn, np.stack([y, x]) * 3.0) + np.array([30.3, 20.1])[:, None, None]
    a = viewer.add_image(field((40, 40), 7.0), scale=(7, 7), units=("nm", "nm"))
    b = viewer.add_image(smooth(*there), scale=(3, 3), rotate=angle, translate=(30.3, 20.1), units=("nm", "nm"))
    _, one, other = on_common_grid(*planes(viewer, a, b))
    both = np.isfinite(other)
    assert both.mean() > 0.5
    np.testing.assert_allclose(one[both], other[both], atol=0.02)


def test_layers_in_different_units_of_length_lie_together(viewer):
    image = field((50, 50), 4.0)
    a = viewer.add_image(image, scale=(4, 4), units=("nm", "nm"))
    b = viewer.add_image(image, scale=(0.004, 0.004), units=("um", "um"))
    plane, one, other = on_common_grid(*planes(viewer, a, b))
    np.testing.assert_allclose(one, other, rtol=1e-6)
    assert (plane.unit, plane.shape) == ("nm", (50, 50))


def test_a_stack_gives_its_current_slice(viewer):
    stack = np.arange(3.0)[:, None, None] * np.ones((3, 20, 20))
    a = viewer.add_image(stack)
    b = viewer.add_image(np.zeros((20, 20)))
    viewer.dims.set_current_step(0, 2)
    _, one, _ = on_common_grid(*planes(viewer, a, b))
    assert np.all(one == 2)


@pytest.mark.parametrize("what", ["colour", "apart", "units"])
def test_what_cannot_be_compared_is_said(viewer, what):
    a = viewer.add_image(np.zeros((30, 30)), name="first", scale=(2, 2), units=("nm", "nm"))
    other = {
        "colour": lambda: viewer.add_image(np.zeros((30, 30, 3), np.uint8), rgb=True, name="photo"),
        "apart": lambda: viewer.add_image(np.zeros((30, 30)), translate=(500, 0), scale=(2, 2), units=("nm", "nm")),
        "units": lambda: viewer.add_image(np.zeros((30, 30)), name="bare"),
    }[what]()
    words = {"colour": "colour image", "apart": "share too little", "units": "bare has no pixel size"}[what]
    with pytest.raises(MendemError, match=words):
        overlap(*planes(viewer, a, other))


def test_a_profile_lies_at_the_same_place_on_both_grids(viewer):
    a = viewer.add_image(field((64, 64), 8.0), scale=(8, 8), units=("nm", "nm"))
    b = viewer.add_image(field((128, 128), 4.0, (-2.0, -2.0)), scale=(4, 4), translate=(-2, -2), units=("nm", "nm"))
    line = np.array([[100.0, 80.0], [300.0, 400.0]])
    one, other = (numbers.line_profile(p, line, 8.0) for p in planes(viewer, a, b))
    length = np.hypot(200, 320)
    assert one.x[-1] == pytest.approx(length, abs=8)
    assert len(other.x) == pytest.approx(2 * len(one.x), abs=2)
    for curve in (one, other):
        along = line[0] + np.outer(curve.x, line[1] - line[0]) / length
        np.testing.assert_allclose(curve.y, smooth(*along.T), atol=0.03)


def test_one_image_on_two_grids_has_one_power_density(viewer):
    rng = np.random.default_rng(0)
    from scipy.ndimage import gaussian_filter

    fine = gaussian_filter(rng.normal(size=(256, 256)), 6)
    coarse = fine.reshape(128, 2, 128, 2).mean((1, 3))
    nm = ("nm", "nm")
    b = viewer.add_image(fine, scale=(2, 2), units=nm)
    a = viewer.add_image(coarse, scale=(4, 4), translate=(1, 1), units=nm)
    one, other = numbers.power(*planes(viewer, a, b), None)
    assert one.x[-1] == pytest.approx(1 / 8)  # Nyquist of 4 nm
    assert other.x[-1] == pytest.approx(1 / 4)
    shared = slice(2, 16)
    np.testing.assert_allclose(one.y[shared], np.interp(one.x[shared], other.x, other.y), atol=1.0)


def test_power_needs_square_pixels(viewer):
    a = viewer.add_image(np.random.rand(40, 40), name="tall", scale=(8, 4), units=("nm", "nm"))
    b = viewer.add_image(np.random.rand(40, 40), scale=(8, 4), units=("nm", "nm"))
    with pytest.raises(MendemError, match="tall are not square"):
        numbers.power(*planes(viewer, a, b), None)


def test_the_difference_is_after_minus_before_with_symmetric_limits(viewer):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 40))
    a, b, spread = (viewer.add_image(v) for v in (x, x + rng.normal(1, 2, x.shape), np.full(x.shape, 2.0)))
    one, other, sigma = planes(viewer, a, b, spread)
    picture = numbers.difference(one, other, None, "difference")
    np.testing.assert_allclose(picture.pixels, b.data - a.data, atol=1e-5)
    assert picture.limits[0] == -picture.limits[1]
    ratio = numbers.difference(one, other, sigma, "difference ÷ spread")
    np.testing.assert_allclose(ratio.pixels, picture.pixels / 2, atol=1e-5)
    with pytest.raises(MendemError, match="no spread layer"):
        numbers.difference(one, other, None, "spread")


def test_large_images_are_measured_in_their_middle(viewer, monkeypatch):
    monkeypatch.setattr(numbers, "MEASURED", 20)
    a = viewer.add_image(np.zeros((100, 60)), scale=(4, 4))
    b = viewer.add_image(np.zeros((100, 60)), scale=(4, 4))
    one, other = planes(viewer, a, b)
    assert numbers.middle(one, other, None) == (40, 60, 20, 40)
    assert numbers.middle(one, other, (0, 10, 0, 10)) == (0, 10, 0, 10)


def test_frc_of_frames_falls_where_their_noise_takes_over(viewer):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    clean = gaussian_filter(rng.normal(size=(128, 128)), 3)
    clean /= clean.std()
    frames = viewer.add_image(clean + rng.normal(0, 0.5, (6, 128, 128)), scale=(1, 4, 4), units=("pixel", "nm", "nm"))
    ring = numbers.correlation_of_frames(plane_of(viewer, frames), None)
    assert ring.correlation[1:6].min() > 0.9
    assert abs(ring.correlation[-20:].mean()) < 0.1
    assert 12 < ring.resolution("1/7") < 60


def test_what_would_fill_the_memory_is_refused(viewer, monkeypatch):
    monkeypatch.setattr(numbers, "LARGEST", 1000)
    a, b = planes(viewer, viewer.add_image(np.zeros((50, 50))), viewer.add_image(np.zeros((50, 50))))
    for work in (
        lambda: numbers.difference(a, b, None, "difference"),
        lambda: numbers.power(a, b, None),
        lambda: numbers.correlation_of_layers(a, b, None),
    ):
        with pytest.raises(MendemError, match="50 x 50 pixels are too many"):
            work()
