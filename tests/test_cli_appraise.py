"""``mendem appraise``."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mendem
from mendem.cli import main
from mendem.simulate import sample_micrograph

DENOISE = ("--budget", "preview")
SHAPE = (160, 128)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two recordings of one place, what was made of them, and a stack of frames."""
    folder = tmp_path_factory.mktemp("appraise")
    image, truth = sample_micrograph(SHAPE)[:2]
    clean = np.asarray(truth.data, float)
    frames = [clean + 20 * np.random.default_rng(n).standard_normal(SHAPE) for n in range(4)]
    size = mendem.VoxelSize((5.0, 5.0))

    def put(name, data, axes=("y", "x"), size=size, **more):
        mendem.write(folder / name, mendem.Image(np.asarray(data, np.float32), axes, size, **more))

    put("raw.tif", frames[0])
    put("again.tif", frames[1])
    put("frames.tif", frames, ("frame", "y", "x"), mendem.VoxelSize((None, 5.0, 5.0)))
    put("other.tif", frames[0][:100, :100])
    put("foreign.tif", (frames[0] + clean) / 2)
    put("four.tif", frames, ("z", "y", "x"), mendem.VoxelSize((5.0, 5.0, 5.0)))
    path = {name: str(folder / f"{name}.tif") for name in ("raw", "again", "den", "den2", "spread", "part", "sr")}
    assert main(["denoise", path["raw"], path["den"], "--spread", path["spread"], *DENOISE]) == 0
    assert main(["denoise", path["again"], path["den2"], *DENOISE]) == 0
    assert main(["denoise", path["raw"], path["part"], "--region", "16,144,0,96", *DENOISE]) == 0
    assert main(["superres", path["raw"], path["sr"], *DENOISE]) == 0
    return folder


@pytest.fixture
def appraise(folder, monkeypatch, capsys):
    """Runs the command in the folder; gives the object that it prints."""
    monkeypatch.chdir(folder)

    def call(*arguments):
        assert main(["appraise", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return call


def test_it_says_what_changed(appraise):
    found = appraise("raw.tif", "den.tif", "--spread", "spread.tif")
    before, after = (mendem.read(name).data.astype(float) for name in ("raw.tif", "den.tif"))
    rows = {(r["name"].split(" ")[0], r["unit"]): r for r in found["measurements"]}
    assert rows["mean", ""]["before"] == pytest.approx(before.mean())
    assert rows["standard", ""]["after"] == pytest.approx(after.std())
    assert rows["area", "nm²"]["before"] == pytest.approx(rows["area", "%"]["before"] / 100 * before.size * 25)
    assert found["spectrum"][0]["high"] == 0.5 and found["spectrum"][0]["change"] < -3
    assert abs(found["spectrum"][-1]["change"]) < 1
    record = mendem.read("den.tif").metadata["mendem"]
    assert found["chi2"] == record["chi2"] and found["noise"] == "as the restoration assumed it"
    assert found["residual"][-1]["power"] == pytest.approx(1, abs=0.25)
    assert found["spread"]["rms"] == pytest.approx(np.sqrt(np.mean(mendem.read("spread.tif").data ** 2.0)), rel=1e-5)
    assert found["notes"] == []


def test_there_is_no_resolution_without_a_second_half(appraise, capsys):
    found = appraise("raw.tif", "den.tif")
    assert found["second"] is None and found["halves"] is None and "not independent" in found["no_resolution"]
    assert main(["appraise", "raw.tif", "den.tif"]) == 0
    said = capsys.readouterr().out
    assert "no resolution is given" in said and "FRC" not in said
    assert "membrane width" in said and "chi²" in said and "power by size of detail: 10 to 20 nm" in said


def test_a_second_recording_tells_consistency_and_halves_tell_resolution(appraise, capsys):
    found = appraise("raw.tif", "den.tif", "--second", "den2.tif", "--halves", "frames.tif")
    assert found["no_resolution"] is None and found["second"]["traced"] and found["second"]["unit"] == "nm"
    raw = found["halves"]["raw"]["period"]["1/7"]
    assert 10 < raw < 100 and found["halves"]["task"] == "denoise"
    assert f"Resolution of the data: {raw:.3g} nm" in found["halves"]["note"]
    assert main(["appraise", "raw.tif", "den.tif", "--second", "den2.tif"]) == 0
    assert "measures consistency and is no resolution" in capsys.readouterr().out


def test_finer_pixels_are_compared_by_their_means_and_that_is_said(appraise):
    found = appraise("raw.tif", "sr.tif")
    fine = mendem.read("sr.tif").data.astype(float)
    means = fine.reshape(SHAPE[0], 2, SHAPE[1], 2).mean((1, 3))
    after = {r["name"]: r["after"] for r in found["measurements"]}
    assert found["factor"] == 2 and found["pixel_nm"] == pytest.approx(5)
    assert after["standard deviation"] == pytest.approx(means.std(), rel=1e-5)
    assert any("means over 2 x 2" in note for note in found["notes"]) and found["residual"]


def test_a_region_is_compared_with_its_own_part(appraise):
    found = appraise("raw.tif", "part.tif")
    part = mendem.read("raw.tif").data[16:144, :96].astype(float)
    assert found["measurements"][0]["before"] == pytest.approx(part.mean())
    # Its noise is what was assumed: were the wrong part compared, structure would be in the residual.
    assert found["residual"][0]["power"] < 2


def test_what_another_program_made_is_judged_with_noise_that_is_estimated(appraise):
    found = appraise("raw.tif", "foreign.tif")
    assert found["noise"] == "estimated here from the raw image" and found["chi2"] is None
    assert any("no record" in note for note in found["notes"])
    assert found["residual"][-1]["power"] == pytest.approx(0.25, abs=0.1), "half of the noise was left in"


def test_another_raw_image_and_frames_are_told(appraise):
    assert any("was made of" in note for note in appraise("again.tif", "den.tif")["notes"])
    assert any("mean of its 4 frames" in note for note in appraise("frames.tif", "den.tif")["notes"])


def test_a_given_threshold_and_side_are_taken(appraise):
    found = appraise("raw.tif", "den.tif", "--threshold", "120", "--no-dark")
    raw = mendem.read("raw.tif").data
    assert found["before"]["area"] == pytest.approx(100 * np.mean(raw > 120)) and not found["after"]["dark"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["raw.tif", "nowhere.tif"], "nowhere.tif"),
        (["raw.tif", "other.tif"], "no whole multiple"),
        (["raw.tif", "four.tif"], "number of slices, 1 and 4"),
        (["raw.tif", "spread.tif"], "spread.tif is the standard deviation of a result"),
        (["raw.tif", "den.tif", "--second", "den.tif"], "made of the same recording"),
        (["raw.tif", "den.tif", "--second", "other.tif"], "has the shape"),
        (["raw.tif", "den.tif", "--spread", "other.tif"], "has the shape"),
        (["raw.tif", "den.tif", "--halves", "raw.tif"], "single image has no second half"),
        (["raw.tif", "den.tif", "--plane", "3"], "has no slice 3"),
        (["raw.tif", "den.tif", "--threshold", "nan"], "threshold"),
        (["raw.tif", "den.tif", "--threshold", "much"], "--threshold"),
    ],
)
def test_what_cannot_be_appraised_is_refused_in_one_line(arguments, words, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["appraise", *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err and not said.out
    assert said.err.count("\n") == 1 and "Traceback" not in said.err
