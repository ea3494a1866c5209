"""Generated tilts in the geometry, unit and data type of the raw stack."""

from __future__ import annotations

import numpy as np
import pytest

from mendem.image import Image, VoxelSize
from mendem.tomography.aligned import AlignedRows
from mendem.tomography.density import Density
from mendem.tomography.raw_tilts import RawTilts, in_dtype
from mendem.tomography.tilt_series import TiltSeries

ROWS, COLUMNS = 40, 56


def _series(axis_angle: float, shift: tuple[float, float], contrast: str, dtype: type = np.float32) -> TiltSeries:
    """Three equal tilts with a smooth spot, as they lie in the raw stack."""
    y, x = np.arange(ROWS)[:, None] - 17.0, np.arange(COLUMNS) - 30.0
    spot = np.exp(-(y**2 + (x / 1.5) ** 2) / (2 * 3.0**2))
    values = {"bright": 100 + 50 * spot, "dark": 100 - 50 * spot, "log": 100 * np.exp(-spot)}[contrast]
    stack = np.repeat(values[None].astype(dtype), 3, axis=0)
    image = Image(stack, ("tilt", "y", "x"), VoxelSize((None, 1.0, 1.0)), source="ts")
    return TiltSeries(image, (-10, 0, 10), axis_angle, shifts=(shift,) * 3)


@pytest.mark.parametrize("contrast", ["bright", "dark", "log"])
@pytest.mark.parametrize("axis_angle, shift", [(0, (0, 0)), (0, (2, -3)), (90, (1, 2)), (-12.5, (0, 0)), (3, (4, -2))])
def test_what_alignment_makes_of_a_tilt_is_undone(contrast: str, axis_angle: float, shift: tuple[float, float]) -> None:
    series, density = _series(axis_angle, shift, contrast), Density(contrast=contrast, background=100.0)
    rows = AlignedRows(series, density, *density.levels(series))
    aligned = rows.read(0, rows.count)[:, 1]
    raw = RawTilts(series, density, rows.levels, rows.scales, shift).pixels(aligned, 0.0)
    assert raw.shape == (ROWS, COLUMNS) and raw.dtype == np.float32
    # Whole pixels are moved exactly; a spot of 3 pixels survives two quintic splines to 1e-3 of its height.
    exact = axis_angle % 90 == 0
    inner = (slice(8, 28), slice(18, 44))
    np.testing.assert_allclose(raw[inner], np.asarray(series.image.data)[1][inner], atol=1e-4 if exact else 0.05)


def test_level_and_gain_are_those_of_the_neighbours_in_angle() -> None:
    series = _series(0, (0, 0), "bright")
    made = RawTilts(series, Density(), (10.0, 20.0, 30.0), (1.0, 2.0, 4.0))
    empty, one = np.zeros((ROWS, COLUMNS), np.float32), np.ones((ROWS, COLUMNS), np.float32)
    assert made.pixels(empty, 5.0)[0, 0] == 25 and made.pixels(empty, 80.0)[0, 0] == 30
    assert made.pixels(one, -60.0)[0, 0] == 11 and made.pixels(one, 10.0)[0, 0] == 30.25


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint64])
def test_integers_are_rounded_and_clipped(dtype: type) -> None:
    info = np.iinfo(dtype)
    found = in_dtype(np.array([-1e30, 3.5000002, 1e30]), np.dtype(dtype))
    assert found.dtype == dtype and found[0] == info.min and found[1] == 4
    # The largest of 64 bits has no double; the next double below it is 2048 less.
    assert int(info.max) - int(found[2]) <= (2048 if info.bits == 64 else 0)


def test_floats_stay_what_they_are() -> None:
    assert in_dtype(np.float32([1.25, -3]), np.dtype(np.float64)).dtype == np.float64
