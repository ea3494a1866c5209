"""A simulated record follows the noise model that it states."""

import numpy as np
import pytest

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.simulate import acquire, expose, sample_micrograph, sample_volume


def flat(level, shape=(512, 512)):
    return Image(np.full(shape, level, np.float32), voxel_size=VoxelSize((5.0,) * len(shape)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("level", [0.15, 0.5, 0.8])
def test_mean_and_variance_are_those_of_the_noise_model(dtype, level):
    levels = (40.0, 190.0) if dtype == "uint8" else (5000.0, 50000.0)
    unit = (levels[1] - levels[0]) / 150
    image = flat(level)
    record = acquire(image, 200.0, levels=levels, read_noise=2.0 * unit, scan_line=unit, dtype=dtype, seed=1)
    expected = float(expose(image, levels).data[0, 0])
    model = record.metadata["noise"]
    # 512 rows: the mean of the row offsets has a standard error of 1/sqrt(512), the variance of 0.4 %.
    assert record.data.mean() == pytest.approx(expected, abs=0.2 * unit)
    assert record.data.astype(float).var() == pytest.approx(model.variance(np.array(expected)), rel=0.03)


@pytest.mark.parametrize("bandwidth", [0.0, 0.3, 0.7])
def test_noise_is_correlated_along_the_scan_direction_only(bandwidth):
    record = acquire(flat(0.5), 100.0, bandwidth=bandwidth, scan_line=0.0, dtype="float32", seed=2)
    noise = record.data - record.data.mean()
    along = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()
    across = (noise[1:] * noise[:-1]).mean() / noise.var()
    assert record.metadata["noise"].correlation == (0.0, bandwidth)
    assert along == pytest.approx(bandwidth, abs=0.02) and across == pytest.approx(0.0, abs=0.02)
    # The filter is in its steady state from the first pixel on.
    assert noise[:, 0].var() == pytest.approx(noise.var(), rel=0.25)


def test_rows_share_an_offset_of_the_stated_size():
    record = acquire(flat(0.5, (2000, 400)), 1e5, scan_line=3.0, read_noise=0.5, bandwidth=0.0, dtype="float32")
    assert record.data.mean(1).std() == pytest.approx(3.0, rel=0.06)


def test_few_electrons_are_poisson_distributed():
    # The third moment of a Poisson variable equals its mean: skewness 1/sqrt(counts).
    record = acquire(flat(1.0), 4.0, read_noise=0.0, scan_line=0.0, bandwidth=0.0, dtype="float32", levels=(0.0, 100.0))
    z = (record.data - record.data.mean()) / record.data.std()
    assert (z**3).mean() == pytest.approx(0.5, abs=0.03)


def test_very_high_doses_stay_exact():
    record = acquire(flat(0.9, (64, 64)), 1e12, read_noise=0.0, scan_line=0.0, dtype="float32")
    assert np.allclose(record.data, expose(flat(0.9, (64, 64))).data, atol=1e-2)


def test_hot_pixels_are_as_many_as_asked_for():
    record = acquire(flat(0.3), 500.0, hot_pixels=0.01, seed=3)
    assert (record.data == 255).mean() == pytest.approx(0.01, abs=0.002)


def test_jitter_moves_rows_along_x_and_leaves_their_level():
    ramp = Image(np.broadcast_to(np.linspace(0.1, 0.9, 200, dtype=np.float32), (300, 200)).copy())
    record = acquire(ramp, 1e9, read_noise=0.0, scan_line=0.0, line_jitter_px=2.0, dtype="float32", levels=(0.0, 1.0))
    moved = (record.data - ramp.data)[:, 20:-20].mean(1) / (0.8 / 199)
    assert moved.std() == pytest.approx(2.0, rel=0.15)


def test_same_seed_same_record_with_axes_and_voxel_size_kept():
    image = flat(0.4, (3, 20, 30))
    a, b, c = (acquire(image, seed=s) for s in (1, 1, 2))
    assert np.array_equal(a.data, b.data) and not np.array_equal(a.data, c.data)
    assert a.axes == image.axes and a.voxel_size == image.voxel_size and a.dtype == np.uint8


@pytest.mark.parametrize(
    "bad",
    [
        {"dose": 0.0},
        {"dose": float("nan")},
        {"bandwidth": 1.0},
        {"levels": (200.0, 30.0)},
        {"levels": (0.0, 300.0)},
        {"dtype": "int8"},
        {"read_noise": -1.0},
    ],
)
def test_parameters_out_of_range_are_refused(bad):
    with pytest.raises(MendemError):
        acquire(flat(0.5, (16, 16)), **bad)


def test_what_is_not_brightness_is_refused():
    with pytest.raises(MendemError, match="0 to 1"):
        acquire(flat(120.0, (16, 16)))


@pytest.mark.parametrize(
    "pair", [lambda: sample_micrograph((256, 256)), lambda: sample_volume((16, 64, 64))], ids=["micrograph", "volume"]
)
def test_the_shipped_pair_differs_by_noise_of_the_stated_level(pair):
    noisy, truth = pair()
    assert noisy.shape == truth.shape and noisy.voxel_size == truth.voxel_size and noisy.dtype == np.uint8
    whitened = (noisy.data - truth.data) ** 2 / noisy.metadata["noise"].variance(truth.data)
    # Chi square per pixel is 1; its standard error is sqrt(2/n), about doubled by the correlation.
    assert whitened.mean() == pytest.approx(1.0, abs=0.03)
