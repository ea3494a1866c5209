"""What the network that draws samples of the missing wedge learns from, and a training of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mendem.priors.wedge_filler import WedgeFiller
from mendem.priors.wedge_inputs import CHANNELS
from mendem.priors.wedge_network import WedgeNetwork
from mendem.priors.wedge_residual import ResidualNetwork, amplitude, filtered, projector_of
from mendem.priors.wedge_samples import load_sampler
from mendem.training import wedge_residual
from mendem.training.wedge_check import Case, whole
from mendem.training.wedge_draws import SIDE, Draws, draw
from mendem.training.wedge_residual import loss, weights, with_mean
from mendem.training.wedge_sampled import sampled

RECIPE = {
    "residual": {"widths": [8, 16], "blocks": [1, 1]},
    "data": {"files": 8, "workers": 0},
    "train": {"batch": 4, "rate": 1e-3, "ema": 0.9, "seed": 0},
}


@pytest.fixture(scope="module")
def draws() -> Draws:
    return draw(np.random.default_rng(1), [])


@pytest.fixture(scope="module")
def filler() -> WedgeFiller:
    """One that answers with total variation, and a deviation near the true one."""
    network = WedgeNetwork((8, 16), (1, 1))
    network.leave.bias.data[4:] = -4.0
    return WedgeFiller(network.eval().requires_grad_(False), True)


def test_a_draw_gets_the_mean_of_the_filler_and_its_deviation(draws, filler):
    more = with_mean(filler, draws)
    assert more.channels.shape == (len(draws.truth), CHANNELS + 2, SIDE, SIDE)
    np.testing.assert_array_equal(more.channels[:, :CHANNELS], draws.channels)
    # Half precision keeps three digits.
    np.testing.assert_allclose(more.channels[:, -1], np.exp(-2.0), rtol=1e-3)
    np.testing.assert_array_equal(more.channels[:, CHANNELS], draws.channels[:, -1])


def test_a_network_that_knows_the_velocity_costs_nothing(draws, filler, monkeypatch):
    batch = whole(with_mean(filler, draws))
    projector = projector_of(batch.wedge)
    wanted = filtered(batch.truth - batch.channels[:, CHANNELS : CHANNELS + 1], projector)

    def known(network, told, mean, std, projector, x: Tensor, theta: Tensor) -> Tensor:
        """From x = cos n + sin r."""
        cos, sin = theta.cos()[:, None, None, None], theta.sin()[:, None, None, None].clamp(min=1e-6)
        return cos * wanted - sin * (x - sin * wanted) / cos.clamp(min=1e-6)

    untrained = loss(ResidualNetwork((8, 16), (1, 1)), batch).item()
    monkeypatch.setattr(wedge_residual, "velocity", known)
    assert float(loss(torch.nn.Identity(), batch)) < 1e-4 * untrained


def test_errors_as_large_as_expected_cost_what_they_are_whatever_their_frequency(draws):
    projector = projector_of(whole(draws).wedge[:1])
    flat = weights(projector)
    power = (projector * amplitude((SIDE, SIDE))).square()
    assert float((power * flat.square()).sum() / power.sum()) == pytest.approx(1, rel=1e-5)
    assert flat[0, 0, 0, -1] > flat[0, 0, 0, 1]


def test_a_training_gives_weights_that_draw_samples(draws, filler, tmp_path, monkeypatch):
    from mendem.training.export import export
    from mendem.training.recipe import check_recipe
    from mendem.training.train import train

    monkeypatch.setattr(wedge_residual, "load_filler", lambda isolated: filler)
    check_recipe(RECIPE, "recipe")
    (tmp_path / "draws").mkdir()
    for i in range(8):
        draws.save(tmp_path / "draws" / f"{i}.npz")
    ticks = iter(range(1000))
    assert train(RECIPE, [], tmp_path, 3 / 60, clock=lambda: float(next(ticks))).step == 3
    path = tmp_path / "wedge-samples" / "samples.safetensors"
    export(RECIPE, tmp_path, path)
    batch = whole(draws)
    row = sampled(load_sampler(0, path).network, filler, [Case("drawn", batch, batch.truth)])["drawn"]
    assert row["power of sample"] > row["power of mean"] and row["sample"] > row["mean"]
