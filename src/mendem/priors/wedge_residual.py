"""What the missing wedge may hold beside the mean: samples of the residual, with frequencies of the wedge alone.

A path leads from noise n to a residual r: x = cos(θ) n + sin(θ) r, θ from 0 to π/2 (Albergo and Vanden-Eijnden 2023).
A network is trained to predict its velocity, cos(θ) r - sin(θ) n, which is then followed from new noise. Noise has
what is known of residuals without a network: the wedge's frequencies, their mean spectrum, the likeness of neighbouring
slices, and where the mean is uncertain. A network that says nothing thus leaves a plain sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mendem.noise_hash import normal
from mendem.priors.wedge_inputs import CHANNELS, DESCRIPTOR
from mendem.priors.wedge_network import WedgeNetwork

#: The spectrum of residuals: frequency (cycles per pixel) at which its power begins to fall, and the exponent of that.
#: Rounded means over 2,000 draws of the training, isolated and slabs, as is what follows.
CORNER, FALL = 0.08, 1.45
#: Amplitude of the noise over the standard deviation of the mean, part of whose error is in what was measured.
GAIN = 0.85
#: Evaluations of the network are twice as many: 4, 8 and 16 gave the same powers and errors.
STEPS = 3
#: Residuals of isolated specimens and of slabs are alike over LIKENESS / k rows, k being the frequency in the slice, of
#: LEAST at least (cycles per pixel): the standard deviation of the Gaussian by which white noise is smoothed along y,
#: cut off at REACH rows.
LIKENESS, LEAST, REACH = (0.15, 0.2), 0.04, 10


class ResidualNetwork(WedgeNetwork):
    """Maps (N, CHANNELS + 3, Z, X) and numbers (N, DESCRIPTOR + 3) to a velocity (N, 1, Z, X), any Z and X.

    The channels are those of a slice, the mean, its standard deviation and x, the latter two over the scale of the
    slice; the numbers its descriptor, the logarithm of the scale, cos(θ) and sin(θ). See `velocity`.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], embedding: int = 64, fold: int = 2) -> None:
        super().__init__(widths, blocks, embedding, fold)
        self.config: dict[str, Any] = {
            "widths": list(widths), "blocks": list(blocks), "embedding": embedding, "fold": fold
        }  # fmt: skip
        self.embed[0] = nn.Linear(DESCRIPTOR + 3, embedding)
        self.enter = nn.Conv2d((CHANNELS + 3) * fold**2, widths[0], 3, padding=1)
        self.leave = nn.Conv2d(widths[0], fold**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]


