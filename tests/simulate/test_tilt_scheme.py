"""Tilt schemes: which angles, in which order."""

from __future__ import annotations

import numpy as np
import pytest

from mendem.errors import MendemError
from mendem.simulate.tilt_scheme import TiltScheme, bidirectional, continuous, dose_symmetric, irregular


def acquired(scheme: TiltScheme) -> list[float]:
    return [scheme.angles[scheme.order.index(place)] for place in range(len(scheme.angles))]


def test_a_continuous_scheme_goes_from_end_to_end():
    assert acquired(continuous(-6, 6, 3)) == [-6, -3, 0, 3, 6]


def test_a_bidirectional_scheme_goes_up_from_its_start_and_then_down():
    assert acquired(bidirectional(-6, 6, 3, start=0)) == [0, 3, 6, -3, -6]


def test_a_dose_symmetric_scheme_goes_outwards_on_both_sides():
    assert acquired(dose_symmetric(9, 3)) == [0, 3, -3, 6, -6, 9, -9]
    assert acquired(dose_symmetric(12, 3, group=2)) == [0, 3, 6, -3, -6, 9, 12, -9, -12]


def test_the_stack_of_every_scheme_has_rising_angles_and_each_place_once():
    for scheme in (continuous(), bidirectional(), dose_symmetric(60, 2, 3), irregular(seed=2)):
        assert (np.diff(scheme.angles) > 0).all()
        assert sorted(scheme.order) == list(range(len(scheme.angles)))


def test_an_irregular_scheme_keeps_its_limits_and_loses_tilts():
    scheme = irregular(-51, 69, 3, spread=0.6, lost=0.2, seed=1)
    assert -51 <= scheme.angles[0] < -48 and 66 < scheme.angles[-1] <= 69
    assert len(scheme.angles) < 41
    assert np.std(np.diff(scheme.angles)) > 0.5


def test_angles_beyond_90_degrees_and_limits_the_wrong_way_round_are_refused():
    with pytest.raises(MendemError, match="between -90° and 90°"):
        continuous(-90, 90, 3)
    with pytest.raises(MendemError, match="rising limits"):
        continuous(10, -10, 1)
