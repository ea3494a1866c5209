"""Ring correlation and power spectrum, against what theory says of Gaussian fields."""

import numpy as np
import pytest

from mendem.appraisal.power_spectrum import decibels, octave_changes, radial_power
from mendem.appraisal.resolution import RingCorrelation, fourier_ring_correlation, pooled_correlation
from mendem.appraisal.rings import Rings
from mendem.errors import MendemError


def field(rng, shape, power):
    """A Gaussian image of a power spectrum that is a function of the radius in cycles per pixel."""
    f = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :])
    return np.fft.ifft2(np.fft.fft2(rng.standard_normal(shape)) * np.sqrt(power(f))).real


def noisy_pair(seed, shape, power, noise):
    rng = np.random.default_rng(seed)
    clean = field(rng, shape, power)
    return tuple(clean + noise * rng.standard_normal(shape) for _ in range(2))


def steep(f):
    return 1 / (1 + (f / 0.05) ** 3)


def test_a_pair_of_known_signal_to_noise_has_the_correlation_of_theory():
    noise = 0.2
    rings = [fourier_ring_correlation(*noisy_pair(seed, (256, 256), steep, noise)) for seed in range(8)]
    expected = steep(rings[0].frequency) / (steep(rings[0].frequency) + noise**2)
    deviation = (1 - expected**2) / np.sqrt(rings[0].count)
    z = (np.mean([r.correlation for r in rings], axis=0) - expected)[5:] / deviation[5:] * np.sqrt(len(rings))
    assert abs(z.mean()) < 0.5 and 0.7 < z.std() < 1.4
    for threshold, value in (("1/7", 1 / 7), ("0.5", 0.5)):
        crossing = 0.05 * ((1 / value - 1) / noise**2 - 1) ** (1 / 3)  # where S / (S + N) is the threshold
        found = [r.resolution(threshold) for r in rings]
        assert np.median(found) == pytest.approx(1 / crossing, rel=0.06)


@pytest.mark.parametrize("shape", [(256, 256), (256, 400)])
@pytest.mark.parametrize("cutoff", [0.2, 0.35])
def test_a_band_limited_pair_ends_at_its_cutoff_whatever_the_shape(shape, cutoff):
    ring = fourier_ring_correlation(*noisy_pair(0, shape, lambda f: (f < cutoff) * 1.0, 0.05), 4.0)
    for threshold in ("1/7", "0.5", "half-bit"):
        assert ring.resolution(threshold) == pytest.approx(4.0 / cutoff, rel=0.05)
    assert ring.frequency[0] == 1 / 256 and ring.frequency[-1] == 0.5


@pytest.mark.parametrize("shape", [(96, 96), (64, 97)])
def test_independent_noises_do_not_correlate_and_scatter_as_the_count_says(shape):
    rng = np.random.default_rng(1)
    rings = [fourier_ring_correlation(*rng.standard_normal((2, *shape))) for _ in range(100)]
    z = np.array([r.correlation for r in rings]) * np.sqrt(rings[0].count)
    assert abs(z.mean()) < 0.1
    assert z[:, 3:].std() == pytest.approx(1.0, abs=0.15)
    # Nothing in common: about as long as the image, or longer.
    assert np.median([r.resolution("half-bit") for r in rings]) > min(shape) / 3


def test_an_image_correlates_with_itself_to_the_end_and_with_its_negative_nowhere():
    x = np.random.default_rng(2).standard_normal((64, 64))
    same = fourier_ring_correlation(x, 3 * x + 7, 2.0)
    np.testing.assert_allclose(same.correlation, 1)
    assert same.resolution() is None and same.words() == "4 nm, as fine as the pixels allow"
    opposite = fourier_ring_correlation(x, -x)
    np.testing.assert_allclose(opposite.correlation, -1)
    assert opposite.words() == "no detail at all" and opposite.resolution() > 64


def test_a_common_gradient_does_not_reach_the_fine_rings():
    """Without a window the jump between opposite borders would correlate up to Nyquist."""
    rng = np.random.default_rng(3)
    ramp = np.linspace(0, 200, 256)[:, None] + np.linspace(0, 100, 256) ** 2 / 100
    ring = fourier_ring_correlation(ramp + rng.standard_normal((256, 256)), ramp + rng.standard_normal((256, 256)))
    assert abs(ring.correlation[30:].mean()) < 0.02


