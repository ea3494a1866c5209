"""How far a lifted datum may be trusted as a measurement of one pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from mendem.priors.condition import NOISE_FLOOR

#: Error of taking a mean over a footprint for its centre, per pixel of the footprint's standard deviation, in units of
#: the signal's standard deviation; and its largest value. Micrographs differ: the network learns the rest.
ERROR_PER_PIXEL = 0.25
LARGEST_ERROR = 0.8


def trust(noise_std: Tensor, footprint: float | Tensor) -> Tensor:
    """Share of the weight of a direct measurement of equal noise that a lifted datum has, 0 to 1.

    Parameters
    ----------
    noise_std
        Standard deviation of the datum in normalised units, of the lifted shape.
    footprint
        Standard deviation in pixels of what the datum is a mean of, or its distance; a number or of the same shape.
    """
    error = (ERROR_PER_PIXEL * torch.as_tensor(footprint, device=noise_std.device)).clamp(max=LARGEST_ERROR)
    noise = noise_std.clamp(min=NOISE_FLOOR) ** 2
    return noise / (noise + error**2)
