"""The missing wedge and the image of a point against theory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mendem.errors import MendemError
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import Ellipse, EllipsePhantom, ellipse_phantom
from mendem.tomography.projector import Projector
from mendem.tomography.psf import elongation, point_spread, point_widths
from mendem.tomography.wbp import Wbp
from mendem.tomography.wedge import (
    crowther_resolution_px,
    measured_mask,
    over_volume,
    share,
    slice_power,
    wedge_energy,
    wedge_mask,
)
from mendem.tomography.wedge_shapes import tilt_line, tilt_plane, wedge_polygons, wedge_surface


def radermacher(limit_deg: float) -> float:
    a = np.radians(limit_deg)
    return float(np.sqrt((a + np.sin(a) * np.cos(a)) / (a - np.sin(a) * np.cos(a))))


@pytest.mark.parametrize("shape", [(256, 256), (64, 300)])
@pytest.mark.parametrize("limit", [30, 45, 60, 70])
def test_the_wedge_takes_its_share_of_fourier_space(shape, limit):
    assert share(wedge_mask(np.arange(-limit, limit + 1), shape)) == pytest.approx(1 - limit / 90, rel=0.02)


def test_a_mask_marks_what_the_projections_do_not_hold():
    # Back-projections of any data have their spectrum on the lines of the tilts. In the wedge is what interpolation
    # puts there, and what the taper mixes at the lowest frequencies, where most energy is.
    geometry = SliceGeometry(tuple(np.arange(-60, 61, 1.0)), (128, 128), 128)
    data = torch.from_numpy(ellipse_phantom(128, 128).project(geometry))
    slices = next(Wbp("ramp").iterates(Projector(geometry), data)).numpy()
    mask = wedge_mask(geometry.angles_deg, (128, 128))
    energy, turned = (wedge_energy(slice_power(s), mask) for s in (slices, slices.T))
    assert energy.whitened < 0.03 and turned.whitened > 0.25
    assert energy.missing < 0.1 and turned.missing > 0.25


def test_white_noise_has_the_energy_of_the_area():
    volume = np.random.default_rng(0).normal(size=(64, 20, 96)).astype(np.float32)
    energy = wedge_energy(slice_power(volume), wedge_mask(np.arange(-60, 61), (64, 96)))
    # 20 slices of 4,800 independent frequencies in the disc.
    assert energy.area == pytest.approx(1 / 3, rel=0.02)
    assert energy.missing == pytest.approx(energy.area, rel=0.02)
    assert energy.whitened == pytest.approx(energy.area, rel=0.02)


def test_whitening_takes_low_frequencies_their_weight():
    rng = np.random.default_rng(1)
    spectrum = np.fft.fft2(rng.normal(size=(128, 128)))
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128), indexing="ij"))
    image = np.fft.ifft2(spectrum / (radius + 0.01) ** 2).real  # nearly all energy in a few frequencies
    energy = wedge_energy(slice_power(image), wedge_mask(np.arange(-60, 61), (128, 128)))
    assert energy.whitened == pytest.approx(energy.area, rel=0.05)


def test_tilts_are_bands_of_one_over_the_thickness():
    shape, thickness = (400, 400), 50.0
    one = measured_mask([0.0], shape, thickness)
    # A band of height 1 / 50 across a disc of diameter 1, beside its area π / 4.
    assert share(one) == pytest.approx((1 / thickness) / (np.pi / 4), rel=0.06)
    across = one[:, 200 + 100]
    assert across.sum() == pytest.approx(400 / thickness, abs=1.01)


def test_bands_part_at_the_frequency_of_crowther():
    thickness, step = 100.0, 3.0
    mask = measured_mask(np.arange(-90, 90, step), (600, 600), thickness)
    radius = np.hypot(*np.meshgrid(*[np.arange(-300, 300) / 600] * 2, indexing="ij"))
    limit = 1 / crowther_resolution_px(step, thickness)
    assert mask[radius < 0.97 * limit].all()
    assert not mask[(radius > 1.03 * limit) & (radius < 1.2 * limit)].all()


def test_excluding_a_tilt_takes_its_band_away():
    angles = np.arange(-60, 61, 3.0)
    before, after = (measured_mask(a, (200, 200), 100.0) for a in (angles, angles[angles != 15]))
    assert share(after) < share(before)
    assert not (after & ~before).any()


def test_a_mask_over_a_volume_takes_no_memory():
    mask = over_volume(wedge_mask([-50, 0, 50], (40, 60)), 500)
    assert mask.shape == (40, 500, 60) and mask.strides[1] == 0


@pytest.mark.parametrize("limit", [30, 45, 60, 70, 80])
@pytest.mark.parametrize("step", [1.0, 2.5])
def test_the_elongation_is_that_of_radermacher(limit, step):
    assert elongation(np.arange(-limit, limit + step / 2, step)) == pytest.approx(radermacher(limit), rel=0.02)


def test_the_curvature_of_the_point_spread_has_that_elongation():
    angles, step = np.arange(-60, 61, 2.0), 0.05
    psf = point_spread(angles, np.array([[-step], [0], [step]]), np.array([[-step, 0, step]]))
    along_z, along_x = 2 - psf[0, 1] - psf[2, 1], 2 - psf[1, 0] - psf[1, 2]
    assert psf[1, 1] == pytest.approx(1)
    assert np.sqrt(along_x / along_z) == pytest.approx(radermacher(60), rel=0.02)


def test_a_reconstructed_point_is_as_long_as_theory_says():
    angles = np.arange(-60, 61, 2.0)
    geometry = SliceGeometry(tuple(angles), (101, 101), 101)
    dot = EllipsePhantom((Ellipse(1.0, 0, 0, 3, 3),))
    found = next(Wbp("hann").iterates(Projector(geometry), torch.from_numpy(dot.project(geometry)))).numpy()
    # Curvatures at the middle from parabolas through five points; a round dot and a filter do not change their ratio.
    q = np.arange(-2, 3)
    curvature = [np.polyfit(q, line, 4)[2] for line in (found[50 + q, 50], found[50, 50 + q])]
    assert np.sqrt(curvature[1] / curvature[0]) == pytest.approx(radermacher(60), rel=0.05)


def test_the_reconstruction_of_a_point_is_the_point_spread():
    angles = np.arange(-50, 61, 2.0)
    geometry = SliceGeometry(tuple(angles), (41, 61), 61)
    # A band-limited point, so that pixels and means over them take nothing away.
    place = np.arange(61)[None, :] - geometry.origins[:, None]
    size = 2.5
    shadow = np.exp(-((place / size) ** 2) / 2) * size * np.sqrt(2 * np.pi)
    found = next(Wbp("ramp").iterates(Projector(geometry), torch.from_numpy(shadow.astype(np.float32)))).numpy()
    z, x = np.mgrid[-20:21, -30:31] * 1.0
    fine = np.arange(-9.0, 10.0)  # a step of a pixel is fine enough for what is band-limited
    expected = sum(
        np.exp(-(a**2 + b**2) / (2 * size**2)) * point_spread(angles, z - a, x - b) for a in fine for b in fine
    )
    expected *= np.radians(110) * 0.25
    assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)


def test_all_directions_make_a_round_point():
    widths = point_widths(np.arange(-90, 90, 2.0))
    assert widths.z == pytest.approx(widths.x, rel=1e-3)
    # Half maximum of 2 J1(2 π r c) / (2 π r c), the transform of a disc, is at 2.215 / (2 π c).
    assert widths.x == pytest.approx(2 * 2.2151 / np.pi, rel=5e-3)
    assert elongation(np.arange(-90, 90, 2.0)) == pytest.approx(1.0)


def test_a_single_projection_has_no_end_along_the_beam():
    assert elongation([0.0]) == np.inf and point_widths([0.0]).z == np.inf


def test_lines_and_planes_of_tilts_are_where_their_bands_are():
    shape = (120, 200)
    for angle in (-55.0, 0.0, 30.0, 90.0):
        ends = tilt_line(angle, shape)
        mask = measured_mask([angle], shape, 40.0)
        for part in (0.1, 0.3, 0.7, 0.9):
            z, x = np.rint(ends[0] + part * (ends[1] - ends[0])).astype(int)
            assert mask[z, x]
        plane = tilt_plane(angle, (120, 50, 200))
        assert plane[0] == pytest.approx([ends[0, 0], 0, ends[0, 1]])
        assert plane[2] == pytest.approx([ends[1, 0], 49, ends[1, 1]])


def test_the_surface_of_the_wedge_encloses_its_share():
    angles = np.arange(-60, 61, 3.0)

    def area(outline):
        z, x = outline.T
        return abs(np.dot(z, np.roll(x, 1)) - np.dot(x, np.roll(z, 1))) / 2

    outlines = wedge_polygons(angles, (100, 140))
    assert sum(map(area, outlines)) == pytest.approx(np.pi / 4 * 100 * 140 / 3, rel=0.01)
    vertices, faces = wedge_surface(angles, (100, 30, 140))
    assert len(vertices) == 2 * sum(map(len, outlines)) and faces.max() == len(vertices) - 1
    assert wedge_surface(np.arange(-90, 90, 3.0), (100, 30, 140))[1].shape == (0, 3)


def test_a_constant_tomogram_has_no_energy_to_share():
    with pytest.raises(MendemError, match="constant"):
        wedge_energy(slice_power(np.zeros((20, 20))), wedge_mask([-60, 0, 60], (20, 20)))
    with pytest.raises(MendemError, match="shape"):
        slice_power(np.zeros(20))
    with pytest.raises(MendemError, match="thickness"):
        measured_mask([0.0], (20, 20), 0.0)
