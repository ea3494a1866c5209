"""Validation: the same numbers for the same network, better ones for a better answer."""

import math

import numpy as np
import pytest
import torch

from mendem.cli import main
from mendem.errors import MendemError
from mendem.training import validate as room
from mendem.training.pack import write_pack
from mendem.training.pool import Source, standardise
from mendem.training.shapes import shapes
from mendem.training.validate import batches, kinds, validate

PICTURES = [shapes(seed, 64) for seed in range(2)]
RECIPE = (
    "[network]\nwidths = [8, 8]\nblocks = [1, 1]\ndescriptor = 16\n"
    "[data]\nshapes = 1\ntissue = 0\n"
    "[train]\nminutes = 0.02\nbatch = 4\npatch = 32\nrate = 1e-3\nema = 0.9\nabsent = 0.5\nseed = 1\n"
    '[coverage]\npixel_nm = [5.0, 10.0]\nmodalities = ["SEM"]\ndegradations = ["noise"]\n'
)


class Constant(torch.nn.Module):
    """Corrects nothing, and is sure of that to the stated variance."""

    def __init__(self, log_variance=0.0):
        super().__init__()
        self.log_variance = log_variance

    def forward(self, channels, descriptor):
        return torch.cat([channels[:, :1] * 0, channels[:, :1] * 0 + self.log_variance], 1)


def test_the_answer_to_noise_alone_has_the_psnr_of_the_wiener_filter():
    found = validate(Constant(), PICTURES)["kinds"]
    for level in room.LEVELS:
        expected = []
        for p in PICTURES:
            low, high = np.percentile(p, [room.OUTERMOST, 100 - room.OUTERMOST])
            std = level * (high - low) / room.PEAK
            expected.append(10 * math.log10((high - low) ** 2 * (1 + std**2) / std**2))
        assert found[f"white {level:g}"]["psnr"] == pytest.approx(np.mean(expected), abs=1.0)
        assert abs(found[f"correlated {level:g}"]["psnr"] - found[f"white {level:g}"]["psnr"]) < 1.0


def test_validation_repeats_itself_whatever_the_batches():
    a, b = validate(Constant(), PICTURES, count=1), validate(Constant(), PICTURES, count=2)
    assert set(a["kinds"]) == set(kinds()) and a["pictures"] == 2
    for name, row in a["kinds"].items():
        assert row == pytest.approx(b["kinds"][name], rel=1e-4)
    assert a["loss"] == pytest.approx(np.mean([r["loss"] for n, r in a["kinds"].items() if "sampling" not in n]))
    assert validate(Constant(-6.0), PICTURES)["loss"] > a["loss"], "too sure of itself"


def test_every_kind_measures_something_but_the_unconditional_one():
    for name, ask in kinds().items():
        asked, peak = next(batches(PICTURES, ask, "cpu", 2))
        reliability = asked.channels[:, 2]
        assert bool((peak > 1).all())
        assert bool((reliability > 0).any()) == (name != "sampling, unconditional"), name
        assert bool((asked.channels[:, 0] != 0).any()) == name.startswith("sampling"), name


def test_a_leg_trains_from_a_pack_writes_what_travels_and_validates(tmp_path, capsys):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    pack = tmp_path / "train.npz"
    picture = standardise(np.random.default_rng(0).normal(size=(64, 64)))
    write_pack(pack, [Source("noise", 1.0, [picture])], [Source("binned", 0.0, PICTURES)])
    run = tmp_path / "run"
    command = ["train", str(recipe), "--data", str(pack), "--run", str(run), "--leg", "0.005", "--device", "cpu"]
    assert main(command) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1 and "validation" in said.out and "white 10" in said.err
    names = {"weights.safetensors", "training.safetensors", "state.pt", "log.jsonl", "validation.jsonl"}
    assert {p.name for p in run.iterdir()} == names
    (run / "state.pt").unlink()
    assert main(command) == 0
    assert len((run / "validation.jsonl").read_text().splitlines()) == 2


def test_nothing_that_exists_is_replaced_but_what_the_same_run_has_written(tmp_path, capsys, monkeypatch):
    recipe, pack, out = tmp_path / "recipe.toml", tmp_path / "train.npz", tmp_path / "mine.safetensors"
    recipe.write_text(RECIPE)
    write_pack(pack, [Source("noise", 1.0, [PICTURES[0]])], [])
    command = ["train", str(recipe), "--data", str(pack), "--device", "cpu", "--leg", "0.002", "--out", str(out)]
    out.write_bytes(b"somebody's")
    assert main([*command, "--run", str(tmp_path / "run")]) == 2
    assert "mine.safetensors exists" in capsys.readouterr().err and out.read_bytes() == b"somebody's"
    assert main([*command, "--run", str(tmp_path / "run"), "--overwrite"]) == 0
    assert main([*command, "--run", str(tmp_path / "run")]) == 0, "the same run goes on"
    assert main([*command, "--run", str(tmp_path / "another")]) == 2, "another run does not"
    capsys.readouterr()
    monkeypatch.setattr("mendem.training.pack.make_pack", lambda recipe, data, target: target.write_bytes(b"new"))
    folder = ["train", str(recipe), "--data", str(tmp_path), "--pack", str(pack)]
    before = pack.read_bytes()
    assert main(folder) == 2 and "--overwrite" in capsys.readouterr().err and pack.read_bytes() == before
    assert main([*folder, "--overwrite"]) == 0 and pack.read_bytes() == b"new"


def test_pictures_are_cut_to_whole_cells_for_validation_and_too_small_ones_refused():
    cut = [np.ascontiguousarray(p[:61, :60]) for p in PICTURES]
    whole = [p[:56, :56] for p in cut]
    assert validate(Constant(), cut) == validate(Constant(), whole)
    with pytest.raises(MendemError, match="8 pixels or more"):
        validate(Constant(), [p[:7] for p in PICTURES])
    with pytest.raises(MendemError, match="one size"):
        validate(Constant(), [PICTURES[0], PICTURES[1][:32]])


def test_a_pack_is_made_of_a_folder_alone_and_a_training_needs_a_folder(root, tmp_path, capsys):
    recipe = str(root / "models" / "em-small" / "recipe.toml")
    for more, words in (
        (["--data", str(tmp_path), "--pack", str(tmp_path / "a.zip")], ".npz"),
        (["--data", recipe, "--pack", str(tmp_path / "a.npz")], "not a folder"),
        (["--data", str(tmp_path), "--pack", str(tmp_path / "a.npz")], "lacks pictures"),
        (["--data", str(tmp_path)], "--run"),
        (["--data", str(tmp_path / "nowhere"), "--run", str(tmp_path / "run")], "not there"),
        (["--data", recipe, "--run", str(tmp_path / "run"), "--device", "cpu"], "not a pack"),
        (["--data", str(tmp_path), "--run", str(tmp_path / "run"), "--leg", "-1"], "--leg"),
    ):
        assert main(["train", recipe, *more]) == 2
        assert words in capsys.readouterr().err.splitlines()[-1]
