"""Whatever is given beside the image: one clear line with exit status 2, and nothing is lost or overwritten."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import tifffile

import mendem
from mendem import Denoise, Image, MendemError
from mendem.cli import main


def grey(shape=(60, 70)) -> np.ndarray:
    """Noise around 128."""
    return np.random.default_rng(0).normal(128, 20, shape).astype(np.float32)


def tiff(path: Path, pixels) -> Path:
    tifffile.imwrite(path, pixels, photometric="minisblack")
    return path


def refused(capsys, *arguments) -> str:
    """The one line with which a command was refused."""
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert status == 2 and len(lines) == 1 and lines[0].startswith("mendem: "), captured.err
    assert captured.out == "" and "Traceback" not in captured.err
    return lines[0]


@pytest.mark.parametrize("size", ["0", "-5nm", "nan", "inf", "five", "5 parsec", "", "5,5,5,5,5nm"])
def test_bad_voxel_sizes_are_refused(size, tmp_path, capsys):
    path = tiff(tmp_path / "a.tif", grey())
    line = refused(capsys, "denoise", path, tmp_path / "out.tif", f"--voxel-size={size}")
    assert "voxel" in line and not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_voxel_sizes_are_refused_in_python(value):
    with pytest.raises(MendemError, match="positive length"):
        mendem.VoxelSize((value,))


@pytest.mark.parametrize("region", ["5,5,0,10", "0,10,9,9", "0,61,0,10", "-1,5,0,10", "10,5,0,10", "1,2,3", "a,b,c,d"])
def test_empty_and_impossible_regions_are_refused(region, tmp_path, capsys):
    path = tiff(tmp_path / "a.tif", grey())
    line = refused(capsys, "denoise", path, tmp_path / "out.tif", f"--region={region}")
    assert "region" in line and not (tmp_path / "out.tif").exists()


def test_an_empty_selection_of_slices_is_refused():
    from mendem.engine import prepare

    for planes in ((), (1,), (-1,)):
        with pytest.raises(MendemError, match="slices"):
            prepare(Image(grey()), Denoise(), planes=planes)


@pytest.mark.parametrize("noise", ["-3", "nan", "inf", "atuo", "no-such-file.tif"])
def test_bad_noise_is_refused(noise, tmp_path, capsys):
    path = tiff(tmp_path / "a.tif", grey())
    line = refused(capsys, "denoise", path, tmp_path / "out.tif", f"--noise={noise}")
    assert "noise" in line and not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: tiff(p, np.full((60, 70), 9, np.uint8)), "holds no noise"),
        (lambda p: tiff(p, grey((1, 1))), "holds no noise"),
        (lambda p: tiff(p, np.full((3, 60, 70), 9, np.uint8)), "holds no noise"),
        (lambda p: tiff(p, np.full((60, 70), np.nan, np.float32)), ""),
        (lambda p: p.write_bytes(b"nonsense"), "not a TIFF"),
        (lambda p: tiff(p, grey().astype(np.complex64)), "complex"),
        (lambda p: p.mkdir(), "is a folder"),
    ],
)
def test_files_that_are_no_noise_are_refused(make, words, tmp_path, capsys):
    path, noise = tiff(tmp_path / "a.tif", grey()), tmp_path / "noise.tif"
    make(noise)
    line = refused(capsys, "denoise", path, tmp_path / "out.tif", "--noise", noise)
    assert words in line and "noise.tif" in line and not (tmp_path / "out.tif").exists()


def test_a_noise_file_of_another_shape_serves(tmp_path):
    # Noise is measured, not subtracted: any area will do.
    rng = np.random.default_rng(1)
    empty = tiff(tmp_path / "empty.tif", rng.normal(0, 10, (48, 90)).astype(np.float32))
    result = mendem.restore(grey(), Denoise(), inputs={"noise": mendem.read(empty)}, budget="preview")
    assert result.provenance["noise"]["offset"] == pytest.approx(100, rel=0.15)
    assert result.provenance["inputs"]["noise"]["shape"] == [48, 90]


def checkpoints(folder: Path) -> dict[str, str]:
    """Files that are no checkpoint, with a word of the answer."""
    import torch
    from safetensors.torch import save_file

    def made(name: str, facts: str) -> None:
        save_file({"a": torch.zeros(2)}, folder / name, {"mendem": facts} if facts else None)

    network = '"network": {"widths": [8], "blocks": [1], "descriptor": 16}, "coverage": {"pixel_nm": [1, 2]}'
    (folder / "text.safetensors").write_text("hello")
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "folder.safetensors").mkdir()
    (folder / "pickle.pth").write_bytes(b"\x80\x04.")
    made("foreign.safetensors", "")
    made("broken.safetensors", "{")
    made("list.safetensors", "[1]")
    made("bare.safetensors", '{"conditioning": 1}')
    made("future.safetensors", f'{{"conditioning": 99, {network}}}')
    made("misfit.safetensors", f'{{"conditioning": 1, {network}}}')
    made("odd.safetensors", '{"conditioning": 1, "network": {"x": 1}, "coverage": {"pixel_nm": [1, 2]}}')
    return {
        "text.safetensors": "not a mendem checkpoint",
        "empty.safetensors": "not a mendem checkpoint",
        "folder.safetensors": "no such prior",
        "missing.safetensors": "no such prior",
        "pickle.pth": "no such prior",
        "foreign.safetensors": "not a mendem checkpoint",
        "broken.safetensors": "not a mendem checkpoint",
        "list.safetensors": "not a mendem checkpoint",
        "bare.safetensors": "not a mendem checkpoint",
        "future.safetensors": "another version",
        "misfit.safetensors": "do not fit",
        "odd.safetensors": "do not fit",
    }


def test_a_checkpoint_that_is_none_is_refused(tmp_path, capsys):
    path = tiff(tmp_path / "a.tif", grey())
    for name, words in checkpoints(tmp_path).items():
        line = refused(capsys, "denoise", path, tmp_path / "out.tif", "--prior", tmp_path / name)
        assert words in line and name in line
        with pytest.raises(MendemError, match=words):
            mendem.restore(grey(), Denoise(), prior=str(tmp_path / name))
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "COMMAND"),
        (("denoies", "a.tif", "b.tif"), "denoies"),
        (("denoise",), "IN, OUT"),
        (("denoise", "a.tif"), "OUT"),
        (("denoise", "a.tif", "b.tif", "--budget", "huge"), "budget"),
        (("denoise", "a.tif", "b.tif", "--samples", "1.5"), "samples"),
        (("denoise", "a.tif", "b.tif", "--samples", "100"), "samples is 100"),
        (("denoise", "a.tif", "b.tif", "--seed=-1"), "seed is -1"),
        (("denoise", "a.tif", "b.tif", "--nosie", "3"), "--nosie"),
        (("denoise", "a.tif", "b.tif", "--dtype", "int8"), "dtype"),
        (("info", "--verbose"), "--verbose"),
        (("train", "recipe.toml"), "--data"),
    ],
)
def test_wrong_usage_is_one_line(arguments, words, capsys):
    assert words in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("out.xyz", "suffix"),
        ("out", "suffix"),
        ("out.dm3", "suffix"),
        ("nowhere/out.tif", "does not exist"),
        ("file.txt/out.tif", "not a folder"),
        (".tif", ""),
        ("taken.tif", "--overwrite"),
        ("folder.tif", "is a folder"),
        ("a.tif", "--overwrite to lose the original"),
    ],
)
@pytest.mark.parametrize("option", ["result", "spread"])
def test_targets_that_cannot_be_written_are_refused_before_the_work(target, words, option, tmp_path, capsys):
    path = tiff(tmp_path / "a.tif", grey())
    (tmp_path / "taken.tif").write_text("precious")
    (tmp_path / "file.txt").write_text("precious")
    (tmp_path / "folder.tif").mkdir()
    before = {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    out, spread = (target, "good.tif") if option == "result" else ("good.tif", target)
    if target == ".tif":  # a good name, if an odd one
        spread = out
    line = refused(capsys, "denoise", path, tmp_path / out, "--spread", tmp_path / spread)
    assert words in line
    assert {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


def test_no_option_allows_an_input_to_be_lost_to_another_file(tmp_path, capsys):
    path, noise = tiff(tmp_path / "a.tif", grey()), tiff(tmp_path / "noise.tif", grey((2, 60, 70)))
    (tmp_path / "link.tif").symlink_to(noise)
    raw = noise.read_bytes()
    for more in (["b.tif", "--spread", "a.tif"], ["noise.tif"], ["link.tif"], ["b.tif", "--spread", "b.tif"]):
        more = [str(tmp_path / m) if m.endswith(".tif") else m for m in more]
        refused(capsys, "denoise", path, *more, "--noise", noise, "--overwrite")
    assert noise.read_bytes() == raw and not (tmp_path / "b.tif").exists()


def test_a_result_may_replace_its_input_when_that_is_asked_for(tmp_path):
    path = tiff(tmp_path / "a.tif", grey())
    assert main(["denoise", str(path), str(path), "--overwrite", "--budget", "preview", "--json"]) == 0
    image = mendem.read(path)
    assert image.metadata["mendem"]["task"]["name"] == "denoise" and image.data.std() < grey().std()


def test_a_full_disk_is_said_in_one_line(tmp_path, capsys, monkeypatch):
    path = tiff(tmp_path / "a.tif", grey())
    full = namedtuple("usage", "total used free")(10**9, 10**9, 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    assert "disk" in refused(capsys, "denoise", path, tmp_path / "out.tif")
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("kind", ["python", "torch"])
def test_too_little_memory_is_said_in_one_line(kind, tmp_path, capsys, monkeypatch):
    import torch

    from mendem.priors.network_prior import NetworkPrior

    error = MemoryError() if kind == "python" else RuntimeError("DefaultCPUAllocator: can't allocate memory")
    assert kind == "torch" or not isinstance(error, torch.OutOfMemoryError)

    def denoise(*_):
        raise error

    monkeypatch.setattr(NetworkPrior, "denoise", denoise)
    path = tiff(tmp_path / "a.tif", grey())
    assert main(["denoise", str(path), str(tmp_path / "out.tif"), "--json"]) == 2
    captured = capsys.readouterr()
    assert "out of memory" in captured.err and len(captured.err.splitlines()) == 1 and captured.out == ""
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs files that nobody may write")
def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path, capsys):
    path = tiff(tmp_path / "a.tif", grey())
    assert "/proc" in refused(capsys, "denoise", path, "/proc/out.tif")
    assert "/proc" in refused(capsys, "demo", "--no-window", "--out", "/proc/demo")


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (None, "cannot read"),
        ("[network", "not a recipe"),
        ("[network]\nwidths = [8]\n", "blocks"),
        ("network = 3\n", "must be a table"),
    ],
)
def test_bad_recipes_are_refused(recipe, words, tmp_path, capsys):
    path = tmp_path / "recipe.toml"
    if recipe is not None:
        path.write_text(recipe)
    line = refused(capsys, "train", path, "--data", tmp_path, "--run", tmp_path / "run")
    assert words in line and "recipe.toml" in line


def test_training_without_its_pictures_is_refused(root, tmp_path, capsys):
    recipe = next((root / "models").glob("*/recipe.toml"))
    for data in ("nowhere", "."):
        command = ["train", recipe, "--data", tmp_path / data, "--run", tmp_path / "run", "--out", tmp_path / "w.pth"]
        refused(capsys, *command)
    command = ["train", str(recipe), "--data", str(tmp_path), "--run", str(tmp_path / "run"), "--device", "cpu"]
    assert main(command) == 2
    assert "lacks pictures" in capsys.readouterr().err.splitlines()[-1]
