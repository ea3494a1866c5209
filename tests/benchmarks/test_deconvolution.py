"""The deconvolutions that mendem is compared with must be good ones, or beating them would mean nothing."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from benchmarks import deconvolution
from benchmarks.deconvolution import deconvolved, richardson_lucy, tv_deconvolution, wiener

STD = 1.3


def picture(side=64):
    """Smooth structure with edges that cut through it, in grey levels."""
    rng = np.random.default_rng(0)
    return 40 * gaussian_filter(rng.standard_normal((side, side)), 3, mode="reflect") + 100


def blurred(truth, noise=0.0):
    rng = np.random.default_rng(1)
    return gaussian_filter(truth, STD, mode="reflect", truncate=8) + noise * rng.standard_normal(truth.shape)


def test_the_wiener_filter_undoes_a_mirrored_blur():
    truth = picture()
    y = blurred(truth)
    for name, image in wiener(y, STD, truth).items():
        assert np.mean((image - truth) ** 2) < 0.01 * np.mean((y - truth) ** 2), name


@pytest.mark.parametrize("method", [richardson_lucy, lambda y, std, truth: tv_deconvolution(y, std, 1e-3)])
def test_the_others_undo_it_up_to_the_very_edge(method):
    truth = picture()
    y = blurred(truth)
    off, before = np.abs(method(y, STD, truth) - truth), np.abs(y - truth)
    edge = np.ones(truth.shape, bool)
    edge[4:-4, 4:-4] = False
    assert off.mean() < 0.5 * before.mean()
    assert off[edge].mean() < 0.6 * before[edge].mean()


def test_the_total_variation_is_a_minimum():
    y = blurred(picture(32), 4.0)

    def value(x):
        steps = deconvolution._differences(x)
        again = gaussian_filter(x, STD, mode="reflect", truncate=8)
        return ((again - y) ** 2).sum() / 2 + 2.0 * np.sqrt((steps**2).sum(0)).sum()

    x = tv_deconvolution(y, STD, 2.0)
    rng = np.random.default_rng(2)
    for size in (0.05, 0.5):
        assert all(value(x) < value(x + size * rng.standard_normal(x.shape)) for _ in range(5))
    flat = np.full_like(y, y.mean())
    assert all(value(x) < value(x + share * (other - x)) for share in (0.05, 0.5) for other in (y, flat))


def test_the_adjoint_of_the_differences_is_one():
    rng = np.random.default_rng(3)
    x, d = rng.standard_normal((9, 7)), rng.standard_normal((2, 9, 7))
    assert np.sum(deconvolution._differences(x) * d) == pytest.approx(np.sum(x * deconvolution._adjoint(d)))


def test_every_method_gains_on_noisy_data():
    truth = picture()
    y = blurred(truth, 2.0)
    found = deconvolved(y, STD, truth)
    assert set(found) == {"Wiener", "Richardson-Lucy", "total variation"}
    for name, image in found.items():
        assert np.mean((image - truth) ** 2) < 0.8 * np.mean((y - truth) ** 2), name
