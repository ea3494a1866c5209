"""Training data, degradations, and a loop that can be interrupted."""

import json

import numpy as np
import pytest
import torch

from mendem.errors import MendemError
from mendem.priors import checkpoint
from mendem.priors.network import UNet
from mendem.training import train as loop
from mendem.training.batches import Batches
from mendem.training.degrade import DegradeOptions, degrade, noise_fields
from mendem.training.export import export
from mendem.training.pool import Source, block_mean, public_sources
from mendem.training.shapes import shapes


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_noise_fields_have_unit_variance_and_the_stated_correlation():
    field, lag = noise_fields(generator(), 24, 128, DegradeOptions())
    assert torch.allclose(field.var((1, 2, 3)), torch.ones(24), atol=0.15)  # correlated: few independent pixels
    measured_y = (field * field.roll(1, -2)).mean((1, 2, 3)) / field.var((1, 2, 3))
    measured_x = (field * field.roll(1, -1)).mean((1, 2, 3)) / field.var((1, 2, 3))
    assert torch.allclose(torch.stack([measured_y, measured_x], 1), lag, atol=0.08)


def test_the_believed_noise_is_the_real_one_where_no_jitter_is_asked_for():
    options = DegradeOptions(level=(0.5, 0.5), signal_dependent=0, hole=0, unconditional=0, level_jitter=0)
    target, condition = degrade(torch.zeros(16, 1, 96, 96), generator(), options)
    ratio = (condition.y - target).std((1, 2, 3)) / condition.noise_std.mean((1, 2, 3))
    assert torch.allclose(ratio, torch.ones(16), atol=0.25) and abs(float(ratio.mean()) - 1) < 0.06


def test_what_is_hidden_leaves_no_trace_in_the_observation():
    options = DegradeOptions(hole=1.0, unconditional=0)
    _, condition = degrade(torch.randn(8, 1, 64, 64), generator(), options)
    assert float((condition.y * (1 - condition.reliability)).abs().max()) == 0
    assert 0.3 < float(condition.reliability.mean()) < 1


def test_shapes_are_the_same_for_the_same_seed_and_standardised():
    a, b, c = shapes(1, 64), shapes(1, 64), shapes(2, 64)
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert abs(a.mean()) < 1e-4 and abs(a.std() - 1) < 1e-3


def test_batches_are_finite_of_the_right_size_and_take_thin_pictures():
    sources = [Source("thin", 1.0, [np.random.default_rng(0).normal(size=(20, 300)).astype(np.float32)])]
    batch = Batches(sources, 4, 48, 0).next()
    assert batch.shape == (4, 1, 48, 48) and bool(torch.isfinite(batch).all())


def test_block_means_keep_the_mean():
    x = np.arange(64.0).reshape(4, 4, 4)
    assert block_mean(x).mean() == pytest.approx(x.mean()) and block_mean(x).shape == (2, 2, 2)


def test_training_and_validation_pictures_are_disjoint(shared_data):
    training = {s.name: s.pictures for s in public_sources(shared_data / "train", "train")}
    validation = {s.name: s.pictures for s in public_sources(shared_data / "train", "validation")}
    assert set(validation) <= set(training)
    for name, pictures in validation.items():
        seen = {p.tobytes() for p in training[name]}
        assert pictures and not any(p.tobytes() in seen for p in pictures)


RECIPE = {
    "network": {"widths": [8, 16], "blocks": [1, 1], "descriptor": 16},
    "data": {"shapes": 2, "tissue": 0},
    "train": {"batch": 4, "patch": 32, "rate": 1e-3, "ema": 0.9, "absent": 0.5, "seed": 0},
    "coverage": {"pixel_nm": [6.0, 40.0], "modalities": ["SEM"], "degradations": ["noise"]},
}


def test_a_run_resumes_and_can_be_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "public_sources", lambda folder: [])
    run = tmp_path / "run"
    loop.train(RECIPE, tmp_path, run, minutes=0.03)
    first = torch.load(run / "state.pt", weights_only=True)["step"]
    loop.train(RECIPE, tmp_path, run, minutes=0.06)
    second = torch.load(run / "state.pt", weights_only=True)["step"]
    assert 0 < first < second
    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 2 and np.isfinite(losses).all()
    export(RECIPE, run, tmp_path / "weights.safetensors")
    _, facts = checkpoint.load(tmp_path / "weights.safetensors")
    assert facts["steps"] == second and facts["recipe"]["train"]["seed"] == 0


def test_the_loss_falls_on_a_batch_that_is_seen_again_and_again():
    clean = torch.from_numpy(np.stack([shapes(seed, 32) for seed in range(4)]))[:, None].float()
    target, condition = degrade(clean, generator(), DegradeOptions(hole=0, unconditional=0))
    torch.manual_seed(0)
    network = UNet(**RECIPE["network"])
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    values = []
    for _ in range(60):
        value = loop.loss(network, target, condition, None, None)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < 0.9 * values[0]


def test_exporting_what_was_never_trained_says_so(tmp_path):
    with pytest.raises(MendemError, match="train first"):
        export(RECIPE, tmp_path, tmp_path / "weights.safetensors")
