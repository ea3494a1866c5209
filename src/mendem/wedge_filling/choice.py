"""Which filler serves a tilt series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.priors.wedge_inputs import TOLERANCE
from mendem.tomography.filler import Filler, TvFiller
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.slices import Sinograms
from mendem.tomography.tv import Tv
from mendem.tomography.wedge_judge import judge
from mendem.wedge_filling.rows import SAMPLE, around, spread

#: Slices in which measured tilts are hidden to judge the network.
JUDGED = 3

#: The network's, in the folder of the shipped priors.
WEIGHTS = "wedge-volume/wedge.safetensors"

NO_SPREAD = "which knows nothing of specimens and gives no spread."


@dataclass(frozen=True)
class Choice:
    """The filler that was chosen, with all that it measures of the series decided.

    Attributes
    ----------
    notes
        What a user should know of it, in sentences.
    found
        For the provenance.
    """

    filler: Filler
    notes: tuple[str, ...] = ()
    found: dict[str, Any] = field(default_factory=dict)


def choose_filler(
    wanted: str, rows: Sinograms, geometry: SliceGeometry, isolated: bool, device: str, check: Callable[[], None]
) -> Choice:
    """The filler for a series.

    Where it is left to choose, the network fills, unless it foresees measured tilts that were hidden from it worse than
    total variation does: then that fills, and a note says so.

    Parameters
    ----------
    wanted
        One of `mendem.wedge_filling.parameters.FILLERS`.
    rows, geometry, device
        As of `mendem.wedge_filling.volume_road.WedgeFilling`; the geometry of slices as they are filled.
    isolated
        Of a slab nothing says that it is empty around it, so that its density may be below zero.
    check
        May raise `Cancelled`.

    Raises
    ------
    MendemError
        The network is asked for, and not installed.
    """
    import torch

    sample = np.concatenate([rows.read(row, row + 1) for row in spread(rows.count, SAMPLE)])
    method = Tv(tolerance=TOLERANCE) if isolated else Tv(positive=False)
    tv: Filler = TvFiller(method).for_series(sample, geometry)
    if wanted == "tv":
        return Choice(tv, (f"Filled by total variation, {NO_SPREAD}",))
    network = network_filler(isolated, device)
    if network is None and wanted == "network":
        raise MendemError("the network that fills wedges is not installed: take another filler, auto or tv")
    if network is None:
        return Choice(tv, (f"The network is not installed. Filled by total variation, {NO_SPREAD}",))
    network = network.for_series(sample, geometry)
    if wanted == "network":
        return Choice(network)
    windows = [torch.from_numpy(around(rows, row, network.halo)).to(device) for row in spread(rows.count, JUDGED)]
    verdict = judge(network, tv, windows, geometry, check)
    found = {"judged": {"angles": verdict.angles_deg, "network": verdict.chosen, "tv": verdict.fallback}}
    notes = (verdict.sentence, "Total variation gives no spread.") if verdict.worse else (verdict.sentence,)
    return Choice(tv if verdict.worse else network, notes, found)


def network_filler(isolated: bool, device: str) -> Filler | None:
    """The shipped network, or None where it is not installed."""
    from mendem.priors.checkpoint import models_folder
    from mendem.priors.wedge_filler import load_filler

    path = models_folder() / WEIGHTS
    return load_filler(isolated, path, device) if path.is_file() else None
