"""The tilt series itself: conventions, what is refused, what is derived."""

import numpy as np
import pytest

from mendem.errors import MendemError
from mendem.image import Image
from mendem.tomography.tilt_series import TiltSeries


def series(angles, shape=(8, 10), **about):
    image = Image(np.zeros((len(angles), *shape), np.float32), ("tilt", "y", "x"), source="ts.mrc")
    return TiltSeries(image, tuple(angles), **about)


def test_used_tilts_are_sorted_by_angle_and_excluded_ones_do_not_count():
    tilts = series([0, 3, -3, 6, -60], excluded=(4,))
    assert tilts.used == (2, 0, 1, 3)
    assert tilts.limits == (-3, 6)
    assert tilts.largest_gap == 3
    assert tilts.excluding([3]).limits == (-3, 3)
    assert tilts.excluding([3]).excluded == (3, 4)


def test_the_offset_is_added_to_the_angles():
    tilts = series([-60, 0, 60], offset=-8.0)
    assert tilts.true_angles == (-68, -8, 52)
    assert tilts.limits == (-68, 52)
    assert tilts.with_angles([-50, 0, 50]).limits == (-58, 42)


def test_a_single_tilt_has_no_gap():
    assert series([3]).largest_gap == 0


def test_alignment_brings_the_axis_upright_and_the_middle_of_the_specimen_to_the_middle():
    # With an axis angle of 30 degrees the axis points to (x, y) = (-sin 30, cos 30): counterclockwise from y.
    tilts = series([0, 10], axis_angle=30.0, shifts=((2.0, -5.0), (0.0, 1.0)))
    along = np.array([np.cos(np.pi / 6), -np.sin(np.pi / 6)])  # (y, x)
    for transform, shift in zip(tilts.transforms, tilts.shifts, strict=True):
        matrix, moved = transform[:, :2], transform[:, 2]
        assert matrix @ along == pytest.approx([1, 0], abs=1e-12)
        assert matrix @ np.array(shift) + moved == pytest.approx([0, 0], abs=1e-12)


def test_transforms_come_back_as_they_were_given():
    rng = np.random.default_rng(0)
    angle = np.radians(85.3 + rng.normal(0, 0.5, 5))
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    given = np.concatenate([turned * rng.normal(1, 0.01, (5, 1, 1)), rng.normal(0, 20, (5, 2, 1))], axis=2)
    aligned = series([-6, -3, 0, 3, 6]).with_transforms(given)
    assert aligned.transforms == pytest.approx(given, abs=1e-9)
    assert aligned.axis_angle == pytest.approx(np.degrees(angle).mean(), abs=0.01)


def test_a_series_is_aligned_once_shifts_are_known_or_it_is_said_to_be():
    plain = series([0, 3], axis_angle=80.0)
    assert not plain.aligned
    assert series([0, 3], shifts=((0, 0), (0, 0.5))).aligned
    assert series([0, 3], aligned=True).aligned
    assert plain.with_transforms(plain.transforms).aligned


def test_an_alignment_with_one_axis_has_no_distortions():
    before = series([-3, 0, 3], axis_angle=-95.4, shifts=((1, 2), (3, 4), (-5, 6)))
    after = series([-3, 0, 3]).with_transforms(before.transforms)
    assert after.distortions is None
    assert after.axis_angle == pytest.approx(-95.4)
    assert np.array(after.shifts) == pytest.approx(np.array(before.shifts))


def test_excluded_tilts_do_not_count_for_the_axis():
    given = series([-3, 0, 3], axis_angle=80.0).transforms.copy()
    given[1] = np.eye(2, 3)
    aligned = series([-3, 0, 3], excluded=(1,)).with_transforms(given)
    assert aligned.axis_angle == pytest.approx(80)
    assert aligned.distortions is None


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"angles": (0, 1)}, "has 3 tilts and 2 angles"),
        ({"shifts": ((0, 0),)}, "has 3 tilts and 1 shifts"),
        ({"dose": (3.0,)}, "has 3 tilts and 1 dose"),
        ({"angles": (0, float("nan"), 3)}, "tilt 1 has angles that are not finite"),
        ({"angles": (0, 3, 190)}, "tilt 2 has the angle 190°, beyond ±180°"),
        ({"offset": 200.0}, "beyond ±180°"),
        ({"axis_angle": float("inf")}, "finite numbers of degrees"),
        ({"excluded": (3,)}, "tilt 3 cannot be excluded"),
        ({"excluded": (-1,)}, "tilt -1 cannot be excluded"),
        ({"excluded": (0, 1, 2)}, "all 3 tilts are excluded"),
        ({"order": (0, 1, 1)}, "order of acquisition must name each of 0 to 2 once"),
    ],
)
def test_what_cannot_be_is_refused_with_the_name_of_the_stack(about, message):
    image = Image(np.zeros((3, 4, 5), np.float32), ("tilt", "y", "x"), source="ts.mrc")
    with pytest.raises(MendemError, match=message) as caught:
        TiltSeries(image, **{"angles": (-3, 0, 3), **about})
    assert str(caught.value).startswith("ts.mrc")


def test_a_volume_is_no_tilt_series():
    with pytest.raises(MendemError, match="axes z, y, x, not tilt, y, x"):
        TiltSeries(Image(np.zeros((3, 4, 5), np.float32)), (0, 1, 2))
