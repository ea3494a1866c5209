"""Phantoms, baselines and scores of the filled wedge, where their values are known."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

pytest.importorskip("skimage")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks import wedge, wedge_held_out, wedge_pictures, wedge_tilts  # noqa: E402
from benchmarks.wedge_methods import Answer, completed, filled, missing, nearest_tilts, tilts_of, wbp  # noqa: E402
from benchmarks.wedge_phantoms import Phantom, ellipsoids, recorded, rows_of, shapes, shot_noise  # noqa: E402
from benchmarks.wedge_recorded import Recording, compared, held  # noqa: E402
from benchmarks.wedge_scores import axial_ratios, covered, region_of, scored, slope, tilt_scores  # noqa: E402
from mendem.appraisal.fourier_region import part_in_region, without_margin  # noqa: E402
from mendem.priors.wedge_filler import WedgeFiller  # noqa: E402
from mendem.priors.wedge_network import WedgeNetwork  # noqa: E402
from mendem.priors.wedge_residual import ResidualNetwork  # noqa: E402
from mendem.priors.wedge_samples import Sampler  # noqa: E402
from mendem.tomography.projector import Projector  # noqa: E402
from mendem.tomography.sirt import Sirt  # noqa: E402
from mendem.tomography.wedge import wedge_mask  # noqa: E402

ANGLES = tuple(np.arange(-60.0, 61, 6))


@pytest.fixture(scope="module")
def phantom():
    """A few rows of the shapes."""
    return rows_of(shapes(1), slice(10, 18))


@pytest.fixture(scope="module")
def case(phantom):
    """Without noise."""
    return recorded(phantom, ANGLES, None)


def test_projections_of_fine_voxels_are_nearly_those_of_their_means(case):
    slices = torch.from_numpy(np.ascontiguousarray(case.truth.transpose(1, 0, 2)))
    coarse = Projector(case.geometry).forward(slices).numpy()
    # They differ at borders, by what a voxel hides: a few per cent.
    assert np.linalg.norm(coarse - case.sinograms) < 0.03 * np.linalg.norm(case.sinograms)
    assert coarse.sum() == pytest.approx(case.sinograms.sum(), rel=1e-3)


def test_an_isolated_phantom_is_seen_whole_at_all_tilts(case):
    mass = case.sinograms.sum((0, 2))
    assert mass == pytest.approx(np.full(len(ANGLES), mass.mean()), rel=1e-4)


def test_more_dose_is_less_noise():
    assert shot_noise(12.0) == pytest.approx(shot_noise(3.0) / 2)
    # 3 e/Å² and 1.6 nm: 768 electrons, 3.6 % of the beam; contrast of 1.2 x 0.0065 rad/(V nm) x 3 V x 1.6 nm = 3.8 %.
    assert shot_noise(3.0) == pytest.approx(0.96, rel=0.02)


def test_the_truth_has_no_error_and_all_power_and_wbp_has_the_error_one(case):
    reference = Answer(wbp(case))
    best = scored(Answer(case.truth), case, reference)
    assert best["error"] == pytest.approx(0) and best["power"] == pytest.approx(1)
    base = scored(reference, case, reference)
    assert base["error"] == pytest.approx(1) and base["power"] < 0.05


def test_the_nearest_tilt_of_an_isolated_object_may_be_the_mirror_from_behind(case):
    wanted = missing(case)
    assert -66.0 in wanted and 90.0 in wanted and -90.0 not in wanted
    tilts = nearest_tilts(case, missing(case))
    assert np.array_equal(tilts[:, wanted.index(66.0)], case.sinograms[:, -1])
    # 72° is nearer to 60° than to -60°; 90° is as far from both.
    assert np.array_equal(tilts[:, wanted.index(-72.0)], case.sinograms[:, 0])


def test_true_tilts_are_better_than_the_nearest_and_complete_the_tomogram(case, phantom):
    true = phantom.project(missing(case))
    exact, near = (tilt_scores(t, true) for t in (true, nearest_tilts(case, missing(case))))
    assert min(exact["SSIM"]) == pytest.approx(1.0) and max(near["SSIM"]) < 0.999
    assert min(exact["PSNR"]) > 200 > max(near["PSNR"])
    reference = Answer(wbp(case))
    whole, guessed = (
        scored(Answer(completed(case, t, Sirt(20))), case, reference)["error"]
        for t in (true, nearest_tilts(case, missing(case)))
    )
    assert whole < 0.5 * guessed


def test_tilts_of_the_truth_are_those_of_the_phantom(case, phantom):
    angles = missing(case)
    found, true = tilts_of(Answer(case.truth), case, angles), phantom.project(angles)
    assert np.linalg.norm(found - true) < 0.03 * np.linalg.norm(true)


def test_a_sample_has_what_the_mean_has_outside_of_the_wedge(case):
    filler = WedgeFiller(WedgeNetwork([8, 8], [1, 1]), True)
    mean = filled(case, filler)
    sample = filled(case, filler, Sampler(ResidualNetwork([8, 8], [1, 1])))
    reference = Answer(wbp(case))
    assert scored(sample, case, reference)["power"] > scored(mean, case, reference)["power"]
    added = sample.mean - mean.mean
    inside = part_in_region(added, wedge_mask(case.geometry.angles_deg, case.geometry.shape))
    # The rounding of float32 is all that is outside.
    assert np.linalg.norm(added - inside) < 1e-3 * np.linalg.norm(added)


def test_axial_ratios_of_the_truth_are_the_true_ones_and_stretching_is_seen():
    objects = ellipsoids(3)
    true = objects.halves[:, 0] / objects.halves[:, 2]
    # Moments of voxels cut at half of the level: about 2 % for half axes of 7 voxels.
    assert axial_ratios(objects.phantom.truth, objects) == pytest.approx(true, rel=0.04)
    assert true.min() >= 0.7 and true.max() <= 1.5


def test_the_slope_of_exact_ratios_is_one_and_constant_ones_have_none():
    true = np.linspace(0.7, 1.5, 20)
    assert slope(true, true)["slope"] == pytest.approx(1.0)
    assert slope(1.5 * true, true)["slope"] == pytest.approx(1.5)
    assert slope(np.full(20, 1.2), true)["slope"] == pytest.approx(0.0, abs=1e-12)
    assert slope(np.r_[np.nan, true], np.r_[1.0, true])["objects"] == 20


def test_intervals_of_the_right_width_cover_nine_of_ten(case):
    rng = np.random.default_rng(0)
    error = rng.normal(0, 0.1, case.truth.shape)
    answer = Answer(case.truth + error, np.full(case.truth.shape, 0.1))
    found = covered(answer, case, region_of(case))
    # Some 5000 voxels: a standard error of 0.004.
    assert found["covered"] == pytest.approx(0.9, abs=0.015)
    # Only a part of the error lies in the wedge: intervals for the whole of it are too wide there.
    assert found["covered in wedge"] > found["covered"]
    narrow = replace(answer, std=np.full(case.truth.shape, 0.05))
    assert covered(narrow, case, region_of(case))["covered"] < 0.65


def test_a_slab_goes_on_beyond_the_view():
    fine = np.zeros((64, 4, 64), np.float32)
    fine[24:40] = 1.0
    flat = recorded(Phantom("flat", fine, False), (-45.0, 0.0, 45.0), None)
    # A homogeneous slab looks the same everywhere, so that its level is taken away entirely.
    assert np.abs(flat.sinograms).max() < 1e-3


def test_a_tilt_that_is_shifted_and_scaled_is_compared_as_it_was():
    rng = np.random.default_rng(1)
    tilt = ndimage.gaussian_filter(rng.normal(size=(40, 48)), 2)
    moved = 5 - 3 * ndimage.shift(tilt, (1.5, -1.0), order=3, mode="nearest")
    # Noise of the recorded tilt stays, whatever is fitted.
    noisy = tilt + rng.normal(0, 0.05, tilt.shape)
    exact, recorded = compared(moved, np.stack([tilt, noisy]))
    assert exact < 1e-3 * tilt.var()
    assert recorded == pytest.approx(0.05**2, rel=0.15)
    assert compared(np.roll(tilt, 12, 1), tilt[None])[0] > 0.3 * tilt.var()


def _white(case, seed):
    return np.random.default_rng(seed).normal(size=case.truth.shape)


def test_the_correlation_in_the_wedge_sees_nothing_of_what_was_measured_nor_of_the_margin(case):
    told = replace(case, truth=_white(case, 1))
    region = region_of(case)
    whole = wedge_mask(case.geometry.angles_deg, case.geometry.shape)
    assert region.sum() < whole.sum() and not (region & ~whole).any()
    # The margin is one frequency wide on all sides: around what is left, every neighbour is in the wedge.
    assert np.array_equal(without_margin(whole), region)
    assert not (ndimage.binary_dilation(region, np.ones((3, 3))) & ~whole).any()
    outside = part_in_region(_white(case, 2), ~region)
    row = scored(Answer(told.truth + outside), told, Answer(outside))
    known = [c for c in row["FSC"] if c is not None]
    assert known == pytest.approx([1.0] * len(known)) and row["error"] == pytest.approx(0, abs=1e-12)


def test_the_correlation_in_the_wedge_is_that_of_what_is_there(case):
    told = replace(case, truth=_white(case, 1))
    wrong = part_in_region(_white(case, 2), region_of(case))
    row = scored(Answer(told.truth + wrong), told, Answer(0 * wrong))
    # As much noise as there is of the truth: 1 / sqrt(2). Outer shells hold thousands of frequencies.
    assert [c for c in row["FSC"][-6:] if c is not None] == pytest.approx([2**-0.5] * 6, abs=0.06)
    assert row["error over truth"] == pytest.approx(1.0, abs=0.05)
    assert row["power"] == pytest.approx(2.0, abs=0.1)


def test_a_recorded_series_hides_its_outer_tilts_and_knows_them_without_noise():
    series = held(Recording("needle", 16.0, 400.0), 5)
    assert max(np.abs(series.case.geometry.angles_deg)) <= 60 < min(np.abs(series.angles))
    assert series.recorded.shape[1] == series.hidden.shape[1] + series.case.sinograms.shape[1]
    noise = series.hidden - series.clean
    # Counts: 400 at the peak, so that their noise is at most 20, and whole numbers add 0.3.
    assert 1 < noise.std() < 20 and abs(noise.mean()) < 1
    assert np.corrcoef(series.hidden.ravel(), series.clean.ravel())[0, 1] > 0.9
    # The truth is in the unit of the tilts: its mass is theirs, to a few per cent of drift and of empty pixels' noise.
    mass = series.case.truth.sum(dtype=np.float64)
    assert series.recorded.sum((0, 2), dtype=np.float64) == pytest.approx(mass, rel=0.12)


def _row(**other):
    """A case of the section, as it is kept."""
    about = {"kind": "slab", "tilts": wedge.PLAIN, "dose": 3.0, "seed": 1, "error": 0.5, "power": 0.6, "reach": 0.2}
    return {**about, **other}


def test_the_page_has_means_over_seeds_and_the_worst_case():
    methods = ["WBP", "TV", "volume road"]
    rows = [_row(method="WBP", error=1.0, seed=s) for s in (1, 2)] + [_row(method="TV", seed=s) for s in (1, 2)]
    ours = {"method": "volume road"}
    rows += [_row(**ours, error=0.2, taken=True), _row(**ours, error=0.6, power=0.4, seed=2, taken=False)]
    slope = {"standard error": 0.02, "elongation": 1.1}
    slopes = [{"method": m, "dose": d, "slope": 0.95, **slope} for m in methods for d in (None, 3.0)]
    result = {"rows": rows, "slopes": slopes, "methods": methods}
    text = "\n".join(wedge.page(result))
    assert "| slab | ±60° in 3° | 3 e/Å² | 2 | 1.00 | 0.50 | 0.40 |" in text
    assert "| worst of all |  |  | 2 | 1.00 | 0.50 | 0.60 |" in text
    found = {aim.split(": ")[1][:5]: (said, met) for aim, said, met in wedge.aims(result)}
    assert found["error"] == ("0.40 on average, 0.60 at worst, 2 cases", True)
    assert found["taken"] == ("in 1 of 2 cases", False)
    assert found["bette"] == ("in 1 of 2 cases", False)
    assert found["power"] == ("0.40 to 0.60, 0.50 on average; outside in 1 of 2 cases", False)


def test_gains_on_recorded_tilts_are_stated_beside_what_could_be_gained(tmp_path):
    pytest.importorskip("matplotlib")
    gains = {"angles": [-70.0, 70.0], "gains": {"recorded": [1.0, 0.6], "clean": [1.0, 2.0]}}
    about = {
        **gains,
        "series": "needle",
        "seed": 1,
        "noise": "2 % of the peak",
        "shown": 30,
        "hidden": 10,
        "power": 0.9,
    }
    rows = [
        {"method": "TV", **about, "recorded": 0.0, "clean": 0.0, "error": 0.4, "true error": 0.3},
        {"method": "volume road", **about, "recorded": 0.8, "clean": 1.5, "error": 0.3, "true error": 0.2},
        {**about, "method": wedge_held_out.CEILING, "recorded": 1.1, "clean": None, "error": None, "true error": None}
        | {"power": None},
    ]
    result = {"rows": rows, "kept": {"uint16": True}}
    text = "\n".join(wedge_held_out.page(result))
    assert "| volume road | +0.80 | +1.50 | 0.30 | 0.20 | 0.90 |" in text
    assert "| the specimen itself | +1.10 | – | – | – | – |" in text
    met = {aim: met for aim, _, met in wedge_held_out.aims(result)}
    assert met["volume road: 1 dB over TV on hidden tilts, as recorded"] is False
    assert met["volume road: 1 dB over TV on hidden tilts, against tilts without noise"] is True
    assert wedge_pictures.draw_gains(result, tmp_path / "gains.png") and (tmp_path / "gains.png").is_file()


def test_generated_tilts_are_tabled_and_drawn_by_angle(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [
        {"way": way, "dose": None, "cpu": 1.0, "PSNR": [30.0] * 20, "SSIM": [0.9] * 20}
        for way in ("nearest tilt", "TV, reprojected", "volume road, reprojected", "tilt road, 1 at once")
    ]
    result = {"rows": rows, "hidden": wedge_tilts.HIDDEN, "side": 96}
    assert "| tilt road, 1 at once | 30.00 |" in "\n".join(wedge_tilts.page(result))
    assert wedge_tilts.draw(result, tmp_path / "tilts.png") and (tmp_path / "tilts.png").stat().st_size > 10_000
