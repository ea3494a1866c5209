"""What is left of an alignment, where it is known, and the baseline on a specimen without depth."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skimage")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.tomography_alignment import correlated, left_over  # noqa: E402
from mendem import Image, VoxelSize  # noqa: E402
from mendem.simulate import DarkField, Stage, continuous, record, true_alignment  # noqa: E402


def series(noise=False):
    """Blobs in a plane across the beam."""
    rng = np.random.default_rng(0)
    volume = np.zeros((16, 96, 96), np.float32)
    volume[8, 20:76, 20:76] = rng.uniform(size=(56, 56)) > 0.93
    stage = Stage(axis_angle_deg=20.0, jitter_px=2.0)
    image = Image(volume, ("z", "y", "x"), VoxelSize((1.0,) * 3, "nm"))
    return record(image, continuous(-30, 30, 3), DarkField(probe_nm=1.5), dose=1e4, stage=stage, noise=noise, seed=1)


def test_nothing_is_left_of_the_true_alignment():
    truth = true_alignment(series())
    assert left_over(truth, truth) == pytest.approx(dict.fromkeys(("shift", "along", "across", "worst", "axis"), 0.0))


def test_a_shift_of_the_whole_specimen_does_not_count():
    truth = true_alignment(series())
    axis, t = np.radians(truth.axis_angle), np.radians(truth.true_angles)
    across = 3 * np.cos(t) - 5 * np.sin(t)
    upright = np.array([[np.cos(axis), -np.sin(axis)], [np.sin(axis), np.cos(axis)]])
    moved = np.array(truth.shifts) + np.stack([np.full_like(t, 2.0), across], 1) @ upright
    assert left_over(replace(truth, shifts=tuple(map(tuple, moved))), truth)["worst"] < 1e-9


def test_random_shifts_are_left_in_full_but_for_what_the_specimen_explains():
    rng = np.random.default_rng(2)
    truth = true_alignment(series())
    moved = np.array(truth.shifts) + rng.normal(0, 0.5, (truth.count, 2))
    # One parameter along the axis and two across it are fitted to 21 values each: 5 % and 10 % of the variance.
    left = left_over(replace(truth, shifts=tuple(map(tuple, moved))), truth)
    assert left["along"] == pytest.approx(0.5, rel=0.35) and left["across"] == pytest.approx(0.5, rel=0.35)


def test_correlating_neighbours_aligns_a_plane():
    found = series()
    truth = true_alignment(found)
    before, after = left_over(found, truth), left_over(correlated(found), truth)
    assert before["shift"] > 1.0
    assert after["shift"] < 0.3
