"""The samplers that are compared, against posteriors that are known in closed form."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.chains import CHAINS, ddrm, fresh_noise, spectral  # noqa: E402
from benchmarks.realism import BANDS, decibels, radial_power, worst_decibels  # noqa: E402
from benchmarks.samplers import judge, last, observe, tasks  # noqa: E402
from mendem.physics.block_mean import BlockMean  # noqa: E402
from mendem.physics.mask import Mask  # noqa: E402
from mendem.priors.solver import noise_levels  # noqa: E402

PIXELS = (1, 1, 128, 128)
#: Posterior of a standard normal pixel measured as MEASURED with noise NOISE.
MEASURED, NOISE = 0.8, 0.5
MEAN, VARIANCE = MEASURED / (1 + NOISE**2), NOISE**2 / (1 + NOISE**2)


def told(x, sigma):
    """The clean pixel that is expected, given the measurement and x_t."""
    precision = 1 / VARIANCE + 1 / sigma**2
    return (MEAN / VARIANCE + x / sigma**2) / precision


def untold(x, sigma):
    return x / (1 + sigma**2)


@pytest.mark.parametrize("name", ["ancestral", "DDIM", "DPM-Solver++(2M)"])
def test_samplers_draw_from_the_posterior_when_they_take_many_evaluations(name):
    fresh = fresh_noise(PIXELS, 0)
    start = MEAN + (5.0**2 + VARIANCE) ** 0.5 * fresh()
    samples = last(CHAINS[name](told, start, 5.0, 0.01, 200, fresh))
    assert float(samples.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(samples.var()) == pytest.approx(VARIANCE, rel=0.05)


def test_renoising_finds_the_mean_and_loses_the_spread():
    fresh = fresh_noise(PIXELS, 0)
    samples = last(CHAINS["re-noising"](told, MEAN + 5 * fresh(), 5.0, 0.01, 200, fresh))
    assert float(samples.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(samples.var()) < 0.5 * VARIANCE


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("evaluations", [1, 4, 7])
def test_all_samplers_spend_the_evaluations_that_they_are_given(name, evaluations):
    calls = []

    def counted(x, sigma):
        calls.append(sigma)
        return told(x, sigma)

    fresh = fresh_noise((1, 1, 8, 8), 0)
    found = list(CHAINS[name](counted, fresh(), 5.0, 0.02, evaluations, fresh))
    assert len(found) == len(calls) == evaluations
    assert calls == sorted(calls, reverse=True)


def test_the_second_order_is_nearer_to_the_posterior_at_few_evaluations():
    def error(name):
        fresh = fresh_noise(PIXELS, 0)
        start = MEAN + (5.0**2 + VARIANCE) ** 0.5 * fresh()
        return abs(float(last(CHAINS[name](told, start, 5.0, 0.02, 8, fresh)).var()) / VARIANCE - 1)

    assert error("DPM-Solver++(2M)") < 0.5 * error("DDIM")


def test_ddrm_starts_at_the_data_where_the_first_level_is_above_their_noise():
    seen = spectral(Mask(), torch.full(PIXELS, MEASURED), NOISE)
    given = []

    def record(x, sigma):
        given.append(x)
        return torch.zeros_like(x)

    list(ddrm(record, seen, [5.0, 0.02], fresh_noise(PIXELS, 0)))
    assert float(given[0].mean()) == pytest.approx(MEASURED, abs=0.2)
    assert float(given[0].var()) == pytest.approx(5.0**2 - NOISE**2, rel=0.05)
    given.clear()
    list(ddrm(record, seen, [0.4, 0.02], fresh_noise(PIXELS, 0)))
    assert float(given[0].mean()) == pytest.approx(0, abs=0.02)
    assert float(given[0].var()) == pytest.approx(0.4**2, rel=0.05)


def test_the_three_cases_of_ddrm():
    kept = torch.ones(PIXELS)
    kept[..., 64:] = 0
    seen, eta = spectral(Mask(kept), torch.full(PIXELS, MEASURED), NOISE), 0.85
    given = []

    def prior(x, sigma):
        given.append(x)
        return torch.full_like(x, -2.0)

    list(ddrm(prior, seen, [5.0, 2.0, 0.2], fresh_noise(PIXELS, 0), eta))
    above, below = given[1][..., :64], given[2][..., :64]
    assert float(above.mean()) == pytest.approx(MEASURED, abs=0.1)
    assert float(above.var()) == pytest.approx(2.0**2 - NOISE**2, rel=0.08)
    pulled = -2 + (1 - eta**2) ** 0.5 * 0.2 * (MEASURED + 2) / NOISE
    assert float(below.mean()) == pytest.approx(pulled, abs=0.02)
    assert float(below.std()) == pytest.approx(eta * 0.2, rel=0.05)
    unseen = given[1][..., 64:]
    expected = -2 + (1 - eta**2) ** 0.5 * 2.0 * (given[0][..., 64:] + 2) / 5.0
    assert float((unseen - expected).std()) == pytest.approx(eta * 2.0, rel=0.05)


def test_ddrm_knows_the_singular_values_of_block_means():
    operator = BlockMean((4, 2))
    x = fresh_noise((1, 1, 16, 16), 0)()
    seen = spectral(operator, operator.forward(x), 0.1)
    assert seen.noise == pytest.approx(0.1 * 8**0.5)
    assert torch.allclose(operator.forward(seen.inverse), operator.forward(x), atol=1e-6)
    assert torch.allclose(seen.project(seen.project(x)), seen.project(x), atol=1e-6)
    # Noise of the data, brought to the image, has the standard deviation `noise` along each vector that A sees.
    noise = operator.spread(0.1 * fresh_noise((400, 1, 4, 8), 1)())
    assert float(noise.square().sum((-2, -1)).mean() / 32) == pytest.approx(seen.noise**2, rel=0.05)


def test_ddrm_forgets_the_datum_the_more_evaluations_it_spends_below_the_noise():
    # With eta 1 its third case is re-noising: no sampler of the posterior, unlike those above.
    def error(evaluations):
        seen = spectral(Mask(), torch.full(PIXELS, MEASURED), NOISE)
        levels = noise_levels(5.0, 0.01, evaluations)
        return abs(float(last(ddrm(untold, seen, levels, fresh_noise(PIXELS, 0), eta=1.0)).mean()) - MEAN)

    assert error(8) < 0.5 * error(100)


class Tissue:
    name, own_noise = "smooth noise", 0.0
    y, x = np.mgrid[:160, :160]
    truth = 128 + 60 * np.sin(x / 5.0) * np.cos(y / 7.0)


@pytest.mark.parametrize("task", tasks(), ids=lambda t: t.name)
def test_the_truth_is_judged_perfect_but_for_its_missing_spread(task):
    case = observe(task, Tissue())
    spread = 0.01 * torch.randn((4, *case.truth.shape[1:]), generator=torch.Generator().manual_seed(0))
    found = judge(case, case.truth + spread, case.truth)
    assert found["chi2"] == pytest.approx(1, abs=0.2)
    assert found["mean (dB)"] > found["sample (dB)"] > 40
    assert abs(found["apart"]) < 0.2
    assert case.judged.sum() == (24**2 if "hole" in task.name else case.truth.numel())


def test_radial_power_of_white_noise_is_flat_and_of_twice_the_noise_6_decibels_more():
    white = fresh_noise((16, 1, 96, 96), 0)()
    power = radial_power(white)
    assert len(power) == BANDS and np.allclose(power[1:], 1, atol=0.1)
    assert np.allclose(decibels(radial_power(2 * white), power), 6.02, atol=0.01)
    blurred = torch.nn.functional.avg_pool2d(white, 3, 1, 1)
    assert worst_decibels(radial_power(blurred), power) < -5
