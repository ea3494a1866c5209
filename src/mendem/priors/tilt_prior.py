"""The tilt road's network as it is asked: means, their spread, and samples of missing tilts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from mendem.noise_hash import normal
from mendem.priors.checkpoint import find, load_network, read_facts
from mendem.priors.prior import never
from mendem.priors.solver import chain, noise_levels
from mendem.priors.tilt_network import RESIDUAL, TiltNetwork, network_input, units
from mendem.tomography.tilt_road_frames import Context, Frames, mirrored_back, padded

#: Name of the weights in the folder of a shipped network: it is no prior, and none that lists priors shall find it.
FILE = "tilts.safetensors"
#: Steps of a sample, noise level of the first over the largest predicted spread, and of the last.
STEPS, START_OVER_SPREAD, END_LEVEL = 6, 4.0, 0.02
#: Contexts that are asked about together, for each million pixels.
TOGETHER = 2


class TiltPrior:
    """Asks a `TiltNetwork` what missing tilts show.

    Parameters
    ----------
    network
        In evaluation mode, on ``device``.
    spread
        By what the predicted standard deviation is multiplied.
    name
        For the provenance.
    """

    def __init__(self, network: TiltNetwork, spread: float, name: str, device: str) -> None:
        self.network, self.spread, self.name, self.device = network, spread, name, device

    def predict(
        self,
        frames: Frames,
        targets: Sequence[int],
        sample: bool,
        seed: int,
        check: Callable[[], None] = never,
        trust: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Images and their standard deviation, both (len(targets), y, x), of frames that are missing.

        All are asked with the same context: none of them knows the others. ``sample``: drawn, reproducibly for a seed
        and an angle, instead of the mean. ``trust``: the part of the correction that counts; what is left out of it is
        added to the spread.
        """
        together = max(1, round(TOGETHER * 1e6 / frames.base[0].numel()))
        images, stds = [], []
        with torch.inference_mode():
            for first in range(0, len(targets), together):
                some = targets[first : first + together]
                check()
                contexts = [frames.context(i) for i in some]
                angles = [frames.angles[i] for i in some]
                beyond, variance = self._answer(contexts, angles, sample, seed, check)
                for k, i in enumerate(some):
                    correction = RESIDUAL * mirrored_back(beyond[k, 0], contexts[k])
                    std = RESIDUAL * mirrored_back(variance[k, 0].sqrt(), contexts[k])
                    images.append(frames.base[i] + trust * correction)
                    stds.append(self.spread * torch.hypot(std, (1 - trust) * correction))
        return torch.stack(images), torch.stack(stds)

    def _answer(
        self, contexts: list[Context], angles: list[float], sample: bool, seed: int, check: Callable[[], None]
    ) -> tuple[Tensor, Tensor]:
        mean, variance = self.denoise(contexts, None, None)
        if not sample:
            return mean, variance
        drawn = []
        for k, context in enumerate(contexts):
            one = [context]
            level = START_OVER_SPREAD * float(variance[k].mean().sqrt().clamp(min=END_LEVEL))
            levels = noise_levels(level, min(END_LEVEL, level / 20), STEPS)
            rows, columns = (range(n) for n in mean.shape[-2:])
            place = round((angles[k] + 360) * 1000)
            noise = normal(seed, 0, 0, place, rows, columns, mean.device)
            start = mean[k : k + 1] + (levels[0] ** 2 + variance[k : k + 1]).sqrt() * noise

            def ask(x: Tensor, sigma: float, one: list[Context] = one) -> Tensor:
                check()
                return self.denoise(one, x, x.new_full((1, 1, 1, 1), sigma))[0]

            *_, last = chain(ask, start, levels)
            drawn.append(last)
        return torch.cat(drawn), variance

    def denoise(self, contexts: list[Context], x_t: Tensor | None, sigma: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and variance (N, 1, y, x) of what the tilts show beyond their reprojections, in units of RESIDUAL."""
        maps, numbers = network_input(contexts, x_t, sigma)
        height, width = maps.shape[-2:]
        wide = padded(maps, self.network.multiple).contiguous(memory_format=torch.channels_last)
        output = self.network(wide, numbers)[..., :height, :width].float()
        mean, scale = units(x_t, sigma, maps[:, :1])
        return mean + scale * output[:, :1], scale**2 * output[:, 1:].clamp(-10, 4).exp()


@lru_cache(maxsize=2)
def load_tilt_prior(name: str, device: str) -> TiltPrior:
    """A shipped network by the name of its folder, or one in a ``.safetensors`` file."""
    path = find(name, FILE)
    network = load_network(TiltNetwork, path).to(device=device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TiltPrior(network, float(read_facts(path).get("spread", 1.0)), name, device)
