"""The baselines of the tasks must be placed right, or beating them would mean nothing."""

import numpy as np
import pytest

from benchmarks.interpolation import between_rows, magnified


def waves(height, width):
    """Long waves in both directions."""
    y, x = np.mgrid[:height, :width]
    return np.sin(2 * np.pi * y / 61) + np.cos(2 * np.pi * x / 53)


@pytest.mark.parametrize("factors", [(2, 2), (4, 4), (4, 1)])
def test_magnified_means_lie_where_the_blocks_are(factors):
    fy, fx = factors
    truth = waves(128, 128)
    y = truth.reshape(128 // fy, fy, 128 // fx, fx).mean((1, 3))
    for name, image in magnified(y, factors).items():
        assert image.shape == truth.shape
        inner = np.s_[24:-24, 24:-24]
        assert np.abs(image - truth)[inner].max() < 0.04, name  # half a pixel of displacement would be 0.05 and more


def test_rows_between_measured_ones_are_met_and_interpolated():
    truth = waves(65, 40)
    for name, image in between_rows(truth[::4], 4).items():
        assert np.allclose(image[::4], truth[::4]), name
        assert np.abs(image - truth).max() < (0.03 if name == "linear" else 0.002), name


def test_two_rows_are_enough():
    found = between_rows(np.array([[0.0, 1.0], [8.0, 9.0], [0.0, 1.0]]), 8)
    assert all(image.shape == (17, 2) for image in found.values())
