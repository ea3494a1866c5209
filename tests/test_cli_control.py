"""``--control FILE`` of a task's command."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mendem
from mendem.cli import main
from mendem.errors import Cancelled
from mendem.simulate import sample_micrograph

ARGUMENTS = ("--budget", "preview", "--noise", "20")


@pytest.fixture
def micrograph(tmp_path, monkeypatch):
    """A small micrograph in the working folder."""
    monkeypatch.chdir(tmp_path)
    mendem.write("in.tif", sample_micrograph((96, 80))[0])
    return tmp_path / "in.tif"


def test_the_control_is_written_beside_the_result(micrograph, capsys):
    assert main(["denoise", "in.tif", "out.tif", "--control", "control.tif", "--json", *ARGUMENTS]) == 0
    said = json.loads(capsys.readouterr().out)["control"]
    control = mendem.read("control.tif")
    assert said["output"] == "control.tif" and len(said["channels"]) == len(control.data) == 6
    pictures = dict(zip(said["channels"], control.data, strict=True))
    np.testing.assert_array_equal(pictures["image"], mendem.read("in.tif").data)
    np.testing.assert_array_equal(pictures["image, restored"], mendem.read("out.tif").data)
    empty = said["empty"]
    assert said["noise_left"] == pytest.approx(empty["contrast"] / empty["input_contrast"])
    assert pictures["empty, restored"].std() == pytest.approx(empty["contrast"], rel=1e-4)
    assert len(said["conclusion"]) == 2


def test_it_is_said_in_words_and_left_out_when_not_asked_for(micrograph, capsys):
    assert main(["denoise", "in.tif", "out.tif", "--control", "control.tif", *ARGUMENTS]) == 0
    said = capsys.readouterr().out
    assert "control: Empty: on noise alone" in said and "control.tif holds the negative control" in said
    assert main(["denoise", "in.tif", "other.tif", "--json", *ARGUMENTS]) == 0
    assert json.loads(capsys.readouterr().out)["control"] is None


def test_a_result_may_replace_its_input(micrograph):
    before = mendem.read("in.tif").data
    assert main(["denoise", "in.tif", "in.tif", "--overwrite", "--control", "control.tif", *ARGUMENTS]) == 0
    np.testing.assert_array_equal(mendem.read("control.tif").data[0], before)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["out.tif", "--control", "out.tif"], "needs another name than the result"),
        (["out.tif", "--control", "in.tif", "--overwrite"], "needs another name than the input"),
        (["out.tif", "--spread", "s.tif", "--control", "s.tif"], "needs another name than the spread"),
        (["out.tif", "--control", "frame.tif", "--noise", "frame.tif", "--overwrite"], "an input of this run"),
        (["out.tif", "--control", "there.tif"], "there.tif exists"),
        (["out.tif", "--control", "nowhere/control.tif"], "the folder"),
        (["out.tif", "--control", "control.xyz"], "suffix"),
    ],
)
def test_a_name_that_will_not_do_is_refused_and_nothing_is_lost(arguments, words, micrograph, tmp_path, capsys):
    (tmp_path / "there.tif").write_bytes(b"precious")
    (tmp_path / "frame.tif").write_bytes(micrograph.read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["denoise", "in.tif", *ARGUMENTS, *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err and "Traceback" not in said.err
    assert not said.out, "refused before anything was computed"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_interrupted_run_tells_what_was_written(micrograph, monkeypatch, tmp_path, capsys):
    def stop(*_, **__):
        raise Cancelled

    monkeypatch.setattr("mendem.streaming.execute", stop)
    assert main(["denoise", "in.tif", "out.tif", "--control", "control.tif", *ARGUMENTS]) == 130
    assert "only control.tif was written" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["control.tif", "in.tif"]
