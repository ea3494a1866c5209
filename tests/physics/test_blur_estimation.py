"""The blur of one image: how an estimate is said, and how near the shipped network comes on pictures it never saw."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mendem.errors import MendemError
from mendem.image import Image
from mendem.physics.blur_estimate import BlurEstimate
from mendem.physics.point_spread import parse_point_spread
from mendem.priors.blur_features import COUNT, WINDOW, features
from mendem.priors.blur_network import BlurNetwork, reading_of
from mendem.priors.blur_reader import read_blur
from mendem.priors.checkpoint import write
from mendem.training.shapes import shapes


def picture(seed=100001):
    """Overlapping shapes with sharp edges that no recipe draws, grey levels, 256 x 256."""
    return 128 + 50 * shapes(seed).astype(float)


def blurred(fwhm, noise=4.0, seed=100001):
    y = gaussian_filter(picture(seed), fwhm / 2.3548, mode="reflect")
    return (y + np.random.default_rng(1).normal(0, noise, y.shape)).astype(np.float32)


def saying(path, reading, log_variance):
    """Weights of a network that says the same of every window."""
    network = BlurNetwork(members=2, hidden=4)
    with torch.no_grad():
        for member in network.members:
            member[-1].weight.zero_()
            member[-1].bias.copy_(torch.tensor([reading, log_variance]))
    write(network, path, {})
    return path


@pytest.mark.parametrize("fwhm", [3.0, 6.0])
@pytest.mark.parametrize("noise", [4.0, 10.0])  # 2 and 5 % of the range
def test_the_width_of_a_blur_is_read_off_a_noisy_image(fwhm, noise):
    found = read_blur(Image(blurred(fwhm, noise)))
    assert found.significant
    assert abs(found.fwhm_px - fwhm) < 2 * found.std_px  # no tighter: what is sharp is only known by experience
    assert abs(found.fwhm_px - fwhm) < 0.25 * fwhm


def test_no_blur_is_found_in_a_sharp_image():
    assert not read_blur(Image(blurred(0.0))).significant


def test_held_out_micrographs_are_read_to_15_percent(shared_data):
    from mendem.training.pack import held_out_pictures

    errors = []
    for clean in held_out_pictures(shared_data / "train")[::3]:
        levels = 128 + 50 * clean.astype(float)
        for fwhm in (3.0, 6.0):
            y = gaussian_filter(levels, fwhm / 2.3548, mode="reflect")
            y += np.random.default_rng(2).normal(0, 0.02 * np.ptp(np.percentile(levels, [1, 99])), y.shape)
            errors.append(read_blur(Image(y.astype(np.float32))).fwhm_px / fwhm - 1)
    assert len(errors) >= 12 and np.median(np.abs(errors)) < 0.15


@pytest.mark.parametrize(
    "change", [lambda x: 1000 - 3 * x, lambda x: x.astype(np.float64) * 1e-6, lambda x: x[:, ::-1]]
)
def test_neither_contrast_nor_unit_nor_side_counts(change):
    x = blurred(4.0)
    first, second = read_blur(Image(x)), read_blur(Image(np.ascontiguousarray(change(x))))
    assert second.fwhm_px == pytest.approx(first.fwhm_px, rel=0.01)


def test_gaps_and_defects_hardly_count():
    x = blurred(4.0)
    first = read_blur(Image(x)).fwhm_px
    x[40:44, 60:80] = np.nan
    x[100:200:9, 50:60:3] = 1e6
    assert read_blur(Image(x)).fwhm_px == pytest.approx(first, rel=0.1)


def test_a_stack_is_read_as_one_and_small_images_are_mirrored():
    x = blurred(4.0)
    assert read_blur(Image(np.stack([x, x]))).fwhm_px == pytest.approx(read_blur(Image(x)).fwhm_px, rel=0.01)
    assert read_blur(Image(x[:80, :100])).fwhm_px == pytest.approx(4.0, rel=0.5)


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((63, 200), np.float32), "too few"),
        (np.full((128, 128), 5.0), "no place"),
        (np.full((128, 128), np.nan), "no place"),
    ],
)
def test_an_image_that_tells_nothing_is_refused(pixels, said):
    with pytest.raises(MendemError, match=said):
        read_blur(Image(pixels))


def test_what_the_network_says_becomes_pixels(tmp_path):
    reading = float(reading_of(torch.tensor(5.0)))
    found = read_blur(Image(blurred(2.0)), saying(tmp_path / "blur.safetensors", reading, np.log(0.05**2)))
    # d FWHM = (1 + FWHM²) / FWHM * d reading; float16 weights
    assert (found.fwhm_px, found.std_px) == pytest.approx((5.0, 26 / 5 * 0.05), rel=0.01)


def test_features_know_no_contrast():
    window = torch.from_numpy(blurred(3.0)[:WINDOW, :WINDOW].copy())[None]
    found = features(window)
    assert found.shape == (1, COUNT) and torch.allclose(features(7 - 2 * window), found, atol=1e-3)


def test_an_estimate_says_how_sure_it_is():
    found = BlurEstimate(5.8, 0.4, "test")
    assert found.describe().startswith("Gaussian of 5.8 ± 0.4 px full width at half maximum (confidence high")
    # P(|z| < 0.15 * 5.8 / 0.4) of a normal distribution
    assert found.near == pytest.approx(0.9704, abs=1e-3)
    assert [BlurEstimate(4.0, s, "").confidence for s in (0.3, 0.7, 1.0)] == ["high", "fair", "low"]
    assert not BlurEstimate(4.0, 2.1, "").significant and not BlurEstimate(1.2, 0.1, "").significant
    assert found.spread == parse_point_spread(found.text, None)
