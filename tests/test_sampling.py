"""The loop, against a prior whose posterior is known in closed form."""

import numpy as np
import pytest
import torch

from mendem.errors import Cancelled
from mendem.physics.blur import Blur
from mendem.physics.mask import Mask
from mendem.physics.noise import NoiseModel
from mendem.physics.observation import Observation
from mendem.physics.operator import conjugate_gradient
from mendem.priors.condition import Condition
from mendem.priors.gaussian import GaussianPrior
from mendem.priors.prior import Coverage, never
from mendem.priors.solver import chain, noise_levels
from mendem.sampling import BUDGETS, Budget, Place, sample, start_level

SIZE = 48
SHAPE = (SIZE, SIZE)


def truth(prior, seed=0):
    white = torch.randn((1, 1, *SHAPE), generator=torch.Generator().manual_seed(seed))
    return torch.fft.irfft2(torch.fft.rfft2(white) * prior.power(SHAPE, white).sqrt(), s=SHAPE)


def observe(operator, x, relative_noise, seed=1):
    clean = operator.forward(x)
    std = relative_noise * float(clean.std())
    y = clean + std * torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    return Observation(y, operator, NoiseModel(std**2), torch.ones_like(y))


def exact_posterior_mean(prior, observation):
    power = prior.power(SHAPE, observation.y)
    precision, operator = observation.precision(), observation.operator

    def normal(z):
        smooth = torch.fft.irfft2(torch.fft.rfft2(z) / power, s=SHAPE)
        return operator.adjoint(precision * operator.forward(z)) + smooth

    rhs = operator.adjoint(precision * observation.y)
    return conjugate_gradient(normal, rhs, torch.zeros_like(rhs), 4000, 1e-6)


@pytest.mark.parametrize("name", ["mask", "blur"])
def test_sampling_approaches_the_exact_posterior_for_every_operator(name):
    kept = (torch.rand(SHAPE, generator=torch.Generator().manual_seed(3)) > 0.3).float()
    operator = {
        "mask": Mask(kept),
        "blur": Blur.gaussian(SHAPE, 3.0),
    }[name]
    prior = GaussianPrior()
    x = truth(prior)
    observation = observe(operator, x, 0.1)
    *_, estimate = sample(prior, observation, Budget(1, 16), 6)
    exact = exact_posterior_mean(prior, observation)

    def error(a):
        return float((a - x).square().mean().sqrt())

    # The proximal step replaces the posterior's covariance by a multiple of the identity, so the mean is not exact.
    # It must lie far closer to the truth than the prior's mean (0), and near the best that is possible.
    assert error(estimate.mean) < 1.35 * error(exact)
    assert error(estimate.mean) < 0.75 * float(x.square().mean().sqrt())


def test_the_chain_draws_a_gaussian_with_the_right_variance():
    # x0 ~ N(0, 1): the exact denoiser is x / (1 + sigma²). The solver's own error is a few per cent at 16 steps.
    levels = noise_levels(20.0, 0.02, 16)
    start = levels[0] * torch.randn(20000, generator=torch.Generator().manual_seed(0))
    *_, last = chain(lambda x, sigma: x / (1 + sigma**2), start, levels)
    assert abs(float(last.std()) - 1) < 0.05


def test_noise_levels_fall_from_start_to_end():
    levels = noise_levels(5.0, 0.05, 8)
    assert levels[0] == pytest.approx(5.0) and levels[-1] == pytest.approx(0.05)
    assert all(a > b for a, b in zip(levels[:-1], levels[1:], strict=True))


class Counting:
    """A conditional prior that answers the observation itself, and counts."""

    name, coverage, conditional, frames, bytes_per_pixel = "counting", Coverage((0, 1), (), ()), True, 1, 100

    def __init__(self):
        self.calls = 0

    def denoise(self, x_t, sigma, condition: Condition, check=never):
        check()
        self.calls += 1
        mean = condition.y if x_t is None else (x_t + sigma**2 * condition.y) / (1 + sigma**2)
        return mean, torch.full_like(mean, 0.01)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("samples", [0, 3])
def test_an_estimate_follows_each_evaluation(budget, samples):
    prior = Counting()
    observation = observe(Mask(), truth(GaussianPrior()), 0.2)
    counts = []
    for estimate in sample(prior, observation, BUDGETS[budget], samples):
        counts.append((estimate.evaluations, prior.calls))
    assert counts == [(i + 1, i + 1) for i in range(estimate.total)]
    assert estimate.total == BUDGETS[budget].turns + samples * BUDGETS[budget].steps


def test_the_symmetries_are_undone_before_they_are_averaged():
    observation = observe(Mask(), truth(GaussianPrior()), 0.2)
    *_, estimate = sample(Counting(), observation, BUDGETS["best"])
    assert torch.allclose(estimate.mean, observation.y, atol=1e-5)


def test_a_preview_is_the_same_computation_stopped_early():
    observation = observe(Mask(), truth(GaussianPrior()), 0.2)
    first = next(sample(Counting(), observation, BUDGETS["best"]))
    only = next(sample(Counting(), observation, BUDGETS["preview"]))
    assert torch.equal(first.mean, only.mean)


