"""Point-spread functions: agreement with other code and with closed forms, and clear refusals."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mendem.errors import MendemError
from mendem.physics.ctf import wavelength_nm
from mendem.physics.point_spread import PointSpread, parse_point_spread


def blurred(spread, x):
    return np.fft.irfft2(np.fft.rfft2(x) * spread.transfer(x.shape), s=x.shape)


@pytest.fixture
def picture():
    return np.random.default_rng(0).normal(size=(64, 50))


def test_a_gaussian_is_that_of_scipy(picture):
    expected = gaussian_filter(picture, 6 / 2.354820045, mode="wrap", truncate=8)
    assert np.abs(blurred(PointSpread.gaussian(6.0), picture) - expected).max() < 1e-6


@pytest.mark.parametrize("sides", [(21, 21), (21, 16)])
def test_a_picture_of_a_gaussian_is_centred_and_blurs_alike(picture, sides):
    y, x = (np.arange(n) - (n - 1) / 2 for n in sides)
    kernel = np.exp(-(y[:, None] ** 2 + x[None] ** 2) / 8)
    found = PointSpread.from_kernel(kernel)
    assert np.abs(blurred(found, picture) - gaussian_filter(picture, 2, mode="wrap")).max() < 0.01
    assert found.moments[0] == pytest.approx(4, rel=0.01) and abs(found.moments[1]) < 1e-9


@pytest.mark.parametrize("text", ["gaussian:5px", "disc:7px", "motion:9px@30"])
def test_the_moments_are_those_of_the_transfer(text):
    spread = parse_point_spread(text, None)
    step = 1e-3
    shape = (1000, 1000)
    transfer = spread.transfer(shape)
    yy = -2 * (transfer[1, 0] - 1) / (2 * np.pi * step) ** 2
    xx = -2 * (transfer[0, 1] - 1) / (2 * np.pi * step) ** 2
    assert (yy, xx) == (
        pytest.approx(spread.moments[0], rel=2e-3),
        pytest.approx(spread.moments[2], rel=2e-3),
    )


def test_the_same_blur_on_other_pixels():
    coarse, fine = PointSpread.gaussian(6.0).binned(2), PointSpread.gaussian(6.0).binned(0.5)
    assert np.allclose(coarse.transfer((32, 32)), PointSpread.gaussian(3.0).transfer((32, 32)))
    assert np.allclose(fine.transfer((32, 32)), PointSpread.gaussian(12.0).transfer((32, 32)))


def test_a_length_in_nm_follows_the_pixel_size():
    assert parse_point_spread("gaussian:12nm", 4.0).size == 3
    with pytest.raises(MendemError, match="pixel size of the image is unknown"):
        parse_point_spread("gaussian:12nm", None)


def test_contrast_transfer_has_its_zeros_where_theory_puts_them():
    optics = parse_point_spread("ctf:defocus=1000nm,kv=300,cs=0,amplitude=0", 0.5).optics
    first_zero = np.sqrt(1 / (wavelength_nm(300) * 1000)) * 0.5  # cycles per pixel
    near = optics.transfer(np.zeros(2), np.array([0.99, 1.01]) * first_zero)
    assert near[0] > 0 > near[1] and optics.transfer(np.zeros(1), np.zeros(1))[0] == 1
    assert wavelength_nm(300) == pytest.approx(0.00196875, rel=1e-4)


@pytest.mark.parametrize(
    "text", ["gaussian", "gaussian:6", "disc:-3px", "motion:8px", "box:3px", "gaussian:0px", "ctf:kv=200", "ctf:x=1"]
)
def test_what_is_not_understood_is_refused_with_an_example_or_a_reason(text):
    with pytest.raises(MendemError):
        parse_point_spread(text, 1.0)


@pytest.mark.parametrize("picture", [np.ones((5, 5)), np.full((5, 5), np.nan), np.eye(200)])
def test_what_is_no_picture_of_a_point_is_refused(picture):
    with pytest.raises(MendemError, match="point-spread function"):
        PointSpread.from_kernel(picture)
