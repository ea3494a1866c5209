"""Training of the network that reads the noise: what it is asked, and that it learns to weigh a first estimate."""

import numpy as np
import pytest
import torch

from mendem.cli import main
from mendem.errors import MendemError
from mendem.priors.checkpoint import read_facts, write
from mendem.priors.noise_network import FIRST, READINGS, NoiseNetwork
from mendem.priors.noise_reader import load
from mendem.training.batches import Batches
from mendem.training.noise_draws import NoiseOptions
from mendem.training.noise_reading import judged_windows, learn_to_judge, windows
from mendem.training.pack import write_pack
from mendem.training.pool import Source
from mendem.training.train import train

NOISY = NoiseOptions((0.5, 0.5), 0.0, (0.3, 0.3), 0.0, 0.0, 0.0, 0.0, 0.0)


def batches(size=64):
    picture = np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32)
    return Batches([Source("noise", 1.0, [picture])], 4, size, 0)


def test_the_readings_are_those_of_the_noise_that_was_added():
    clean = torch.linspace(-1, 1, 64).repeat(200, 1, 64, 1)
    seen, readings = windows(clean, torch.Generator().manual_seed(0), NOISY)
    assert seen.shape == (200, 2, 64, 64) and readings.shape == (200, READINGS)
    measured = seen[:, 1]
    mean, power = (seen[:, 0].sum((1, 2)) / measured.sum((1, 2)), (seen[:, 0] ** 2).sum((1, 2)) / measured.sum((1, 2)))
    assert torch.allclose(mean, torch.zeros(200), atol=1e-4) and torch.allclose(power, torch.ones(200), atol=1e-4)
    # level 0.5 beside a ramp of standard deviation 1/sqrt(3)
    assert float(readings[:, 0].exp().median()) == pytest.approx(0.5 / (0.25 + 1 / 3) ** 0.5, rel=0.02)
    assert float(readings[:, 1:].abs().max()) < 1e-5


def test_the_judge_learns_whom_to_believe():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    seen = torch.randn((160, 2, 64, 64), generator=generator).half()
    wanted = torch.randn((160, READINGS), generator=generator)
    first = torch.cat([wanted, torch.ones(160, FIRST - READINGS)], 1)  # always right
    errors = learn_to_judge(NoiseNetwork((4, 4), 8), seen, wanted, first)
    assert max(errors["first"]) == 0
    assert np.mean(errors["judged"]) < 0.5 * np.mean(errors["read"])


RECIPE = {
    "noise": {"widths": [4, 4], "hidden": 8},
    "data": {"shapes": 1, "tissue": 0},
    "train": {"batch": 4, "patch": 64, "rate": 1e-3, "ema": 0.9, "seed": 0},
    "judge": {"windows": 16},
}


def test_judged_windows_bring_a_first_estimate():
    seen, wanted, first = judged_windows(batches(), 4, 0)
    assert seen.shape == (4, 2, 64, 64) and wanted.shape == (4, READINGS) and first.shape == (4, FIRST)


def test_a_training_in_legs_goes_on_ends_with_the_judge_and_serves_as_a_start(tmp_path, capsys):
    lines = (
        "[noise]\nwidths = [4, 4]\nhidden = 8\n[data]\nshapes = 1\ntissue = 0\n[judge]\nwindows = 16\n"
        "[train]\nminutes = 0.02\nbatch = 4\npatch = 64\nrate = 1e-3\nema = 0.9\nseed = 0\n"
    )
    recipe, pack, run = tmp_path / "recipe.toml", tmp_path / "train.npz", tmp_path / "run"
    recipe.write_text(lines)
    picture = np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32)
    write_pack(pack, [Source("noise", 1.0, [picture])], [])
    command = ["train", str(recipe), "--data", str(pack), "--run", str(run), "--device", "cpu"]
    out = ["--out", str(tmp_path / "noise.safetensors")]
    assert main([*command, *out, "--leg", "0.01"]) == 0
    first = read_facts(tmp_path / "noise.safetensors")
    assert first["steps"] > 0 and "errors" not in first
    (run / "state.pt").unlink()  # the small files are enough
    assert main([*command, *out]) == 0
    said = capsys.readouterr()
    assert "judged   median errors" in said.err and "models/em-noise" in said.out
    facts = read_facts(tmp_path / "noise.safetensors")
    assert facts["steps"] > first["steps"] and set(facts["errors"]) == {"first", "read", "judged"}
    network = load(tmp_path / "noise.safetensors", "cpu")
    assert all(bool(torch.isfinite(p).all()) for p in network.parameters()) and float(network.scale.std()) > 0
    again = ["--run", str(tmp_path / "other"), "--start", str(tmp_path / "noise.safetensors"), "--leg", "0.001"]
    assert main([*command, *again]) == 0


def test_another_shape_is_refused_as_a_start(tmp_path):
    write(NoiseNetwork((4, 8), 8), tmp_path / "noise.safetensors", {})
    source = Source("noise", 1.0, [np.zeros((96, 96), np.float32)])
    with pytest.raises(MendemError, match="another shape"):
        train(RECIPE, [source], tmp_path / "run", 0.001, start=tmp_path / "noise.safetensors")
