"""Training of the network that reads the noise: what it is asked, and that it learns to weigh a first estimate."""

import numpy as np
import pytest
import torch

from mendem.priors.noise_network import FIRST, READINGS, NoiseNetwork
from mendem.training.batches import Batches
from mendem.training.noise_draws import NoiseOptions
from mendem.training.noise_reading import judged_windows, learn_to_judge, learn_to_read, windows
from mendem.training.pool import Source

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


def test_a_short_training_leaves_a_log_and_finite_weights(tmp_path):
    recipe = {"train": {"rate": 1e-3, "ema": 0.9, "seed": 0}}
    network = learn_to_read(NoiseNetwork((4, 4), 8), batches(), recipe, tmp_path, 0.02)
    assert all(bool(torch.isfinite(p).all()) for p in network.parameters())
    seen, wanted, first = judged_windows(batches(), 4, 0)
    assert seen.shape == (4, 2, 64, 64) and wanted.shape == (4, READINGS) and first.shape == (4, FIRST)
