"""Agreement inside a region of Fourier space, where it follows from the definitions."""

from __future__ import annotations

import numpy as np
import pytest

from mendem.appraisal.fourier_region import in_region, part_in_region, without_margin
from mendem.errors import MendemError
from mendem.tomography.wedge import wedge_mask

SHAPE = (32, 12, 40)
WEDGE = wedge_mask(np.arange(-60, 61, 3), (32, 40))


def noise(seed):
    return np.random.default_rng(seed).normal(size=SHAPE)


def test_a_tomogram_that_is_empty_in_the_wedge_has_the_error_one_and_no_power():
    truth = noise(0)
    empty = truth - part_in_region(truth, WEDGE)
    found = in_region(empty, truth, without_margin(WEDGE))
    assert found.error == pytest.approx(1.0) and found.power == pytest.approx(0.0, abs=1e-20)
    assert in_region(truth, truth, WEDGE).error == pytest.approx(0.0, abs=1e-20)


def test_what_lies_outside_of_the_region_does_not_count():
    truth = noise(0)
    other = truth + 5 * (noise(1) - part_in_region(noise(1), WEDGE))
    # Frequencies at the edge of an even spectrum count half: the margin leaves them out.
    assert in_region(other, truth, without_margin(WEDGE)).error < 1e-6


def test_half_of_the_truth_has_a_quarter_of_its_power_and_error_and_correlates_fully():
    truth = noise(0)
    found = in_region(truth / 2, truth, WEDGE)
    assert found.error == pytest.approx(0.25) and found.power == pytest.approx(0.25)
    filled = found.correlation[np.isfinite(found.correlation)]
    assert len(filled) > 20 and filled == pytest.approx(np.ones(len(filled)))
    assert found.reach == pytest.approx(found.frequency[-1])


def test_independent_noise_does_not_correlate_and_has_twice_the_error():
    found = in_region(noise(0), noise(1), WEDGE)
    assert found.error == pytest.approx(2.0, rel=0.1)
    # Some 150 independent coefficients in a shell: a standard deviation of 0.08.
    assert np.abs(found.correlation[12:]).max() < 0.3
    assert found.reach < 0.1


def test_the_reach_is_where_noise_takes_over():
    truth = noise(0)
    k = np.sqrt(sum(np.meshgrid(*(np.fft.fftfreq(n) ** 2 for n in SHAPE), indexing="ij")))
    # Below 0.25 cycles per voxel equal, beyond independent.
    mixed = np.fft.ifftn(np.where(k < 0.25, np.fft.fftn(truth), np.fft.fftn(noise(1)))).real
    assert in_region(mixed, truth, np.ones((32, 40), bool)).reach == pytest.approx(0.25, abs=0.03)


def test_a_margin_is_taken_off_every_border():
    inner = without_margin(WEDGE)
    assert inner.sum() < WEDGE.sum() and not (inner & ~WEDGE).any()
    z, x = np.argwhere(inner).T
    for dz in (-1, 0, 1):
        for dx in (-1, 0, 1):
            assert WEDGE[z + dz, x + dx].all()


def test_shapes_that_do_not_fit_and_an_empty_truth_are_refused():
    with pytest.raises(MendemError, match="compared"):
        in_region(noise(0), noise(0)[:, :, :-1], WEDGE)
    with pytest.raises(MendemError, match="nothing"):
        in_region(noise(0), np.zeros(SHAPE), WEDGE)
