"""A corrected stack, read part by part."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.fft import fft2, ifft2
from scipy.ndimage import fourier_shift, gaussian_filter

from mendem.image import Image
from mendem.physics.stack_corrected import REACH, corrected
from mendem.physics.stack_report import DamagedArea, StackReport

SHAPE = (4, 70, 90)


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (100 + 300 * gaussian_filter(rng.standard_normal(SHAPE), (0, 2, 2), mode="wrap")).astype(np.float32)


def report(**changes) -> StackReport:
    return replace(StackReport.untouched(SHAPE[0]), **changes)


def full_report() -> StackReport:
    cells = np.zeros((14, 18), bool)
    cells[3:5, 4:9] = True
    return report(
        shift=((0.4, -1.3), (0.0, 0.0), (2.0, 3.0), (0.5, 0.5)),
        gain=(1.1, 1.0, 0.9, 1.0),
        offset=(3.0, 0.0, -5.0, 0.0),
        blur_px=(0.0, 1.5, 0.0, 0.0),
        missing=(3,),
        reasons=("is blank",),
        damage={1: DamagedArea(cells, 5, SHAPE[1:])},
        noise_to_signal=(1e-3,) * 64,
    )


def test_a_stack_without_faults_comes_back_itself(data):
    image = Image(data)
    assert corrected(image, report()) is image
    off = {"align": False, "contrast": False, "focus": False, "repair": False}
    assert corrected(image, full_report(), **off) is image


def test_whole_shifts_and_levels_are_undone_exactly(data):
    moved = np.roll(data, (2, -3), (1, 2)) * np.float32(1.25) + 8
    image = Image(moved)
    fixed = corrected(image, report(shift=((2.0, -3.0),) * 4, gain=(1.25,) * 4, offset=(8.0,) * 4)).data[:]
    assert fixed.dtype == np.float32
    np.testing.assert_allclose(fixed[:, :-2, 3:], data[:, :-2, 3:], atol=1e-4)
    assert np.isnan(fixed[:, -2:]).all() and np.isnan(fixed[:, :, :3]).all()


def test_shifts_by_parts_of_a_pixel_do_not_blur(data):
    moved = np.stack([ifft2(fourier_shift(fft2(d), (0.5, -0.3))).real for d in data]).astype(np.float32)
    fixed = corrected(Image(moved), report(shift=((0.5, -0.3),) * 4)).data[:]
    inner = np.s_[:, REACH:-REACH, REACH:-REACH]
    # Structure of 2 px, against a standard deviation of about 40.
    assert np.abs(fixed - data)[inner].max() < 0.5
    noise = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    left = corrected(Image(noise), report(shift=((0.5, 0.5),) * 4)).data[:][inner]
    # A filter of 33 pixels cannot pass what oscillates from pixel to pixel; linear interpolation leaves 0.25.
    assert left.var() > 0.9


def test_parts_have_the_values_of_the_whole(data):
    stack = corrected(Image(data), full_report()).data
    whole = stack[:]
    assert whole.shape == SHAPE == stack.shape and np.isnan(whole[3]).all()
    for key in (
        np.s_[1],
        np.s_[0, 10:33, 5:90:3],
        np.s_[:3, 7],
        np.s_[..., -20:],
        np.s_[2, 60:20:-2, 3],
        np.s_[::2, :0],
    ):
        np.testing.assert_allclose(stack[key], whole[key], atol=1e-3, equal_nan=True)
    assert np.isnan(whole[1, 15:25, 20:45]).all() and np.isfinite(whole[1, :14]).all()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(stack))[1], whole[1])


def test_each_correction_can_be_left_out(data):
    image = Image(data)
    only = {"align": False, "contrast": False, "focus": False, "repair": False}
    rescaled = corrected(image, full_report(), **{**only, "contrast": True}).data[:]
    np.testing.assert_allclose(rescaled[2], (data[2] + 5) / 0.9, rtol=1e-5)
    np.testing.assert_array_equal(rescaled[3], data[3])
    repaired = corrected(image, full_report(), **{**only, "repair": True}).data[:]
    assert np.isnan(repaired[3]).all() and np.array_equal(repaired[0], data[0])
    moved = corrected(image, full_report(), **{**only, "align": True}).data[:]
    np.testing.assert_array_equal(moved[2, :-2, :-3], data[2, 2:, 3:])


def test_a_blurred_section_comes_nearer_to_what_it_was_and_its_noise_stays_bounded(data):
    blurred = gaussian_filter(data, (0, 1.5, 1.5)) + np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    # Structure of power 1 and noise of power 1e-3 up to where the structure ends at about 0.15 cycles per pixel.
    noise = tuple(np.where(np.arange(64) < 20, 1e-3, 1.0).tolist())
    sharp = corrected(Image(blurred), report(blur_px=(1.5,) * 4, noise_to_signal=noise)).data[:]
    inner = np.s_[:, REACH:-REACH, REACH:-REACH]
    assert ((sharp - data)[inner] ** 2).mean() < 0.5 * ((blurred - data)[inner] ** 2).mean()


def test_pixels_that_are_not_finite_are_not_measured(data):
    hole = data.copy()
    hole[0, 30, 40] = np.nan
    fixed = corrected(Image(hole), report(shift=((0.0, 1.0), (0, 0), (0, 0), (0, 0)))).data[0]
    assert np.isnan(fixed[30, 39]) and np.isfinite(fixed[:, :-1]).sum() == 70 * 89 - 1


def test_integers_of_any_size_are_rescaled():
    large = np.full(SHAPE, 3_000_000_000, np.uint32)
    large[:, 10] += 1000
    fixed = corrected(Image(large), report(offset=(3e9,) * 4)).data[0]
    np.testing.assert_array_equal(fixed[10], 1000) and np.testing.assert_array_equal(fixed[0], 0)
