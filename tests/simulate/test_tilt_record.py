"""Simulated tilt series: geometry, contrast transfer, dose, and the truth that they state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.physics.ctf import ContrastTransfer
from mendem.simulate.tilt_beam import DarkField, PhaseContrast, interaction
from mendem.simulate.tilt_record import Stage, record, true_alignment
from mendem.simulate.tilt_scheme import TiltScheme, continuous, dose_symmetric

STILL = Stage(jitter_px=0, gain_drift=0, background_drift=0)
SHARP = DarkField(probe_nm=0, background=0)


def volume(data: np.ndarray, voxel_nm: float = 1.0) -> Image:
    return Image(data.astype(np.float32), ("z", "y", "x"), VoxelSize((voxel_nm,) * 3, "nm"))


def ball(shape, centre, radius=2.5) -> np.ndarray:
    away = np.sqrt(sum((g - c) ** 2 for g, c in zip(np.ogrid[tuple(slice(n) for n in shape)], centre, strict=True)))
    return np.clip(radius - away + 0.5, 0, 1)


def test_a_ball_is_seen_where_the_tilt_series_says():
    """In tilt k a point lies at c + shift + R (y, x cos t + z sin t), whatever axis and jitter."""
    shape, at = (32, 48, 48), np.array([22.0, 17.0, 30.0])
    stage = Stage(axis_angle_deg=20, axis_error_deg=1, jitter_px=1.5, gain_drift=0, background_drift=0)
    series = true_alignment(
        record(volume(ball(shape, at)), continuous(-60, 60, 20), SHARP, stage=stage, noise=False, seed=3)
    )
    assert series.axis_angle == 21 and series.aligned
    z, y, x = at - (np.array(shape) - 1) / 2
    for frame, angle, transform in zip(series.image.data, np.radians(series.angles), series.transforms, strict=True):
        seen = np.array(ndimage.center_of_mass(frame)) - 23.5
        aligned = transform[:, :2] @ seen + transform[:, 2]
        # A pixel's interpolation by cubic splines and the projector's eighths of a pixel.
        assert aligned == pytest.approx([y, x * np.cos(angle) + z * np.sin(angle)], abs=0.1)


def test_every_tilt_of_an_isolated_object_has_the_same_mass():
    series = record(
        volume(ball((32, 48, 48), (18, 20, 25), 5)), continuous(-60, 60, 15), SHARP, stage=STILL, noise=False
    )
    mass = series.image.data.sum((1, 2))
    assert mass == pytest.approx(np.full(len(mass), mass[0]), rel=1e-3)


def test_a_slab_seen_obliquely_is_thicker_by_one_over_the_cosine():
    series = record(
        volume(np.ones((12, 24, 24))), continuous(-60, 60, 30), SHARP, stage=STILL, surroundings=True, noise=False
    )
    middle = series.image.data[:, 12, 12]
    assert middle / middle[2] == pytest.approx(1 / np.cos(np.radians(series.angles)), rel=0.01)


def test_a_weak_phase_has_the_contrast_of_the_ctf():
    beam = PhaseContrast(defocus_um=1.5, envelope_nm=0, gradient=False)
    rng = np.random.default_rng(0)
    potential = rng.standard_normal((64, 64)) * 0.01
    seen = beam.image(potential, 1.0, 0.0, np.zeros((64, 64)))
    optics = ContrastTransfer(1500, beam.kv, beam.cs_mm, beam.amplitude, 0, 0, 0, 1.0)
    frequencies = np.fft.fftfreq(64)
    transfer = optics.transfer(frequencies[:, None], frequencies[None]) * optics.strength
    transfer[0, 0] = 0
    expected = np.fft.ifft2(-2 * transfer * np.fft.fft2(interaction(300) * potential)).real
    # exp((i - tan) phase) has sqrt(1 + tan²) of the contrast, 0.3 % more; the square of the phase is of order 1e-4.
    assert np.abs(seen - 1 - expected).max() < 0.01 * np.abs(expected).max()


def test_the_interaction_constant_is_that_of_the_textbooks():
    """0.00653 rad / (V nm) at 300 kV and 0.00729 at 200 kV (Kirkland, Advanced Computing in Electron Microscopy)."""
    assert interaction(300) == pytest.approx(0.00653, abs=1e-5)
    assert interaction(200) == pytest.approx(0.00729, abs=1e-5)


def test_focus_follows_a_tilted_specimen():
    """A quarter of the width from the axis, the image is that of the focus there."""
    rng = np.random.default_rng(1)
    potential = ndimage.gaussian_filter(rng.standard_normal((64, 512)), 1)
    u = np.broadcast_to(np.arange(512) - 255.5, (64, 512))
    tilted = PhaseContrast(defocus_um=2).image(potential, 1.0, 60.0, u)
    errors = []
    for defocus_nm in (2000, 2000 + 128 * np.tan(np.pi / 3), 2000 - 128 * np.tan(np.pi / 3)):
        flat = PhaseContrast(defocus_um=defocus_nm / 1e3, gradient=False).image(potential, 1.0, 60.0, u)
        errors.append(float(np.abs(flat - tilted)[:, 380:387].max()))
    assert errors[1] < 0.2 * min(errors[0], errors[2])


def test_counts_are_poisson_of_dose_area_and_ice():
    ice = PhaseContrast(mean_free_path_nm=310, thickness_nm=100)
    series = record(volume(np.zeros((16, 64, 64)), 0.5), continuous(-60, 60, 60), ice, dose=2.0, stage=STILL, seed=1)
    expected = 2.0 * 25 * np.exp(-100 / 310 / np.cos(np.radians(series.angles)))
    frames = series.image.data
    # 4096 pixels: four standard errors of the mean, and of the variance.
    for frame, mean in zip(frames, expected, strict=True):
        assert frame.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / 4096))
        assert frame.var() == pytest.approx(mean, rel=4 * np.sqrt(2 / 4096) + 0.02)
    assert series.dose == (2.0,) * 3


def test_gain_and_background_of_each_tilt_are_stated_and_undone_by_it():
    data = ball((24, 32, 32), (12, 15, 16), 5)
    stage = Stage(jitter_px=0, gain_drift=0.2, background_drift=0.1)
    still, drifted = (
        record(volume(data), dose_symmetric(30, 10), SHARP, stage=s, noise=False, seed=5).image for s in (STILL, stage)
    )
    truth = drifted.metadata["truth"]
    gains, backgrounds = np.array(truth["gains"]), np.array(truth["backgrounds"])
    assert np.ptp(gains) > 0.1 and gains[3] == 1  # 0° is taken first
    undone = (drifted.data - backgrounds[:, None, None]) / gains[:, None, None]
    assert undone == pytest.approx(still.data, abs=1e-4 * float(still.data.max()))


def test_haadf_counts_are_the_projection_times_the_stated_factor():
    data = ball((24, 32, 32), (12, 15, 16), 5)
    series = record(volume(data, 0.5), TiltScheme((0.0,), (0,)), SHARP, stage=STILL, noise=False)
    factor = series.image.metadata["truth"]["counts_per_brightness_nm"]
    assert series.image.data[0] == pytest.approx(factor * 0.5 * data.sum(0), rel=1e-4, abs=1e-4)


def test_a_series_states_what_a_microscope_would_and_keeps_the_rest_as_truth():
    stage = Stage(axis_angle_deg=84, axis_error_deg=-1, jitter_px=2)
    series = record(volume(ball((24, 32, 32), (12, 15, 16), 5)), dose_symmetric(30, 10), PhaseContrast(), stage=stage)
    assert not series.aligned and series.axis_angle == 84 and series.order == dose_symmetric(30, 10).order
    assert series.image.metadata["tilts"]["angles_deg"] == series.angles
    assert series.image.metadata["truth"]["axis_angle_deg"] == 83
    assert np.std(series.image.metadata["truth"]["shifts_px"]) > 0.5


def test_the_same_seed_gives_the_same_series():
    data = volume(ball((16, 32, 32), (8, 15, 16), 4))
    first, again, other = (record(data, continuous(-30, 30, 30), PhaseContrast(), seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.image.data, again.image.data)
    assert not np.array_equal(first.image.data, other.image.data)


def test_the_edge_of_an_image_knows_nothing_of_the_opposite_edge():
    """A strong object at one border leaves the other border alone, whatever the lens spreads."""
    data = np.zeros((16, 48, 48))
    data[6:10, 20:28, -4:] = 20.0
    beam = PhaseContrast(defocus_um=4, mean_free_path_nm=1e9)
    with_, without = (
        record(volume(d, 0.7), TiltScheme((0.0,), (0,)), beam, stage=STILL, noise=False).image.data[0]
        for d in (data, 0 * data)
    )
    change = np.abs(with_ / with_[:, 8:24].mean() - without / without.mean())
    assert change[:, -8:].max() > 0.05
    assert change[:, :8].max() < 0.1 * change[:, -8:].max()


def test_what_cannot_be_recorded_is_refused():
    data = volume(np.zeros((8, 16, 16)))
    with pytest.raises(MendemError, match="voxel size"):
        record(replace(data, voxel_size=VoxelSize.unknown(3)), continuous(), SHARP)
    with pytest.raises(MendemError, match="not finite"):
        record(volume(np.full((8, 16, 16), np.nan)), continuous(), SHARP)
    with pytest.raises(MendemError, match="dose"):
        record(data, continuous(), SHARP, dose=0)
    with pytest.raises(MendemError, match="not negative"):
        Stage(jitter_px=-1)
    with pytest.raises(MendemError, match="not simulated here"):
        true_alignment(
            replace(
                record(data, continuous(0, 6, 3), PhaseContrast()), image=Image(np.zeros((3, 4, 4)), ("tilt", "y", "x"))
            )
        )
