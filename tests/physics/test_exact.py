"""Data without noise are met, and nothing else is changed."""

import pytest
import torch

from mendem.physics.block_mean import BlockMean
from mendem.physics.blur import Blur
from mendem.physics.exact import consistent, measured_pixels
from mendem.physics.mask import Mask
from mendem.physics.operator import prox_by_cg
from mendem.physics.skipped_rows import SkippedRows

SHAPE = (1, 1, 32, 24)
KEPT = (torch.rand(SHAPE[-2:], generator=torch.Generator().manual_seed(3)) > 0.3).float()
OPERATORS = {"identity": Mask(), "mask": Mask(KEPT), "rows": SkippedRows(4, 32, 3), "block": BlockMean((4, 2))}


def noise(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=OPERATORS)
def case(request):
    """Operator, image, data of another image, and their reliability with a lost part."""
    operator = OPERATORS[request.param]
    y = operator.forward(noise(SHAPE, 2))
    reliability = torch.ones_like(y)
    reliability[..., 2:4, 3:7] = 0
    return operator, noise(SHAPE, 1), y, reliability


def test_the_reliable_data_are_met(case):
    operator, x, y, reliability = case
    got = consistent(operator, x, y, reliability)
    # Seen from the pixels: what a mask hides is no datum.
    known = reliability * operator.forward(torch.ones(SHAPE)) > 0
    assert torch.allclose(operator.forward(got)[known], y[known], atol=1e-6)


def test_it_is_the_nearest_such_image(case):
    operator, x, y, reliability = case
    got = consistent(operator, x, y, reliability)
    nearest = prox_by_cg(operator, x, y, 1e5 * reliability, 1.0, steps=500, tolerance=1e-9)
    assert float((got - nearest).abs().max()) < 1e-3


def test_projecting_twice_is_projecting_once(case):
    operator, x, y, reliability = case
    once = consistent(operator, x, y, reliability)
    assert torch.allclose(consistent(operator, once, y, reliability), once, atol=1e-6)


def test_measured_pixels_come_back_bit_for_bit(case):
    operator, x, y, reliability = case
    measured = measured_pixels(operator, reliability, x)
    got = consistent(operator, x, y, reliability)
    assert torch.equal(got[measured], operator.adjoint(y)[measured])
    if not isinstance(operator, BlockMean):
        assert torch.equal(got[~measured], x[~measured])
        assert int(measured.sum()) == int((operator.adjoint(reliability) > 0).sum()) > 0


def test_what_has_no_stable_inverse_is_left_alone():
    x = noise(SHAPE, 1)
    blur = Blur.gaussian(SHAPE[-2:], 3.0)
    assert consistent(blur, x, blur.forward(x) + 1, torch.ones(SHAPE)) is x
    assert not measured_pixels(blur, torch.ones(SHAPE), x).any()
