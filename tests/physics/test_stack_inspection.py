"""Stacks of sections: what is found in them, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mendem.errors import Cancelled, MendemError
from mendem.image import Image
from mendem.physics.shifts import fourier_shift
from mendem.physics.stack_inspect import inspect_stack
from mendem.physics.stack_spectra import first_shifts, section_shifts
from mendem.physics.stack_survey import survey
from mendem.physics.stack_trend import jitter_of

COUNT, SIDE, EDGE = 24, 160, 12
#: Between neighbours; structures four sections long and 160 px a side allow about 0.1 px.
CLOSE = 0.15


@pytest.fixture(scope="module")
def tissue() -> np.ndarray:
    """(sections, y, x): blobs as long along z as across, four pixels to a section; range about 200 grey levels."""
    rng = np.random.default_rng(2)
    side = SIDE + 2 * EDGE
    fine = sum(gaussian_filter(rng.standard_normal((4 * COUNT, side, side)), s, mode="wrap") * s**1.5 for s in (3, 6))
    return (128 + 40 * fine / fine.std()).reshape(COUNT, 4, side, side).mean(1).astype(np.float32)


def cut(sections) -> np.ndarray:
    return np.stack(list(sections))[:, EDGE:-EDGE, EDGE:-EDGE]


def jittered(tissue, sigma=1.0, contrast=0.0, noise=2.0, seed=0):
    """Sections of the tissue, each moved and rescaled by itself, and by how much."""
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, sigma, (COUNT, 2))
    gain, up = 1 + contrast * rng.standard_normal(COUNT), 200 * contrast * rng.standard_normal(COUNT)
    moved = cut(fourier_shift(t, tuple(s)) for t, s in zip(tissue, shift, strict=True))
    data = gain[:, None, None] * (moved - 128) + 128 + up[:, None, None]
    return Image((data + noise * rng.standard_normal(data.shape)).astype(np.float32)), shift, gain, up


def between_neighbours(course) -> float:
    """How far single sections are from the middle of their neighbours, root mean square; sigma for white jitter."""
    away = course[1:-1] - 0.5 * (course[:-2] + course[2:])
    return float(np.sqrt((away**2).mean() / 1.5))


def test_jitter_is_found_and_the_rest_is_small(tissue):
    image, shift, _, _ = jittered(tissue)
    report = inspect_stack(image)
    assert between_neighbours(np.array(report.shift) - shift) < CLOSE
    assert not report.missing and not report.damage and not report.blurred
    assert any("out of place" in note for note in report.notes)


def test_contrast_and_brightness_are_found(tissue):
    image, _, gain, up = jittered(tissue, 0, 0.05)
    report = inspect_stack(image)
    assert not report.shifted
    assert between_neighbours(np.log(report.gain) - np.log(gain)) < 0.025  # half of it
    level = np.array(report.offset) + 128 * np.array(report.gain) - 128
    assert between_neighbours(level - up) < 0.01 * 200


@pytest.mark.parametrize("slant", [0.0, 1.5])
def test_a_sound_stack_is_left_alone_however_oblique(tissue, slant):
    moved = cut(fourier_shift(t, (slant * i - slant * COUNT / 2, 0)) for i, t in enumerate(tissue))
    if slant:
        moved = moved[:, 18:-18]  # what came in at the edge is made up
    noise = 2 * np.random.default_rng(1).standard_normal(moved.shape)
    assert inspect_stack(Image((moved + noise).astype(np.float32))).clean


def test_an_oblique_stack_is_not_straightened_when_its_jitter_goes(tissue):
    image, shift, _, _ = jittered(tissue)
    slope = 0.8 * (np.arange(COUNT) - COUNT / 2)
    data = [fourier_shift(d, (s, 0)) for d, s in zip(image.data, slope, strict=True)]
    report = inspect_stack(Image(np.stack(data)[:, 12:-12].astype(np.float32)))
    found = np.array(report.shift)
    assert between_neighbours(found - shift) < CLOSE
    assert abs(np.polyfit(np.arange(COUNT), found[:, 0], 1)[0]) < 0.1  # of 0.8 px a section


def test_each_estimate_can_be_left_out(tissue):
    image, _, _, _ = jittered(tissue, 1.0, 0.05)
    data = image.data.copy()
    data[7] = 50
    image = Image(data)
    levels = inspect_stack(image, align=False, repair=False)
    assert not levels.shifted and not levels.missing and levels.gain[7] == 1 and max(levels.gain) < 1.3
    report = inspect_stack(image, contrast=False)
    assert not report.rescaled and report.shifted and report.missing == (7,)
    assert not inspect_stack(image, align=False, contrast=False, focus=False, repair=False).notes


def test_missing_sections_are_named_with_the_reason(tissue):
    image, _, _, _ = jittered(tissue, 0.5, 0.0)
    data = image.data.copy()
    data[5] = 77
    data[11] = data[10]
    data[17] = data[17][::-1, ::-1]
    report = inspect_stack(Image(data))
    assert report.missing[0] == 5 and report.missing[2] == 17 and report.missing[1] in (10, 11)
    assert [r.split()[1] for r in report.reasons] == ["blank", "a", "nothing"]
    assert any("Section 5 is blank: treated as missing." == note for note in report.notes)


def test_missing_sections_do_not_spoil_the_shifts_of_the_others(tissue):
    image, shift, _, _ = jittered(tissue)
    data = image.data.copy()
    data[[8, 11]] = 77
    report = inspect_stack(Image(data))
    left = np.array([i for i in range(COUNT) if i not in (8, 11)])
    wrong = (np.array(report.shift) - shift)[left]
    assert report.missing == (8, 11) and between_neighbours(wrong) < 1.5 * CLOSE


def test_a_defocused_section_is_measured(tissue):
    image, _, _, _ = jittered(tissue, 0, 0, noise=0)
    data = image.data.copy()
    data[9] = gaussian_filter(data[9], 2.0)
    data += np.random.default_rng(3).standard_normal(data.shape).astype(np.float32)
    report = inspect_stack(Image(data))
    assert report.blur_px[9] == pytest.approx(2.0, abs=0.3) and sum(b > 0 for b in report.blur_px) == 1
    data[9] = gaussian_filter(data[9], 6.0)
    assert inspect_stack(Image(data)).missing == (9,)


def test_a_fold_is_marked_and_little_else(tissue):
    image, _, _, _ = jittered(tissue, 0.5, 0.03)
    y, x = np.mgrid[:SIDE, :SIDE]
    fold = np.abs(x - 0.3 * y - 60) < 6
    data = image.data.copy()
    data[13][fold] *= 0.1
    report = inspect_stack(Image(data))
    assert list(report.damage) == [13] and not report.missing
    mask = report.damage[13].read()
    assert mask[fold].mean() > 0.95 and mask[~fold].mean() < 0.1
    assert np.array_equal(report.damage[13].read(slice(20, 50), slice(3, 99)), mask[20:50, 3:99])


def test_a_lost_section_is_proposed_and_nothing_inserted(tissue):
    image, _, _, _ = jittered(tissue, 0)
    report = inspect_stack(Image(np.delete(image.data, 12, 0)))
    assert report.gap_after == (11,) and not report.missing and "Nothing was inserted" in report.notes[-1]


def test_a_stage_jump_that_stays_is_undone(tissue):
    moved = cut(fourier_shift(t, (0.0, 7.0 if i >= 10 else 0.0)) for i, t in enumerate(tissue))
    report = inspect_stack(Image(moved))
    steps = np.diff(np.array(report.shift), axis=0)
    assert steps[9] == pytest.approx([0, 7], abs=1.0) and np.abs(np.delete(steps, 9, 0)).max() < 0.1


def test_a_trend_is_no_jitter():
    steps = np.random.default_rng(0).normal(0.3, 0.2, (80, 2))
    trend = np.cumsum(np.cumsum(np.random.default_rng(1).normal(0, 0.05, (80, 2)), 0) + steps, 0)
    place = np.arange(80)
    assert not jitter_of(trend, place, 3.0, 0.1).values.any()
    jitter = np.random.default_rng(2).normal(0, 1, (80, 2))
    found = jitter_of(trend + jitter, place, 3.0, 0.1)
    assert found.evidence > 5 and between_neighbours(found.values - jitter) < 0.3


def test_long_stacks_are_judged_window_by_window_without_seams():
    jitter = np.random.default_rng(2).normal(0, 1, (400, 2))
    slow = 5 * np.sin(np.arange(400) / 30)[:, None]
    assert between_neighbours(jitter_of(jitter + slow, np.arange(400), 3.0, 0.1).values - jitter) < 0.15


def test_pairs_alone_find_large_displacements(tissue):
    shift = np.random.default_rng(0).uniform(-10, 10, (COUNT, 2))
    moved = cut(fourier_shift(t, tuple(s)) for t, s in zip(tissue, shift, strict=True))
    seen = survey(Image(moved), lambda: None)
    start, _ = first_shifts(seen.spectra, np.arange(COUNT), lambda: None)
    assert between_neighbours(start - shift) < 1.0
    assert between_neighbours(section_shifts(seen.spectra, start, np.arange(COUNT), lambda: None) - shift) < CLOSE


def test_what_tells_nothing_is_said(tissue):
    assert inspect_stack(Image(cut(tissue)[:4])).notes[0].startswith("4 sections")
    with pytest.raises(MendemError, match="three axes"):
        inspect_stack(Image(tissue[0]))
    with pytest.raises(MendemError, match="fewer than two sections"):
        inspect_stack(Image(np.zeros((9, 64, 64), np.uint8)))


def test_it_can_be_stopped(tissue):
    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        inspect_stack(Image(tissue), stop)


@pytest.mark.parametrize("axis", [1, 2])
def test_fly_neuropil_without_jitter_is_left_alone(shared_data, axis):
    tifffile = pytest.importorskip("tifffile")
    name = "fibsem_flyem_medulla/training_sample1_250x250x250_10nm.tif"
    volume = np.moveaxis(tifffile.imread(shared_data / "train" / name), axis, 0)
    assert inspect_stack(Image(volume[2::4])).clean
