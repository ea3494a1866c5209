"""Which part of a raw image a restored one shows, and when its residual can be judged."""

import numpy as np
import pytest

from mendem import Image, MendemError, VoxelSize
from mendem.appraisal import pair as pairs
from mendem.appraisal.overview import overview
from mendem.appraisal.pair import pair_up, record_of
from mendem.physics.noise import NoiseModel
from mendem.provenance import asdict_plain

SIDE = 96
RAW = 100 + 10 * np.random.default_rng(0).standard_normal((3, SIDE, SIDE))


def image(data, nm=5.0, **record):
    data = np.asarray(data, float)
    size = VoxelSize((None,) * (data.ndim - 2) + (nm, nm))
    return Image(data, (), size, {"mendem": record} if record else {})


def recorded(parameters=None, **more):
    task = {"name": "denoise", "parameters": parameters or {}}
    return {"task": task, "inputs": {"image": {}}, "noise": asdict_plain(NoiseModel(offset=100.0)), **more}


def test_slices_and_regions_are_found_by_the_record():
    part = image(RAW[1:, 16:80, 8:72] * 2, **recorded(region=[16, 80, 8, 72], planes=[1, 2]))
    pair = pair_up(image(RAW), part, plane=1)
    np.testing.assert_allclose(pair.after, 2 * pair.before)
    assert any("Slice 1" in note for note in pair.notes) and pair.pixel_nm == 5.0
    with pytest.raises(MendemError, match="whole multiple"):
        pair_up(image(RAW), image(RAW[1:, 16:80, 8:72]))


def test_of_a_large_image_the_middle_is_looked_at(monkeypatch):
    monkeypatch.setattr(pairs, "SIDE", 64)
    fine = np.kron(RAW[0], np.ones((2, 2)))
    pair = pair_up(image(RAW[0]), image(fine, 2.5))
    np.testing.assert_allclose(pair.before, RAW[0, 16:80, 16:80])
    np.testing.assert_allclose(pair.after, pair.before)
    np.testing.assert_array_equal(fine[pair.rows, pair.columns], pair.fine)
    assert (pair.factor, pair.pixel_nm, pair.fine_nm) == (2, 5.0, 2.5)
    back = pair_up(image(fine, 2.5), image(RAW[0]))
    assert (back.factor, back.pixel_nm, back.fine_nm) == (-2, 5.0, 5.0)
    assert overview(back, {}).no_bands == "the raw image has the finer pixels"


def test_pixel_sizes_that_differ_are_told():
    assert any("the first counts" in note for note in pair_up(image(RAW[0]), image(RAW[0], 7.0)).notes)
    unknown = pair_up(Image(RAW[0]), Image(RAW[0]))
    assert unknown.pixel_nm is None and any("in pixels" in note for note in unknown.notes)
    assert pair_up(Image(RAW[0]), image(RAW[0])).pixel_nm == 5.0


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"psf": "gaussian:3px"}, "undid a blur"),
        ({"keep_measured": True}, "kept what was measured"),
        ({"psf": "none"}, ""),
    ],
)
def test_a_residual_is_judged_only_where_it_means_something(parameters, why):
    record = recorded(parameters, chi2=1.1)
    seen = overview(pair_up(image(RAW[0]), image(np.full((SIDE, SIDE), 100.0), **record)), record)
    assert why in seen.no_bands and bool(seen.bands) == (not why) and seen.chi2 == 1.1
    for band in seen.bands:  # all that was taken away is white noise of the stated variance
        assert band.power == pytest.approx(1, abs=0.15)


def test_what_an_interrupted_run_left_out_is_left_out():
    after = RAW[0].copy()
    after[70:] = np.nan
    pair = pair_up(image(RAW[0]), image(after))
    seen = overview(pair, recorded())
    assert all(abs(octave.change) < 1e-6 for octave in seen.octaves)
    assert seen.before.mean == seen.after.mean


@pytest.mark.parametrize("record", [{"task": {}}, {"task": "denoise"}, {"task": {}, "inputs": {"image": 3}}])
def test_a_record_that_is_none_is_not_believed(record):
    assert record_of(image(RAW[0], **record)) == {}
    damaged = {**recorded(), "noise": {"nonsense": 1}}
    assert "damaged" in overview(pair_up(image(RAW[0]), image(RAW[0])), damaged).no_bands
