"""What a user chooses for filling the missing wedge: declared once for command line, dock and provenance."""

from __future__ import annotations

from dataclasses import dataclass

from mendem.errors import MendemError
from mendem.options import check_parameters, parameter

#: How missing tilts are made, and what fills slices.
ROADS = ("volume", "tilts")
FILLERS = ("auto", "network", "tv")
ESTIMATES = ("mean", "sample")


@dataclass(frozen=True)
class FillWedge:
    """Parameters of `mendem.fill_wedge`."""

    road: str = parameter(
        "volume",
        "volume: fill each slice, and project the missing tilts from it, so that they agree with one another; tilts: "
        "generate one missing tilt after the other, outward from the measured ones",
        choices=ROADS,
    )
    limit: float = parameter(90.0, "generate tilts up to this angle on either side", unit="°", low=1.0, high=90.0)
    specimen: str = parameter(
        "auto",
        "isolated: all of it is in view at all tilts; slab: it goes on beyond the view; auto: looks which",
        choices=("auto", "isolated", "slab"),
    )
    filler: str = parameter(
        "auto",
        "volume: what fills slices: a trained network, or tv, total variation with nothing below zero; auto: the "
        "network, unless it foresees measured tilts that were hidden worse than tv does",
        choices=FILLERS,
    )
    estimate: str = parameter(
        "mean",
        "volume: mean, the best guess, smooth where the data does not decide; or sample, one plausible specimen, no "
        "better than another",
        choices=ESTIMATES,
        label="Result",
    )
    seed: int = parameter(0, "volume: start of the random numbers of a sample", low=0, high=2**63 - 1, advanced=True)
    at_once: int = parameter(
        1, "tilts: how many are generated before they are context for the next ones", low=1, high=180, label="At once"
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.estimate == "sample" and (self.road != "volume" or self.filler == "tv"):
            raise MendemError(
                "samples are drawn by the volume road and its network: take these (road volume, filler auto or "
                "network), or the estimate mean"
            )
