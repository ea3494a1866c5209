"""``mendem fill-wedge``: from the files of a tilt series to those of a completed one."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mendem
from mendem.cli import main
from mendem.image import Image, VoxelSize
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.tilt_files import write_angles

ANGLES = tuple(range(-60, 61, 6))


@pytest.fixture
def series(tmp_path, monkeypatch):
    """``ts.mrc``, dark on bright, and ``angles.tlt`` of an object that is the same in all 4 slices."""
    monkeypatch.chdir(tmp_path)
    shadows = ellipse_phantom(20, 20).project(SliceGeometry(ANGLES, (20, 20), 32))
    stack = np.round(2000 - 50 * np.repeat(shadows[:, None], 4, axis=1)).astype(np.int16)
    mendem.write("ts.mrc", Image(stack, ("tilt", "y", "x"), VoxelSize((None, 2.0, 2.0))))
    write_angles("angles.tlt", mendem.read_tilt_series("ts.mrc", ANGLES))
    return stack


COMMAND = ["fill-wedge", "ts.mrc", "out.mrc", "--tilts", "angles.tlt", "--contrast", "dark", "--thickness", "40nm"]
COMMAND += ["--filler", "tv"]


def test_it_writes_the_completed_stack_with_its_angles_and_says_what_is_what(series, capsys):
    assert main([*COMMAND, "--limit", "72", "--tomogram", "t.mrc", "--mask", "m.mrc", "--device", "cpu", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["specimen"] == "isolated" and said["filler"] == "tv" and not said["partial"]
    whole = mendem.read_tilt_series("out.mrc")
    assert whole.true_angles == tuple(range(-72, 73, 6))
    assert [t["flag"] == "measured" for t in said["tilts"]] == [abs(a) <= 60 for a in whole.true_angles]
    np.testing.assert_array_equal(np.asarray(whole.image.data)[2:-2], series)
    assert any("4 tilts of this stack were generated" in note for note in whole.notes)
    tomogram = mendem.read("t.mrc")
    assert tomogram.shape == (20, 4, 32) and tomogram.voxel_size == VoxelSize((2.0, 2.0, 2.0))
    # What is dense is bright in the tomogram, whatever the tilts look like.
    assert tomogram.data.mean() > 0
    assert said["energy_in_wedge"]["filled"]["missing"] > said["energy_in_wedge"]["back_projection"]["missing"]


def test_it_tells_people_what_it_did(series, capsys):
    assert main([*COMMAND, "--exclude", "0"]) == 0
    said = capsys.readouterr().out
    assert "20 measured from -54° to 60°, 1 excluded" in said
    assert "to be generated: 6 below -54°, 5 above 60°" in said
    assert "energy in the wedge:" in said and "out.mrc written after" in said and "note: Filled by" in said
    assert main(["info", "out.mrc"]) == 0
    told = capsys.readouterr().out
    assert "made by mendem: fill-wedge" in told and "tilts: 11 generated, 1 excluded, 20 measured" in told


def test_what_was_generated_is_not_filled_again(series, capsys):
    assert main([*COMMAND]) == 0
    assert main(["fill-wedge", "out.mrc", "again.mrc"]) == 2
    assert "10 generated tilts: its wedge has been filled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--limit", "95"], "at most 90"),
        (["--limit", "50"], "none is missing up to 50°"),
        (["--filler", "magic"], "invalid choice"),
        (["--exclude", "0-18"], "2 tilts to use"),
        (["--tomogram", "out.mrc"], "written twice"),
        (["--tomogram", "ts.mrc", "--overwrite"], "tilt series itself"),
        (["--tomogram", "t.jpg"], "suffix"),
        (["--mask", "nowhere/m.mrc"], "nowhere does not exist; create it first"),
        (["--thickness", "0"], "at least 1"),
        (["--adapt", "0"], "above 0"),
        (["--adapt", "1"], "only the network can learn"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(series, tmp_path, capsys, options, said):
    assert main([*COMMAND, *options]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert {p.name for p in tmp_path.iterdir()} == {"ts.mrc", "angles.tlt"}


@pytest.mark.parametrize(
    ("output", "said"), [("out.png", "out.png: give it a suffix"), ("nowhere/out.mrc", "cannot write nowhere/out.mrc")]
)
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_filled(series, capsys, output, said):
    command = [output if word == "out.mrc" else word for word in COMMAND]
    assert main(command) == 2
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and not told.out


def test_a_time_too_short_to_learn_anything_is_said(series, capsys, monkeypatch):
    monkeypatch.setattr("mendem.training.wedge_adapt.adapt", lambda *_, **__: iter(()))
    command = ["network" if word == "tv" else word for word in COMMAND]
    assert main([*command, "--adapt", "0.01"]) == 0
    assert (
        "Nothing was learned from this series: 0.01 minutes were over before the first step" in capsys.readouterr().out
    )


def test_a_pixel_type_that_the_format_lacks_is_refused_before_anything_is_filled(series, capsys):
    mendem.write("wide.tif", Image(series.astype(np.int32), ("tilt", "y", "x")))
    command = ["wide.tif" if word == "ts.mrc" else word for word in COMMAND]
    assert main(command) == 2
    told = capsys.readouterr()
    assert "MRC has no pixels of type int32; write a .tif" in told.err and not told.out
