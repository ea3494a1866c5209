"""What an estimate of the noise promises, on simulated images whose noise is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from mendem.errors import MendemError
from mendem.image import Image
from mendem.physics.noise import NoiseModel
from mendem.physics.noise_estimation import (
    estimate_noise,
    noise_from_empty,
    noise_from_neighbours,
    noise_from_repeats,
)

#: The target of the estimator is a median error of 12 % over hard images; these are easy ones, so that serves as bound.
CLOSE = 0.12


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    """A clean image (256, 256) of overlapping discs with dark rims, grey levels 40 to 210."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:256, :256]
    image = np.full((256, 256), 120.0)
    for _ in range(90):
        cy, cx, radius = rng.uniform(0, 256), rng.uniform(0, 256), rng.uniform(4, 40)
        outside = np.hypot(y - cy, x - cx) - radius
        image[outside < 0] = rng.uniform(80, 210)
        image[np.abs(outside) < 1.2] = 40
    return gaussian_filter(image, 0.8)


def field(shape: tuple[int, int], width_y: float, width_x: float, seed: int = 0) -> np.ndarray:
    """Unit-variance noise behind a Gaussian low pass of these widths in pixels."""
    f_y, f_x = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])
    low_pass = np.exp(-2 * np.pi**2 * ((width_y * f_y) ** 2 + (width_x * f_x) ** 2))
    white = np.fft.fft2(np.random.default_rng(seed).standard_normal(shape))
    return np.fft.ifft2(white * low_pass / np.sqrt(np.mean(low_pass**2))).real


def lag_one(width: float) -> float:
    f = np.fft.fftfreq(512)
    power = np.exp(-((2 * np.pi * width * f) ** 2))
    return float(np.sum(power * np.cos(2 * np.pi * f)) / power.sum())


def rms(model: NoiseModel, signal: np.ndarray) -> float:
    return float(np.sqrt(np.mean(model.variance(signal))))


@pytest.mark.parametrize("widths", [(0.0, 0.0), (0.3, 0.3), (0.5, 0.5), (0.8, 0.8), (0.0, 0.8)])
@pytest.mark.parametrize("std", [8.0, 40.0])
def test_level_and_correlation_are_found_whether_noise_is_white_or_low_passed(cells, widths, std):
    model = estimate_noise(cells + std * field(cells.shape, *widths, seed=int(std)))
    assert rms(model, cells) == pytest.approx(std, rel=CLOSE)
    assert model.correlation == pytest.approx([lag_one(w) for w in widths], abs=0.1)


def test_spectrum_has_unit_mean_and_the_shape_of_the_noise(cells):
    model = estimate_noise(cells + 15 * field(cells.shape, 0.6, 0.6))
    f_y, f_x = np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)
    power = model.spectrum_at(f_y, f_x)
    true = np.exp(-((2 * np.pi * 0.6) ** 2) * (f_y**2 + f_x**2))
    assert power.mean() == pytest.approx(1, abs=0.03)  # bilinear interpolation of a convex curve
    assert np.abs(power - true / true.mean()).max() < 0.2 * true.max() / true.mean()


@pytest.mark.parametrize("sign", [1, -1])
def test_variance_follows_the_signal_with_the_sign_of_the_contrast(cells, sign):
    signal = cells if sign > 0 else 250 - cells
    noisy = signal + field(cells.shape, 0.4, 0.4) * np.sqrt(20 + 1.5 * cells)
    model = estimate_noise(noisy)
    assert model.gain == pytest.approx(1.5 * sign, rel=0.3)
    for clean in (90.0, 120.0, 180.0):
        assert model.std_at(clean if sign > 0 else 250 - clean) == pytest.approx(np.sqrt(20 + 1.5 * clean), rel=0.15)


def test_row_offsets_are_told_from_pixel_noise(cells):
    rows = 6 * np.random.default_rng(3).standard_normal((256, 1))
    model = estimate_noise(cells + 8 * field(cells.shape, 0, 0) + rows)
    # 256 offsets are known to 1 / sqrt(2 * 256) = 4.4 %; a median absolute deviation needs 2.7 times as many
    assert model.scan_line == pytest.approx(6, rel=0.3)
    assert rms(model, cells) == pytest.approx(10, rel=CLOSE)
    assert estimate_noise(cells + 8 * field(cells.shape, 0, 0)).scan_line < 1


@pytest.mark.parametrize(("scale", "shift_by"), [(3.0, 1e4), (-1.0, 255.0), (1e-3, 0.0), (40.0, -500.0)])
def test_estimate_transforms_with_the_image(cells, scale, shift_by):
    noisy = cells + 12 * field(cells.shape, 0.5, 0.5)
    expected = estimate_noise(noisy).affine(-shift_by / scale, 1 / scale)
    found = estimate_noise(scale * noisy + shift_by)
    for clean in (60.0, 120.0, 200.0):
        assert found.std_at(scale * clean + shift_by) == pytest.approx(expected.std_at(scale * clean + shift_by), 0.01)
    assert found.correlation == pytest.approx(expected.correlation, abs=0.01)


def test_integer_types_give_the_estimate_of_the_same_numbers(cells):
    noisy = np.clip(np.rint(cells + 10 * field(cells.shape, 0.4, 0.4)), 0, 255)
    wide = (noisy * 100 + 20000).astype(np.uint16)
    narrow = estimate_noise(noisy.astype(np.uint8))
    assert estimate_noise(wide).std_at(32000) == pytest.approx(100 * narrow.std_at(120), rel=0.01)


