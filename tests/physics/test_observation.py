"""What the prior is told about an observation."""

import torch

from mendem.physics.mask import Mask
from mendem.physics.noise import NoiseModel
from mendem.physics.observation import Observation, local_mean


def test_the_noise_map_follows_the_signal():
    y = torch.zeros((1, 1, 64, 64))
    y[..., 32:] = 2.0
    observation = Observation(y, Mask(), NoiseModel(offset=1.0, gain=0.5), torch.ones_like(y))
    std = observation.noise_std()
    # Far from the edge the local mean is the value itself: variances 1 and 1 + 0.5 * 2.
    assert torch.allclose(std[..., :20], torch.ones(()), atol=1e-4)
    assert torch.allclose(std[..., 44:], torch.tensor(2.0).sqrt(), atol=1e-4)


def test_what_is_not_measured_does_not_enter_the_local_mean():
    y = torch.ones((1, 1, 40, 40))
    reliability = torch.ones_like(y)
    y[..., 20, 20], reliability[..., 20, 20] = 1000.0, 0.0
    assert torch.allclose(local_mean(y, reliability), torch.ones(()), atol=1e-4)


def test_the_condition_hides_what_is_not_measured():
    y = torch.ones((1, 1, 16, 16))
    kept = torch.ones(16, 16)
    kept[4:8] = 0
    condition = Observation(y, Mask(kept), NoiseModel(0.25), torch.ones_like(y)).condition()
    assert float(condition.y[0, 0, 4:8].abs().max()) == 0
    assert torch.equal(condition.reliability[0, 0], kept)
    assert condition.descriptor.correlation_known == 1.0
