"""Presets: written, read again, made from results, and checked when they are read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import mendem
from mendem import presets
from mendem.errors import MendemError
from mendem.options import Options
from mendem.presets import Preset
from mendem.simulate import sample_micrograph
from mendem.tasks import TASKS, Deblur, Denoise, Frames, Inpaint, Isotropic, Mend, SuperResolve

ALL = (
    Denoise(noise=4.25),
    Deblur(psf="motion:8px@30"),
    SuperResolve(factor=4, psf="ctf:defocus=800nm,kv=200,cs=2.7"),
    Inpaint(keep_measured=False),
    Mend(mask="auto", factor=8, noise=1e-5),
    Frames(align=False),
    Isotropic(factor=9.78, sampling="both", thickness=0.25, focus=False),
)


def test_every_task_is_tried_here():
    assert {task.name for task in ALL} == set(TASKS)


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_a_preset_is_read_as_it_was_written(task, tmp_path):
    options = Options(
        "sample", samples=3, budget="best", seed=2**62, prior='C:\\a "b"\x7f µ\n.safetensors', resample=False
    )
    Preset(task, options).save(tmp_path / "x.toml")
    assert presets.load(tmp_path / "x.toml") == Preset(task, options)


def test_what_a_preset_leaves_out_is_as_by_default(tmp_path):
    (tmp_path / "x.toml").write_text('task = "superres"\n[parameters]\nfactor = 4\n')
    assert presets.load(tmp_path / "x.toml") == Preset(SuperResolve(factor=4))


def test_the_words_of_a_preset_are_what_differs_from_the_defaults():
    assert Preset(Denoise()).words == "Denoise: all as by default"
    assert Preset(Isotropic(factor=8.0, keep=False), Options(budget="best")).words == (
        "Isotropic: factor 8.0, keep off, budget best"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no task; write task = and one of denoise, "),
        ('task = "sharpen"', 'is for the task "sharpen", which does not exist'),
        ("task = 3", "is for the task 3"),
        ('task = "denoise"\nbudget = "best"', "'budget' is unknown; known here: task, parameters, options"),
        ('task = "denoise"\n[parameters]\npsf = "auto"', "[parameters]: 'psf' is unknown; known here: noise"),
        ('task = "denoise"\n[options]\nnoise = 3', "[options]: 'noise' is unknown; known here: estimate"),
        ('task = "denoise"\nparameters = 3', "parameters is 3, but must be a table; write [parameters] above it"),
        ('task = "denoise"\n[parameters]\nnoise = "much"', "noise is 'much', but must be auto or a standard deviation"),
        ('task = "denoise"\n[parameters]\nnoise = -1', "noise is -1"),
        ('task = "denoise"\n[parameters]\nnoise = nan', "noise is nan"),
        ('task = "denoise"\n[parameters]\nnoise = [1]', 'noise is [1], but must be a number or a text in "quotes"'),
        ('task = "denoise"\n[options]\nbudget = "huge"', "budget is 'huge', but must be one of preview"),
        ('task = "denoise"\n[options]\nsamples = 2.5', "samples is 2.5, but must be a whole number"),
        ('task = "denoise"\n[options]\nsamples = true', "samples is true, but must be a whole number"),
        ('task = "denoise"\n[options]\nresample = "no"', 'resample is "no", but must be true or false'),
        ('task = "isotropic"\n[parameters]\nthickness = 7', "thickness is 7, but must be at least 0.01"),
        ('task = "deblur"\n[parameters]\npsf = "spot.tif"', "the blur 'spot.tif' is not understood"),
        ('task = denoise"', "is not a preset, or damaged: Invalid value (at line 1, column 8)"),
        ('task = "denoise"\n#' + 70000 * "x", "is not a preset, for which it is too large"),
    ],
)
def test_what_is_wrong_in_a_preset_is_said_with_its_name(text, words, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(MendemError) as error:
        presets.load(path)
    assert str(error.value).startswith(str(path)) and words in str(error.value)


def test_what_is_no_preset_at_all_is_said(tmp_path):
    (tmp_path / "x.tif").write_bytes(b"II*\0\xff\xfe\xff")
    for path, words in ((tmp_path / "x.tif", "it is not text"), (tmp_path / "no.toml", "does not exist")):
        with pytest.raises(MendemError, match=words):
            presets.load(path)
    with pytest.raises(MendemError, match="cannot read"):
        presets.load(tmp_path)


def test_a_preset_is_not_replaced_unasked(tmp_path):
    Preset(Denoise()).save(tmp_path / "x.toml")
    with pytest.raises(MendemError, match="exists"):
        Preset(Frames()).save(tmp_path / "x.toml")
    assert presets.load(tmp_path / "x.toml").task == Denoise()
    Preset(Frames()).save(tmp_path / "x.toml", overwrite=True)
    assert presets.load(tmp_path / "x.toml").task == Frames()
    assert [p.name for p in tmp_path.iterdir()] == ["x.toml"]


def test_a_preset_in_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(MendemError, match="does not exist; create it first"):
        Preset(Denoise()).save(tmp_path / "no" / "x.toml")


def test_a_result_says_what_it_was_made_with(tmp_path):
    path, options = tmp_path / "x.tif", Options(budget="preview", seed=5)
    mendem.restore_file(sample_micrograph((48, 48))[0], path, Denoise(noise=20.0), options=options)
    made = presets.of_result(path)
    assert made == Preset(Denoise(noise=20.0), options)
    record = mendem.read(path).metadata["mendem"]
    assert made.makes(record)
    assert not Preset(Denoise(noise=21.0), options).makes(record)
    assert not Preset(Denoise(noise=20.0)).makes(record) and not made.makes({})


def test_what_a_preset_does_not_hold_of_a_result_is_said():
    image = sample_micrograph((48, 48))[0]
    first = mendem.restore(image, Denoise(), inputs={"noise": image}, budget="preview").provenance
    made = presets.from_provenance({**first, "previous": first})
    assert made.task == Denoise()
    assert made.notes == (
        "The noise was an image of its own, which a preset does not hold.",
        "The result was made in several steps; the preset is the last one.",
    )
    assert not made.makes(first)


def test_an_image_that_mendem_did_not_make_has_no_preset(tmp_path):
    mendem.write(tmp_path / "x.tif", sample_micrograph((48, 48))[0])
    with pytest.raises(MendemError, match=r"x\.tif does not say how it was made"):
        presets.of_result(tmp_path / "x.tif")


@pytest.mark.parametrize(
    ("platform", "variable", "place"),
    [
        ("linux", "XDG_CONFIG_HOME", "mendem/presets"),
        ("win32", "APPDATA", "mendem/presets"),
        ("darwin", "HOME", "Library/Application Support/mendem/presets"),
    ],
)
def test_the_user_s_presets_are_where_the_system_keeps_settings(platform, variable, place, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert presets.folder() == tmp_path / place
    assert presets.saved() == []
    Preset(Denoise()).save(presets.path_of("b"))
    Preset(Denoise()).save(presets.path_of("A"))
    assert [path.name for path in presets.saved()] == ["A.toml", "b.toml"]


def test_a_preset_is_given_as_a_file_or_by_its_name():
    assert presets.path_of("x.toml") == Path("x.toml")
    assert presets.path_of("lab/x") == Path("lab/x")
    assert presets.path_of("x") == presets.folder() / "x.toml"
