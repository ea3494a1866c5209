"""Symmetries and preconditioning."""

import pytest
import torch

from mendem.priors.condition import DESCRIPTOR_LENGTH, Condition, Descriptor, turn_image, unturn_image
from mendem.priors.network import UNet
from mendem.priors.precondition import denoise, network_input, pixelwise_posterior


def condition(noise=0.5, size=16):
    y = torch.randn((2, 1, size, size), generator=torch.Generator().manual_seed(0))
    return Condition(y, torch.ones_like(y), torch.full_like(y, noise))


@pytest.mark.parametrize("turn", range(8))
def test_every_symmetry_is_undone(turn):
    x = torch.randn(1, 1, 6, 9)
    assert torch.equal(unturn_image(turn_image(x, turn), turn), x)


def test_the_eight_symmetries_differ():
    x = torch.arange(9.0).reshape(3, 3)
    assert len({tuple(turn_image(x, t).flatten().tolist()) for t in range(8)}) == 8


def test_transposing_swaps_what_belongs_to_an_axis():
    turned = Condition(
        *(torch.zeros(1, 1, 2, 2),) * 3, Descriptor(correlation_y=0.1, correlation_x=0.7, psf_yy=2.0)
    ).turned(4)
    assert (turned.descriptor.correlation_y, turned.descriptor.correlation_x) == (0.7, 0.1)
    assert (turned.descriptor.psf_yy, turned.descriptor.psf_xx) == (0.0, 2.0)


def test_transposing_swaps_block_factors():
    descriptor = Descriptor(log2_block_y=3.0, log2_block_x=1.0, skipped=1.0).transposed()
    assert (descriptor.log2_block_y, descriptor.log2_block_x, descriptor.skipped) == (1.0, 3.0, 1.0)


def test_a_batch_is_transposed_as_one_picture_is():
    one = Descriptor(0.1, 0.7, 1.0, 0.2, 0.3, 0.0, 3.0, 1.0, 1.0, 5.0, 1.7, 2.0, -0.5, 1.0)
    y = torch.randn((2, 1, 6, 8), generator=torch.Generator().manual_seed(0))
    c = Condition(y, torch.ones_like(y), torch.ones_like(y), one)
    batch = Condition(c.y, c.reliability, c.noise_std, torch.tensor([one.vector()] * 2))
    assert torch.equal(c.transposed().y, c.turned(4).y)
    assert c.transposed().descriptor == c.turned(4).descriptor
    assert torch.allclose(batch.transposed().descriptor[1], torch.tensor(one.transposed().vector()))


@pytest.mark.parametrize("turn", range(8))
def test_the_described_slant_turns_with_the_picture(turn):
    """The second moments of a turned point-spread function, measured, are those that the turned descriptor tells."""
    grid = torch.arange(-10.0, 11.0)
    y, x = grid[:, None], grid[None, :]
    yy, yx, xx = 5.0, 1.7, 2.0
    spread = torch.exp(-(xx * y**2 - 2 * yx * y * x + yy * x**2) / (2 * (yy * xx - yx**2)))[None, None]
    c = Condition(spread, torch.ones_like(spread), torch.ones_like(spread), Descriptor(psf_yy=yy, psf_yx=yx, psf_xx=xx))
    turned = c.turned(turn)
    weight = turned.y / turned.y.sum()
    measured = [float((weight * t).sum()) for t in (y * y, y * x, x * x)]
    told = turned.descriptor
    assert measured == pytest.approx([told.psf_yy, told.psf_yx, told.psf_xx], rel=0.02)


def test_two_measurements_are_weighted_by_their_precision():
    c = condition(0.5)
    x_t, sigma = torch.ones_like(c.y), torch.full((2, 1, 1, 1), 2.0)
    mean, std = pixelwise_posterior(x_t, sigma, c)
    precision = 1 + 1 / 0.25 + 1 / 4
    assert torch.allclose(mean, (c.y / 0.25 + 1 / 4) / precision)
    assert torch.allclose(std, torch.full_like(std, precision**-0.5))


def test_without_an_observation_this_is_the_preconditioning_of_edm():
    c = condition()
    nothing = Condition(c.y * 0, c.reliability * 0, c.noise_std)
    sigma = torch.full((2, 1, 1, 1), 0.7)
    mean, std = pixelwise_posterior(torch.ones_like(c.y), sigma, nothing)
    assert torch.allclose(mean, torch.full_like(mean, 1 / (1 + 0.49)))  # c_skip
    assert torch.allclose(std, torch.full_like(std, 0.7 / (1 + 0.49) ** 0.5))  # c_out


def test_where_nothing_was_measured_the_network_sees_nothing_of_the_datum():
    c = condition()
    reliability = c.reliability.clone()
    reliability[..., :4] = 0
    channels, _ = network_input(None, None, Condition(c.y, reliability, c.noise_std))
    assert float(channels[..., :4].abs().max()) == 0


def test_a_lifted_datum_is_shown_in_full_and_weighed_by_its_reliability():
    c = condition()
    full, _ = network_input(None, None, c)
    some, _ = network_input(None, None, Condition(c.y, 0.2 * c.reliability, c.noise_std))
    assert torch.equal(full[:, [1, 3]], some[:, [1, 3]])
    assert torch.allclose(some[:, 2], torch.tensor(0.2))


def test_the_network_is_told_whether_x_t_is_there():
    c = condition()
    _, absent = network_input(None, None, c)
    _, present = network_input(c.y, torch.full((2, 1, 1, 1), 0.5), c)
    assert absent.shape == (2, DESCRIPTOR_LENGTH)
    assert float(absent[0, 0]) == 1 and float(present[0, 0]) == 0


def test_an_untrained_network_answers_the_pixelwise_posterior():
    c = condition()
    network = UNet((8, 16), (1, 1), descriptor=DESCRIPTOR_LENGTH)
    mean, variance = denoise(network, None, None, c)
    base, scale = pixelwise_posterior(None, None, c)
    assert torch.allclose(mean, base) and torch.allclose(variance, scale**2)
