"""What the sampler asks of a prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from mendem.priors.condition import Condition


def never() -> None:
    """The check of a run that nobody can cancel."""


@dataclass(frozen=True)
class Coverage:
    """What a prior was trained for.

    Attributes
    ----------
    pixel_nm
        Smallest and largest pixel size of the training pictures.
    modalities
        Kinds of microscopy, in words.
    degradations
        What the conditional mode has seen.
    """

    pixel_nm: tuple[float, float]
    modalities: tuple[str, ...]
    degradations: tuple[str, ...]

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> Coverage:
        """As a recipe's table ``coverage`` or a checkpoint's header states it."""
        finest, coarsest = stated["pixel_nm"]
        return cls((finest, coarsest), tuple(stated["modalities"]), tuple(stated["degradations"]))

    def stated(self) -> dict[str, list[Any]]:
        """The inverse of `of`."""
        return {name: list(value) for name, value in vars(self).items()}


class Prior(Protocol):
    """A denoiser that knows what micrographs look like."""

    name: str
    coverage: Coverage
    #: Whether an observation can be given to the denoiser itself.
    conditional: bool

    @property
    def frames(self) -> int:
        """Neighbouring pictures that it looks at together."""

    @property
    def bytes_per_pixel(self) -> int:
        """Peak memory of one evaluation for each pixel."""

    def denoise(
        self, x_t: Tensor | None, sigma: float | None, condition: Condition, check: Callable[[], None] = never
    ) -> tuple[Tensor, Tensor]:
        """Posterior mean and variance of the clean image, both (N, 1, H, W), in normalised units.

        ``x_t`` is the clean image plus white noise of standard deviation ``sigma``, or None. ``check`` is
        called many times and may raise `mendem.errors.Cancelled`.
        """