def projector_of(wedge: Tensor) -> Tensor:
    """W, float32 (N, 1, Z, X / 2 + 1): 1 in the wedge, falling to 0 within its outermost frequencies.

    ``wedge`` is bool (N, 1, Z, X) with the frequency 0 first. What lies outside of it is left alone altogether.
    """
    around = F.pad(wedge.float(), (1, 1, 1, 1), mode="circular")
    return (wedge * F.avg_pool2d(around, 3, 1))[..., : wedge.shape[-1] // 2 + 1]


def filtered(x: Tensor, transfer: Tensor) -> Tensor:
    """Slices (N, 1, Z, X) by a real transfer function (N, 1, Z, X / 2 + 1)."""
    return torch.fft.irfft2(torch.fft.rfft2(x) * transfer, x.shape[-2:])


def radius(shape: Sequence[int], device: Any = None) -> Tensor:
    """|k| in cycles per pixel of half a spectrum, (Z, X / 2 + 1)."""
    depth, width = shape
    return torch.hypot(
        torch.fft.fftfreq(depth, device=device)[:, None], torch.fft.rfftfreq(width, device=device)[None, :]
    )


def amplitude(shape: Sequence[int], device: Any = None) -> Tensor:
    """Of residuals over |k|, (Z, X / 2 + 1), up to a factor."""
    return (1 + (radius(shape, device) / CORNER).square()) ** (-FALL / 2)


def alike_over(shape: Sequence[int], slab: bool, device: Any = None) -> Tensor:
    """Rows over which residuals are alike, (Z, X / 2 + 1)."""
    return LIKENESS[slab] * (radius(shape, device).square() + LEAST**2).rsqrt()


def shaped(white: Tensor, projector: Tensor) -> Tensor:
    """White noise (N, 1, Z, X) with the spectrum of residuals and unit variance."""
    depth, width = white.shape[-2:]
    transfer = projector * amplitude((depth, width), white.device)
    power = transfer.square()
    # Half a spectrum: all but the first column, and the last of an even width, stand for two.
    twice = 2 * power.sum((-2, -1)) - power[..., 0].sum(-1)
    if width % 2 == 0:
        twice = twice - power[..., -1].sum(-1)
    size = (twice / (depth * width)).sqrt().clamp(min=1e-12)
    return filtered(white, transfer / size[..., None, None])


def noise(white: Tensor, std: Tensor, projector: Tensor) -> Tensor:
    """Where paths begin, (N, 1, Z, X), from white noise and the standard deviation of the mean."""
    return GAIN * filtered(std * shaped(white, projector), projector)


def scale_of(std: Tensor) -> Tensor:
    """The standard deviation (N, 1, 1, 1) where it is large: empty surroundings do not count."""
    power = std.square()
    return (power.square().sum((1, 2, 3), keepdim=True) / power.sum((1, 2, 3), keepdim=True).clamp(min=1e-20)).sqrt()


def velocity(
    network: nn.Module,
    told: tuple[Tensor, Tensor],
    mean: Tensor,
    std: Tensor,
    projector: Tensor,
    x: Tensor,
    theta: Tensor,
) -> Tensor:
    """How x (N, 1, Z, X) moves with θ (N,), in units of the gain like mean and std; of the wedge's frequencies alone.

    ``told`` is channels (N, CHANNELS, Z, X) and descriptor (N, DESCRIPTOR), see `mendem.priors.wedge_inputs.Inputs`.
    """
    channels, descriptor = told
    scale = scale_of(std).clamp(min=1e-6)
    seen = torch.cat([channels, mean, std / scale, x / scale], 1).contiguous(memory_format=torch.channels_last)
    size = scale[:, :, 0, 0].log() / 2
    numbers = torch.cat([descriptor, size, theta.cos()[:, None], theta.sin()[:, None]], 1)
    with torch.autocast(x.device.type, torch.bfloat16):
        output = network(seen, numbers)
    return filtered(scale * output.float(), projector)


def residual(
    network: nn.Module,
    told: tuple[Tensor, Tensor],
    mean: Tensor,
    std: Tensor,
    wedge: Tensor,
    white: Tensor,
    steps: int = STEPS,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """A sample of truth - mean, (N, 1, Z, X): the path from noise, by the midpoint rule."""
    projector = projector_of(wedge)
    x, width = noise(white, std, projector), math.pi / 2 / steps
    for step in range(steps):
        check()
        theta = x.new_full((len(x),), step * width)
        half = x + width / 2 * velocity(network, told, mean, std, projector, x, theta)
        check()
        x = x + width * velocity(network, told, mean, std, projector, half, theta + width / 2)
    return x


def white_rows(seed: int, rows: range, shape: tuple[int, int], slab: bool, device: Any = "cpu") -> Tensor:
    """White noise (n, 1, Z, X) of rows of a volume: it depends on the seed and the row alone.

    Neighbouring rows are alike as residuals are, in what is coarse over more rows than in what is fine.
    """
    drawn = [
        normal(seed, 0, 0, row, range(shape[0]), range(shape[1]), device)
        for row in range(rows.start - REACH, rows.stop + REACH)
    ]
    spectra = torch.fft.rfft2(torch.stack(drawn))
    lags = torch.arange(-REACH, REACH + 1, device=device)[:, None, None]
    taps = torch.exp(-lags.square() / (2 * alike_over(shape, slab, device).square()))
    taps = taps / taps.square().sum(0).sqrt()
    mixed = torch.stack([(taps * spectra[i : i + len(taps)]).sum(0) for i in range(len(rows))])
    return torch.fft.irfft2(mixed, shape)[:, None]
