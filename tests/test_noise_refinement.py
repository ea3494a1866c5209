"""The second look at the noise, with a prior for which everything is known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mendem.image import Image
from mendem.noise_refinement import refine_noise
from mendem.normalise import Normalisation
from mendem.physics.noise import NoiseModel
from mendem.priors.condition import Condition
from mendem.priors.prior import Coverage, never

SIZE = 192


class SmoothPrior:
    """Keeps the lowest frequencies and nothing else: right for the smooth pictures below, whatever the noise."""

    name, coverage, conditional = "smooth", Coverage((0, 1), (), ()), True

    def denoise(self, x_t, sigma, condition: Condition, check: Callable[[], None] = never):
        size = condition.y.shape[-1]
        f = torch.fft.fftfreq(size)
        keep = (f[:, None] ** 2 + f[None, :] ** 2) < 0.02**2
        mean = torch.fft.ifft2(torch.fft.fft2(condition.y) * keep).real
        return mean, torch.zeros_like(mean)


def smooth_picture(noise_std, blur, seed=0):
    rng = np.random.default_rng(seed)
    clean = gaussian_filter(rng.normal(size=(SIZE, SIZE)), 20, mode="wrap")
    noise = gaussian_filter(rng.normal(size=(SIZE, SIZE)), blur, mode="wrap") if blur else rng.normal(size=(SIZE, SIZE))
    return 100 + 30 * clean / clean.std() + noise_std * noise / noise.std()


NORM = Normalisation(100.0, 30.0)


@pytest.mark.parametrize("blur", [0.0, 0.8])
def test_a_level_that_is_too_high_is_put_right(blur):
    # A Gaussian blur of standard deviation s correlates neighbours by exp(-1 / (4 s²)).
    rho = np.exp(-1 / (4 * blur**2)) if blur else 0.0
    believed = NoiseModel(200.0, correlation=(rho, rho))
    got = refine_noise(Image(smooth_picture(9.0, blur)), believed, NORM, SmoothPrior(), "cpu")
    assert abs(got.std_at(100.0) / 9.0 - 1) < 0.1
    assert got.correlation == pytest.approx(believed.correlation, abs=0.03)


def test_a_correlation_that_is_too_high_is_put_right_and_one_that_is_too_low_is_not_raised():
    white, coloured = Image(smooth_picture(9.0, 0.0)), Image(smooth_picture(9.0, 0.8))
    high = refine_noise(white, NoiseModel(100.0, correlation=(0.7, 0.7)), NORM, SmoothPrior(), "cpu")
    assert np.allclose(high.correlation, 0, atol=0.1)
    low = refine_noise(coloured, NoiseModel(100.0, correlation=(0.2, 0.2)), NORM, SmoothPrior(), "cpu")
    assert max(low.correlation) <= 0.2


def test_the_level_is_never_raised():
    got = refine_noise(Image(smooth_picture(9.0, 0.0)), NoiseModel(25.0), NORM, SmoothPrior(), "cpu")
    assert got.std_at(100.0) <= 5.0 * (1 + 1e-6)


@pytest.mark.parametrize("scale", [-30.0, 3000.0])
def test_the_answer_is_in_the_units_of_the_image(scale):
    x = smooth_picture(9.0, 0.0)
    base = refine_noise(Image(x), NoiseModel(100.0, 0.2), NORM, SmoothPrior(), "cpu")
    factor = scale / 30.0
    moved = Image((x - 100) * factor + 7)
    believed = NoiseModel(100.0, 0.2).affine(100 - 7 / factor, 1 / factor)
    got = refine_noise(moved, believed, Normalisation(7.0, scale), SmoothPrior(), "cpu")
    assert got.std_at(7.0) == pytest.approx(abs(factor) * base.std_at(100.0), rel=1e-3)
    assert got.gain == pytest.approx(factor * base.gain, rel=1e-3)


@pytest.mark.parametrize("x", [np.zeros((40, 500)), np.full((300, 300), np.nan)])
def test_small_and_broken_images_keep_the_first_estimate(x):
    noise = NoiseModel(4.0)
    assert refine_noise(Image(x), noise, NORM, SmoothPrior(), "cpu") is noise
