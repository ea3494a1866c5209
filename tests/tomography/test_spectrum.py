"""Planes and volumes of power spectra, and what the wedge leaves of them."""

from __future__ import annotations

import numpy as np
import pytest

from mendem.errors import MendemError
from mendem.tomography.spectrum import PLANES, log_power, plane_power, volume_power
from mendem.tomography.wedge import wedge_mask
from mendem.tomography.wedge_shapes import plane_tilt, plane_wedge, ring


def wave(shape, cycles) -> np.ndarray:
    """A plane wave with whole numbers of cycles along z, y, x."""
    grids = np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij")
    return np.cos(2 * np.pi * sum(c * g for c, g in zip(cycles, grids, strict=True)))


@pytest.mark.parametrize("plane", PLANES)
def test_a_wave_in_a_plane_stands_at_its_frequency(plane):
    shape = (24, 32, 40)
    cycles = [0, 0, 0]
    for axis, number in zip(PLANES[plane], (5, 7), strict=True):
        cycles[axis] = number
    power = plane_power(wave(shape, cycles), plane)
    rows, columns = (shape[axis] for axis in PLANES[plane])
    peak = np.unravel_index(power.argmax(), power.shape)
    assert tuple(abs(np.array(peak) - (rows // 2, columns // 2))) == (5, 7)


@pytest.mark.parametrize(("plane", "across"), [("ky kx", (4, 0, 0)), ("kz ky", (0, 0, 4))])
def test_a_wave_across_a_plane_is_not_in_it(plane, across):
    seen = plane_power(wave((24, 32, 40), across), plane).sum()
    assert seen < 1e-12 * plane_power(wave((24, 32, 40), (3, 3, 0) if plane == "kz ky" else (0, 3, 3)), plane).sum()


def test_the_spectrum_of_a_volume_is_an_average_of_blocks_in_which_a_wave_keeps_its_frequency():
    shape = (48, 192, 192)
    power = volume_power(wave(shape, (6, 0, 48)))
    assert power.shape == (48, 96, 96)
    peak = np.array(np.unravel_index(power.argmax(), power.shape)) - (24, 48, 48)
    assert tuple(abs(peak)) == (6, 0, 24)  # 48 cycles of 192 pixels are 24 of 96


def test_blocks_average_the_noise_of_a_spectrum():
    noise = np.random.default_rng(0).normal(size=(96, 192, 192))
    power = volume_power(noise)
    # The periodogram of one block scatters by its mean; blocks at a quarter and three quarters overlap by half.
    assert power.std() / power.mean() < 0.75


def test_decades_of_power_end_at_six():
    assert log_power(np.array([0.0, 1e-9, 0.1, 1.0])).tolist() == pytest.approx([-6, -6, -1, 0])
    assert log_power(np.zeros((2, 2))).max() == -6


def test_a_slice_has_no_planes_along_ky():
    with pytest.raises(MendemError, match="axes z, y, x"):
        volume_power(np.zeros((4, 4)))


def test_planes_along_ky_are_missing_as_a_whole_or_not_at_all():
    shape, angles = (32, 48), np.arange(-60, 61, 3.0)
    assert plane_wedge(angles, "ky kx", shape) == []
    (whole,) = plane_wedge(angles, "kz ky", shape)
    assert np.ptp(whole, axis=0) == pytest.approx(shape)
    assert plane_wedge(np.arange(-90, 90, 3.0), "kz ky", shape) == []
    assert len(plane_wedge(angles, "kz kx", shape)) == 2
    # Only steep tilts: the plane of the untilted view is what they miss.
    assert len(plane_wedge(np.r_[60:121:3.0], "ky kx", shape)) == 1


def test_the_line_of_a_tilt_lies_where_nothing_is_missing():
    shape, angles = (64, 64), np.arange(-60, 61, 3.0)
    mask = wedge_mask(angles, shape)
    for angle in (-48, 0, 30):
        (z0, x0), (z1, x1) = plane_tilt(angle, "kz kx", shape)
        places = np.linspace((z0, x0), (z1, x1), 41)[4:-4].round().astype(int)
        assert not mask[tuple(places.T)].any()
    assert np.ptp(plane_tilt(30, "kz ky", shape)[:, 0]) == 0  # along ky


def test_a_ring_is_round_in_frequencies():
    shape = (32, 96)
    circle = (ring(0.25, shape) - (16, 48)) / shape
    assert np.hypot(*circle.T) == pytest.approx(0.25)