def test_samples_depend_on_seed_and_number_and_on_nothing_else():
    observation = observe(Mask(), truth(GaussianPrior()), 0.2)

    def draw(seed):
        found = [
            e.sample for e in sample(Counting(), observation, Budget(1, 4), 2, Place(seed)) if e.sample is not None
        ]
        return found

    a, b, c = draw(1), draw(1), draw(2)
    assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
    assert not torch.equal(a[0], a[1]) and not torch.equal(a[0], c[0])


def test_cancel_stops_before_the_next_evaluation():
    prior = Counting()

    def check():
        if prior.calls == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        for _ in sample(prior, observe(Mask(), truth(GaussianPrior()), 0.2), BUDGETS["best"], check=check):
            pass
    assert prior.calls == 2


class ToldGaussian(GaussianPrior):
    """The Gaussian prior told of white noise on every pixel: its answers are the exact posterior's."""

    conditional = True

    def power_given(self, condition, sigma=None):
        known = 1 / condition.noise_std.reshape(-1)[0] ** 2 + (0 if sigma is None else 1 / sigma**2)
        return 1 / (1 / self.power(SHAPE, condition.y) + known)

    def denoise(self, x_t, sigma, condition, check=never):
        data = condition.y / condition.noise_std**2 + (0 if x_t is None else x_t / sigma**2)
        power = self.power_given(condition, sigma)
        mean = torch.fft.irfft2(torch.fft.rfft2(data) * power, s=SHAPE)
        both = torch.fft.fft2(torch.fft.irfft2(power, s=SHAPE)).real  # all frequencies, for the mean over them
        return mean, both.mean().expand_as(mean)


def drawn(relative_noise, steps, count=24):
    prior = ToldGaussian()
    observation = observe(Mask(), truth(prior), relative_noise)
    samples = [e.sample for e in sample(prior, observation, Budget(1, steps), count) if e.sample is not None]
    condition = observation.condition()
    mean, variance = prior.denoise(None, None, condition)
    return torch.cat(samples), mean, variance, prior.power_given(condition)


@pytest.mark.parametrize("relative_noise", [0.1, 0.5])
@pytest.mark.parametrize("steps", [8, 16])
def test_the_average_of_samples_is_the_mean_of_one_evaluation(relative_noise, steps):
    samples, mean, variance, _ = drawn(relative_noise, steps)
    difference = (samples.mean(0, keepdim=True) - mean).square().mean().sqrt()
    chance = (variance.mean() / len(samples)).sqrt()
    assert difference < 1.1 * chance  # nothing but what 24 samples leave to chance


@pytest.mark.parametrize("relative_noise", [0.1, 0.5])
def test_samples_spread_as_the_posterior_does_at_all_frequencies(relative_noise):
    samples, mean, variance, power = drawn(relative_noise, 8)
    assert float(samples.var(0).mean() / variance.mean()) == pytest.approx(1, abs=0.1)  # the solver's error at 8 steps
    found = torch.fft.rfft2(samples - mean, norm="ortho").abs().square().mean((0, 1))
    radius = torch.hypot(torch.fft.fftfreq(SIZE)[:, None], torch.fft.rfftfreq(SIZE)[None])
    for low, high in ((0.04, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.5)):
        band = (radius >= low) & (radius < high)
        assert abs(10 * np.log10(float(found[band].mean() / power[band].mean()))) < 1  # dB


def test_chi2_of_samples_is_one():
    prior = ToldGaussian()
    observation = observe(Mask(), truth(prior), 0.3)
    samples = [e.sample for e in sample(prior, observation, Budget(1, 8), 8) if e.sample is not None]
    chi2 = ((torch.cat(samples) - observation.y) ** 2).mean() / observation.noise.offset
    assert float(chi2) == pytest.approx(1, abs=0.06)


def test_sampling_starts_higher_where_a_hole_is_and_not_for_a_dead_pixel():
    variance = torch.full((1, 1, 64, 64), 0.01)
    calm = start_level(variance)
    dead, hole = variance.clone(), variance.clone()
    dead[..., 20, 20] = 1
    hole[..., 16:32, 16:32] = 1
    assert start_level(dead) <= 2 * calm
    assert 5 * calm <= start_level(hole) <= 20 * calm


def test_blocks_of_about_equal_spread_begin_alike():
    levels = {start_level(torch.full((1, 1, 64, 64), v)) for v in (0.0100, 0.0104, 0.0108)}
    assert len(levels) == 1


def test_coarse_structure_follows_the_data_when_the_prior_is_plugged_in():
    # A prior with nearly all power in coarse structure: the mean over all frequencies says little about it.
    prior = GaussianPrior(slope=4.0, cutoff=0.02)
    x = truth(prior)
    observation = observe(Mask(), x, 0.5)
    *_, estimate = sample(prior, observation, Budget(1, 16), 4)
    exact, _ = ToldGaussian(4.0, 0.02).denoise(None, None, observation.condition())
    assert (estimate.mean - x).square().mean() < 2 * (exact - x).square().mean()
