"""The network that reads the noise off an image, beside a first estimate."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mendem.image import Image
from mendem.physics.noise import NoiseModel
from mendem.physics.noise_estimation import estimate_noise
from mendem.priors.checkpoint import write
from mendem.priors.noise_network import FIRST, READINGS, NoiseNetwork
from mendem.priors.noise_reader import describe, read_noise
from mendem.simulate import tissue_image


def weights(path, share, reading=(0.0,) * READINGS):
    """A network that says ``reading`` of every window, and believes the first estimate for ``share``."""
    network = NoiseNetwork(widths=(4, 4), hidden=8)
    with torch.no_grad():
        for last in (network.read[-1], network.judge[-1]):
            last.weight.zero_()
            last.bias.zero_()
        network.read[-1].bias[:READINGS] = torch.tensor(reading)
        network.judge[-1].bias[2 * READINGS :] = 30.0 if share else -30.0
    write(network, path, {})
    return path


@pytest.fixture
def picture():
    return Image(50 + 10 * np.random.default_rng(0).standard_normal((160, 200)))


def test_a_network_that_believes_the_first_estimate_changes_no_number(picture, tmp_path):
    first = NoiseModel(25.0, 0.1, 3.0, (0.3, 0.2), relative_error=0.05)
    got = read_noise(picture, first, weights=weights(tmp_path / "noise.safetensors", share=1))
    assert got.correlation == pytest.approx(first.correlation, abs=1e-3)
    assert (got.offset, got.gain, got.floor) == pytest.approx((25.0, 0.1, 3.0), rel=1e-3)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_what_is_read_is_brought_to_the_units_of_the_image(picture, tmp_path, scale):
    path = weights(tmp_path / "noise.safetensors", share=0, reading=(float(np.log(0.5)), 0.4, 0.1, 0.0, 0.0))
    got = read_noise(Image(picture.data * scale), NoiseModel(1.0 * scale**2), weights=path)
    assert got.std_at(50.0 * scale) == pytest.approx(0.5 * 10 * scale, rel=0.03)
    assert got.correlation == pytest.approx((0.4, 0.1), abs=1e-3)


def test_the_level_is_never_lowered(picture, tmp_path):
    path = weights(tmp_path / "noise.safetensors", share=0, reading=(-5.0, 0.0, 0.0, 0.0, 0.0))
    assert read_noise(picture, NoiseModel(36.0), weights=path).offset == pytest.approx(36.0)


def test_what_cannot_be_read_is_left_alone(picture, tmp_path):
    path = weights(tmp_path / "noise.safetensors", share=0)
    absent, small = NoiseModel(0.0), NoiseModel(4.0)
    assert read_noise(picture, absent, weights=path) is absent
    assert read_noise(Image(picture.data[:40]), small, weights=path) is small


def test_a_description_has_as_many_numbers_as_the_network_takes():
    assert len(describe(NoiseModel(4.0), 10.0, 3.0)) == FIRST


@pytest.mark.parametrize("blur", [0.0, 0.6])
def test_the_shipped_network_tells_white_noise_from_correlated_noise(blur):
    clean = np.asarray(tissue_image((256, 256), 5.0, 105).data, float)
    clean = (clean - clean.mean()) / clean.std()
    noise = np.random.default_rng(1).standard_normal(clean.shape)
    if blur:
        noise = gaussian_filter(noise, blur, mode="wrap")
        noise /= noise.std()
    image = Image(100 + 40 * clean + 14 * noise)
    want = np.exp(-1 / (4 * blur**2)) if blur else 0.0
    got = read_noise(image, estimate_noise(image))
    assert np.allclose(got.correlation, want, atol=0.15)
