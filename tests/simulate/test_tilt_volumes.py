"""Simulated specimens: cells, slabs, particles, and the molecules in them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mendem import io
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.simulate.tilt_cell import GOLD, PROTEIN, cell_volume
from mendem.simulate.tilt_density import NM3_PER_KDA, bead_model, cytosol, from_beads, from_folder
from mendem.simulate.tilt_filament import OUTER_NM, add_microtubule
from mendem.simulate.tilt_packing import Specimen
from mendem.simulate.tilt_shells import CHAINS, HEAD_AT_NM, HEADS, Blob, bilayer
from mendem.simulate.tilt_solids import particle_volume, slab_volume


@pytest.fixture(scope="module")
def cell() -> Image:
    return cell_volume((48, 96, 96), 2.0, seed=1)


def test_a_bead_model_fills_the_volume_of_its_mass():
    for kda in (60, 340, 1200):
        density = from_beads(np.array(bead_model(kda, 1, 3)), 0.8)
        assert density.values.sum() * 0.8**3 == pytest.approx(kda * NM3_PER_KDA, rel=0.2)


def test_complexes_have_the_symmetry_of_their_chains():
    beads = np.array(bead_model(400, 4, 2))
    turned = beads @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    gaps = np.linalg.norm(beads[:, None] - turned[None], axis=2).min(1)
    assert gaps.max() < 1e-6


def test_molecules_do_not_overlap_and_fill_what_was_asked_for():
    specimen, rng = Specimen((48, 48, 48), 1.4), np.random.default_rng(0)
    room = np.ones(specimen.shape, bool)
    assert specimen.crowd(rng, cytosol(1.4, 0, views=3), room, 0.1, 1.0) > 20
    assert 0.06 < specimen.taken.mean() < 0.12
    # A bead's edge (below the threshold of its body) may lie over its neighbour's: up to a quarter more on each side.
    assert specimen.values.max() < 1.4 * 1.25 + 0.5


def test_the_depth_below_a_blob_is_a_distance_near_its_surface():
    specimen = Specimen((40, 60, 60), 1.0)
    blob = Blob(np.array([2.0, -3.0, 1.0]), np.array([12.0, 18.0, 15.0]), np.eye(3))
    depth = blob.depth_nm(np.random.default_rng(0), specimen, blob.box(specimen, 8.0))
    slope = np.linalg.norm(np.gradient(depth), axis=0)
    near = np.abs(depth) < 3
    assert slope[near] == pytest.approx(1.0, abs=0.25)
    assert (depth > 0).sum() == pytest.approx(4 / 3 * np.pi * 12 * 18 * 15, rel=0.02)


def test_a_bilayer_has_two_leaflets_4_nm_apart_with_chains_between():
    depth = np.linspace(-5, 5, 1001)
    profile = bilayer(depth, 0.1)
    assert abs(abs(depth[np.argmax(profile)]) - HEAD_AT_NM) < 0.1
    assert profile[500] < 0.3 * profile.max() and profile.max() < HEADS + CHAINS
    # Coarse voxels average the profile, and keep what it sums to.
    assert bilayer(depth, 2.0).sum() == pytest.approx(profile.sum(), rel=0.01)


def test_a_microtubule_is_a_hollow_tube_that_keeps_off_what_is_there():
    specimen, room = Specimen((40, 80, 80), 1.4), np.ones((40, 80, 80), np.float32)
    room[:, :20] = 0
    assert add_microtubule(np.random.default_rng(3), specimen, room, 3.0)
    assert not specimen.values[:, :20].any()
    tube = room[:, 20:] == 0
    cross = np.pi * OUTER_NM**2
    assert tube.sum() * 1.4**3 > 60 * cross  # 60 nm of it at least
    wall = specimen.taken[:, 20:]
    # The wall, 7 nm thick, is 0.75 of the cross-section; inside there is solvent.
    assert wall.sum() / tube.sum() == pytest.approx(1 - (7.3 / OUTER_NM) ** 2, abs=0.06)
    assert specimen.values[:, 20:][tube & ~wall].max() < 0.5


def test_a_microtubule_without_room_is_left_out():
    specimen, room = Specimen((40, 80, 80), 1.4), np.zeros((40, 80, 80), np.float32)
    assert not add_microtubule(np.random.default_rng(3), specimen, room, 3.0)
    assert not specimen.values.any()


def test_a_cell_is_crowded_on_one_side_of_its_membrane(cell):
    """Cytosol and what is outside differ, and neither is empty ice alone."""
    smooth = gaussian_filter(np.asarray(cell.data[8:-8]), 5)
    assert np.quantile(smooth, 0.9) > 3 * np.quantile(smooth, 0.02)
    assert 0.2 < cell.data.mean() < 0.9
    assert 1.4 * PROTEIN < cell.data.max() < 3 * PROTEIN


def test_a_cell_comes_again_from_its_seed_and_differs_from_others(cell):
    assert np.array_equal(cell.data, cell_volume((48, 96, 96), 2.0, seed=1).data)
    assert not np.array_equal(cell.data, cell_volume((48, 96, 96), 2.0, seed=2).data)


def test_gold_beads_lie_at_the_surfaces_of_the_ice():
    data = cell_volume((48, 64, 64), 2.0, seed=1, crowding=0.0, gold_beads=4).data
    z = np.argwhere(data > 0.9 * GOLD)[:, 0]
    assert len(z) and ((z < 10) | (z > 37)).all()


def test_densities_of_a_folder_crowd_a_cell_and_keep_their_size(tmp_path):
    values = np.zeros((16, 16, 16), np.float32)
    values[4:12, 4:12, 4:12] = 5.0
    io.write(tmp_path / "cube.mrc", Image(values, voxel_size=VoxelSize((1.0,) * 3, "nm")))
    (species,) = from_folder(tmp_path, 2.0, views=3)
    assert len(species.views) == 3
    for view in species.views:
        assert view.values.sum() * 8 == pytest.approx(512, rel=0.1)
        assert view.values.max() < 1.1
    assert cell_volume((48, 64, 64), 2.0, 1, [species]).data.max() > 0.7 * PROTEIN


def test_a_folder_without_densities_is_refused(tmp_path):
    with pytest.raises(MendemError, match="no densities"):
        from_folder(tmp_path, 1.0)


def test_a_cell_out_of_range_is_refused():
    for changes in ({"shape": (8, 64, 64)}, {"voxel_nm": 8.0}, {"crowding": 0.6}):
        with pytest.raises(MendemError, match="32 voxels"):
            cell_volume(**changes)


def test_a_slab_has_gold_beads_and_long_needles():
    data = slab_volume((48, 96, 96), 1.4, seed=2).data
    gold = data > 12
    needles = (data > 3) & ~gold
    assert 0 < gold.mean() < 0.02
    assert np.ptp(np.argwhere(needles), axis=0)[1:].max() > 30


def test_particles_are_isolated_and_of_several_materials():
    data = particle_volume((64, 64, 64), 1.5, seed=1).data
    z, x = np.indices((64, 64)) - 31.5
    assert not data[:, :, :].max(1)[np.hypot(z, x) > 32].any()
    assert data.max() == pytest.approx(1.05, abs=0.1)
    for low, high in ((0.1, 0.16), (0.4, 0.5), (0.95, 1.06)):
        assert ((data > low) & (data < high)).mean() > 1e-3
