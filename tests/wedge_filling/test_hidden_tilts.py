"""Tilts that were measured and excluded are compared with what is generated in their place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mendem
from mendem.image import Image, VoxelSize
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.tilt_series import TiltSeries
from mendem.wedge_filling.in_memory import FilledWedge
from mendem.wedge_filling.to_files import WedgeFiles, fill_wedge_file

ANGLES = (-83.1, -70.2, *np.arange(-60.0, 61.0, 6.0), 66.7, 79.0)
OUTER = (0, 1, 23, 24)
DEPTH, ROWS, WIDTH = 20, 5, 32


def series(shift: int = 0, excluded: tuple[int, ...] = OUTER) -> TiltSeries:
    """Those that are excluded lie ``shift`` pixels to the right, and say so; they have another brightness."""
    shadows = ellipse_phantom(DEPTH, 20).project(SliceGeometry(ANGLES, (DEPTH, 20), WIDTH)).astype(np.float32)
    stack = np.repeat(shadows[:, None], ROWS, axis=1)
    stack[list(OUTER)] = 3 * np.roll(stack[list(OUTER)], shift, axis=2) + 7
    shifts = tuple((0.0, float(shift)) if k in OUTER else (0.0, 0.0) for k in range(len(ANGLES)))
    image = Image(stack, ("tilt", "y", "x"), VoxelSize((None, 1.0, 1.0)), source="ts")
    return TiltSeries(image, ANGLES, shifts=shifts, excluded=excluded, aligned=True)


def filled(made: TiltSeries, **more) -> FilledWedge:
    return mendem.fill_wedge(made, DEPTH, filler="tv", device="cpu", **more)


def test_excluded_tilts_are_generated_at_their_angles_and_compared():
    whole = filled(series())
    found = whole.tomogram.metadata["mendem"]["excluded_tilts"]
    assert found["angles"] == (-83.1, -70.2, 66.7, 79.0)
    completed, pixels = whole.completed, whole.completed.image.data
    for angle, correlation in zip(found["angles"], found["correlation"], strict=True):
        measured, generated = (pixels[k].ravel() for k, a in enumerate(completed.true_angles) if abs(a - angle) < 1e-6)
        assert correlation == pytest.approx(np.corrcoef(measured, generated)[0, 1], abs=1e-4)
        assert 0.9 < correlation < 1
    assert "4 excluded tilts were generated too: the correlation with what was measured is 0.9" in whole.notes[-1]


def test_they_are_compared_as_they_are_aligned():
    here, there = (filled(series(shift)).tomogram.metadata["mendem"]["excluded_tilts"] for shift in (0, 4))
    assert there["correlation"] == pytest.approx(here["correlation"], abs=1e-6)


def test_files_have_the_same_comparison(tmp_path):
    record = fill_wedge_file(series(), WedgeFiles(tmp_path / "out.mrc"), DEPTH, filler="tv", device="cpu")
    assert record["excluded_tilts"] == filled(series()).tomogram.metadata["mendem"]["excluded_tilts"]


def test_without_excluded_tilts_in_the_wedge_there_is_nothing_to_compare():
    whole = filled(series(), limit=66.2)
    assert [a for a in whole.completed.true_angles if 60 < abs(a) < 66.5] == [-66, 66]
    assert whole.tomogram.metadata["mendem"]["excluded_tilts"] is None
    assert not any("excluded tilt" in note for note in whole.notes)


def test_excluded_tilts_that_are_broken_are_not_compared():
    made = series()
    broken = made.image.data.copy()
    broken[0], broken[1] = 5.0, np.nan
    constant = filled(replace(made, image=made.image.with_data(broken), excluded=(0, 23, 24)).excluding([1]))
    assert constant.tomogram.metadata["mendem"]["excluded_tilts"] is None  # one has no pixels that are numbers
    broken[1] = 5.0
    constant = filled(replace(made, image=made.image.with_data(broken)))
    assert constant.tomogram.metadata["mendem"]["excluded_tilts"]["angles"] == (66.7, 79.0)
