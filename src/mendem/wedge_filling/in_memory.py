"""A tilt series becomes one without a missing wedge: in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

from mendem.engine import Progress
from mendem.image import Image, VoxelSize
from mendem.restoration import cancel_check
from mendem.tomography.density import Density
from mendem.tomography.tilt_series import TiltSeries
from mendem.tomography.wedge import WedgeEnergy
from mendem.wedge_filling.findings import Findings
from mendem.wedge_filling.parameters import FillWedge
from mendem.wedge_filling.pieces import FilledTilts
from mendem.wedge_filling.prepare import prepare

AXES = ("z", "y", "x")

#: ``quantity`` in the provenance of volumes: they have that of the completed series, and are none.
DENSITY, SPREAD = "density", "standard deviation"


@dataclass(frozen=True)
class FilledWedge:
    """What came of filling a missing wedge.

    Attributes
    ----------
    tomogram
        Axes z, y, x, float32, density for a path of one pixel of the tilts.
    spread
        Its standard deviation; None where the filler knows none.
    completed
        The tilt series with the missing tilts, by rising angle: measured ones bit for bit.
    flags
        "measured", "excluded" or "generated", for each tilt of ``completed``.
    regions
        Of the tomogram's spectrum, (z, x), as of `mendem.tomography.wedge_regions`.
    before, after
        Energy in the missing wedge of back-projection, and of the tomogram.
    notes
        In sentences; the provenance is ``tomogram.metadata["mendem"]``.
    """

    tomogram: Image
    spread: Image | None
    completed: TiltSeries
    flags: tuple[str, ...]
    regions: np.ndarray
    before: WedgeEnergy
    after: WedgeEnergy
    notes: tuple[str, ...]


def fill_wedge(
    series: TiltSeries,
    thickness: int | VoxelSize | None = None,
    *,
    progress: Callable[[Progress], None] = lambda _: None,
    cancel: Event | None = None,
    density: Density | None = None,
    device: str = "auto",
    **parameters: Any,
) -> FilledWedge:
    """Fill the missing wedge of a tilt series in memory.

    Parameters
    ----------
    series
        Of `mendem.read_tilt_series`, aligned.
    thickness
        Along z: pixels, or a length; as thick as the view is wide when left out.
    progress, cancel
        Called with how far it is; an event that stops it.
    density
        `mendem.tomography.density.Density`: contrast, background and gain.
    device
        "auto", "cpu", "cuda" or "mps".
    **parameters
        Those of `mendem.wedge_filling.parameters.FillWedge`.

    Raises
    ------
    MendemError
        A series that cannot be reconstructed or lacks no tilt, or parameters outside of their range.
    Cancelled
        ``cancel`` was set.
    """
    begun, check = time.monotonic(), cancel_check(cancel)
    filling = prepare(series, FillWedge(**parameters), thickness, density=density, device=device, check=check)
    found, mean, std = Findings(filling), np.empty(filling.shape, np.float32), None
    tilts = np.empty((len(filling.completion.angles), *filling.shape[1:]), np.float32)
    for piece in filling.pieces(check, progress):
        found.take(piece)
        if isinstance(piece, FilledTilts):
            tilts[list(piece.which)] = piece.density
            continue
        mean[:, piece.rows] = piece.mean
        if piece.tilts is not None:
            tilts[:, piece.rows] = piece.tilts
        if piece.std is not None:
            std = np.empty_like(mean) if std is None else std
            std[:, piece.rows] = piece.std
    record = found.record(begun, tilts)
    before, after = (WedgeEnergy(**energy) for energy in record["energy_in_wedge"].values())
    metadata = {"mendem": {**record, "quantity": DENSITY}, "notes": record["notes"]}
    of_spread = {"mendem": {**record, "quantity": SPREAD}}
    return FilledWedge(
        Image(mean, AXES, filling.voxel_size, metadata, series.name),
        None if std is None else Image(std, AXES, filling.voxel_size, of_spread, series.name),
        filling.completion.completed(found.stack(tilts)),
        filling.completion.flags,
        found.regions(),
        before,
        after,
        tuple(record["notes"]),
    )
