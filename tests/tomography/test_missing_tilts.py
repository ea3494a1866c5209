"""Which tilts a series lacks, and the series that has them."""

from __future__ import annotations

import numpy as np
import pytest

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.tomography.missing_tilts import Completion, missing_tilts
from mendem.tomography.tilt_series import TiltSeries


def test_tilts_go_on_at_the_spacing_of_the_series_up_to_the_limit() -> None:
    angles = range(-60, 61, 3)
    wanted = (*range(-90, -60, 3), *range(63, 91, 3))
    assert missing_tilts(angles) == wanted
    assert missing_tilts(angles, 70) == (-69, -66, -63, 63, 66, 69)


def test_one_sided_and_irregular_series_go_on_from_their_own_ends() -> None:
    angles = [-41.3, -38.1, -35.2, -32.0, -29.1, -26.0, -22.9]
    found = missing_tilts(angles, 60)
    # The median step is 3.1; the range is left at both ends.
    assert found[:6] == pytest.approx([-59.9, -56.8, -53.7, -50.6, -47.5, -44.4])
    assert found[6] == pytest.approx(-19.8) and found[-1] == pytest.approx(-22.9 + 3.1 * 26)


def test_wide_gaps_are_filled_evenly_and_single_lost_tilts_are_not() -> None:
    angles = [a for a in range(-60, 61, 2) if a not in (10, 30, 32, 34, 36, 38)]
    inside = [a for a in missing_tilts(angles) if -60 < a < 60]
    assert inside == [30, 32, 34, 36, 38]


def test_what_lies_beyond_90_degrees_was_measured_as_its_mirror() -> None:
    assert missing_tilts(range(-30, 151, 3)) == ()
    assert missing_tilts(range(0, 121, 3)) == tuple(range(-57, 0, 3))


@pytest.mark.parametrize("limit", [0, -5, 91, float("nan")])
def test_limits_that_are_none_are_refused(limit: float) -> None:
    with pytest.raises(MendemError, match="limit"):
        missing_tilts(range(-60, 61, 3), limit)


def _series() -> TiltSeries:
    """Dose-symmetric, with an excluded tilt, shifts, an offset and distortions."""
    size = VoxelSize((None, 1.0, 1.0))
    image = Image(np.zeros((5, 4, 6), np.int16), ("tilt", "y", "x"), size, source="ts")
    return TiltSeries(
        image,
        (0, 30, -30, 60, -60),
        offset=2.0,
        shifts=((0, 1), (1, 2), (2, 2), (9, 9), (1.4, 2)),
        excluded=(3,),
        dose=(1, 2, 3, 4, 5),
        order=(0, 1, 2, 3, 4),
        distortions=tuple(((1.01, 0), (0, 1)) for _ in range(5)),
    )


def test_a_completed_series_is_in_rising_order_and_knows_what_each_tilt_is() -> None:
    completion = Completion(_series(), (62.0, 88.0, -88.0))
    assert [t.angle for t in completion.tilts] == [-88, -58, -28, 2, 32, 62, 62, 88]
    assert completion.flags == ("generated", *("measured",) * 4, "excluded", "generated", "generated")
    assert [t.source for t in completion.tilts] == [2, 4, 2, 0, 1, 3, 0, 1]
    assert completion.record()[5] == {"angle": 62.0, "flag": "excluded", "source": 3}


def test_a_completed_series_keeps_what_is_known_of_measured_tilts() -> None:
    completion = Completion(_series(), (62.0, 88.0, -88.0))
    whole = completion.completed(np.zeros((8, 4, 6), np.int16))
    assert whole.true_angles == pytest.approx([-88, -58, -28, 2, 32, 62, 62, 88])
    assert whole.excluded == (5,)
    # The median of the used shifts is (1.2, 2); generated tilts lie at whole pixels.
    assert whole.shifts == ((1, 2), (1.4, 2), (2, 2), (0, 1), (1, 2), (9, 9), (1, 2), (1, 2))
    assert whole.dose == (0, 5, 3, 1, 2, 4, 0, 0)
    assert whole.distortions is not None and whole.distortions[0] == ((1, 0), (0, 1))
    assert whole.distortions[1] == ((1.01, 0), (0, 1)) and whole.order is None
    assert whole.notes == ("3 tilts of this stack were generated, not measured.",)


def test_excluded_tilts_in_the_wedge_are_generated_at_their_own_angles() -> None:
    excluded = (-88.3, -75.1, -64.4, 0.7, 63.2, 89.9)
    found = missing_tilts(range(-60, 61, 3), 89, excluded)
    assert set(excluded) & set(found) == {-88.3, -75.1, -64.4, 63.2}  # not inside the range, nor beyond the limit
    assert found[:6] == (-88.3, -84.0, -81.0, -78.0, -75.1, -72.0)
    assert np.diff([a for a in found if a < 0]).min() >= 1.5  # half a step
