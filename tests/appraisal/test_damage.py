"""What is proposed as damaged, and what is not: the latter counts more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mendem.appraisal.damage import LABELS, propose_damage
from mendem.simulate import sample_damaged
from mendem.simulate.damage import charging, fold, tear

NUMBER = {name: value for value, name in LABELS.items()}


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Noisy blobs of many sizes, (320, 384) float32 around 128."""
    rng = np.random.default_rng(3)
    x = sum(gaussian_filter(rng.normal(size=(320, 384)), s) * s for s in (1.5, 3, 8))
    return (128 + 30 * x / x.std() + 5 * rng.standard_normal(x.shape)).astype(np.float32)


def proposed(x, name):
    return propose_damage(x).labels == NUMBER[name]


def overlap(found, true):
    """Share of the truth that was found, and share of what was found that is true."""
    both = (found & true).sum()
    return both / true.sum(), both / max(found.sum(), 1)


def test_an_undamaged_picture_is_kept_whole(picture):
    assert propose_damage(picture).found == ()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_blank_areas_dead_lines_and_what_is_not_finite(picture, dtype):
    x = picture.clip(5, 250).astype(dtype)
    x[40:60, 50:80] = 255
    x[100] = 0
    if dtype == "float32":
        x[150:153, 10] = np.nan
    labels = propose_damage(x).labels
    assert (labels[40:60, 50:80] == 1).all() and (labels[100] == 2).all()
    assert dtype == "uint8" or (labels[150:153, 10] == 3).all()
    assert (labels > 0).mean() < 0.02


def test_pores_that_touch_black_are_no_saturation(picture):
    y, x = np.mgrid[:320, :384]
    pores = np.zeros(picture.shape)
    for a, b, r in np.random.default_rng(0).uniform((0, 0, 3), (320, 384, 14), (25, 3)):
        pores = np.maximum(pores, np.hypot(y - a, x - b) < r)
    porous = (
        picture * (1 - gaussian_filter(pores, 1.0)) + 3 * np.random.default_rng(1).normal(size=pores.shape) * pores
    ).clip(0)
    assert (porous.astype(np.uint8) == 0).mean() > 0.01
    assert propose_damage(porous.astype(np.uint8)).found == ()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_tear_far_brighter_than_everything_else_is_proposed(picture, seed):
    x = picture.copy()
    where = tear(x, seed, level=picture.max() + 1.2 * np.ptp(picture), share=0.03)
    x += 5 * np.random.default_rng(seed).standard_normal(x.shape).astype(np.float32)
    recall, precision = overlap(proposed(x, "torn"), where)
    assert recall > 0.95 and precision > 0.6  # widened, since its edge is soft


def test_a_bright_place_that_is_not_far_brighter_is_kept(picture):
    x = picture.copy()
    tear(x, 0, level=float(np.percentile(picture, 99.9)))
    assert not propose_damage(x).labels.any()


def test_a_dark_hole_is_kept_since_it_may_be_a_pore(picture):
    x = picture.copy()
    tear(x, 0, level=-250.0)
    x += np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
    assert not propose_damage(x).labels.any()


def test_a_black_fold_from_edge_to_edge_is_proposed(picture):
    x = picture.copy()
    where = fold(x, 1, width_px=18, darkening=1.0)
    x[where] -= 60
    recall, precision = overlap(proposed(x, "folded"), where)
    assert recall > 0.9 and precision > 0.6


@pytest.mark.parametrize("rows", [1, 6])
def test_charged_rows_are_proposed_where_they_are(picture, rows):
    x = picture.copy()
    where = charging(x, 4, bands=2, height_px=rows, strength=0.8)
    recall, precision = overlap(proposed(x, "charged"), where)
    assert recall > 0.6 and precision > 0.7  # the ends of the tails sink into the picture


def test_a_step_that_stays_and_row_offsets_are_no_charging(picture):
    x = picture.copy()
    x[160:] += 80
    assert not proposed(x, "charged").any()
    rows = picture + np.random.default_rng(0).normal(0, 15, (320, 1)).astype(np.float32)
    assert not proposed(rows, "charged").any()


def test_the_sample_has_what_its_mask_says(picture):
    damaged, _, mask = sample_damaged()
    recall, precision = overlap(propose_damage(damaged.data).labels > 0, mask.data > 0)
    assert recall > 0.6 and precision > 0.8


def test_real_pictures_without_damage_are_kept_whole(shared_data):
    """Pores, cracks, phases, myelin, charging that fades slowly: nothing of these is proposed."""
    import tifffile

    names = (
        "train/sem_nasa_EBC/010417n4_S2480023.tif",
        "train/sem_nasa_EBC/032919n10_100cyc0017.tif",
        "train/sem_nasa_superalloy/spot7_180d_3.tif",
        "train/sem_nasa_superalloy/different_test_45kx_SE_15kV-etched_0.tif",
        "demo/emdiffuse_microns_demo_0.tif",
        "demo/fibsem_quoll_042_256_3.37nm.tif",
        "train/neubias_ccby/em_mitochondria_er_8nm.tif",
    )
    for name in names:
        assert propose_damage(tifffile.imread(shared_data / name)).found == (), name