def test_one_dip_is_no_end_and_the_crossing_is_interpolated():
    f = np.arange(1, 33) / 64
    curve = np.clip(1.2 - 2.4 * f, 0, 1)
    curve[5] = -0.2
    ring = RingCorrelation(f, curve, np.full(32, 1e9), 3.0)
    assert ring.resolution("0.5") == pytest.approx(3.0 / (0.7 / 2.4), rel=1e-6)
    assert ring.resolution("half-bit") == pytest.approx(3.0 * 2.4 / (1.2 - 0.2071 / 1.2071), rel=1e-3)
    assert np.all(np.diff(RingCorrelation(f, curve, np.arange(1, 33)).threshold_curve("half-bit")) < 0)
    with pytest.raises(MendemError, match="1/7, 0.5, half-bit"):
        ring.resolution("0.143")


def test_missing_borders_are_cut_and_single_missing_pixels_filled():
    a, b = noisy_pair(0, (160, 128), steep, 0.1)
    cut = fourier_ring_correlation(a[:128], b[:128])
    a[128:] = np.nan
    np.testing.assert_array_equal(fourier_ring_correlation(a, b).correlation, cut.correlation)
    b[60, 60] = np.inf
    assert abs(fourier_ring_correlation(a, b).correlation - cut.correlation)[:20].max() < 0.05
    a[::2, ::2] = b[1::2, ::2] = np.nan
    with pytest.raises(MendemError, match="have no value"):
        fourier_ring_correlation(a, b)
    with pytest.raises(MendemError, match="too few"):
        fourier_ring_correlation(np.full((64, 64), np.nan), np.zeros((64, 64)))
    with pytest.raises(MendemError, match="differ in shape"):
        fourier_ring_correlation(np.zeros((64, 64)), np.zeros((64, 32)))


def test_constant_images_have_no_correlation():
    assert not fourier_ring_correlation(np.full((64, 64), 7), np.full((64, 64), 9)).correlation.any()


def test_pairs_are_pooled():
    pairs = [noisy_pair(seed, (96, 96), steep, 0.5) for seed in range(4)]
    pooled = pooled_correlation(pairs)
    single = [fourier_ring_correlation(*pair) for pair in pairs]
    np.testing.assert_allclose(pooled.count, 4 * single[0].count)
    assert abs(pooled.correlation - np.mean([r.correlation for r in single], axis=0))[3:].max() < 0.1


def test_rings_count_every_frequency_once():
    rings = Rings.of((33, 32))
    f = np.hypot(np.fft.fftfreq(33)[:, None], np.fft.fftfreq(32)[None, :])
    expected = np.bincount(np.rint(f * 32).astype(int).ravel())[1:17]
    half = np.ones((33, 17))
    np.testing.assert_array_equal(rings.sums(half, 32), expected)


def test_the_power_is_that_of_theory_in_squared_intensities():
    rng = np.random.default_rng(5)
    found = [radial_power(field(rng, (128, 192), steep) + 0.2 * rng.standard_normal((128, 192))) for _ in range(6)]
    expected = steep(found[0].frequency) + 0.04
    change = decibels(np.mean([p.power for p in found], axis=0), expected)
    assert abs(change[8:].mean()) < 0.15 and abs(change[8:]).max() < 1.5


def test_octaves_tell_what_a_filter_takes():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((256, 256))
    f = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :])
    y = np.fft.ifft2(np.fft.fft2(x) * np.where(f > 0.25, 0.1, 1.0)).real
    octaves = octave_changes(radial_power(x), radial_power(y))
    assert [(o.low, o.high) for o in octaves[:2]] == [(0.25, 0.5), (0.125, 0.25)]
    assert octaves[0].change == pytest.approx(-20, abs=0.3)
    assert all(abs(o.change) < 0.2 for o in octaves[1:])
    assert radial_power(x).decibels().max() == 0
    assert np.isfinite(decibels(np.zeros(3))).all() and decibels(np.array([1.0]), 10.0) == pytest.approx(-10)
