"""The map from the predicted spread to the one that is reported."""

import json
import math

import pytest
import torch

from mendem.errors import MendemError
from mendem.priors import checkpoint
from mendem.priors.calibration import IDENTITY, Calibration, Curve, read_calibration, was_measured
from mendem.priors.condition import DESCRIPTOR_LENGTH, Condition, Descriptor
from mendem.priors.network import UNet
from mendem.priors.network_prior import NetworkPrior, load_prior
from mendem.priors.prior import Coverage

COVERAGE = Coverage((6.0, 40.0), ("SEM",), ("noise",))
#: Twice as wide at 0.1, half as wide at 1.
TURNING = Curve((math.log(0.1), math.log(1.0)), (math.log(2.0), math.log(0.5)))
BOTH = Calibration(TURNING, Curve((0.0,), (math.log(3.0),)))


def small_network():
    torch.manual_seed(0)
    network = UNet((8, 16), (1, 1), descriptor=DESCRIPTOR_LENGTH)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.08)
    return network.eval()


def condition():
    y = torch.randn((1, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    return Condition(y, torch.ones_like(y), torch.full_like(y, 0.5))


def test_between_the_knots_the_factor_is_interpolated_and_beyond_them_constant():
    std = torch.tensor([1e-3, 0.1, math.sqrt(0.1), 1.0, 20.0])
    factor = TURNING.variance(std**2).sqrt() / std
    assert torch.allclose(factor, torch.tensor([2.0, 2.0, 1.0, 0.5, 0.5]), atol=1e-5)


def test_a_larger_predicted_spread_stays_the_larger_one():
    steepest = Curve((-3.0, -1.0, 0.0), (1.0, -1.0, -1.0))  # falls as fast as the spread rises
    std = torch.logspace(-4, 1, 500)
    for curve in (TURNING, steepest):
        assert bool((curve.variance(std**2).diff() >= -1e-7).all())


def test_without_a_table_nothing_changes():
    variance = torch.rand(5)
    assert torch.equal(Curve().variance(variance), variance)
    assert IDENTITY.variance(variance, condition()) is variance
    assert read_calibration(None, "here") == IDENTITY


def test_a_table_comes_back_from_its_stated_form():
    back = read_calibration(json.loads(json.dumps(BOTH.stated())), "here")
    assert back.measured.log_std == pytest.approx(TURNING.log_std, abs=1e-5)
    assert back.measured.log_factor == pytest.approx(TURNING.log_factor, abs=1e-5)
    assert back.inferred.log_factor == pytest.approx((math.log(3.0),), abs=1e-5)


@pytest.mark.parametrize(
    "stated",
    [[[0.0, 0.1], [0.0, 0.2]], [[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, -2.0]], [[0.0]], "ab", [[0, None]]],
)
def test_a_table_that_is_none_is_refused(stated):
    with pytest.raises(MendemError, match="weights.safetensors: its calibration"):
        read_calibration({"measured": [], "inferred": stated}, "weights.safetensors")


def test_a_header_that_lacks_a_map_is_refused():
    for stated in ({}, [], {"measured": []}, "ab"):
        with pytest.raises(MendemError, match="its calibration"):
            read_calibration(stated, "here")


def test_gaps_and_what_lies_behind_an_operator_are_inferred():
    reliability = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2)
    behind = {"log2_block_y": 1.0}, {"psf_xx": 2.0}, {"skipped": 1.0}
    for about, expected in (({"gain": 0.3, "correlation_y": 0.5}, True), *((b, False) for b in behind)):
        descriptor = Descriptor(**about)
        for numbers in (descriptor, torch.tensor([descriptor.vector()])):
            c = Condition(reliability, reliability, reliability, numbers)
            assert was_measured(c).flatten().tolist() == [expected, False]
            wider = BOTH.variance(torch.full_like(reliability, 0.01), c).sqrt() / 0.1
            assert wider.flatten().tolist() == pytest.approx([2.0 if expected else 3.0, 3.0], rel=1e-4)


def test_the_answer_is_corrected_and_the_chain_of_samples_is_not():
    plain = NetworkPrior(small_network(), COVERAGE)
    corrected = NetworkPrior(small_network(), COVERAGE)
    corrected.calibration = BOTH
    c = condition()
    for x_t, sigma in ((None, None), (torch.randn_like(c.y), 0.5)):
        mean, variance = plain.denoise(x_t, sigma, c)
        again, wider = corrected.denoise(x_t, sigma, c)
        assert torch.equal(mean, again)
        assert torch.equal(wider, BOTH.variance(variance, c) if x_t is None else variance)
        assert torch.equal(wider, variance) == (x_t is not None)


def test_a_checkpoint_carries_its_calibration(tmp_path):
    path = tmp_path / "weights.safetensors"
    checkpoint.save(small_network(), COVERAGE, path, {"calibration": BOTH.stated()})
    prior = load_prior(str(path), "cpu", torch.float32)
    assert prior.calibration.measured.log_std == pytest.approx(TURNING.log_std, abs=1e-5)
    bare = tmp_path / "bare.safetensors"
    checkpoint.save(small_network(), COVERAGE, bare, {})
    assert load_prior(str(bare), "cpu", torch.float32).calibration == IDENTITY
