"""Simulated structures have the sizes that they state, at any pixel size."""

import numpy as np
import pytest

from mendem.simulate.canvas import Canvas, fill, line
from mendem.simulate.membranes import plasma_membranes
from mendem.simulate.particles import thin_out, vesicles
from mendem.simulate.style import TissueStyle
from mendem.simulate.territories import Territories, territories


@pytest.mark.parametrize("voxel_nm", [2.0, 5.0, 10.0])
def test_a_line_covers_its_thickness_whatever_the_pixel_size(voxel_nm):
    depth = (np.arange(-200, 200, voxel_nm) + 0.37 * voxel_nm).astype(np.float32)
    cover = line(depth, 10.0, 17.5, 0.6 * voxel_nm)
    assert cover.sum() * voxel_nm == pytest.approx(7.5, rel=0.01)


@pytest.mark.parametrize("voxel_nm", [2.0, 8.0])
def test_each_plasma_membrane_has_the_stated_thickness(voxel_nm):
    style = TissueStyle(membrane_nm=7.5, cleft_nm=12.0)
    x = (np.arange(128) - 63.7) * voxel_nm
    distance = np.broadcast_to(np.abs(x), (1, 16, 128)).astype(np.float32)
    owner = np.where(np.broadcast_to(x, distance.shape) < 0, 1, 2).astype(np.int32)
    cells = Territories(owner, distance, None, [], 2)
    canvas = Canvas(distance.shape, voxel_nm, 0.0, 0.6 * voxel_nm)
    canvas.value[:] = style.cytoplasm
    plasma_membranes(canvas, cells, style, np.zeros(distance.shape, np.float32))
    depth = style.cytoplasm - canvas.value[0, 0]
    level = style.cytoplasm - (style.membrane + 0.03)
    # Two membranes of 0.95 coverage; the cleft and the submembrane coat add a little and overlap with them.
    both = depth.sum() * voxel_nm / level
    assert 2 * 7.5 * 0.95 < both < 2 * 7.5 * 0.95 + 0.2 * 2 * 24 + 0.15 * 12 + 1


def test_distance_to_the_border_grows_by_one_nanometre_per_nanometre():
    cells = territories(np.random.default_rng(0), (24, 48, 48), 10.0)
    slope = np.sqrt(sum(g**2 for g in np.gradient(cells.distance_nm, 10.0)))
    near = (cells.distance_nm > 8) & (cells.distance_nm < 30)
    assert np.median(slope[near]) == pytest.approx(1.0, abs=0.12)


def test_the_border_is_where_the_owner_changes():
    cells = territories(np.random.default_rng(1), (1, 160, 160), 5.0)
    change = cells.owner[0, :, 1:] != cells.owner[0, :, :-1]
    # Within a pixel of a border the distance is below a pixel, even where the border is cut obliquely.
    assert np.percentile(np.minimum(cells.distance_nm[0, :, 1:], cells.distance_nm[0, :, :-1])[change], 95) < 5.0


def test_every_voxel_has_an_owner():
    cells = territories(np.random.default_rng(2), (1, 120, 90), 12.0)
    assert cells.owner.min() >= 1 and cells.owner.max() <= cells.n_cells


def test_a_vesicle_is_a_dark_shell_around_a_light_lumen():
    canvas = Canvas((31, 31, 31), 2.0, 0.0, 1.2)
    style = TissueStyle()
    canvas.value[:] = style.cytoplasm - 0.1
    vesicles(canvas, style, np.random.default_rng(0), np.array([[30.0, 30.0, 30.0]]), dense_core=0.0)
    profile = canvas.value[15, 15, 15:]
    darkest = 2.0 * int(profile.argmin())
    assert 13 < darkest < 22 and profile[0] > style.cytoplasm - 0.1 > profile.min() + 0.2
    for axis in range(3):
        assert np.allclose(canvas.value, np.flip(canvas.value, axis), atol=1e-5)


def test_vesicles_are_never_closer_than_their_diameter():
    points = np.random.default_rng(0).uniform(0, 300, (400, 3))
    kept = points[thin_out(points, 47.0)]
    apart = np.linalg.norm(kept[:, None] - kept[None], axis=-1) + 1e3 * np.eye(len(kept))
    assert apart.min() > 47.0 and len(kept) > 50


def test_an_oblique_membrane_is_smeared_over_the_section_and_keeps_its_mass():
    canvas = Canvas((1, 4, 4), 4.0, 40.0, 2.0)
    depth = np.arange(-150, 150, 1.0, dtype=np.float32)
    upright, oblique = (line(depth, 0.0, 7.5, canvas.smear(slope)) for slope in (0.0, 0.8))
    assert oblique.max() < 0.5 * upright.max()
    assert oblique.sum() == pytest.approx(upright.sum(), rel=1e-3)
    assert fill(depth, 0.0, canvas.smear(0.8)).max() == pytest.approx(1.0, abs=1e-3)


def test_grains_are_drawn_at_the_edge_without_wrapping_around():
    canvas = Canvas((1, 20, 30), 5.0, 0.0, 3.0)
    canvas.splat(np.array([[0.0, 0.0, 0.0]]), 8.0, 1.0, 0.0)
    assert canvas.value[0, 0, 0] < 0.8
    assert np.all(canvas.value[0, 10:, 15:] == 1.0)
