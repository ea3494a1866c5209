"""A tilt series becomes one without a missing wedge: in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any

import numpy as np

from mendem.engine import Progress
from mendem.image import Image, VoxelSize
from mendem.restoration import cancel_check
from mendem.tomography.missing_tilts import GENERATED
from mendem.tomography.raw_tilts import RawTilts
from mendem.tomography.tilt_series import TiltSeries
from mendem.tomography.wedge import WedgeEnergy, slice_power, wedge_energy, wedge_mask
from mendem.tomography.wedge_regions import wedge_regions
from mendem.wedge_filler_choice import spread
from mendem.wedge_filling import FilledRows, WedgeFilling, prepare
from mendem.wedge_parameters import FillWedge

AXES = ("z", "y", "x")
#: Slices in which the energy inside the wedge is measured.
MEASURED_SLICES = 16


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


@dataclass
class Findings:
    """What is measured while slices are filled: the energy in the wedge before and after, and how well data is kept."""

    filling: WedgeFilling
    residual: float = 0.0
    power: float = 0.0
    done: int = 0
    _after: dict[int, np.ndarray] = field(default_factory=dict, init=False)

    def take(self, part: FilledRows) -> None:
        """Look at slices that were filled."""
        self.residual, self.power = self.residual + part.residual, self.power + part.power
        self.done = part.first + part.mean.shape[1]
        for row in spread(self.filling.rows.count, MEASURED_SLICES):
            if part.first <= row < self.done:
                self._after[row] = part.mean[:, row - part.first].copy()

    def energies(self) -> tuple[WedgeEnergy, WedgeEnergy]:
        """In the missing wedge, of weighted back-projection and of what was filled; of the slices looked at."""
        missing = wedge_mask(self.filling.geometry.angles_deg, self.filling.geometry.shape)
        before = np.stack([self.filling.back_projection(row) for row in self._after], axis=1)
        after = np.stack(list(self._after.values()), axis=1)
        return wedge_energy(slice_power(before), missing), wedge_energy(slice_power(after), missing)

    def record(self, begun: float) -> dict[str, Any]:
        """The provenance at the end of a run that began at this time (`time.monotonic`)."""
        before, after = self.energies()
        count = self.filling.rows.count
        return {
            **self.filling.record,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "energy_in_wedge": {"back_projection": asdict(before), "filled": asdict(after)},
            "residual": (self.residual / self.power) ** 0.5 if self.power else None,
            "blocks": {"finished": self.done, "all": count},
            "partial": self.done < count,
            "seconds": round(time.monotonic() - begun, 3),
            "notes": list(self.filling.notes),
        }


def fill_wedge(
    series: TiltSeries,
    thickness: int | VoxelSize | None = None,
    *,
    progress: Callable[[Progress], None] = lambda _: None,
    cancel: Event | None = None,
    density: Any = None,
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
        Those of `mendem.wedge_parameters.FillWedge`.

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
    tilts = np.empty((len(filling.completion.angles), filling.rows.count, filling.rows.width), np.float32)
    for part in filling.filled_rows(check, progress):
        found.take(part)
        mean[:, part.first : found.done], tilts[:, part.first : found.done] = part.mean, part.tilts
        if part.std is not None:
            std = np.empty_like(mean) if std is None else std
            std[:, part.first : found.done] = part.std
    record = found.record(begun)
    before, after = (WedgeEnergy(**record["energy_in_wedge"][key]) for key in ("back_projection", "filled"))
    completed = completed_stack(filling, tilts)
    metadata = {"mendem": record, "notes": list(filling.notes)}
    return FilledWedge(
        Image(mean, AXES, filling.voxel_size, metadata, series.name),
        None if std is None else Image(std, AXES, filling.voxel_size, {"mendem": record}, series.name),
        filling.completion.completed(completed),
        filling.completion.flags,
        wedge_regions(filling.geometry.angles_deg, filling.geometry.shape, filling.geometry.shape[0]),
        before,
        after,
        filling.notes,
    )


def completed_stack(filling: WedgeFilling, tilts: np.ndarray) -> np.ndarray:
    """The completed stack (tilt, y, x) in memory; ``tilts`` as of `FilledRows.tilts`, of all rows."""
    image = filling.series.image
    shape = len(filling.completion.tilts), *image.plane_shape
    stack = np.empty(shape, image.dtype.newbyteorder("="))
    for place, tilt in enumerate(completed_tilts(filling, tilts)):
        stack[place] = tilt
    return stack


def completed_tilts(filling: WedgeFilling, tilts: Any) -> Iterator[np.ndarray]:
    """The tilts of the completed stack one after the other, (y, x) in the data type of the series.

    ``tilts[k]`` is the ``k``-th generated one, aligned density (rows, width).
    """
    completion, rows = filling.completion, filling.rows
    raw = RawTilts(completion.series, filling.density, rows.levels, rows.scales, completion.shift)
    for tilt in completion.tilts:
        if tilt.flag == GENERATED:
            yield raw.pixels(tilts[tilt.source], tilt.angle)
        else:
            yield completion.series.image.read(tilt.source)
