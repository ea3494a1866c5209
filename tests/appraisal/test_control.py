"""The inputs of the negative control are what they are said to be, and structure is measured without being fooled."""

from __future__ import annotations

import numpy as np
import pytest

from mendem.appraisal.control import (
    Endless,
    as_measured,
    contrast,
    noise_field,
    periodic_part,
    random_phases,
    sharpness,
)
from mendem.physics.noise import NoiseModel


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def edges(shape: tuple[int, int] = (192, 160)) -> np.ndarray:
    """Discs of random brightness: sharp edges and nothing else."""
    r = rng(1)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for _ in range(25):
        cy, cx, radius, value = r.uniform(0, shape[0]), r.uniform(0, shape[1]), r.uniform(8, 30), r.uniform(50, 200)
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = value
    return image


def lag(u: np.ndarray, axis: int) -> float:
    u = u - u.mean()
    return float((u * np.roll(u, 1, axis)).mean() / u.var())


@pytest.mark.parametrize("level", [20.0, 80.0])
def test_noise_of_a_model_has_its_level_correlation_and_scan_lines(level):
    noise = NoiseModel(offset=9.0, gain=0.5, correlation=(0.1, 0.4), scan_line=2.0)
    field = noise_field(noise, level, (256, 256), rng())
    rows = field.mean(1, keepdims=True)
    assert field.std() == pytest.approx(noise.std_at(level), rel=0.05)
    assert rows.std() == pytest.approx(2.0, rel=0.15)
    assert lag(field - rows, 0) == pytest.approx(0.1, abs=0.02)
    assert lag(field - rows, 1) == pytest.approx(0.4, abs=0.02)


def test_noise_follows_the_spectrum_where_there_is_one():
    f = np.arange(9) / 16
    spectrum = np.outer(np.ones(9), np.exp(-((2 * np.pi * 0.6 * f) ** 2)))
    noise = NoiseModel(offset=4.0, correlation=(0.9, 0.9), spectrum=tuple(map(tuple, spectrum)))
    field = noise_field(noise, 0.0, (256, 256), rng())
    assert field.std() == pytest.approx(2.0, rel=0.02)
    assert abs(lag(field, 0)) < 0.02 and lag(field, 1) > 0.4


def test_no_noise_is_flat():
    assert not noise_field(NoiseModel(0.0), 5.0, (32, 32), rng()).any()


def test_random_phases_keep_mean_and_spectrum_and_nothing_else():
    image = edges()
    texture = random_phases(image, rng())
    assert texture.mean() == pytest.approx(image.mean())
    np.testing.assert_allclose(
        np.abs(np.fft.fft2(texture - texture.mean())),
        np.abs(np.fft.fft2(periodic_part(image) - periodic_part(image).mean())),
        atol=1e-6 * image.size,
    )
    assert abs(np.corrcoef(texture.ravel(), image.ravel())[0, 1]) < 0.3
    assert sharpness(image) > 0.5 and sharpness(texture) < 0.02


def test_a_ramp_brings_no_cross_into_the_texture():
    # The border jump of a ramp along x would fill the row f_y = 0 of the spectrum with power up to Nyquist.
    ramp = np.tile(np.arange(128.0), (128, 1)) + rng().standard_normal((128, 128))
    power = np.abs(np.fft.fft2(random_phases(ramp, rng(1)))) ** 2
    assert power[0, 8:120].mean() < 3 * power[8:120, 8:120].mean()


def test_noise_keeps_its_level_under_random_phases():
    noise = 7 * rng().standard_normal((256, 256))
    assert random_phases(noise, rng(1)).std() == pytest.approx(7, rel=0.01)


def test_the_seed_decides():
    image = edges((64, 64))
    np.testing.assert_array_equal(random_phases(image, rng(3)), random_phases(image, rng(3)))
    assert not np.allclose(random_phases(image, rng(3)), random_phases(image, rng(4)))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "bool"])
def test_a_control_has_the_range_of_its_dtype(dtype):
    recorded = as_measured(np.array([-1e6, 0.4, 0.6, 1e6]), np.dtype(dtype))
    assert recorded.dtype == dtype
    if np.dtype(dtype).kind in "iu":
        about = np.iinfo(dtype)
        assert recorded.tolist() == [about.min, 0, 1, about.max]
    if dtype == "bool":
        assert recorded.tolist() == [False, False, True, True]


def test_endless_repeats_its_patch_and_computes_only_what_is_asked():
    patch = np.arange(12.0).reshape(3, 4)
    data = Endless(patch, (10, 20), (7, 1_000_000, 1_000_000))
    assert data.ndim == 3 and data.dtype == patch.dtype
    np.testing.assert_array_equal(data[2, 10:13, 20:24], patch)
    np.testing.assert_array_equal(data[2, 7:13, 20:28], np.tile(patch, (2, 2)))
    assert data[0, 999_998:2_000_000, slice(None, 5)].shape == (2, 5)


def test_sharpness_knows_edges_from_textures():
    white = rng().standard_normal((256, 256))
    smooth = noise_field(NoiseModel(1.0, correlation=(0.8, 0.8)), 0.0, (256, 256), rng())
    assert sharpness(white) < 0.01 and sharpness(smooth) < 0.01
    assert sharpness(3 * edges() - 5) == pytest.approx(sharpness(edges()))
    assert sharpness(edges() + 20 * rng().standard_normal(edges().shape)) < sharpness(edges())


def test_a_hot_pixel_makes_no_edges():
    hot = rng().standard_normal((256, 256))
    hot[100, 100] = 12
    assert sharpness(hot) < 0.01


@pytest.mark.parametrize("pixels", [np.full((8, 8), 3.0), np.full((8, 8), np.nan), np.ones((1, 1)), np.zeros((1, 9))])
def test_nothing_has_neither_contrast_nor_sharpness(pixels):
    assert contrast(pixels) == 0 and sharpness(pixels) == 0
