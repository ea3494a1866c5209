"""What of the spectrum of a filled tomogram is measured, generated, or both; and whether a specimen is isolated."""

from __future__ import annotations

import numpy as np
import pytest

from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import Ellipse, EllipsePhantom, ellipse_phantom
from mendem.tomography.specimen import is_isolated
from mendem.tomography.wedge import band
from mendem.tomography.wedge_regions import wedge_regions

ANGLES = tuple(range(-60, 61, 3))


def test_the_regions_are_those_of_the_tilt_scheme() -> None:
    regions, shape = wedge_regions(ANGLES, (128, 128), 128), (128, 128)
    reach = band(shape)
    assert (regions[~reach & (np.hypot(*np.indices(shape) - 64) > 64.5)] == 0).all() and regions[reach].all()
    middle, high = regions[64], regions[:, 64]
    # Along kx the tilt at 0 measures; along kz, beyond the bands of the outermost tilts, nothing does.
    assert (middle[reach[64]] == 1).all() and (high[reach[:, 64]][:50] == 2).all()
    share = [(regions[reach] == n).mean() for n in (1, 2, 3)]
    # A third of the directions is missing, less half a band, 1/256 wide, along each of its four borders of length 1/2.
    assert share[1] == pytest.approx(1 / 3 - 4 * 0.5 / 256 / (np.pi / 4), abs=0.003)
    # Bands of 1/128 part where neighbours are 3 degrees apart, at k = 1/128 / 3 degrees = 0.149.
    between = regions[64 + round(40 * np.sin(np.radians(1.5))), 64 + 40]
    assert between == 3 and regions[64, 64 + 60] == 1


def test_where_tilts_are_dense_nothing_between_them_is_blended() -> None:
    regions = wedge_regions(np.arange(-90, 90, 0.25), (64, 64), 64)
    assert set(np.unique(regions)) == {0, 1}


def test_an_object_that_is_whole_in_all_tilts_is_isolated_and_a_slab_is_not() -> None:
    geometry = SliceGeometry(ANGLES, (48, 96), 96)
    alone = ellipse_phantom(48, 48).project(geometry)
    assert is_isolated(np.stack([alone, 1.2 * alone]).astype(np.float32))
    crowd = EllipsePhantom(tuple(Ellipse(1.0, 5 * np.sin(7 * i), 14 * i, 5, 6) for i in range(-25, 26)))
    slab = crowd.project(geometry)
    sides = np.median(np.concatenate([slab[:, :3], slab[:, -3:]], axis=1), axis=1, keepdims=True)
    assert not is_isolated((slab - sides)[None].astype(np.float32))
    assert not is_isolated(np.roll(alone, 48, axis=1)[None].astype(np.float32))
    assert not is_isolated(np.zeros((2, len(ANGLES), 96), np.float32))
