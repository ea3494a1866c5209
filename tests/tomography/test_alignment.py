"""A series whose tilts were shifted is brought back, and what does not fit is named."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mendem.errors import Cancelled, MendemError
from mendem.image import Image
from mendem.tomography.alignment import align
from mendem.tomography.tilt_series import TiltSeries

SIDE, ANGLES, AXIS_ERROR = 64, np.linspace(-60, 60, 25), 1.0


def series(slab: bool, jitter: float = 2.0, counts: float = 1e5, seed: int = 0) -> tuple[TiltSeries, np.ndarray]:
    """Gaussian blobs, 10 % darker than a beam of ``counts`` electrons a pixel, and the true shifts.

    The stated tilt axis is y; the true one is turned by `AXIS_ERROR`.
    """
    rng = np.random.default_rng(seed)
    count = 400 if slab else 40
    if slab:
        at = rng.uniform(-1, 1, (count, 3)) * [0.14 * SIDE, 0.7 * SIDE, 1.4 * SIDE]
    else:
        at = rng.normal(size=(count, 3))
        at *= rng.uniform(size=(count, 1)) ** (1 / 3) / np.linalg.norm(at, axis=1, keepdims=True) * 0.27 * SIDE
    width, strength = rng.uniform(1.2, 3, count), rng.uniform(0.5, 1.5, count)
    shifts = rng.normal(size=(len(ANGLES), 2)) * jitter
    turn = math.radians(AXIS_ERROR)
    back = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    places = np.arange(SIDE) - (SIDE - 1) / 2
    stack = np.empty((len(ANGLES), SIDE, SIDE))
    for k, t in enumerate(np.radians(ANGLES)):
        y, x = back @ np.stack([at[:, 1], at[:, 2] * np.cos(t) + at[:, 0] * np.sin(t)]) + shifts[k][:, None]
        rows = np.exp(-((places[:, None] - y) ** 2) / (2 * width**2))
        columns = np.exp(-((places[:, None] - x) ** 2) / (2 * width**2)) * strength * width
        stack[k] = rows @ columns.T
    stack = rng.poisson(counts * (1 - 0.1 * stack / stack.max())).astype(np.float32)
    return TiltSeries(Image(stack, ("tilt", "y", "x")), tuple(ANGLES)), shifts


def apart(found: TiltSeries, truth: np.ndarray) -> float:
    """Pixels (rms, y and x together) from the true shifts, a shift of the specimen as a whole aside."""
    turn, t = math.radians(AXIS_ERROR), np.radians(ANGLES)
    upright = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    y, x = ((np.array(found.shifts) - truth) @ upright.T).T
    basis = np.stack([np.cos(t), np.sin(t)], 1)
    x = x - basis @ np.linalg.lstsq(basis, x, rcond=None)[0]
    return float(np.sqrt(np.mean((y - y.mean()) ** 2 + x**2)))


@pytest.fixture(scope="module")
def isolated():
    return series(slab=False)


@pytest.fixture(scope="module")
def found(isolated):
    return align(isolated[0])


def test_an_isolated_object_comes_back_to_a_third_of_a_pixel_and_a_fifth_of_a_degree(isolated, found):
    assert apart(isolated[0], isolated[1]) > 2
    assert apart(found.series, isolated[1]) < 0.3
    assert abs(found.series.axis_angle - AXIS_ERROR) < 0.2
    assert found.checks.isolated and found.depth_px is None


def test_a_slab_comes_back_as_well():
    raw, truth = series(slab=True)
    found = align(raw)
    assert not found.checks.isolated
    assert apart(found.series, truth) < 0.3
    assert abs(found.series.axis_angle - AXIS_ERROR) < 0.2
    assert found.checks.mass is None and found.checks.centre is None and found.axis_std_deg is None


def test_what_the_data_leave_open_is_as_large_as_the_errors(isolated, found):
    stated = float(np.sqrt((found.shift_std_px**2).sum(1).mean()))
    # Of 50 shifts, the rms of the errors is known to about a tenth; the field is a model.
    assert 0.4 < apart(found.series, isolated[1]) / stated < 2.5


def test_shifts_of_many_pixels_are_found_too():
    raw, truth = series(slab=False, jitter=6.0, seed=3)
    assert apart(align(raw).series, truth) < 0.4


def test_an_aligned_series_comes_back_as_it_is_with_its_checks(isolated, found):
    again = align(found.series)
    assert again.series is found.series
    assert again.checks.agreement == pytest.approx(found.checks.agreement, abs=0.02)
    off = found.checks.off_centre
    # The true centre of mass follows a sinusoid; the noise of the counts leaves it open by less than 0.1 px.
    assert np.sqrt((off**2).mean()) < 0.5


def test_a_series_that_is_told_to_be_aligned_is_refined_only_when_asked(isolated):
    raw, truth = isolated
    stated = replace(raw, aligned=True)
    assert align(stated).series is stated
    assert apart(align(stated, again=True).series, truth) < 0.3


def test_a_tilt_that_shows_something_else_is_proposed_for_exclusion(isolated):
    raw, _ = isolated
    other = series(slab=True, seed=9)[0]
    stack = np.array(raw.image.data)
    stack[12] = np.asarray(other.image.data)[12]
    found = align(replace(raw, image=replace(raw.image, data=stack)), kind="isolated")
    assert found.checks.doubtful == (12,)
    assert any("do not fit the others, counted from 0: 12." in note for note in found.series.notes)


def test_excluded_tilts_are_left_where_they_were(isolated):
    raw, _ = isolated
    found = align(raw.excluding([4])).series
    assert found.shifts[4] == pytest.approx((0, 0), abs=1e-6)
    assert found.excluded == (4,)


def test_the_axis_can_be_kept(isolated):
    found = align(isolated[0], axis=False)
    assert found.series.axis_angle == pytest.approx(0, abs=1e-9)
    assert found.axis_std_deg is None


def test_what_cannot_be_aligned_is_refused_in_one_sentence(isolated):
    raw, _ = isolated
    with pytest.raises(MendemError, match="has 4 tilts to use; an alignment needs at least 5"):
        align(raw.excluding(range(21)))
    with pytest.raises(MendemError, match="the kind of specimen is 'cell'"):
        align(raw, kind="cell")
    with pytest.raises(MendemError, match="2 generated tilts"):
        align(replace(raw, generated=(0, 24)))
    small = Image(np.asarray(raw.image.data)[:, :20], ("tilt", "y", "x"))
    with pytest.raises(MendemError, match="20 x 64 pixels; an alignment needs at least 32"):
        align(replace(raw, image=small))
    blank = np.array(raw.image.data)
    blank[3] = 5
    with pytest.raises(MendemError, match="tilt 3 is the same everywhere"):
        align(replace(raw, image=replace(raw.image, data=blank)))
    steep = raw.with_angles(tuple(np.linspace(-85, 85, 25)))
    with pytest.raises(MendemError, match="beyond 80°, where a slab"):
        align(steep, kind="slab")


def test_cancel_stops_between_steps(isolated):
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        align(isolated[0], check=stop)
