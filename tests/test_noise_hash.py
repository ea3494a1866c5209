"""Noise that belongs to a place."""

import numpy as np
import torch

from mendem.noise_hash import normal


def test_a_part_draws_the_same_noise_as_the_whole():
    whole = normal(7, 1, 0, 3, range(0, 100), range(0, 120))
    part = normal(7, 1, 0, 3, range(30, 50), range(60, 110))
    assert torch.equal(whole[30:50, 60:110], part)


def test_every_coordinate_matters():
    base = normal(7, 1, 0, 3, range(8), range(8))
    for other in ((8, 1, 0, 3), (7 + 2**32, 1, 0, 3), (7, 2, 0, 3), (7, 1, 1, 3), (7, 1, 0, 4)):
        assert not torch.equal(base, normal(*other, range(8), range(8)))


def test_the_noise_is_standard_normal_and_white():
    x = normal(0, 0, 0, 0, range(512), range(512)).double().numpy()
    n = x.size
    # Five standard errors of mean, variance and lag-1 correlations.
    assert abs(x.mean()) < 5 / n**0.5
    assert abs(x.var() - 1) < 5 * (2 / n) ** 0.5
    for a, b in ((x[1:], x[:-1]), (x[:, 1:], x[:, :-1]), (x[1:, 1:], x[:-1, :-1])):
        assert abs((a * b).mean()) < 5 / n**0.5
    # Kolmogorov-Smirnov distance at the 0.1 % level.
    order = np.sort(x.ravel())
    from scipy.stats import norm

    assert np.abs(norm.cdf(order) - np.arange(n) / n).max() < 1.95 / n**0.5
