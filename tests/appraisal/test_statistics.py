"""The numbers that describe a restored window."""

from __future__ import annotations

import numpy as np
import pytest

from mendem.appraisal.statistics import BANDS, NAMES, l_moments, statistics

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("draws", "second", "skewness", "kurtosis"),
    [  # Hosking 1990, table 1
        (RNG.uniform(size=40000), 1 / 6, 0.0, 0.0),
        (RNG.standard_normal(40000), 1 / np.sqrt(np.pi), 0.0, 0.1226),
        (RNG.exponential(size=40000), 1 / 2, 1 / 3, 1 / 6),
    ],
)
def test_l_moments_of_known_distributions(draws, second, skewness, kurtosis):
    found = l_moments(draws[None].astype(np.float32))
    assert [float(f[0]) for f in found] == pytest.approx([second, skewness, kurtosis], abs=0.01)


def test_a_constant_row_has_no_shape():
    assert [float(f[0]) for f in l_moments(np.full((1, 50), 3.0, np.float32))] == pytest.approx([0, 0, 0], abs=1e-6)


def texture(size=128, seed=1):
    rng = np.random.default_rng(seed)
    return np.cumsum(np.cumsum(rng.standard_normal((1, size, size)), 1), 2).astype(np.float32) / size


def test_brightness_changes_nothing_and_contrast_only_the_power():
    mean, std = texture(), 0.1 + 0.01 * np.abs(texture(seed=2))
    before, brighter, stronger = statistics(mean, std), statistics(mean + 5, std), statistics(3 * mean, std)
    assert brighter == pytest.approx(before, abs=2e-3)
    powers = len(BANDS) - 1
    assert stronger[0, powers:] == pytest.approx(before[0, powers:], abs=2e-3)
    assert stronger[0, 0] == pytest.approx(before[0, 0] + 2 * np.log(3), abs=1e-3)


def test_inverted_contrast_changes_the_sign_of_spots_alone():
    mean, std = np.exp(texture()), 0.1 + 0.01 * np.abs(texture(seed=2))
    before, after = statistics(mean, std)[0], statistics(-mean, std)[0]
    signs = np.array([name.startswith("sign") for name in NAMES])
    assert after[~signs] == pytest.approx(before[~signs], abs=2e-3)
    assert after[signs] == pytest.approx(-before[signs], abs=2e-3)


def test_each_band_sees_its_own_wave():
    y = np.arange(128)[:, None]
    std = 0.1 + 0.01 * np.abs(texture())
    for band, (low, high) in enumerate(zip(BANDS[1:-1], BANDS[2:], strict=True), start=1):
        wave = np.sin(2 * np.pi * y * (low + high) / 2) * np.ones((1, 1, 128))
        assert int(np.argmax(statistics(wave, std)[0, : len(BANDS) - 1])) == band
