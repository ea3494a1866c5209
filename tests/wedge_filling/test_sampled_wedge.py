"""A sample in place of the mean: of a whole series, in memory and from the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import mendem
from mendem.cli import main
from mendem.errors import MendemError
from mendem.priors.wedge_filler import WedgeFiller
from mendem.priors.wedge_network import WedgeNetwork
from mendem.priors.wedge_residual import ResidualNetwork
from mendem.priors.wedge_samples import Sampler
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.projector import Projector
from mendem.tomography.tilt_files import write_angles
from mendem.tomography.tilt_series import TiltSeries
from mendem.tomography.wedge import wedge_mask
from mendem.wedge_filling import choice, volume_road
from mendem.wedge_filling.parameters import FillWedge
from mendem.wedge_filling.prepare import prepare
from mendem.wedge_filling.volume_road import NO_SAMPLE, SAMPLED, VolumeRoad, estimating

ANGLES = tuple(range(-60, 61, 6))
DEPTH, WIDTH, ROWS = 20, 32, 3


@pytest.fixture
def series() -> TiltSeries:
    """An isolated object that is the same in all rows."""
    shadows = ellipse_phantom(DEPTH, 20).project(SliceGeometry(ANGLES, (DEPTH, 20), WIDTH))
    stack = np.round(2000 - 50 * np.repeat(shadows[:, None], ROWS, axis=1)).astype(np.int16)
    return TiltSeries(mendem.Image(stack, ("tilt", "y", "x")), tuple(map(float, ANGLES)), aligned=True)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Networks that have learned nothing: the mean is total variation, a sample is noise of the residuals' spectrum."""
    mean = WedgeNetwork((8, 16), (1, 1)).eval().requires_grad_(False)
    drawing = ResidualNetwork((8, 16), (1, 1)).eval().requires_grad_(False)
    monkeypatch.setattr(choice, "network_filler", lambda isolated, device: WedgeFiller(mean, isolated))
    monkeypatch.setattr(volume_road, "load_sampler", lambda seed, device: Sampler(drawing, seed, sha256="0" * 64))


def fill(series: TiltSeries, **parameters):
    density = mendem.tomography.density.Density(contrast="dark")
    return mendem.fill_wedge(series, DEPTH, density=density, device="cpu", filler="network", **parameters)


def test_a_sample_and_its_mean_agree_in_what_was_measured_and_the_provenance_says_which_it_is(series):
    mean, sample, other = fill(series), fill(series, estimate="sample"), fill(series, estimate="sample", seed=1)
    added = (np.asarray(sample.tomogram.data) - np.asarray(mean.tomogram.data)).transpose(1, 0, 2)
    energy = np.abs(np.fft.fft2(added)) ** 2
    wedge = np.fft.ifftshift(wedge_mask(ANGLES, (DEPTH, WIDTH)))
    assert energy[:, ~wedge].sum() < 1e-6 * energy.sum() and energy[:, wedge].sum() > 0
    assert not np.array_equal(sample.tomogram.data, other.tomogram.data)
    np.testing.assert_array_equal(sample.spread.data, mean.spread.data)
    record = sample.tomogram.metadata["mendem"]
    assert record["found"]["sample"] == {"weights": "wedge-samples", "sha256": "0" * 64, "seed": 0}
    assert record["task"]["parameters"]["estimate"] == "sample" and SAMPLED in sample.notes
    assert "sample" not in mean.tomogram.metadata["mendem"]["found"] and SAMPLED not in mean.notes


def test_missing_tilts_are_projections_of_the_sample(series):
    filling = prepare(series, FillWedge(filler="network", estimate="sample"), DEPTH, device="cpu")
    (piece,) = filling.pieces(lambda: None, lambda _: None)
    missing = Projector(replace(filling.geometry, angles_deg=filling.completion.angles, shifts=()))
    seen = missing.forward(torch.from_numpy(piece.mean.transpose(1, 0, 2).copy())).numpy()
    np.testing.assert_allclose(piece.tilts, seen.transpose(1, 0, 2), atol=1e-4 * np.abs(seen).max())


def test_a_live_slice_is_the_slice_of_the_whole(series):
    filling = prepare(series, FillWedge(filler="network", estimate="sample", seed=2), DEPTH, device="cpu")
    (piece,) = filling.pieces(lambda: None, lambda _: None)
    *_, (live, _) = filling.iterates(1)
    # bfloat16 keeps 8 bits: batches of other sizes may round the last of them differently.
    np.testing.assert_allclose(live, piece.mean[:, 1], atol=0.02 * np.abs(live).max())


def test_another_estimate_of_a_filling_measures_nothing_again_and_says_what_it_is(series):
    filling = prepare(series, FillWedge(filler="network"), DEPTH, device="cpu")
    drawn = estimating(filling, FillWedge(filler="network", estimate="sample", seed=4))
    assert drawn.filler is filling.filler and drawn.sampler.seed == 4 and drawn.notes[-1] == SAMPLED
    assert estimating(drawn, filling.parameters).notes == filling.notes
    assert estimating(drawn, filling.parameters).found == filling.found


def test_where_total_variation_fills_there_is_no_sample_and_a_note_says_so(series, monkeypatch):
    monkeypatch.setattr(choice, "network_filler", lambda isolated, device: None)
    filling = prepare(series, FillWedge(estimate="sample"), DEPTH, device="cpu")
    assert isinstance(filling, VolumeRoad) and filling.sampler is None and filling.notes[-1] == NO_SAMPLE


@pytest.mark.parametrize("parameters", [{"filler": "tv"}, {"road": "tilts"}, {"seed": -1}])
def test_a_sample_of_what_has_none_is_refused(parameters):
    with pytest.raises(MendemError, match="samples are drawn|seed"):
        FillWedge(estimate="sample", **parameters)


def test_the_command_line_draws_what_python_draws(series, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    mendem.write("ts.mrc", series.image)
    write_angles("angles.tlt", series)
    command = ["fill-wedge", "ts.mrc", "out.mrc", "--tilts", "angles.tlt", "--contrast", "dark", "--thickness", "20"]
    command += ["--filler", "network", "--estimate", "sample", "--seed", "3", "--tomogram", "t.mrc", "--device", "cpu"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["provenance"]["found"]["sample"]["seed"] == 3
    drawn = fill(series, estimate="sample", seed=3).tomogram.data
    np.testing.assert_allclose(mendem.read("t.mrc").data, drawn, atol=1e-5 * np.abs(drawn).max())
