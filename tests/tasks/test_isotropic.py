"""Volumes of sections become isotropic: geometry, what was measured, and how much better than interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import mendem
from mendem import Image, Isotropic, VoxelSize
from mendem.errors import MendemError
from mendem.simulate import sample_sections, tissue_volume

PLAIN = {"align": False, "contrast": False, "focus": False, "repair": False, "noise": 0}


@pytest.fixture(scope="module")
def truth():
    """Simulated neuropil of 8 nm voxels, grey levels, (64, 64, 64)."""
    return 40 + 170 * np.asarray(tissue_volume((64, 64, 64), 8.0, seed=77).data, np.float32)


def averaged(truth, factor):
    return truth.reshape(-1, factor, *truth.shape[1:]).mean(1)


def volume(data, spacing=32.0):
    return Image(data, ("z", "y", "x"), VoxelSize((spacing, 8.0, 8.0), "nm"), source="sections")


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2))


def interpolated(sections, places, order):
    grid = np.meshgrid(places, *(np.arange(n) for n in sections.shape[1:]), indexing="ij")
    return ndimage.map_coordinates(sections, grid, order=order, mode="nearest")


def test_averaged_sections_are_the_means_of_the_result(truth):
    sections = averaged(truth, 4)
    result = mendem.restore(volume(sections), Isotropic(**PLAIN), budget="preview")
    assert result.image.shape == truth.shape
    assert result.image.voxel_size == VoxelSize((8.0, 8.0, 8.0), "nm")
    assert np.abs(averaged(result.image.data, 4) - sections).max() < 1e-2
    assert np.abs(result.residual.data).max() < 1e-2


def test_averaged_sections_are_restored_better_than_by_cubic_interpolation(truth):
    sections = averaged(truth, 4)
    cubic = interpolated(sections, (np.arange(64) + 0.5) / 4 - 0.5, 3)
    result = mendem.restore(volume(sections), Isotropic(**PLAIN))
    assert psnr(result.image.data, truth) > psnr(cubic, truth) + 0.3  # a smooth piece of tissue


def test_skipped_sections_come_back_bit_for_bit_in_their_own_type(truth):
    sections = np.rint(truth[::8] * 200).astype(np.uint16)
    noise = np.random.default_rng(0).normal(0, 500, sections.shape)
    sections = np.clip(sections + noise, 0, 65535).astype(np.uint16)
    result = mendem.restore(volume(sections, 64.0), Isotropic(sampling="skip"), budget="preview")
    assert result.image.dtype == np.uint16 and result.image.shape == (57, 64, 64)
    assert np.array_equal(result.image.data[::8], sections)
    assert np.abs(result.std.data[::8]).max() == 0 and result.std.data[4::8].min() > 0


def test_skipped_sections_are_exact_in_a_file_of_floats_too(truth, tmp_path):
    sections = np.rint(truth[::8] * 200).astype(np.uint16)
    task = Isotropic(sampling="skip", noise=0)
    mendem.restore_file(volume(sections, 64.0), tmp_path / "out.tif", task, dtype="float32", budget="preview")
    assert np.array_equal(np.asarray(mendem.read(tmp_path / "out.tif").data)[::8], sections)


def test_a_section_that_shows_nothing_does_not_spoil_the_others():
    sections, whole = sample_sections((24, 64, 64))
    whole = np.asarray(whole.data, np.float64)
    errors = {}
    for contrast in (True, False):
        result = mendem.restore(sections, Isotropic(contrast=contrast), budget="preview")
        errors[contrast] = np.sqrt(np.mean((result.image.data - whole) ** 2))
        assert result.provenance["found"]["sections"]["missing"] == [8]
    assert errors[True] < 1.1 * errors[False]


def test_what_lies_between_skipped_sections_is_better_than_either_interpolation(truth):
    sections = truth[::4]
    result = mendem.restore(volume(sections), Isotropic(sampling="skip", **PLAIN))
    inner = truth[: len(result.image.data)]
    best = max(psnr(interpolated(sections, np.arange(61) / 4, order), inner) for order in (1, 3))
    assert psnr(result.image.data, inner) > best + 0.3


@pytest.mark.parametrize(("sampling", "planes"), [("average", 88), ("skip", 83), ("both", 85)])
def test_a_factor_need_not_be_whole(truth, sampling, planes):
    sections = averaged(truth, 4)
    image = volume(sections, 44.0)
    result = mendem.restore(image, Isotropic(sampling=sampling, target_voxel="8nm", **PLAIN), budget="preview")
    assert result.image.shape == (planes, 64, 64)
    assert result.image.voxel_size.values[0] == pytest.approx(8.0)
    assert np.isfinite(result.image.data).all()


def test_sections_thinner_than_their_distance_are_the_means_of_their_planes(truth):
    sections = truth.reshape(8, 8, 64, 64)[:, :4].mean(1)
    result = mendem.restore(
        volume(sections, 64.0), Isotropic(sampling="both", thickness=0.5, **PLAIN), budget="preview"
    )
    assert result.image.shape == (60, 64, 64)
    inside = np.stack([result.image.data[8 * i : 8 * i + 4].mean(0) for i in range(8)])
    assert np.abs(inside - sections).max() < 2e-2


def test_several_blocks_agree_with_one(truth, monkeypatch):
    image, task = volume(averaged(truth, 4)), Isotropic(**PLAIN)
    whole = mendem.restore(image, task, budget="preview").image.data
    monkeypatch.setattr("mendem.blocks.VOLUME_BLOCK", 32)
    monkeypatch.setattr("mendem.blocks.VOLUME_CELL", 16)
    done = []
    parts = mendem.restore(image, task, budget="preview", progress=lambda p: done.append(p.blocks)).image.data
    assert done[-1] == 8
    # What lies beyond the halo of 48 pixels, and bfloat16, are all that differs.
    assert np.abs(parts - whole).max() < 0.004 * np.ptp(truth)


def test_a_missing_section_is_restored_from_those_around_it(truth):
    sections = averaged(truth, 4)
    broken = sections.copy()
    broken[7] = broken[7].min()
    result = mendem.restore(volume(broken), Isotropic(noise=0), budget="preview")
    assert result.provenance["found"]["sections"]["missing"] == [7]
    assert np.isfinite(result.image.data).all()
    between = (sections[6] + sections[8]) / 2
    filled = averaged(result.image.data, 4)[7]
    assert psnr(filled, sections[7]) > psnr(between, sections[7]) - 0.5
    assert result.std.data[30].mean() > 1.2 * result.std.data[18].mean()


def test_a_sample_agrees_with_its_sections_and_has_more_texture_than_the_mean(truth):
    sections = averaged(truth, 4)[:, :32, :32]
    result = mendem.restore(volume(sections), Isotropic(**PLAIN), budget="preview", samples=1)
    (drawn,) = result.samples
    assert np.abs(averaged(drawn.data, 4) - sections).max() < 1e-2
    steps = [np.abs(np.diff(v, axis=0)).mean() for v in (drawn.data, result.image.data)]
    assert steps[0] > steps[1]


def test_a_region_is_restored_where_it_lies(truth):
    image, task = volume(averaged(truth, 4)), Isotropic(**PLAIN)
    whole = mendem.restore(image, task, budget="preview").image.data
    part = mendem.restore(image, task, budget="preview", region=(8, 40, 16, 48)).image.data
    assert part.shape == (64, 32, 32)
    assert np.abs(part - whole[:, 8:40, 16:48]).max() < 0.01 * np.ptp(truth)


def test_cancelling_keeps_no_half_block(truth):
    from threading import Event

    cancel = Event()
    result = mendem.restore(
        volume(averaged(truth, 4)), Isotropic(**PLAIN), progress=lambda p: cancel.set(), cancel=cancel
    )
    assert result.partial and np.isnan(result.image.data).all()


@pytest.mark.parametrize(
    ("image", "settings", "said"),
    [
        (Image(np.zeros((4, 32, 32), np.uint8)), {}, "voxel size is not known"),
        (Image(np.zeros((4, 32, 32), np.uint8)), {"target_voxel": "4nm"}, "distance of the sections is unknown"),
        (Image(np.zeros((32, 32), np.uint8)), {"factor": 4}, "one volume"),
        (Image(np.zeros((1, 32, 32), np.uint8)), {"factor": 4}, "one section"),
        (volume(np.zeros((4, 32, 32), np.uint8), 4.0), {}, "factor of 0.5"),
        (volume(np.zeros((4, 32, 32), np.uint8), 800.0), {}, "factor of 100"),
    ],
)
def test_what_cannot_be_made_isotropic_is_said_in_one_sentence(image, settings, said):
    with pytest.raises(MendemError, match=said) as caught:
        mendem.restore(image, Isotropic(**settings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"factor": 0.5},
        {"factor": "much"},
        {"factor": None},
        {"target_voxel": "five"},
        {"sampling": "some"},
        {"thickness": 2},
    ],
)
def test_wrong_parameters_are_refused(settings):
    with pytest.raises(MendemError, match=next(iter(settings))):
        Isotropic(**settings)
