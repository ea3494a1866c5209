"""The missing wedge filled by a trained network: the volume road's filler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.priors.wedge_consistency import agreed
from mendem.priors.wedge_inputs import HALO, Inputs, Setting, assembled, setting_of, sirt_of, tv_of, view_of
from mendem.tomography.filler import Filled
from mendem.tomography.wbp import Wbp

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mendem.tomography.geometry import SliceGeometry
    from mendem.tomography.projector import Projector

#: Slices by total variation are shown after so many iterations.
SHOW_EVERY = 15
#: Steps that bring the answer for an isolated specimen nearer to its projections: the rms error of macromolecules fell
#: by 4 % without noise and by 0.5 % with 3 e/Å², in the wedge not at all. What is measured of a slab depends on what
#: lies beyond the view: there it rose by 2 to 8 %.
AGREEMENT_STEPS = 3
#: Symmetries of the question over which answers are averaged: mirrored along z, along x.
MIRRORED = ((False, False), (True, False), (False, True), (True, True))


@dataclass(frozen=True)
class WedgeFiller:
    """A network that starts from total variation and knows what specimens look like.

    Parameters
    ----------
    network
        `mendem.priors.wedge_network.WedgeNetwork`.
    isolated
        Whether the specimen ends within the view, in empty surroundings of 0; else it is a slab that goes on.
    widen
        Factor of the predicted spread that makes 90 % intervals hold 90 %, for isolated specimens and for slabs.
    share
        Part of the network's correction of total variation that is taken, for both: what series that it has not seen
        are filled best with.
    name
        For the provenance.
    """

    network: nn.Module
    isolated: bool
    widen: tuple[float, float] = (1.0, 1.0)
    share: tuple[float, float] = (1.0, 1.0)
    name: str = "wedge-volume"
    setting: Setting | None = None
    halo: int = field(default=HALO, init=False)
    _projectors: dict[Any, Projector] = field(default_factory=dict, init=False, repr=False, compare=False)

    def for_series(self, sample: np.ndarray, geometry: SliceGeometry) -> WedgeFiller:
        """The same with the noise measured once, see `mendem.tomography.filler.Filler.for_series`."""
        return replace(self, setting=setting_of(sample, not self.isolated))

    def fill(
        self, sinograms: Tensor, geometry: SliceGeometry, check: Callable[[], None] = lambda: None
    ) -> Iterator[Filled]:
        """Total variation, better and better, and then what the network makes of it, with its spread."""
        import torch

        projector = self._projector(geometry, sinograms)
        setting = self.setting or setting_of(sinograms.cpu().numpy(), not self.isolated)
        middle = sinograms[HALO : len(sinograms) - HALO]
        for i, tv in enumerate(tv_of(setting).iterates(projector, middle, check)):
            if i % SHOW_EVERY == 0:
                yield Filled(tv)
        told = self._told(projector, sinograms, tv, setting, check)
        view = view_of(geometry)
        wide = tv.clone()
        for mean, variance in answers(self.network, told, check):
            wide[..., view] = torch.lerp(tv[..., view], mean * told.gain, self._own(self.share))
            std = self._spread(wide, variance, told, view)
            yield Filled(wide, std)
        if self.isolated:
            ratio = setting.smoothed**2 / std.square().mean((1, 2), keepdim=True).clamp(min=1e-20)
            yield Filled(agreed(projector, wide, middle, ratio, AGREEMENT_STEPS, check), std)

    def _told(
        self, projector: Projector, sinograms: Tensor, tv: Tensor, setting: Setting, check: Callable[[], None]
    ) -> Inputs:
        (wbp,) = Wbp().iterates(projector, sinograms, check)
        sirt = sirt_of(projector, sinograms[HALO : len(sinograms) - HALO], check)
        return assembled(wbp.unfold(0, 2 * HALO + 1, 1).movedim(-1, 1), sirt, tv, projector.geometry, setting)

    def _spread(self, wide: Tensor, variance: Tensor, told: Inputs, view: slice) -> Tensor:
        """Standard deviation; unknown, NaN, beyond the view."""
        std = wide.new_full(wide.shape, float("nan"))
        std[..., view] = self._own(self.widen) * variance.sqrt() * told.gain
        return std

    def _own(self, both: tuple[float, float]) -> float:
        """Of two numbers that for this kind of specimen."""
        return both[0] if self.isolated else both[1]

    def _projector(self, geometry: SliceGeometry, sinograms: Tensor) -> Projector:
        """Kept for the next block."""
        from mendem.tomography.projector import Projector

        key = geometry, str(sinograms.device)
        if key not in self._projectors:
            self._projectors.clear()
            self._projectors[key] = Projector(geometry, sinograms.device)
        return self._projectors[key]


def answers(
    network: nn.Module, told: Inputs, check: Callable[[], None] = lambda: None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Mean and variance (n, Z, X), in units of the gain, over one symmetry of the question, two, and so on."""
    from mendem.priors.wedge_network import answer

    total, squares = told.gain.new_zeros(()), told.gain.new_zeros(())
    for count, (z, x) in enumerate(MIRRORED, 1):
        check()
        axes = [axis for axis, flip in ((-2, z), (-1, x)) if flip]
        descriptor = told.descriptor.clone()
        if z != x:
            descriptor[:, 0] = -descriptor[:, 0]
        mean, log_variance = answer(network, told.channels.flip(axes), descriptor)
        total = total + mean[:, 0].flip(axes)
        squares = squares + log_variance[:, 0].exp().flip(axes)
        yield total / count, squares / count


def load_filler(isolated: bool, weights: Path | None = None, device: str = "cpu") -> WedgeFiller:
    """The shipped filler, or one of other weights."""
    from mendem.priors.checkpoint import load_network, models_folder, read_facts
    from mendem.priors.wedge_network import WedgeNetwork

    path = weights or models_folder() / "wedge-volume" / "wedge.safetensors"
    network = load_network(WedgeNetwork, path).to(device)
    facts = read_facts(path)
    widen, share = (tuple(facts.get(name, (1.0, 1.0))) for name in ("widen", "share"))
    return WedgeFiller(network, isolated, widen, share, path.parent.name)


def save_filler(filler: WedgeFiller, path: Path, facts: dict[str, Any]) -> None:
    """Write the weights of a filler for `load_filler`; ``facts``, such as what it learned from, are kept with them."""
    from mendem.priors.checkpoint import write

    write(filler.network, path, {"widen": list(filler.widen), "share": list(filler.share), **facts})
