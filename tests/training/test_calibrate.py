"""The calibration that is measured: known errors are found and mended."""

import numpy as np
import pytest
import torch

from mendem.priors import checkpoint
from mendem.priors.network import UNet
from mendem.priors.prior import Coverage
from mendem.training import calibrate
from mendem.training.calibrate import degraded, from_errors, recalibrate, spread_and_error, unscored
from mendem.training.pool import Source
from mendem.training.shapes import shapes


def errors(std, truth, tails, seed=0):
    """Errors with standard deviation ``truth * std``; Gaussian, or with tails of kurtosis 4.2."""
    rng = np.random.default_rng(seed)
    drawn = rng.standard_t(9, std.size) / np.sqrt(9 / 7) if tails else rng.standard_normal(std.size)
    return truth * std * drawn


def covered(calibration, std, error):
    wide = calibration.variance(torch.from_numpy(std) ** 2).sqrt().numpy()
    parts = np.array_split(np.argsort(wide), 10)
    return np.array([np.mean(np.abs(error[p]) <= 1.645 * wide[p]) for p in parts]), wide


@pytest.mark.parametrize("tails", [False, True])
def test_a_known_error_is_mended_in_every_decile(tails):
    std = np.exp(np.random.default_rng(1).uniform(-4, 0, 60000))
    truth = 1.6 * std**0.2  # too narrow where it is wide, too wide where it is narrow
    error = errors(std, truth, tails)
    before = np.mean(np.abs(error[std < 0.05]) <= 1.645 * std[std < 0.05])
    share, wide = covered(from_errors(std, error, 5), std, errors(std, truth, tails, 7))
    assert before > 0.93 and np.abs(share - 0.9).max() < 0.025
    assert np.mean(wide**2) == pytest.approx(np.mean((truth * std) ** 2), rel=0.12)  # and so is the variance


def test_the_order_of_the_spreads_is_kept_even_where_the_errors_turn_it_round():
    std = np.exp(np.random.default_rng(1).uniform(-3, 0, 20000))
    calibration = from_errors(std, errors(std, 1 / std**1.5, False), 5)
    wide = calibration.variance(torch.logspace(-2, 0.3, 300) ** 2)
    assert bool((wide.diff() >= -1e-4 * wide[1:]).all())


def test_equal_spreads_need_one_knot():
    std = np.full(1000, 0.5)
    calibration = from_errors(std, errors(std, 2.0, False), 5)
    assert len(calibration.log_std) == 1
    assert float(calibration.variance(torch.tensor(0.25)).sqrt()) == pytest.approx(1.0, rel=0.15)


def test_nothing_that_the_benchmarks_score_is_used():
    volume = np.arange(40)[:, None, None] * np.ones((1, 130, 130))
    used = {int(s[0, 0]) for s in unscored(volume)}
    assert used == {*range(8, 13), *range(28, 40)}
    picture = np.arange(512 * 512).reshape(512, 512)
    scored = set(picture[128:384, 128:384].ravel().tolist())
    crops = unscored(picture)
    assert not any(scored & set(c.ravel().tolist()) for c in crops)
    assert sum(c.size for c in crops) == picture.size - len(scored), "and nothing twice"
    assert unscored(np.zeros((170, 170))) == []


class Boaster(torch.nn.Module):
    """Says that the pixelwise answer is right to a third of its true spread: log variance -2.2."""

    def forward(self, channels, descriptor):
        return torch.cat([torch.zeros_like(channels[:, :1]), torch.full_like(channels[:, :1], -2.2)], dim=1)


def boasts(sources):
    generator = torch.Generator().manual_seed(3)
    return spread_and_error(Boaster(), degraded(sources, generator), 16, generator)


def test_a_boastful_network_gets_wider_intervals():
    sources = [Source("shapes", 1.0, [shapes(i, 96) for i in range(2)])]
    std, error, measured = boasts(sources)
    again = boasts(sources)
    assert all(np.array_equal(a, b) for a, b in zip((std, error, measured), again, strict=True))
    assert 0.2 < measured.mean() < 0.9
    share, _ = covered(from_errors(std, error), std, error)
    assert np.mean(np.abs(error) <= 1.645 * std) < 0.75
    assert share.mean() > 0.885  # more where spreads would have to change places: they are widened to the same


def test_weights_are_calibrated_in_place_or_as_a_copy(tmp_path, monkeypatch):
    path, copy = tmp_path / "weights.safetensors", tmp_path / "copy.safetensors"
    network = UNet((8, 16), (1, 1), descriptor=16)
    checkpoint.save(network, Coverage((6.0, 40.0), ("SEM",), ("noise",)), path, {"steps": 7})
    monkeypatch.setattr(calibrate, "PATCHES", 8)
    monkeypatch.setattr(calibrate, "unscored_sources", lambda data: [Source("shapes", 1.0, [shapes(0, 96)])])
    found = recalibrate(path, tmp_path, copy)
    assert "calibration" not in checkpoint.read_header(path)
    header = checkpoint.read_header(copy)
    assert header["calibration"] == found.stated() and header["steps"] == 7
    recalibrate(path, tmp_path)
    assert checkpoint.read_header(path)["calibration"] == found.stated()
    for name, value in checkpoint.load(copy)[0].state_dict().items():
        assert torch.equal(value, network.state_dict()[name].half().float())
