"""``mendem batch`` and ``mendem preset``: several files, one preset, and every way in which that can go wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import mendem
from mendem.batch import items_of, result_name, split_suffix
from mendem.cli import main
from mendem.errors import MendemError
from mendem.options import Options
from mendem.presets import Preset, folder, load
from mendem.simulate import sample_micrograph
from mendem.tasks import TASKS, Deblur, Denoise, Frames, Inpaint, Isotropic, Mend, SuperResolve


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with images in three formats, a preset, and settings of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    for seed, name in enumerate(("a.tif", "b.mrc", "c.ome.zarr")):
        mendem.write(name, sample_micrograph((48, 64), seed=seed)[0])
    Preset(Denoise(noise=20.0), Options(budget="preview")).save("p.toml")
    return tmp_path


def answer(capsys, *arguments: str, status: int = 0) -> dict:
    assert main(["batch", *arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_each_file_is_restored_as_by_its_own_command(place, capsys):
    said = answer(capsys, "p.toml", "a.tif", "b.mrc", "c.ome.zarr", "--to", "out/of/here")
    assert said["counts"]["done"] == 3 and [file["state"] for file in said["files"]] == ["done"] * 3
    results = [file["target"] for file in said["files"]]
    assert [os.path.basename(r) for r in results] == ["a-denoise.tif", "b-denoise.mrc", "c-denoise.ome.zarr"]
    for source, result in zip(("a.tif", "b.mrc", "c.ome.zarr"), results, strict=True):
        expected = mendem.restore(mendem.read(source), Denoise(noise=20.0), budget="preview")
        written = mendem.read(result)
        np.testing.assert_array_equal(np.asarray(written.data), expected.image.data)
        assert written.voxel_size.nm == pytest.approx(mendem.read(source).voxel_size.nm)
    assert said["files"][0]["chi2"] == pytest.approx(mendem.read(results[0]).metadata["mendem"]["chi2"])


SETTINGS = {
    "denoise": Denoise(),
    "deblur": Deblur(psf="gaussian:2px"),
    "superres": SuperResolve(),
    "inpaint": Inpaint(),
    "mend": Mend(factor=2),
    "frames": Frames(),
    "isotropic": Isotropic(factor=2.0),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_batch_does_every_task(name, place, capsys):
    Preset(SETTINGS[name], Options(budget="preview")).save("p.toml", overwrite=True)
    if name in ("frames", "isotropic"):
        stack = np.random.default_rng(0).normal(100, 9, (4, 32, 32)).astype(np.float32)
        mendem.write("a.tif", mendem.Image(stack, ("z", "y", "x")), overwrite=True)
    said = answer(capsys, "p.toml", "a.tif", "--to", "out")
    made = mendem.read(f"out/a-{name}.tif").metadata["mendem"]
    assert said["task"] == made["task"]["name"] == name
    assert Preset(SETTINGS[name], Options(budget="preview")).makes(made)


def test_a_file_that_fails_does_not_stop_the_others(place, capsys):
    (place / "bad.tif").write_bytes(b"no image")
    assert main(["batch", "p.toml", "bad.tif", "nowhere.tif", "a.tif", "--to", "out"]) == 2
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == [
        "failed   bad.tif: bad.tif is not a TIFF file in spite of its name; save it again as TIFF",
        "failed   nowhere.tif: nowhere.tif does not exist; check the name",
    ]
    assert said.out.splitlines()[2].startswith("done     a.tif -> out/a-denoise.tif, ")
    assert said.out.splitlines()[-1] == "3 files: 1 done, 2 failed"
    assert "file 3 of 3, a.tif: done" in said.err
    assert os.listdir("out") == ["a-denoise.tif"]


def test_an_error_of_ours_does_not_stop_the_others_either(place, capsys, monkeypatch):
    plan = Denoise.plan
    monkeypatch.setattr(Denoise, "plan", lambda *a: 1 / 0 if a[1].source == "a.tif" else plan(*a))
    said = answer(capsys, "p.toml", "a.tif", "b.mrc", "--to", "out", status=1)
    assert [file["state"] for file in said["files"]] == ["failed", "done"]
    assert "ZeroDivisionError" in said["files"][0]["why"]


def test_what_exists_is_skipped_unless_it_may_be_replaced(place, capsys):
    answer(capsys, "p.toml", "a.tif", "--to", "out")
    before = os.stat("out/a-denoise.tif").st_mtime_ns
    assert main(["batch", "p.toml", "a.tif", "b.mrc", "--to", "out"]) == 0
    line = capsys.readouterr().out.splitlines()[0]
    assert line == "skipped  a.tif: out/a-denoise.tif exists; --overwrite to make it again"
    assert os.stat("out/a-denoise.tif").st_mtime_ns == before and os.path.exists("out/b-denoise.mrc")
    assert answer(capsys, "p.toml", "a.tif", "--to", "out", "--overwrite")["counts"]["done"] == 1
    assert os.stat("out/a-denoise.tif").st_mtime_ns > before


def test_what_exists_and_is_of_another_preset_is_said_to_be(place, capsys):
    answer(capsys, "p.toml", "a.tif", "--to", "out")
    Preset(Denoise(noise=9.0), Options(budget="preview")).save("p.toml", overwrite=True)
    (file,) = answer(capsys, "p.toml", "a.tif", "--to", "out")["files"]
    assert file["state"] == "skipped" and file["why"].endswith("exists, and was not made with this preset")


def test_what_was_left_partial_is_made_anew(place, capsys):
    answer(capsys, "p.toml", "a.tif", "--to", "out")
    whole = mendem.read("out/a-denoise.tif")
    record = {**whole.metadata["mendem"], "partial": True}
    mendem.write("out/a-denoise.tif", whole.with_data(whole.data * np.nan), record, overwrite=True)
    assert answer(capsys, "p.toml", "a.tif", "--to", "out")["counts"]["done"] == 1
    again = mendem.read("out/a-denoise.tif")
    assert not again.metadata["mendem"]["partial"]
    np.testing.assert_array_equal(again.data, whole.data)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "sigkill"])
def test_a_batch_that_is_stopped_goes_on_when_it_is_started_again(how, place):
    slices = np.random.default_rng(0).normal(128, 20, (40, 64, 64)).astype(np.float32)
    mendem.write("long.tif", mendem.Image(slices, ("z", "y", "x")))
    preset = Preset(Denoise(noise=20.0))
    preset.save("p.toml", overwrite=True)
    command = [sys.executable, "-m", "mendem", "batch", "p.toml", "a.tif", "long.tif", "b.mrc", "--to", "out"]
    pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    seen = b""
    while not re.search(rb"file 2 of 3, long\.tif: +\d+ %, block ([2-9]|\d\d) of 40", seen):
        seen += os.read(ours, 4096)
    process.send_signal(how)
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    if how == signal.SIGINT:
        assert process.returncode == 130
        named = [line.split()[:2] for line in out.splitlines()[:3]]
        assert named == [["done", "a.tif"], ["partial", "long.tif"], ["waiting", "b.mrc"]]
        assert out.splitlines()[-2:] == [
            "3 files: 1 done, 1 partial, 1 waiting",
            "interrupted; start the same batch again to go on",
        ]
    before = os.stat("out/a-denoise.tif").st_mtime_ns
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[:3]] == ["skipped", "done", "done"]
    assert os.stat("out/a-denoise.tif").st_mtime_ns == before
    whole = mendem.read("out/long-denoise.tif")
    assert not whole.metadata["mendem"]["partial"]
    np.testing.assert_array_equal(whole.data, mendem.restore(mendem.read("long.tif"), preset.task).image.data)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["p.toml", "a.tif", "a.tif", "--to", "out"], "a.tif is given twice"),
        (["p.toml", "a.tif", "./a.tif", "--to", "out"], "a.tif and ./a.tif would both become out/a-denoise.tif"),
        (["p.toml", "a.tif", "sub/A.tiff", "--to", "out", "--suffix", ".tif"], "would both become out/A-denoise.tif"),
        (["p.toml", "a.tif", "a-denoise.tif", "--to", "."], "the result of a.tif and is an input too"),
        (["p.toml", "a.tif", "--to", "out", "--suffix", ".png"], "cannot have the suffix '.png'; give same, or one of"),
        (["p.toml", "a.tif", "--to", "out", "--suffix", ".dm4"], "cannot have the suffix '.dm4'"),
        (["p.toml", "a.tif", "--to", "a.tif"], "a.tif is a file; give a folder"),
        (["p.toml", "a.tif", "--to", "c.ome.zarr"], "c.ome.zarr is a zarr"),
        (["other", "a.tif", "--to", "out"], "there is no preset other in "),
        (["a.toml", "a.tif", "--to", "out"], "a.toml does not exist"),
        (["p.toml", "--to", "out"], "required: IN"),
        (["p.toml", "a.tif"], "required: --to"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is(arguments, words, place, capsys):
    assert main(["batch", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and words in said.err
    assert not os.path.exists("out")


def test_wildcards_that_the_shell_leaves_are_followed(place, capsys):
    shutil.copy("a.tif", "a2.tif")
    said = answer(capsys, "p.toml", "a*.tif", "--to", "out")
    assert [file["source"] for file in said["files"]] == ["a.tif", "a2.tif"]


def test_a_preset_is_made_of_a_result_and_found_by_its_name(place, capsys):
    assert main(["denoise", "a.tif", "one.tif", "--noise", "20", "--budget", "preview", "--seed", "4"]) == 0
    assert main(["preset", "one.tif", "fast"]) == 0
    assert "fast.toml written; Denoise: noise 20.0, budget preview, seed 4" in capsys.readouterr().out
    assert load(folder() / "fast.toml") == Preset(Denoise(noise=20.0), Options(budget="preview", seed=4))
    answer(capsys, "fast", "a.tif", "--to", "out")
    np.testing.assert_array_equal(mendem.read("out/a-denoise.tif").data, mendem.read("one.tif").data)
    assert main(["preset", "one.tif", "fast"]) == 2
    assert main(["preset", "one.tif", "fast", "--overwrite"]) == 0
    assert main(["preset", "a.tif", "x.toml"]) == 2 and not os.path.exists("x.toml")


@pytest.mark.parametrize(
    ("source", "suffix", "expected"),
    [
        ("raw/cell.tif", "same", "cell-denoise.tif"),
        ("cell.MRC", "same", "cell-denoise.MRC"),
        ("cell.ome.zarr", "same", "cell-denoise.ome.zarr"),
        ("cell.ome.zarr/", "same", "cell-denoise.ome.zarr"),
        ("cell.ome.tif", ".mrc", "cell-denoise.mrc"),
        ("cell.mrc.gz", "same", "cell-denoise.mrc"),
        ("grid 1.2.dm4", "same", "grid 1.2-denoise.tif"),
        ("cell", "same", "cell-denoise.tif"),
        (".tif", "same", ".tif-denoise.tif"),
        ("cell.st", ".ome.zarr", "cell-denoise.ome.zarr"),
    ],
)
def test_results_are_called_after_file_and_task(source, suffix, expected):
    assert result_name(*split_suffix(source), "denoise", suffix) == expected


def test_names_that_differ_in_case_alone_are_one_name(tmp_path):
    with pytest.raises(MendemError, match="would both become"):
        items_of(["x/a.tif", "y/A.tif"], str(tmp_path), "denoise")
