"""The live slice against `mendem.reconstruct`."""

from __future__ import annotations

import numpy as np
import pytest

import mendem
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.single_slice import SingleSlice
from mendem.tomography.tilt_series import TiltSeries


def series(rows: int = 12, width: int = 48, **given) -> TiltSeries:
    angles = np.arange(-60, 61, 6.0)
    one = ellipse_phantom(width, width).project(SliceGeometry(tuple(angles), (width, width), width))
    stack = np.repeat(one[:, None], rows, axis=1) * np.linspace(1, 2, rows)[None, :, None]
    return TiltSeries(Image(stack.astype(np.float32), ("tilt", "y", "x"), VoxelSize((None, 2.0, 2.0))), angles, **given)


@pytest.mark.parametrize(
    "given",
    [{}, {"excluded": (0, 3)}, {"axis_angle": 2.5}, {"axis_angle": 88.0, "offset": 3.0}],
)
def test_a_slice_is_that_of_the_whole_tomogram(given):
    tilts = series(**given)
    whole = mendem.reconstruct(tilts, thickness=40).data
    single = SingleSlice()
    np.testing.assert_allclose(single.of(tilts, 5, 40), whole[:, 5], atol=1e-5 * np.ptp(whole))


def test_what_is_kept_of_earlier_slices_changes_nothing():
    kept = SingleSlice()
    tilts = series()
    asked = [(tilts, 5), (tilts.excluding([0, 20]), 5), (tilts, 7), (series(axis_angle=1.0), 7), (tilts, 5)]
    for one, row in asked:
        np.testing.assert_array_equal(kept.of(one, row), SingleSlice().of(one, row))


def test_a_row_outside_of_the_series_is_refused():
    with pytest.raises(MendemError, match="no slice 12"):
        SingleSlice().of(series(), 12)


def test_an_excluded_tilt_is_not_read():
    tilts = series()
    tilts.image.data[4] = np.nan
    assert np.isfinite(SingleSlice().of(tilts.excluding([4]), 3)).all()
    with pytest.raises(MendemError, match="tilt 4 has pixels that are not finite"):
        SingleSlice().of(tilts, 3)
