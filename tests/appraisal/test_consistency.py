"""The whitened residual, where the posterior is known in closed form."""

import numpy as np
import pytest

from mendem import Image
from mendem.appraisal.consistency import EDGES, residual_bands
from mendem.physics.noise import NoiseModel
from mendem.provenance import asdict_plain
from mendem.restoration import Restoration

SIDE = 300


def spectrum_of(sigma):
    """A Gaussian noise spectrum of mean 1 on the grid of the noise model, and the model."""
    f = np.arange(9) / 16
    power = np.exp(-((2 * np.pi * sigma) ** 2) * (f[:, None] ** 2 + f[None, :] ** 2))
    once = np.r_[0.5, np.ones(7), 0.5] / 8
    return NoiseModel(offset=0.25, spectrum=tuple(map(tuple, power / (once @ power @ once))))


def field(rng, power):
    return np.fft.ifft2(np.fft.fft2(rng.standard_normal(power.shape)) * np.sqrt(power)).real


@pytest.fixture(params=[NoiseModel(offset=0.25), spectrum_of(0.5)], ids=["white", "correlated"])
def problem(request):
    """Smooth Gaussian images in Gaussian noise: data, posterior mean, a sample, the noise's share that is removed."""
    rng = np.random.default_rng(0)
    noise = request.param
    f_y, f_x = np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None, :]
    signal = 1 / (1 + ((f_y**2 + f_x**2) / 0.01) ** 2)
    added = 0.25 * noise.spectrum_at(f_y, f_x)
    clean = field(rng, signal)
    y = clean + field(rng, added)
    gain = signal / (signal + added)
    mean = np.fft.ifft2(gain * np.fft.fft2(y)).real
    return noise, y, mean, mean + field(rng, gain * added), np.hypot(f_y, f_x), 1 - gain


def test_a_sample_of_the_posterior_has_power_one_in_every_band(problem):
    noise, y, _, sample, *_ = problem
    bands = residual_bands(y, sample, noise)
    assert [b.high for b in bands] == list(EDGES)
    assert [b.power for b in bands] == pytest.approx([1.0] * len(EDGES), abs=0.08)


def test_the_mean_leaves_out_what_the_data_do_not_tell(problem):
    noise, y, mean, _, radius, removed = problem
    for band in residual_bands(y, mean, noise):
        inside = (radius > band.low) & (radius <= band.high)
        assert band.power == pytest.approx(removed[inside].mean(), abs=0.08)


def test_structure_that_was_removed_shows_in_its_band(problem):
    noise, y, mean, *_ = problem
    x = np.arange(SIDE)
    stripes = 0.3 * np.sin(2 * np.pi * 0.3 * x)[None, :]
    before, after = (residual_bands(y, m, noise) for m in (mean, mean - stripes))
    assert after[2].power > 1.2 > before[2].power
    assert after[0].power == pytest.approx(before[0].power, abs=0.02)


def test_nothing_is_said_without_noise_or_where_nothing_was_measured():
    y = np.zeros((100, 100))
    assert residual_bands(y, y, NoiseModel(offset=0.0)) == []
    assert residual_bands(y[:20], y[:20], NoiseModel(offset=1.0)) == []
    assert residual_bands(np.full_like(y, np.nan), y, NoiseModel(offset=1.0)) == []


def test_a_restoration_tells_the_bands_of_its_middle_slice(problem):
    noise, y, mean, *_ = problem
    stack, nothing = np.stack([0 * y, mean, 0 * y]).astype(np.float32), np.zeros((3, SIDE, SIDE), np.float32)
    residual = Image(np.stack([0 * y, y, 0 * y]).astype(np.float32) - stack)
    record = {"noise": asdict_plain(noise)}
    found = Restoration(Image(stack), Image(nothing), (), residual, record, False, 1.0, ()).bands
    expected = residual_bands(y, mean, noise)
    assert [b.power for b in found] == pytest.approx([b.power for b in expected], rel=1e-4)
