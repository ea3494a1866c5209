"""``mendem learn``: weights that fit one volume, or the word that the shipped ones are better."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mendem
from mendem.cli import main
from mendem.simulate import tissue_volume


@pytest.fixture(scope="module")
def sections(tmp_path_factory):
    """A file of averaged sections, 32 nm apart, (8, 128, 128)."""
    truth = 40 + 170 * np.asarray(tissue_volume((32, 128, 128), 8.0, seed=31).data)
    means = np.rint(truth.reshape(8, 4, 128, 128).mean(1)).astype(np.uint8)
    path = tmp_path_factory.mktemp("learn") / "sections.tif"
    mendem.write(path, mendem.Image(means, ("z", "y", "x"), mendem.VoxelSize((32.0, 8.0, 8.0))))
    return path


def test_what_was_learned_serves_as_the_prior_of_isotropic(sections, tmp_path, capsys):
    weights = tmp_path / "own.safetensors"
    assert main(["learn", str(sections), str(weights), "--minutes", "0.15", "--noise", "0", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["recommendation"]["sentence"]
    assert (said["weights"] is None) == (not weights.exists())
    prior = str(weights) if weights.exists() else "auto"
    command = ["isotropic", str(sections), str(tmp_path / "out.tif"), "--noise", "0", "--budget", "preview"]
    assert main([*command, "--prior", prior]) == 0
    assert mendem.read(tmp_path / "out.tif").shape == (32, 128, 128)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["own.bin"], "written as .safetensors"),
        (["own.safetensors", "--minutes", "0"], "a number above 0"),
        (["own.safetensors", "--factor", "100"], "at most 32"),
    ],
)
def test_what_cannot_be_learned_is_said_in_one_line(sections, tmp_path, monkeypatch, capsys, options, said):
    monkeypatch.chdir(tmp_path)
    assert main(["learn", str(sections), *options]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_weights_are_not_replaced_without_being_asked(sections, tmp_path, capsys):
    weights = tmp_path / "own.safetensors"
    weights.write_bytes(b"mine")
    assert main(["learn", str(sections), str(weights)]) == 2
    assert "--overwrite" in capsys.readouterr().err and weights.read_bytes() == b"mine"
