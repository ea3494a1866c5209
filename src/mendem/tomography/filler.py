"""What fills the missing wedge of slices: the interface of all fillers, and total variation with positivity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mendem.tomography.tv import Tv, projection_noise

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.tomography.geometry import SliceGeometry
    from mendem.tomography.projector import Projector


@dataclass(frozen=True)
class Filled:
    """Slices whose wedge is filled.

    Attributes
    ----------
    mean
        (n, Z, X), density for a path of one pixel.
    std
        Its standard deviation, of the same shape; None as long as, or where, it is not known.
    """

    mean: Tensor
    std: Tensor | None = None


class Filler(Protocol):
    """A way to fill the missing wedge of the slices across the tilt axis.

    ``name`` is for the provenance; ``halo`` is how many neighbouring slices on either side it looks at.
    """

    @property
    def name(self) -> str: ...

    @property
    def halo(self) -> int: ...

    def for_series(self, sample: np.ndarray, geometry: SliceGeometry) -> Filler:
        """The same filler with all that it measures of a whole series decided: scale, noise, and the like.

        ``sample`` is sinograms, float32 (slices, tilts, width), of slices spread evenly over the series. What
        `fill` answers for a slice afterwards must not depend on how the volume is cut into blocks.
        """

    def fill(self, sinograms: Tensor, geometry: SliceGeometry, check: Callable[[], None]) -> Iterator[Filled]:
        """Better and better answers for some consecutive slices; the last one counts.

        Parameters
        ----------
        sinograms
            float32 (halo + n + halo, tilts, width) on the device that computes, in any unit of density; 0 is empty.
            Beyond the first and the last slice of the series the outermost is repeated.
        geometry
            Of the measured tilts. Slices may be wider than the detector, where the specimen goes on beyond the view.
        check
            Called between pieces of work; raises `mendem.errors.Cancelled` when the run is to stop.

        Yields
        ------
        The n inner slices. Tensors may be changed in place afterwards: copy what is to be kept.
        """


@dataclass(frozen=True)
class TvFiller:
    """Total variation: of all that agrees with the tilts, what is flat with sharp borders and nowhere negative.

    It knows nothing of specimens, needs no training and has no spread. The answer to fall back on.
    """

    method: Tv = Tv()
    name: str = field(default="tv", init=False)
    halo: int = field(default=0, init=False)
    _projectors: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def for_series(self, sample: np.ndarray, geometry: SliceGeometry) -> TvFiller:
        """The same with the noise measured once, so that no slice is smoothed more than another."""
        if self.method.noise:
            return self
        return TvFiller(replace(self.method, noise=projection_noise(sample)))

    def fill(self, sinograms: Tensor, geometry: SliceGeometry, check: Callable[[], None]) -> Iterator[Filled]:
        """See `Filler.fill`; `Filled.std` is always None."""
        for slices in self.method.iterates(self._projector(sinograms, geometry), sinograms, check):
            yield Filled(slices)

    def _projector(self, sinograms: Tensor, geometry: SliceGeometry) -> Projector:
        """Kept for the next block."""
        from mendem.tomography.projector import Projector

        key = geometry, str(sinograms.device)
        if key not in self._projectors:
            self._projectors.clear()
            self._projectors[key] = Projector(geometry, sinograms.device)
        return self._projectors[key]
