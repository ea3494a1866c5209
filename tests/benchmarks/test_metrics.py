"""The figures of the benchmarks, against values that follow from their definitions."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.metrics import affine_fit, climb, coverage, psnr, ssim  # noqa: E402


@pytest.fixture
def picture() -> np.ndarray:
    y, x = np.mgrid[:96, :96]
    return 128 + 60 * np.sin(x / 5.0) * np.cos(y / 7.0)


def test_psnr_of_a_constant_error_follows_from_its_definition(picture):
    assert psnr(picture + 2.55, picture) == pytest.approx(40.0)
    assert psnr(picture, picture) == np.inf


def test_an_affine_change_of_intensities_is_undone_by_the_fit(picture):
    assert np.allclose(affine_fit(3 * picture - 70, picture), picture)
    assert np.allclose(affine_fit(255 - picture, picture), picture)


def test_the_fit_never_makes_the_error_larger(picture):
    noisy = picture + np.random.default_rng(0).normal(0, 20, picture.shape)
    assert psnr(affine_fit(noisy, picture), picture) > psnr(noisy, picture)


def test_ssim_is_one_for_the_truth_and_falls_with_noise(picture):
    rng = np.random.default_rng(0)
    scores = [ssim(picture + rng.normal(0, s, picture.shape), picture) for s in (0.0, 5.0, 20.0)]
    assert scores[0] == pytest.approx(1.0)
    assert scores[0] > scores[1] > scores[2]


def test_gaussian_errors_of_the_stated_spread_are_covered_nine_times_in_ten():
    error = np.random.default_rng(0).normal(0, 3, (400, 400))
    # The standard error of the share is 0.00075.
    assert coverage(error, np.full_like(error, 3.0), np.zeros_like(error)) == pytest.approx(0.90, abs=0.003)
    assert coverage(error, np.full_like(error, 1.5), np.zeros_like(error)) < 0.65


@pytest.mark.parametrize("best", [0.5, 1.0, 1.21, 6.0])
def test_climbing_finds_the_maximum_to_within_a_step(best):
    found, value = climb(lambda s: -((np.log(s) - np.log(best)) ** 2), 1.0, 1.1)
    if abs(np.log(best)) < 12 * np.log(1.1):
        assert abs(np.log(found / best)) <= 0.5 * np.log(1.1) + 1e-9
    assert value == pytest.approx(-((np.log(found) - np.log(best)) ** 2))
