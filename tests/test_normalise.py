"""Normalisation: shift, scale and inversion leave nothing behind."""

import numpy as np
import pytest

from mendem.image import Image
from mendem.normalise import estimate_normalisation


def picture(seed=0, shape=(300, 280)):
    return np.random.default_rng(seed).gamma(3.0, 1.0, shape)


@pytest.mark.parametrize(("factor", "shift"), [(1.0, 1000.0), (255.0, 0.0), (1e-6, 3.0), (-1.0, 0.0), (-40.0, 7.0)])
def test_shift_scale_and_inversion_leave_the_normalised_image_alone(factor, shift):
    x = picture()
    base = estimate_normalisation(Image(x)).apply(x)
    changed = factor * x + shift
    assert np.abs(estimate_normalisation(Image(changed)).apply(changed) - base).max() < 1e-6


def test_undo_returns_the_intensities():
    x = picture()
    norm = estimate_normalisation(Image(x))
    assert np.allclose(norm.undo(norm.apply(x)), x)


def test_hot_pixels_do_not_move_the_normalisation():
    x = picture()
    hot = x.copy()
    hot.ravel()[::2000] = 1e6  # 0.05 % of the pixels
    clean, disturbed = estimate_normalisation(Image(x)), estimate_normalisation(Image(hot))
    # The trimmed fraction moves by a tenth of itself.
    assert abs(disturbed.scale / clean.scale - 1) < 0.02
    assert abs(disturbed.centre - clean.centre) < 0.01 * clean.scale


def test_pixels_that_are_not_finite_are_ignored():
    x = picture()
    x[0, :5] = np.nan
    x[1, :5] = np.inf
    assert np.isfinite(estimate_normalisation(Image(x)).scale)


@pytest.mark.parametrize("value", [0.0, 17.0, 65535.0])
def test_an_image_without_contrast_gets_scale_one(value):
    assert estimate_normalisation(Image(np.full((20, 20), value))).scale == 1.0


def test_a_large_image_is_sampled_in_windows_and_agrees_with_the_whole():
    x = picture(shape=(3000, 3000)).astype(np.float32)
    norm = estimate_normalisation(Image(x))
    inner = x[(x >= np.percentile(x, 0.5)) & (x <= np.percentile(x, 99.5))]
    assert abs(norm.scale / inner.std() - 1) < 0.01
