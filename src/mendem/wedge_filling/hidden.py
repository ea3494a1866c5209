"""Tilts that were measured, excluded, and generated: how alike both are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.tomography.aligned import AlignedRows
from mendem.wedge_filling.plan import WedgeFilling


@dataclass(frozen=True)
class Hidden:
    """Excluded tilts that have a generated twin.

    Attributes
    ----------
    angles
        Rising, in degrees.
    correlation
        Of the pixels of both, aligned; 1 where they differ by brightness and contrast alone. The noise of the measured
        one is in it.
    """

    angles: tuple[float, ...]
    correlation: tuple[float, ...]

    @property
    def sentence(self) -> str:
        """For notes."""
        count, middle, worst = len(self.angles), float(np.median(self.correlation)), min(self.correlation)
        many = "1 excluded tilt was" if count == 1 else f"{count} excluded tilts were"
        least = f", and {worst:.3f} at least" if count > 1 else ""
        return f"{many} generated too: the correlation with what was measured is {middle:.3f}{least}."


def compare_hidden(filling: WedgeFilling, generated: Any) -> Hidden | None:
    """Compare excluded tilts with the generated ones of the same angle (`missing_tilts`); None where there is none.

    Parameters
    ----------
    generated
        ``generated[k]`` is missing tilt number ``k``, aligned density (rows, width).
    """
    series, twins = filling.series, {angle: k for k, angle in enumerate(filling.completion.angles)}
    hidden = [tilt for tilt in series.excluded if round(series.true_angles[tilt], 4) in twins]
    if not hidden:
        return None
    alone = replace(series, excluded=tuple(tilt for tilt in range(series.count) if tilt not in hidden))
    try:
        rows = AlignedRows(alone, filling.density, *filling.density.levels(alone))
    except MendemError:  # tilts are also excluded because they are broken
        return None
    found = {}
    for k, tilt in enumerate(alone.used):
        angle = round(series.true_angles[tilt], 4)
        pair = np.stack([rows.tilt(k).ravel(), np.asarray(generated[twins[angle]], np.float32).ravel()])
        if (np.ptp(pair, axis=1) > 0).all():
            found[angle] = float(np.corrcoef(pair)[0, 1])
    return Hidden(tuple(found), tuple(found.values())) if found else None
