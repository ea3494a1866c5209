"""Gaussian noise spectra by their correlation between neighbours."""

import numpy as np
import pytest

from mendem.physics.noise_spectrum import FREQUENCY, SHARE, gaussian_spectrum


@pytest.mark.parametrize("rho", [(0.0, 0.0), (0.3, 0.7), (0.05, 0.9)])
def test_the_spectrum_has_the_correlation_and_a_mean_of_one(rho):
    spectrum = np.asarray(gaussian_spectrum(*rho))
    shares = np.outer(SHARE, SHARE)
    cosine = np.cos(2 * np.pi * FREQUENCY)
    assert (shares * spectrum).sum() == pytest.approx(1)
    assert (shares * spectrum * cosine[:, None]).sum() == pytest.approx(rho[0], abs=0.01)
    assert (shares * spectrum * cosine).sum() == pytest.approx(rho[1], abs=0.01)


def test_a_negative_correlation_is_taken_for_none():
    assert np.allclose(gaussian_spectrum(-0.2, 0.0), 1)
