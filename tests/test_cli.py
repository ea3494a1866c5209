"""The command line: made from declarations, quick to start, readable by people and by programs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import mendem
from mendem import Denoise, tasks
from mendem.cli import main
from mendem.cli.report import duration, megabytes, plain
from mendem.options import parameter
from mendem.simulate import sample_micrograph


@pytest.fixture
def micrograph(tmp_path):
    """A small micrograph on disk."""
    path = tmp_path / "in.tif"
    mendem.write(path, sample_micrograph((96, 80))[0])
    return path


def answer(capsys, *arguments) -> dict:
    """The one JSON object of a command that went well."""
    assert main([*(str(a) for a in arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["denoise", "--help"], ["info", "nowhere.tif"]])
def test_help_and_refusals_load_neither_torch_nor_a_format(arguments):
    code = (
        "import sys; from mendem.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'scipy', 'tifffile', 'dask', 'PIL', 'napari') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "mendem", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("mendem ")


def test_help_says_units_ranges_and_defaults(capsys):
    with pytest.raises(SystemExit) as end:
        main(["denoise", "--help"])
    assert end.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "--noise auto|FLOAT|FILE",
        "(grey levels, 0 or more, default auto)",
        "{preview,balanced,best}",
        "default balanced",
        "0 to 64",
        "nm by default",
        "--no-resample",
    ):
        assert words in said


@dataclass(frozen=True)
class Sharpen(tasks.Task):
    """A task that no one here has heard of."""

    name: ClassVar[str] = "sharpen"
    title: ClassVar[str] = "Sharpen"
    summary: ClassVar[str] = "Make 100 % sharper."
    inputs: ClassVar[tuple] = (tasks.InputSlot("point_spread", "image of a point"),)
    keeps_measured: ClassVar[bool] = True

    width: float = parameter(1.5, "how wide", unit="px", low=0, high=9)
    mode: str = parameter("hard", "which way", choices=("hard", "soft"))
    twice: bool = parameter(False, "once more")

    def plan(self, image, inputs, check, earlier=None):
        assert (self.width, self.mode, self.twice) == (2.5, "soft", True)
        assert inputs["point_spread"].shape == (3, 3)
        return Denoise().plan(image, {})


def test_a_new_task_has_its_command_without_an_edit(micrograph, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(tasks.TASKS, "sharpen", Sharpen)
    with pytest.raises(SystemExit):
        main(["sharpen", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "how wide (px, 0 to 9, default 1.5)" in said and "Make 100 % sharper." in said
    mendem.write(tmp_path / "psf.tif", mendem.Image(np.ones((3, 3), np.float32)))
    options = ["--width", "2.5", "--mode", "soft", "--twice", "--point-spread", tmp_path / "psf.tif"]
    said = answer(capsys, "sharpen", micrograph, tmp_path / "out.tif", *options)
    assert said["provenance"]["task"] == {
        "name": "sharpen",
        "parameters": {"width": 2.5, "mode": "soft", "twice": True},
    }
    assert said["provenance"]["inputs"]["point_spread"]["shape"] == [3, 3]
    assert mendem.read(tmp_path / "out.tif").dtype == np.uint8  # it keeps what was measured, in its own type


def test_denoise_writes_what_python_returns(micrograph, capsys, tmp_path):
    options = ["--budget", "preview", "--samples", "2", "--seed", "4", "--spread", tmp_path / "spread.mrc"]
    said = answer(capsys, "denoise", micrograph, tmp_path / "out.mrc", *options)
    expected = mendem.restore(mendem.read(micrograph), Denoise(), budget="preview", samples=2, seed=4)
    assert np.array_equal(mendem.read(tmp_path / "out.mrc").data, expected.image.data)
    assert np.array_equal(mendem.read(tmp_path / "spread.mrc").data, expected.std.data)
    assert said["output"] == str(tmp_path / "out.mrc") and said["spread"] == str(tmp_path / "spread.mrc")
    assert said["chi2"] == pytest.approx(expected.chi2) and said["partial"] is False
    assert said["notes"] == list(expected.notes)
    assert said["provenance"] == mendem.read(tmp_path / "out.mrc").metadata["mendem"]


def test_denoise_tells_people_what_it_found(micrograph, capsys, tmp_path):
    assert main(["denoise", str(micrograph), str(tmp_path / "out.tif"), "--budget", "preview"]) == 0
    captured = capsys.readouterr()
    for words in ("96 x 80, uint8, 5 nm", "noise: standard deviation", "MB of memory", "chi²", "out.tif written"):
        assert words in captured.out
    assert captured.err == ""  # too short for a line of progress where no terminal is


@pytest.mark.parametrize(("size", "nm"), [("7", 7), ("13.1A", 1.31), ("0.012um", 12), ("4e-3µm", 4)])
def test_the_voxel_size_can_be_stated(size, nm, micrograph, capsys, tmp_path):
    command = ["denoise", micrograph, tmp_path / "out.tif", "--voxel-size", size, "--budget", "preview"]
    said = answer(capsys, *command)
    assert mendem.read(tmp_path / "out.tif").voxel_size.nm == pytest.approx((nm, nm))
    assert said["provenance"]["inputs"]["image"]["voxel_size"][0] > 0


def test_region_dtype_and_given_noise(micrograph, capsys, tmp_path):
    options = ["--region", "10,50,0,33", "--dtype", "same", "--noise", "12.5", "--no-resample"]
    said = answer(capsys, "denoise", micrograph, tmp_path / "out.tif", *options)
    out = mendem.read(tmp_path / "out.tif")
    assert out.shape == (40, 33) and out.dtype == np.uint8
    record = said["provenance"]
    assert record["task"]["parameters"] == {"noise": 12.5} and record["region"] == [10, 50, 0, 33]
    assert record["noise"]["offset"] == 12.5**2 and record["options"]["resample"] is False


@pytest.mark.parametrize(("count", "method"), [(1, "empty"), (3, "repeat")])
def test_the_noise_can_be_measured_on_a_file(count, method, micrograph, capsys, tmp_path):
    frames = np.random.default_rng(0).normal(50, 9, (count, 64, 64)).astype(np.float32)
    mendem.write(tmp_path / "noise.tif", mendem.Image(frames[0] if count == 1 else frames))
    said = answer(capsys, "denoise", micrograph, tmp_path / "out.tif", "--noise", tmp_path / "noise.tif")
    record = said["provenance"]
    assert method in record["noise"]["method"] and record["noise"]["offset"] == pytest.approx(81, rel=0.25)
    assert record["inputs"]["noise"]["source"].endswith("noise.tif")


def test_info_of_the_installation(capsys):
    about = answer(capsys, "info")
    assert about["versions"]["torch"] and about["devices"][-1]["name"] == "cpu"
    assert ".dm4" in about["formats"]["readable"] and ".dm4" not in about["formats"]["writable"]
    default = [prior for prior in about["priors"] if prior["default"]]
    assert len(default) == 1 and default[0]["pixel_nm"][0] < default[0]["pixel_nm"][1]
    assert main(["info"]) == 0
    said = capsys.readouterr().out
    assert all(words in said for words in (default[0]["name"], about["models"], ".mrc", "cpu"))


def test_info_of_files(micrograph, capsys, tmp_path):
    mendem.write(tmp_path / "plain.tif", mendem.Image(np.random.default_rng(0).normal(0, 3, (2, 200, 200))))
    main(["denoise", str(micrograph), str(tmp_path / "out.mrc"), "--budget", "preview"])
    capsys.readouterr()
    files = [micrograph, tmp_path / "plain.tif", tmp_path / "out.mrc"]
    first, second, third = answer(capsys, "info", *files)["files"]
    assert first["axes"] == ["y", "x"] and first["shape"] == [96, 80] and first["dtype"] == "uint8"
    assert first["voxel_size"] == {"y": 5, "x": 5} and first["unit"] == "nm" and first["provenance"] is None
    assert second["voxel_size"] is None and second["noise"]["std"] == pytest.approx(3, rel=0.1)
    assert third["provenance"]["task"]["name"] == "denoise"
    assert main(["info", *(str(f) for f in files)]) == 0
    said = capsys.readouterr().out
    assert "unknown voxel size" in said and "restored by mendem: denoise" in said


def test_info_of_weights_by_name_and_by_file(capsys, tmp_path):
    from mendem.priors import checkpoint
    from mendem.priors.network import UNet
    from mendem.priors.prior import Coverage

    path = tmp_path / "mine.safetensors"
    network = UNet((8, 16), (1, 1), embedding=16)
    facts = {"steps": 7, "minutes": 1.5, "loss": 0.5, "calibration": {"measured": [[0.0, 0.0]], "inferred": []}}
    checkpoint.save(network, Coverage((2.0, 40.0), ("SEM",), ("noise",)), path, facts)
    mine, shipped = answer(capsys, "info", path, "em-small")["files"]
    assert mine["kind"] == shipped["kind"] == "prior"
    assert mine["parameters"] == sum(p.numel() for p in network.parameters())
    assert mine["network"]["widths"] == [8, 16] and mine["training"]["steps"] == 7 and not mine["tells_novelty"]
    assert mine["sha256"] == checkpoint.digest(path) and mine["coverage"]["modalities"] == ["SEM"]
    assert shipped["path"].endswith("weights.safetensors") and shipped["calibration"] and shipped["tells_novelty"]
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert all(
        words in said for words in ("widths 8-16", "7 steps, 1.5 min", "2 to 40 nm", mine["sha256"], "1.00 times")
    )
    assert "NOT USABLE" not in said


def test_info_of_weights_that_serve_nothing_here_says_so(capsys, tmp_path, monkeypatch):
    from mendem.priors import checkpoint
    from mendem.priors.noise_network import NoiseNetwork

    path = tmp_path / "noise.safetensors"
    checkpoint.write(NoiseNetwork((4, 4), 8), path, {"steps": 3})
    assert main(["info", str(path)]) == 0 and "weights of a helper network" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "CONDITIONING", 2)
        assert main(["info", "em-small"]) == 0 and "NOT USABLE" in capsys.readouterr().out
    (tmp_path / "text.safetensors").write_text("no weights")
    for name, complaint in (("text.safetensors", "not a mendem checkpoint"), ("absent.safetensors", "no such file")):
        assert main(["info", str(tmp_path / name)]) == 2
        assert complaint in capsys.readouterr().err


def test_the_demo_without_a_window_writes_a_picture(tmp_path, capsys, monkeypatch):
    from PIL import Image as Pillow

    from mendem import simulate

    monkeypatch.setattr(simulate, "sample_micrograph", lambda: sample_micrograph((480, 480)))
    for _ in range(2):  # it can be run again
        assert main(["demo", "--out", str(tmp_path / "new"), "--no-window"]) == 0
    said = capsys.readouterr().out
    names = {p.name for p in (tmp_path / "new").iterdir()}
    assert names == {"mendem-demo.png", *(f"mendem-demo-{n}.tif" for n in ("noisy", "restored", "spread", "truth"))}
    assert str(tmp_path / "new" / "mendem-demo.png") in said and "dB" in said
    with Pillow.open(tmp_path / "new" / "mendem-demo.png") as picture:
        assert picture.width > 1500 and picture.height > 800
        assert len(np.unique(np.asarray(picture.convert("L").resize((64, 32))))) > 60
    assert mendem.read(tmp_path / "new" / "mendem-demo-restored.tif").metadata["mendem"]["task"]["name"] == "denoise"


def test_the_demo_opens_no_window_where_there_is_none_to_open(monkeypatch):
    from mendem.cli import demo

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(demo, "find_spec", lambda name: True)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "no display" in demo.no_window_because()
    monkeypatch.setenv("DISPLAY", ":0")
    assert demo.no_window_because() == ""
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    assert "not installed" in demo.no_window_because()


def test_train_writes_weights_that_serve_as_a_prior(tmp_path, capsys, monkeypatch, micrograph):
    from mendem.training import pack
    from mendem.training.pool import Source

    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        "[network]\nwidths = [8, 8]\nblocks = [1, 1]\ndescriptor = 16\n"
        "[data]\nshapes = 1\ntissue = 0\n"
        "[train]\nminutes = 0.02\nbatch = 4\npatch = 32\nrate = 1e-3\nema = 0.9\nabsent = 0.5\nseed = 1\n"
        '[coverage]\npixel_nm = [5.0, 10.0]\nmodalities = ["SEM"]\ndegradations = ["noise"]\n'
    )
    picture = np.random.default_rng(0).normal(size=(128, 128)).astype(np.float32)
    monkeypatch.setattr(pack, "public_sources", lambda *given: [Source("noise", 1.0, [picture])])
    monkeypatch.setattr(pack, "synthetic_sources", lambda shapes, tissue: [])
    command = ["train", str(recipe), "--data", str(tmp_path), "--run", str(tmp_path / "run"), "--device", "cpu"]
    assert main(command) == 0
    weights = tmp_path / "run" / "weights.safetensors"
    assert str(weights) in capsys.readouterr().out
    said = answer(capsys, "denoise", micrograph, tmp_path / "out.tif", "--prior", weights)
    assert said["provenance"]["prior"]["name"] == str(weights)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (59, "59 s"), (200, "3 min 20 s"), (3599, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_durations_are_readable(seconds, text):
    assert duration(seconds) == text


def test_bytes_are_readable_and_json_is_strict():
    assert megabytes(310_400_000) == "310 MB" and megabytes(2_340_000_000) == "2.3 GB"
    strict = plain({"a": float("nan"), "b": (np.float32(1), np.arange(2)), "c": None, 3: float("-inf")})
    assert json.dumps(strict, allow_nan=False) == '{"a": null, "b": [1.0, [0, 1]], "c": null, "3": null}'
