"""Simulated tissue: what its pictures promise."""

import numpy as np
import pytest

from mendem.errors import MendemError
from mendem.simulate import TissueStyle, tissue_image, tissue_patches, tissue_volume


def test_the_same_seed_gives_the_same_picture_and_another_seed_another_one():
    first, again, other = (tissue_image((96, 80), 6.0, seed).data for seed in (4, 4, 5))
    assert np.array_equal(first, again)
    assert np.corrcoef(first.ravel(), other.ravel())[0, 1] < 0.5


def test_the_same_seed_gives_the_same_volume():
    assert np.array_equal(tissue_volume((16, 24, 20), 10.0, 2).data, tissue_volume((16, 24, 20), 10.0, 2).data)


def test_a_micrograph_is_brightness_from_0_to_1_with_its_pixel_size():
    image = tissue_image((70, 110), 7.0, 1)
    assert image.shape == (70, 110) and image.dtype == np.float32 and image.axes == ("y", "x")
    assert image.voxel_size.nm == (7.0, 7.0)
    assert image.data.min() >= 0 and image.data.max() <= 1
    assert 0.4 < image.data.mean() < 0.85 and image.data.std() > 0.05


@pytest.mark.parametrize("pixel_nm", [2.0, 20.0])
def test_the_extremes_of_pixel_size_are_rendered(pixel_nm):
    data = tissue_image((64, 200), pixel_nm, 3).data
    assert np.isfinite(data).all() and data.std() > 0.03


def test_sections_of_a_volume_look_alike_in_all_directions():
    # Mean squared difference between neighbours along each axis. A small volume holds few cells, and their courses
    # make the axes differ by 10 % (standard deviation) by chance, so by 4 % for six of them.
    style = TissueStyle(coherence=0.0)
    rough = np.zeros(3)
    for seed in range(6):
        data = tissue_volume((48, 48, 48), 12.0, seed, style).data
        rough += [np.mean(np.diff(data, axis=axis) ** 2) for axis in range(3)]
    assert rough.max() / rough.min() < 1.25


def test_power_falls_with_frequency_as_in_electron_micrographs():
    # FIB-SEM and SEM of brain: amplitude falls roughly as 1/f, so power as f**-2 to f**-3 between 1/400 and 1/40 nm.
    data = np.mean([_power(tissue_image((256, 256), 8.0, seed).data) for seed in range(3)], axis=0)
    frequency = np.arange(data.size) / (256 * 8.0)
    band = (frequency > 1 / 400) & (frequency < 1 / 40)
    slope = np.polyfit(np.log(frequency[band]), np.log(data[band]), 1)[0]
    assert -3.2 < slope < -1.6


def _power(data):
    window = np.outer(np.hanning(256), np.hanning(256))
    power = np.abs(np.fft.fft2((data - data.mean()) * window)) ** 2
    f = np.rint(np.hypot(*np.meshgrid(*[np.fft.fftfreq(256) * 256] * 2))).astype(int).ravel()
    return (np.bincount(f, power.ravel()) / np.bincount(f))[:128]


def test_patches_differ_in_pixel_size_and_do_not_depend_on_how_many_are_asked_for():
    three = list(tissue_patches(3, 64, (4.0, 9.0), seed=8))
    two = list(tissue_patches(2, 64, (4.0, 9.0), seed=8))
    assert all(np.array_equal(a.data, b.data) for a, b in zip(three, two, strict=False))
    sizes = [p.voxel_size.nm[0] for p in three]
    assert len(set(sizes)) == 3 and all(4 <= s <= 9 for s in sizes)


@pytest.mark.parametrize(
    ("make", "shape", "size_nm"),
    [
        (tissue_image, (64, 64), 1.0),
        (tissue_image, (64, 64), 40.0),
        (tissue_image, (8, 64), 8.0),
        (tissue_image, (5000, 64), 8.0),
        (tissue_image, (32, 64, 64), 8.0),
        (tissue_volume, (64, 64), 8.0),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_words(make, shape, size_nm):
    with pytest.raises(MendemError, match="simulated|needs"):
        make(shape, size_nm)
