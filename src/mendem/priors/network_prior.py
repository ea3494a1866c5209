"""A trained network as a prior: device, precision, exact tiles, cancel within an evaluation."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from mendem.appraisal.novelty import Reference
from mendem.priors import checkpoint
from mendem.priors.calibration import IDENTITY, Calibration, read_calibration
from mendem.priors.condition import Condition
from mendem.priors.network import Block, UNet
from mendem.priors.precondition import denoise
from mendem.priors.prior import Coverage, never

#: What the evaluation of this thread calls before each block of the network.
_running = threading.local()

#: Tiles below this size are not halved again: their halo costs more than they save.
SMALLEST_TILE = 128

#: How many tensors of the finest level, and how many float32 maps, are alive at the peak (measured; see
#: `benchmarks/memory.py`).
FEATURES_AT_ONCE = 5
MAPS_AT_ONCE = 50


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch (or the C library below it) ran out of memory."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


class NetworkPrior:
    """A `UNet` that the sampler can ask.

    Parameters
    ----------
    network, coverage, name
        The trained network, what it was trained for, and what it is called.
    device
        "cpu", "cuda" or "mps".
    dtype
        Arithmetic of the network; the preconditioning around it is float32.
    tile
        Side of the tiles in pixels; None computes the whole block at once. Halved when memory runs out.
    """

    conditional = True
    #: Corrects the spread of the answer, which is asked for without a noisy image; samples are drawn without it.
    calibration: Calibration = IDENTITY
    #: What its training pictures look like to it; None where the weights do not say.
    familiar: Reference | None = None

    def __init__(
        self,
        network: UNet,
        coverage: Coverage,
        name: str = "network",
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        tile: int | None = None,
    ) -> None:
        self.network = network
        self.coverage, self.name, self.device, self.dtype, self.tile = coverage, name, device, dtype, tile

    @property
    def frames(self) -> int:
        """Neighbouring pictures that it looks at together; it is asked about the middle one."""
        return self.network.config["frames"]

    @property
    def bytes_per_pixel(self) -> int:
        """Peak memory of one evaluation for each pixel of a block."""
        finest = self.network.config["widths"][0] / self.network.fold**2
        return int(FEATURES_AT_ONCE * finest * self.dtype.itemsize + 4 * MAPS_AT_ONCE)

    def _network(self, channels: Tensor, descriptor: Tensor) -> Tensor:
        channels = channels.to(self.dtype, memory_format=torch.channels_last)
        return self.network(channels, descriptor.to(self.dtype))

    def _once(self, x_t: Tensor | None, sigma: float | None, condition: Condition) -> tuple[Tensor, Tensor]:
        """One pass, padded at the far edges to whole cells of the coarsest grid."""
        height, width = condition.y.shape[-2:]
        cell = self.network.multiple
        bottom, right = -height % cell, -width % cell

        def pad(t: Tensor) -> Tensor:
            return torch.nn.functional.pad(t, (0, right, 0, bottom), mode="replicate") if bottom or right else t

        level = None if sigma is None else condition.y.new_full((condition.y.shape[0], 1, 1, 1), sigma)
        mean, variance = denoise(self._network, None if x_t is None else pad(x_t), level, condition.map(pad))
        return mean[..., :height, :width], variance[..., :height, :width]

    def denoise(
        self, x_t: Tensor | None, sigma: float | None, condition: Condition, check: Callable[[], None] = never
    ) -> tuple[Tensor, Tensor]:
        _running.check = check
        try:
            while True:
                try:
                    with torch.inference_mode():
                        mean, variance = self._tiled(x_t, sigma, condition)
                        return mean, self.calibration.variance(variance, condition) if x_t is None else variance
                except RuntimeError as error:
                    size = max(condition.y.shape[-2:]) if self.tile is None else self.tile
                    if not is_out_of_memory(error) or size // 2 < SMALLEST_TILE:
                        raise
                    self.tile = max(SMALLEST_TILE, 2 ** (size - 1).bit_length() // 2)
                gc.collect()
                if self.device == "cuda":
                    torch.cuda.empty_cache()
        finally:
            _running.check = never

    def _tiled(self, x_t: Tensor | None, sigma: float | None, condition: Condition) -> tuple[Tensor, Tensor]:
        height, width = condition.y.shape[-2:]
        tile = self.tile
        if tile is None or (height <= tile and width <= tile):
            return self._once(x_t, sigma, condition)
        tile += -tile % self.network.multiple
        halo = self.network.receptive_radius  # a whole number of cells, so that the grids agree
        mean = condition.y.new_empty((len(condition.y), 1, height, width))
        variance = torch.empty_like(mean)
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                y0, x0 = max(0, top - halo), max(0, left - halo)
                part = (..., slice(y0, min(height, top + tile + halo)), slice(x0, min(width, left + tile + halo)))
                piece = self._once(
                    None if x_t is None else x_t[part],
                    sigma,
                    condition.map(lambda t, part=part: t[part]),  # type: ignore[misc]
                )
                target = (..., slice(top, min(height, top + tile)), slice(left, min(width, left + tile)))
                inner = (
                    ...,
                    slice(top - y0, min(height, top + tile) - y0),
                    slice(left - x0, min(width, left + tile) - x0),
                )
                mean[target], variance[target] = piece[0][inner], piece[1][inner]
        return mean, variance


def _called_by_blocks(*_: Any) -> None:
    getattr(_running, "check", never)()


@lru_cache(maxsize=4)
def _network_on(name: str, device: str, dtype: torch.dtype) -> tuple[UNet, Coverage, Reference | None, Calibration]:
    path = checkpoint.find(name)
    network, facts = checkpoint.load(path)
    network = network.to(device=device, dtype=dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in network.modules():
        if isinstance(module, Block):
            module.register_forward_pre_hook(_called_by_blocks)
    coverage = Coverage.of(facts["coverage"])
    calibration = read_calibration(facts.get("calibration"), str(path))
    return network, coverage, Reference.from_facts(facts.get("familiar")), calibration


def load_prior(name: str, device: str, dtype: torch.dtype, tile: int | None = None) -> NetworkPrior:
    """A shipped prior by name, or one in a ``.safetensors`` file, ready on a device; the weights are shared."""
    network, coverage, familiar, calibration = _network_on(name, device, dtype)
    prior = NetworkPrior(network, coverage, name, device, dtype, tile)
    prior.familiar, prior.calibration = familiar, calibration
    return prior
