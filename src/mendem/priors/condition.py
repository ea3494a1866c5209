"""What a conditional prior is told about the measurement. Frozen: shipped weights depend on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

#: Smallest noise level (in units of the signal's standard deviation) that the network is told.
NOISE_FLOOR = 0.02
#: Pixels between the neighbouring frames that a network for volumes looks at.
FRAME_DISTANCE = 2

#: Fields that change places when the image is transposed.
TRANSPOSED = {
    "correlation_y": "correlation_x",
    "correlation_x": "correlation_y",
    "log2_block_y": "log2_block_x",
    "log2_block_x": "log2_block_y",
    "psf_yy": "psf_xx",
    "psf_xx": "psf_yy",
}


@dataclass(frozen=True)
class Descriptor:
    """The scalars that a pixel cannot tell, in the order in which the network reads them.

    Attributes
    ----------
    correlation_y, correlation_x
        Correlation of the noise between neighbouring pixels, and whether it is known.
    scan_line
        Part of the noise's standard deviation that a row shares, 0 to 1.
    gain
        Change of the noise variance over one standard deviation of the signal, relative to the mean
        variance; negative for inverted contrast.
    log2_block_z, log2_block_y, log2_block_x
        log2 of the block factors of the forward operator; 0 is none.
    skipped
        1 where slices were left out, 0 where they were averaged.
    psf_yy, psf_yx, psf_xx
        Second moments of the point-spread function in pixels squared.
    log2_pixel, pixel_known
        log2 of the pixel size in units of 10 nm, and whether it is known.
    """

    correlation_y: float = 0.0
    correlation_x: float = 0.0
    correlation_known: float = 0.0
    scan_line: float = 0.0
    gain: float = 0.0
    log2_block_z: float = 0.0
    log2_block_y: float = 0.0
    log2_block_x: float = 0.0
    skipped: float = 0.0
    psf_yy: float = 0.0
    psf_yx: float = 0.0
    psf_xx: float = 0.0
    log2_pixel: float = 0.0
    pixel_known: float = 0.0

    def vector(self) -> list[float]:
        """The numbers, in order."""
        return [float(getattr(self, f.name)) for f in fields(self)]

    def transposed(self) -> Descriptor:
        """The descriptor of the transposed image. Row offsets become column offsets, which no field tells."""
        return replace(self, **{name: getattr(self, other) for name, other in TRANSPOSED.items()})


#: Length of the network's descriptor: whether x_t is absent, its noise level, and the fields above.
DESCRIPTOR_LENGTH = 2 + len(fields(Descriptor))


@dataclass(frozen=True)
class Condition:
    """The observation, lifted to the image grid.

    Parameters
    ----------
    y
        (N, frames, H, W) measured values in normalised units (see `mendem.normalise`), anything where
        nothing was measured.
    reliability
        Same shape; 1 measured, 0 nothing measured.
    noise_std
        Same shape; standard deviation of ``y`` about the truth, in normalised units.
    descriptor
        One for the batch, or in training one vector for each picture, (N, D).
    """

    y: Tensor
    reliability: Tensor
    noise_std: Tensor
    descriptor: Descriptor | Tensor = Descriptor()

    def map(self, function: Callable[[Tensor], Tensor]) -> Condition:
        """The condition with ``function`` applied to its three maps."""
        return replace(
            self, y=function(self.y), reliability=function(self.reliability), noise_std=function(self.noise_std)
        )

    def middle(self) -> Condition:
        """The condition of the middle frame alone: that is the one that is asked about."""
        first = self.y.shape[1] // 2
        return self.map(lambda t: t[:, first : first + 1])

    def transposed(self) -> Condition:
        """The condition of the transposed image, with one descriptor or one for each picture."""
        numbers = self.descriptor
        if isinstance(numbers, Tensor):
            names = [f.name for f in fields(Descriptor)]
            numbers = numbers[:, [names.index(TRANSPOSED.get(name, name)) for name in names]]
        else:
            numbers = numbers.transposed()
        return replace(self.map(lambda t: t.mT), descriptor=numbers)

    def turned(self, turn: int) -> Condition:
        """One of the eight symmetries of the square, 0 is the identity; see `turn_image`."""
        turned = self.map(lambda t: turn_image(t, turn))
        assert isinstance(self.descriptor, Descriptor), "only one descriptor for the whole batch can be turned"
        descriptor = self.descriptor.transposed() if turn & 4 else self.descriptor
        if turn & 3 in (1, 2):  # one mirror reverses the slant of the point-spread function
            descriptor = replace(descriptor, psf_yx=-descriptor.psf_yx)
        return replace(turned, descriptor=descriptor)


def turn_image(x: Tensor, turn: int) -> Tensor:
    """Apply symmetry ``turn`` (bit 0 mirrors y, bit 1 mirrors x, bit 2 transposes first) to the last two axes."""
    if turn & 4:
        x = x.transpose(-1, -2)
    dims = [d for bit, d in ((1, -2), (2, -1)) if turn & bit]
    return torch.flip(x, dims) if dims else x


def unturn_image(x: Tensor, turn: int) -> Tensor:
    """Undo `turn_image`."""
    dims = [d for bit, d in ((1, -2), (2, -1)) if turn & bit]
    if dims:
        x = torch.flip(x, dims)
    return x.transpose(-1, -2) if turn & 4 else x
