"""Working at the prior's pixel size, and coming back."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mendem.image import Image, VoxelSize
from mendem.physics.noise import NoiseModel
from mendem.priors.prior import Coverage
from mendem.resampling import binned_noise, choose_binning, shrink, stretch

COVERAGE = Coverage((6.0, 40.0), ("SEM",), ())


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_plane_comes_back_at_its_own_place(factor):
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(60.0), indexing="ij")
    plane = (2 * y - 3 * x)[None, None]
    back = stretch(shrink(plane, factor), factor)
    inside = (..., slice(2 * factor, -2 * factor), slice(2 * factor, -2 * factor))
    assert torch.allclose(back[inside], plane[inside], atol=1e-3)


@pytest.mark.parametrize(("blur_y", "blur_x"), [(0, 0), (0.7, 0.7), (0, 1.0)])
def test_the_noise_after_binning_is_predicted(blur_y, blur_x):
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(600, 600)), (blur_y, blur_x), mode="wrap")
    noise /= noise.std()
    rho = tuple(float((noise * np.roll(noise, 1, axis)).mean()) for axis in (0, 1))
    binned = noise.reshape(300, 2, 300, 2).mean((1, 3))
    predicted = binned_noise(NoiseModel(1.0, correlation=rho), 2)
    assert abs(predicted.std_at(0.0) / binned.std() - 1) < 0.05


def detail(scale, noise_std, nm, seed=0):
    rng = np.random.default_rng(seed)
    x = gaussian_filter(rng.normal(size=(400, 400)), scale, mode="wrap")
    x = 20 * x / x.std() + rng.normal(0, noise_std, x.shape)
    return Image(x, voxel_size=VoxelSize((nm, nm)))


def test_an_oversampled_image_is_restored_at_the_priors_pixel_size_and_says_so():
    factor, notes = choose_binning(detail(6, 10, 2.0), NoiseModel(100.0), COVERAGE)
    assert factor == 3
    assert "2 nm" in notes[0] and "6 nm" in notes[0]


def test_an_image_with_fine_detail_is_left_at_its_own_pixel_size():
    factor, notes = choose_binning(detail(0.8, 2, 2.0), NoiseModel(4.0), COVERAGE)
    assert factor == 1 and "detail" in notes[0]


@pytest.mark.parametrize("nm", [None, 8.0, 39.0])
def test_known_and_unknown_pixel_sizes_inside_the_coverage_are_left_alone(nm):
    image = detail(6, 10, 1.0)
    image = Image(image.data, voxel_size=None if nm is None else VoxelSize((nm, nm)))
    assert choose_binning(image, NoiseModel(100.0), COVERAGE) == (1, ())


def test_pixels_coarser_than_the_prior_knows_are_said_aloud():
    image = Image(detail(6, 10, 1.0).data, voxel_size=VoxelSize((90.0, 90.0)))
    factor, notes = choose_binning(image, NoiseModel(100.0), COVERAGE)
    assert factor == 1 and "coarser" in notes[0]
