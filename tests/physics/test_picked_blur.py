"""A blur measured at a bead or at an edge: synthetic ones, drawn on five times finer pixels and averaged."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mendem.errors import MendemError
from mendem.physics.picked_blur import psf_from_bead, psf_from_edge

FINE, SIDE = 5, 96
CENTRE = (48.3, 46.8)


def grid():
    """Places (y, x) of the fine pixels about the centre."""
    y, x = (np.mgrid[: SIDE * FINE, : SIDE * FINE] + 0.5) / FINE - 0.5
    return y - CENTRE[0], x - CENTRE[1]


def seen(fine, fwhm, noise):
    """Blurred by a Gaussian of widths (y, x) in pixels, averaged to pixels, on a slanted ground, with noise."""
    widths = np.broadcast_to(fwhm, 2) * FINE / 2.3548
    pixels = gaussian_filter(fine, widths, mode="nearest").reshape(SIDE, FINE, SIDE, FINE).mean((1, 3))
    pixels = pixels / np.ptp(pixels) * 100 + 0.1 * np.arange(SIDE)[:, None]
    return pixels + np.random.default_rng(0).normal(0, noise, pixels.shape)


def bead(fwhm, noise=3.0, diameter=0.5):
    y, x = grid()
    return seen((np.hypot(y, x) <= diameter / 2).astype(float), fwhm, noise)


def edge(fwhm, noise=3.0, angle=20.0, bend=0.01):
    y, x = grid()
    a = np.radians(angle)
    u, v = np.cos(a) * x + np.sin(a) * y, np.cos(a) * y - np.sin(a) * x
    return seen((u > bend * v**2).astype(float), fwhm, noise)


def line(angle, length):
    step = np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))]) * length / 2
    return tuple(CENTRE - step), tuple(CENTRE + step)


@pytest.mark.parametrize("fwhm", [2.0, 3.0, 6.0, 12.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_bead_tells_the_width_of_the_blur(fwhm, sign):
    found = psf_from_bead(sign * bead(fwhm), CENTRE[0] + 1.4, CENTRE[1] - 1.2)
    assert found.fwhm_px == pytest.approx(fwhm, rel=0.1)
    assert abs(found.fwhm_px - fwhm) < 4 * found.std_px + 0.01 * fwhm  # 4: one in 16000 for an error that is normal
    assert found.picture is None and found.confidence == "high"


def test_the_diameter_of_a_bead_is_taken_off():
    wide = bead(4.0, diameter=4.0)
    assert psf_from_bead(wide, *CENTRE).fwhm_px > 1.1 * 4
    assert psf_from_bead(wide, *CENTRE, diameter_px=4.0).fwhm_px == pytest.approx(4.0, rel=0.1)
    with pytest.raises(MendemError, match="no wider than a sharp one"):
        psf_from_bead(bead(1.0, 1.0, diameter=6.0), *CENTRE, diameter_px=8.0)


def test_a_blur_that_is_not_round_is_a_picture_with_its_moments():
    found = psf_from_bead(bead((3.0, 6.0), 1.0), *CENTRE)
    assert found.fwhm_px == pytest.approx(18**0.5, rel=0.1)
    yy, yx, xx = found.spread.moments
    assert (yy**0.5 * 2.3548, xx**0.5 * 2.3548) == (pytest.approx(3, rel=0.1), pytest.approx(6, rel=0.1))
    assert abs(yx) < 0.1 * xx


@pytest.mark.parametrize("fwhm", [2.0, 3.0, 6.0, 12.0])
@pytest.mark.parametrize("angle", [0, 20, 135, 260])
def test_an_edge_tells_the_width_of_the_blur(fwhm, angle):
    ends = line(angle + 15, max(24, 4 * fwhm))  # nobody draws at a right angle, and edges are bent
    found = psf_from_edge(edge(fwhm, angle=angle), *ends)
    assert abs(found.fwhm_px - fwhm) < 0.1 * fwhm
    assert abs(found.fwhm_px - fwhm) < 4 * found.std_px + 0.01 * fwhm


def test_a_line_drawn_backwards_gives_the_same():
    start, end = line(20, 30)
    pixels = edge(4.0)
    assert psf_from_edge(pixels, start, end).fwhm_px == pytest.approx(psf_from_edge(pixels, end, start).fwhm_px)


def test_pixels_that_are_not_finite_are_left_out():
    pixels = edge(4.0)
    pixels[50, 40:52] = np.nan
    assert psf_from_edge(pixels, *line(20, 30)).fwhm_px == pytest.approx(4.0, rel=0.1)
    pixels = bead(4.0)
    pixels[50, 49] = np.inf
    assert psf_from_bead(pixels, *CENTRE).fwhm_px == pytest.approx(4.0, rel=0.1)


def test_the_error_grows_with_the_noise():
    assert psf_from_bead(bead(4.0, 6.0), *CENTRE).std_px > 2 * psf_from_bead(bead(4.0, 2.0), *CENTRE).std_px
    ends = line(20, 30)
    assert psf_from_edge(edge(4.0, 9.0), *ends).std_px > 2 * psf_from_edge(edge(4.0, 3.0), *ends).std_px


@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_nothing_is_found_in_noise(smooth):
    pixels = gaussian_filter(np.random.default_rng(1).normal(size=(SIDE, SIDE)), smooth)
    with pytest.raises(MendemError, match="no bead was found at row 48, column 47"):
        psf_from_bead(pixels, *CENTRE)
    with pytest.raises(MendemError, match="no edge was found on the line"):
        psf_from_edge(pixels, *line(20, 30))


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        (lambda: psf_from_bead(bead(3.0), 300, 4), "inside the image"),
        (lambda: psf_from_bead(bead(3.0), 1, 48), "near the border"),
        (lambda: psf_from_bead(np.zeros((3, 64, 64)), 9, 9), "one slice"),
        (lambda: psf_from_edge(edge(3.0), (40, 40), (42, 42)), "at least 6 px"),
        (lambda: psf_from_edge(edge(3.0), (48, 80), (48, 180)), "leaves the image"),
        (lambda: psf_from_edge(edge(12.0, 2.0), *line(20, 14)), "no edge|wide"),
        (lambda: psf_from_edge(np.full((64, 64), 7.0), (20, 20), (20, 50)), "no edge"),
        (lambda: psf_from_bead(np.full((64, 64), 7.0), 30, 30), "no bead"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_reason(measure, said):
    with pytest.raises(MendemError, match=said):
        measure()
