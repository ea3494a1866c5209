"""What a user chooses for filling the missing wedge: declared once for command line, dock and provenance."""

from __future__ import annotations

from dataclasses import dataclass

from mendem.options import check_parameters, parameter

#: What fills.
FILLERS = ("auto", "tv")


@dataclass(frozen=True)
class FillWedge:
    """Parameters of `mendem.fill_wedge`."""

    limit: float = parameter(90.0, "generate tilts up to this angle on either side", unit="°", low=1.0, high=90.0)
    specimen: str = parameter(
        "auto",
        "isolated: all of it is in view at all tilts; slab: it goes on beyond the view; auto: looks which",
        choices=("auto", "isolated", "slab"),
    )
    filler: str = parameter(
        "auto", "what fills: auto takes the one that predicts measured tilts best; tv: total variation", choices=FILLERS
    )

    def __post_init__(self) -> None:
        check_parameters(self)
