"""Means over blocks, rows left out and blur: agreement with other code, and how their data are brought to the image."""

import numpy as np
import pytest
import torch
from scipy.interpolate import interp1d
from skimage.measure import block_reduce

from mendem.physics.block_mean import BlockMean
from mendem.physics.blur import Blur
from mendem.physics.lifting import ERROR_PER_PIXEL, LARGEST_ERROR, trust
from mendem.physics.noise import NoiseModel
from mendem.physics.observation import Observation
from mendem.physics.skipped_rows import SkippedRows
from mendem.priors.condition import NOISE_FLOOR, Descriptor

FACTORS = [(2, 2), (4, 4), (4, 1), (1, 8), (3, 2)]


def noise(shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def lifted(operator, y, std=0.5, reliability=None):
    return operator.lift(y, torch.ones_like(y) if reliability is None else reliability, torch.full_like(y, std))


def ramp(height, width):
    """0.3 a row and -0.2 a column."""
    return (0.3 * torch.arange(height)[:, None] - 0.2 * torch.arange(width)[None, :])[None, None]


@pytest.mark.parametrize("factors", FACTORS)
def test_block_means_agree_with_scikit_image(factors):
    x = noise((1, 1, 48, 48))
    got = BlockMean(factors).forward(x)[0, 0]
    assert np.allclose(got, block_reduce(x[0, 0].numpy(), factors, np.mean), atol=1e-6)


@pytest.mark.parametrize("factors", FACTORS)
def test_lifted_block_means_lie_where_the_blocks_are(factors):
    x = ramp(96, 96)
    y = BlockMean(factors).forward(x)
    got, _, _ = lifted(BlockMean(factors), y)
    error = (got - x)[..., 24:72, 24:72]
    # The bicubic kernel of torch (a = -0.75) bends a ramp by up to 4.9 % of a datum's step, evenly about it.
    allowed = 0.05 * (0.3 * factors[0] * (factors[0] > 1) + 0.2 * factors[1] * (factors[1] > 1))
    assert float(error.abs().max()) <= allowed
    assert abs(float(error.mean())) < 1e-4  # half a pixel of displacement would be 0.1 and more


def test_a_constant_is_lifted_to_itself_up_to_the_edges():
    got, _, _ = lifted(BlockMean((8, 4)), torch.full((1, 1, 3, 5), 1.7))
    assert torch.allclose(got, torch.tensor(1.7), atol=1e-5)


def test_repeating_a_mean_and_averaging_it_again_changes_nothing():
    operator = BlockMean((4, 2))
    y = noise((1, 1, 6, 7))
    assert torch.allclose(operator.forward(operator.spread(y)), y, atol=1e-6)


def test_a_dead_datum_does_not_reach_the_blocks_beside_it():
    operator = BlockMean((4, 4))
    y = torch.ones((1, 1, 8, 8))
    known = torch.ones_like(y)
    y[..., 3, 3], known[..., 3, 3] = 1000.0, 0.0
    got, reliability, _ = lifted(operator, y, reliability=known)
    assert torch.allclose(got, torch.ones(()), atol=1e-3)
    assert float(reliability[..., 12:16, 12:16].max()) == 0
    assert int((reliability == 0).sum()) == 16


@pytest.mark.parametrize(("step", "offset", "height"), [(4, 0, 33), (4, 3, 40), (8, 5, 64), (3, 1, 31), (1, 0, 9)])
def test_rows_between_are_the_linear_interpolation_of_scipy(step, offset, height):
    operator = SkippedRows(step, height, offset)
    y = operator.forward(noise((1, 1, height, 20)))
    got, _, _ = lifted(operator, y)
    places = np.arange(offset, height, step)
    rows = np.clip(np.arange(height), places[0], places[-1])
    assert np.allclose(got[0, 0], interp1d(places, y[0, 0].numpy(), axis=0)(rows), atol=1e-5)


def test_a_ramp_survives_the_loss_of_rows():
    operator = SkippedRows(4, 49)
    x = ramp(49, 20)
    got, _, _ = lifted(operator, operator.forward(x))
    assert torch.allclose(got, x, atol=1e-5)


def test_measured_rows_are_as_reliable_as_pixels_and_others_the_less_the_farther():
    operator = SkippedRows(8, 41, offset=4)
    y = operator.forward(noise((1, 1, 41, 6)))
    _, reliability, _ = lifted(operator, y, 0.3)
    column = reliability[0, 0, :, 0]
    assert torch.equal(column[4::8], torch.ones(5))
    assert bool((column[4:9].diff() < 0).all()) and bool((column[8:13].diff() > 0).all())
    error = min(ERROR_PER_PIXEL * 3, LARGEST_ERROR)
    assert float(column[7]) == pytest.approx(0.3**2 / (0.3**2 + error**2), rel=1e-5)


def test_rows_beside_a_lost_one_are_unknown():
    operator = SkippedRows(4, 33)
    y = operator.forward(torch.ones(1, 1, 33, 6))
    known = torch.ones_like(y)
    y[..., 3, :], known[..., 3, :] = 1000.0, 0.0
    got, reliability, _ = lifted(operator, y, reliability=known)
    assert float(reliability[..., 9:16, :].max()) == 0
    assert torch.equal(got[reliability > 0], torch.ones_like(got[reliability > 0]))


def test_trust_is_the_weight_that_the_interpolation_error_leaves():
    std = torch.tensor([0.0, 0.1, 1.0])
    assert torch.equal(trust(std, 0.0), torch.ones(3))
    floor = NOISE_FLOOR**2
    assert torch.allclose(trust(std, 1.0), torch.tensor([floor / (floor + 0.0625), 0.01 / 0.0725, 1 / 1.0625]))
    assert torch.equal(trust(std, 1e3), trust(std, LARGEST_ERROR / ERROR_PER_PIXEL))


def test_a_wider_footprint_is_trusted_less():
    y = torch.zeros((1, 1, 8, 8))
    shares = [float(lifted(BlockMean((k, 1)), y)[1][0, 0, 0, 0]) for k in (1, 2, 4, 8)]
    assert shares[0] == 1 and all(a > b for a, b in zip(shares, shares[1:], strict=False))
    shares = [float(lifted(Blur.gaussian((8, 8), w), y)[1][0, 0, 0, 0]) for w in (0.0, 1.0, 3.0, 6.0)]
    assert shares[0] == 1 and all(a > b for a, b in zip(shares, shares[1:], strict=False))


def test_the_noise_of_a_datum_is_told_of_every_pixel_that_it_is_lifted_to():
    std = torch.rand((1, 1, 6, 5)) + 0.1
    y = torch.zeros_like(std)
    _, _, got = BlockMean((2, 3)).lift(y, torch.ones_like(y), std)
    assert torch.allclose(BlockMean((2, 3)).forward(got), std)
    operator = SkippedRows(3, 18)
    _, _, got = operator.lift(y, torch.ones_like(y), std)
    assert torch.equal(operator.forward(got), std)


def test_the_descriptor_tells_means_from_rows_left_out():
    mean, rows = BlockMean((8, 2)).describe(Descriptor(gain=0.3)), SkippedRows(8, 64).describe(Descriptor(gain=0.3))
    assert (mean.log2_block_y, mean.log2_block_x, mean.skipped, mean.gain) == (3, 1, 0, 0.3)
    assert (rows.log2_block_y, rows.log2_block_x, rows.skipped, rows.gain) == (3, 0, 1, 0.3)


@pytest.mark.parametrize("operator", [BlockMean((4, 2)), SkippedRows(4, 32, 1)])
def test_the_condition_lies_on_the_image_grid(operator):
    y = operator.forward(noise((1, 1, 32, 32)))
    condition = Observation(y, operator, NoiseModel(0.04), torch.ones_like(y)).condition()
    for part in (condition.y, condition.reliability, condition.noise_std):
        assert part.shape == (1, 1, 32, 32)
        assert bool(torch.isfinite(part).all())
    assert float(condition.reliability.min()) > 0 and float(condition.reliability.max()) <= 1
