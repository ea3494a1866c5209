"""Which filler serves a tilt series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mendem.tomography.filler import Filler, TvFiller
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.slices import Sinograms
from mendem.tomography.tv import Tv

#: Slices that tell what kind of specimen it is, how noisy, and which filler serves it.
SAMPLE = 8


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

    Parameters
    ----------
    wanted
        One of `mendem.wedge_parameters.FILLERS`.
    rows, geometry, isolated, device
        As of `mendem.wedge_filling.WedgeFilling`; of a slab nothing says that it is empty around it, so that its
        density may be below zero.
    check
        May raise `Cancelled`.
    """
    sample = np.concatenate([rows.read(row, row + 1) for row in spread(rows.count, SAMPLE)])
    tv = TvFiller(Tv(positive=isolated)).for_series(sample, geometry)
    said = "Filled by total variation, which knows nothing of specimens; it gives no spread."
    return Choice(tv, (said,), {"noise": tv.method.noise})


def spread(count: int, chosen: int) -> list[int]:
    """So many rows of ``count``, evenly, the middle one for one."""
    return np.unique(((np.arange(chosen) + 0.5) * count / chosen).astype(int)).tolist()
