"""The missing wedge filled by a trained network: the volume road's filler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mendem.priors.wedge_inputs import HALO, Inputs, Setting, assembled, setting_of, sirt_of, tv_of, view_of
from mendem.priors.wedge_surroundings import settled
from mendem.tomography.filler import Filled
from mendem.tomography.wbp import Wbp

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mendem.priors.calibration import Curve
    from mendem.priors.wedge_network import WedgeNetwork
    from mendem.tomography.geometry import SliceGeometry
    from mendem.tomography.projector import Projector

T = TypeVar("T")

#: Slices by total variation are shown after so many iterations.
SHOW_EVERY = 15
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
    spread
        What makes 90 % intervals of the predicted spread hold 90 %, for isolated specimens and for slabs; None for the
        spread as it is predicted.
    share
        Part of the network's correction of total variation that is taken, for both: what series that it has not seen
        are filled best with.
    name
        For the provenance.
    """

    network: WedgeNetwork
    isolated: bool
    spread: tuple[Curve, Curve] | None = None
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
        return (filled for filled, _ in self.fill_and_tell(sinograms, geometry, check))

    def fill_and_tell(
        self, sinograms: Tensor, geometry: SliceGeometry, check: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[Filled, Inputs | None]]:
        """The answers of `fill`, each with what the network was told; None before it was."""
        import torch

        projector = self._projector(geometry, sinograms)
        setting = self.setting or setting_of(sinograms.cpu().numpy(), not self.isolated)
        middle = sinograms[HALO : len(sinograms) - HALO]
        for i, tv in enumerate(tv_of(setting).iterates(projector, middle, check)):
            if i % SHOW_EVERY == 0:
                yield Filled(tv), None
        told = self._told(projector, sinograms, tv, setting, check)
        view = view_of(geometry)
        wide = tv.clone()
        for mean, variance in answers(self.network, told, check):
            wide[..., view] = torch.lerp(tv[..., view], mean * told.gain, self._own(self.share))
            std = self._std(wide, variance, told, view)
            yield Filled(wide, std), told
        if not self.isolated:
            error = std[..., view].square().mean((1, 2), keepdim=True)
            ratio = (setting.smoothed**2 / error.clamp(min=1e-20)).clamp(max=1e12)
            yield Filled(settled(projector, wide, middle, view, ratio, check), std), told

    def _told(
        self, projector: Projector, sinograms: Tensor, tv: Tensor, setting: Setting, check: Callable[[], None]
    ) -> Inputs:
        (wbp,) = Wbp().iterates(projector, sinograms, check)
        sirt = sirt_of(projector, sinograms[HALO : len(sinograms) - HALO], check)
        return assembled(wbp.unfold(0, 2 * HALO + 1, 1).movedim(-1, 1), sirt, tv, projector.geometry, setting)

    def _std(self, wide: Tensor, variance: Tensor, told: Inputs, view: slice) -> Tensor:
        """Standard deviation; unknown, NaN, beyond the view."""
        std = wide.new_full(wide.shape, float("nan"))
        if self.spread is not None:
            variance = self._own(self.spread).variance(variance)
        std[..., view] = variance.sqrt() * told.gain
        return std

    def _own(self, both: tuple[T, T]) -> T:
        """Of two that for this kind of specimen."""
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


def stated(share: tuple[float, float], spread: tuple[Curve, Curve] | None) -> dict[str, Any]:
    """As a header keeps them."""
    curves = None if spread is None else {"isolated": spread[0].stated(), "slab": spread[1].stated()}
    return {"share": list(share), "spread": curves}


def load_filler(isolated: bool, weights: Path | None = None, device: str = "cpu") -> WedgeFiller:
    """The shipped filler, or one of other weights."""
    from mendem.priors.calibration import read_curve
    from mendem.priors.checkpoint import load_network, models_folder, read_facts
    from mendem.priors.wedge_network import WedgeNetwork

    path = weights or models_folder() / "wedge-volume" / "wedge.safetensors"
    network = load_network(WedgeNetwork, path).to(device)
    facts = read_facts(path)
    spread = None
    if (curves := facts.get("spread")) is not None:
        spread = read_curve(curves, "isolated", str(path)), read_curve(curves, "slab", str(path))
    return WedgeFiller(network, isolated, spread, tuple(facts.get("share", (1.0, 1.0))), path.parent.name)


def save_filler(filler: WedgeFiller, path: Path, facts: dict[str, Any]) -> None:
    """Write the weights of a filler for `load_filler`; ``facts``, such as what it learned from, are kept with them."""
    from mendem.priors.checkpoint import write

    write(filler.network, path, {**stated(filler.share, filler.spread), **facts})
