"""Samples of a filled wedge: the mean that the network gives and, on top of it, one of the residuals it may have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import MendemError
from mendem.priors.wedge_filler import WedgeFiller
from mendem.priors.wedge_inputs import view_of
from mendem.tomography.filler import Filled
from mendem.tomography.wedge import wedge_mask

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.priors.wedge_residual import ResidualNetwork
    from mendem.tomography.geometry import SliceGeometry

#: The weights, in the folder of the shipped priors.
WEIGHTS = "wedge-samples/samples.safetensors"


@dataclass(frozen=True)
class Sampler:
    """Draws residuals of the mean that a `WedgeFiller` gives.

    Parameters
    ----------
    network
        `mendem.priors.wedge_residual.ResidualNetwork`.
    seed
        Start of the random numbers: another seed draws another sample.
    name, sha256
        Of the weights, for the provenance.
    """

    network: ResidualNetwork
    seed: int = 0
    name: str = "wedge-samples"
    sha256: str = ""

    @property
    def record(self) -> dict[str, Any]:
        """For the provenance."""
        return {"weights": self.name, "sha256": self.sha256, "seed": self.seed}


@dataclass(frozen=True)
class SampledFiller:
    """A sample in place of the mean (`mendem.tomography.filler.Filler.fill`), for slices from the row ``first``.

    It differs from the mean in the missing wedge alone. Noise depends on the seed and on the row of a slice, so that
    what is drawn does not depend on how the volume is cut. The spread stays that of the mean.
    """

    mean: WedgeFiller
    sampler: Sampler
    first: int

    def fill(
        self, sinograms: Tensor, geometry: SliceGeometry, check: Callable[[], None] = lambda: None
    ) -> Iterator[Filled]:
        """All that leads to the mean, then the sample."""
        import torch

        from mendem.priors.wedge_residual import residual, white_rows

        for answer in self.mean.fill_and_tell(sinograms, geometry, check):
            yield answer[0]
        filled, told = answer
        assert told is not None and filled.std is not None
        gain, view = told.gain[:, None], view_of(geometry)
        mean, std = (part[:, None, :, view] / gain for part in (filled.mean, filled.std))
        count, _, depth, width = mean.shape
        mask = np.fft.ifftshift(wedge_mask(geometry.angles_deg, (depth, width)))
        wedge = torch.from_numpy(mask).to(mean.device)[None, None]
        rows, slab = range(self.first, self.first + count), not self.mean.isolated
        white = white_rows(self.sampler.seed, rows, (depth, width), slab, mean.device)
        found = residual(self.sampler.network, (told.channels, told.descriptor), mean, std, wedge, white, check=check)
        # Beyond the view of a slab it goes on as the Fourier transform of the view takes it to: rays that see both then
        # find nothing that was not measured.
        beyond = (torch.arange(filled.mean.shape[-1], device=mean.device) - view.start) % width
        yield Filled(filled.mean + (found * gain)[:, 0][..., beyond], filled.std)


def load_sampler(seed: int = 0, weights: Path | None = None, device: str = "cpu") -> Sampler:
    """The shipped sampler, or one of other weights; `MendemError` where they are not installed."""
    from mendem.priors.checkpoint import digest, load_network, models_folder
    from mendem.priors.wedge_residual import ResidualNetwork

    path = weights or models_folder() / WEIGHTS
    if not path.is_file():
        raise MendemError("the network that draws samples of the wedge is not installed: take the estimate mean")
    return Sampler(load_network(ResidualNetwork, path).to(device), seed, path.parent.name, digest(path))