def test_defects_change_little(cells):
    noisy = cells + 10 * field(cells.shape, 0.4, 0.4)
    spoilt = noisy.copy()
    rng = np.random.default_rng(0)
    spoilt[rng.random(spoilt.shape) < 2e-3] = 255
    spoilt[20:60, 30:90] = np.nan
    spoilt[200:, :] = 0
    assert rms(estimate_noise(spoilt), cells) == pytest.approx(rms(estimate_noise(noisy), cells), rel=0.15)


def test_noise_below_the_grey_levels_is_the_noise_of_rounding():
    ramp = np.rint(np.repeat(np.arange(8) * 10, 16)[:, None] * np.ones(128)).astype(np.uint8)
    assert estimate_noise(ramp).std_at(30) <= 10 / np.sqrt(12) + 1e-9
    assert "quantisation" in estimate_noise(ramp).method


@pytest.mark.parametrize("image", [
    np.full((64, 64), 7, np.uint8), np.full((40, 40), np.nan, np.float32), np.zeros((1, 1)), np.eye(2),
    np.arange(9.0).reshape(1, 9), np.random.default_rng(0).normal(size=(9, 300)), np.zeros((50, 50), bool),
    np.random.default_rng(0).integers(0, 2, (70, 70)).astype(bool), np.full((33, 33), -np.inf),
    np.random.default_rng(0).normal(size=(33, 33)).astype(">f4"), np.random.default_rng(0).normal(size=(12, 12)) * 1e30,
])  # fmt: skip
def test_any_legal_image_gets_a_finite_answer_that_says_how(image):
    model = estimate_noise(image)
    assert np.isfinite([model.offset, model.gain, model.floor, model.scan_line, *model.correlation]).all()
    assert model.std_at(0.0) >= 0
    assert model.method != "given"


def test_constant_image_has_no_noise_and_small_image_a_plain_estimate():
    assert estimate_noise(np.full((64, 64), 3.0)).std_at(3) == 0
    small = estimate_noise(np.random.default_rng(0).normal(5, 2, (24, 24)))
    assert "plain" in small.method
    assert small.std_at(5) == pytest.approx(2, rel=0.3)  # 576 pixels, second differences correlated over 9


def test_a_large_image_is_sampled_in_few_small_windows_and_always_the_same():
    class Lazy:
        shape, ndim, dtype = (3, 16384, 16384), 3, np.dtype(np.float32)
        read = 0

        def __getitem__(self, index):
            height, width = (len(range(*s.indices(16384))) for s in index[1:])
            Lazy.read += height * width
            return np.random.default_rng(index[1].start or 0).normal(100, 5, (height, width)).astype(np.float32)

    model = estimate_noise(Image(Lazy()))
    assert Lazy.read <= 16 * 512**2
    assert model.std_at(100) == pytest.approx(5, rel=CLOSE)
    assert estimate_noise(Image(Lazy())) == model


def test_a_plane_that_does_not_exist_is_named():
    with pytest.raises(MendemError, match="slices 0 to 2"):
        estimate_noise(np.zeros((3, 40, 40)), planes=[5])


def test_repeats_with_sub_pixel_drift_give_the_noise_and_not_the_drift(cells):
    rng = np.random.default_rng(0)
    frames = [
        shift(cells, (0.37 * i, -0.61 * i), order=3, mode="nearest") * (1 + 0.02 * i)
        + 9 * field(cells.shape, 0.4, 0.4, seed=int(rng.integers(1 << 30)))
        for i in range(3)
    ]
    model = noise_from_repeats(frames)
    assert rms(model, cells) == pytest.approx(9, rel=0.1)
    assert model.correlation == pytest.approx([lag_one(0.4)] * 2, abs=0.1)


def test_repeats_must_be_two_of_one_shape(cells):
    with pytest.raises(MendemError, match="at least 2"):
        noise_from_repeats([cells])
    with pytest.raises(MendemError, match="one shape"):
        noise_from_repeats([cells, cells[:-1]])
    with pytest.raises(MendemError, match="at least 3"):
        noise_from_neighbours(cells[None])


def test_tissue_that_changes_between_slices_is_not_noise():
    tissue = gaussian_filter(np.random.default_rng(0).standard_normal((9, 200, 200)), (3, 3, 3))
    tissue = 30 * tissue / tissue.std()
    noise = np.stack([7 * field((200, 200), 0.4, 0.4, seed=i) for i in range(9)])
    assert rms(noise_from_neighbours(tissue + noise), tissue) == pytest.approx(7, rel=CLOSE)


def test_empty_area_gives_level_and_correlation_without_its_shading():
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    empty = 500 + 80 * x - 60 * y**2 + 11 * field((200, 200), 0.5, 0.0)
    model = noise_from_empty(empty)
    assert model.std_at(500) == pytest.approx(11, rel=0.03)  # 40000 pixels, half of them independent: 0.5 %
    assert model.correlation == pytest.approx([lag_one(0.5), 0], abs=0.03)


def test_affine_model_is_the_model_of_the_transformed_image():
    model = NoiseModel(offset=9, gain=0.5, floor=1, scan_line=2, correlation=(0.1, 0.2))
    moved = model.affine(centre=100, scale=-20)
    assert moved.std_at((60 - 100) / -20) == pytest.approx(model.std_at(60) / 20)
    assert moved.scan_line == pytest.approx(0.1)
    assert moved.correlation == model.correlation
