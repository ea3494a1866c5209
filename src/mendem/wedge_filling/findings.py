"""What is measured while a wedge is filled, and what of it is there when the run ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from mendem.tomography.missing_tilts import GENERATED, Completion
from mendem.tomography.raw_tilts import RawTilts
from mendem.tomography.wedge import WedgeEnergy, share, slice_power, wedge_energy, wedge_mask
from mendem.tomography.wedge_regions import wedge_regions
from mendem.wedge_filling.hidden import compare_hidden
from mendem.wedge_filling.pieces import FilledRows, Piece
from mendem.wedge_filling.plan import WedgeFilling
from mendem.wedge_filling.rows import spread

#: Slices in which the energy inside the wedge is measured.
MEASURED_SLICES = 16


@dataclass
class Findings:
    """Takes each piece of a run.

    Attributes
    ----------
    done
        How many slices are finished.
    generated
        Which of the missing tilts are there; of slices, all are as soon as one slice is.
    """

    filling: WedgeFilling
    done: int = 0
    generated: set[int] = field(default_factory=set)
    _residual: float = 0.0
    _power: float = 0.0
    _after: dict[int, np.ndarray] = field(default_factory=dict, init=False)

    def take(self, piece: Piece) -> None:
        """Look at what was finished."""
        if not isinstance(piece, FilledRows):
            self.generated |= set(piece.which)
            return
        if piece.tilts is not None:
            self.generated = set(range(len(piece.tilts)))
        self._residual, self._power = self._residual + piece.residual, self._power + piece.power
        self.done = piece.rows.stop
        for row in spread(self.filling.rows.count, MEASURED_SLICES):
            if piece.first <= row < self.done:
                self._after[row] = piece.mean[:, row - piece.first].copy()

    @property
    def nothing(self) -> bool:
        """Whether nothing is finished."""
        return not self.done and not self.generated

    @property
    def partial(self) -> bool:
        """Whether something is not."""
        return self.done < self.filling.rows.count

    @property
    def completion(self) -> Completion:
        """The series with those of its missing tilts that are there."""
        whole = self.filling.completion
        return Completion(whole.series, tuple(whole.angles[k] for k in sorted(self.generated)))

    def raw(self, density: np.ndarray, angle_deg: float) -> np.ndarray:
        """A generated tilt, aligned density (rows, width), as pixels (y, x) of the stack."""
        return self._raw.pixels(density, angle_deg)

    @cached_property
    def _raw(self) -> RawTilts:
        filling = self.filling
        completion, rows = filling.completion, filling.rows
        return RawTilts(completion.series, filling.density, rows.levels, rows.scales, completion.shift)

    def tilts(self, generated: Any) -> Iterator[np.ndarray]:
        """The tilts of `completion` one after the other, (y, x) in the data type of the series.

        ``generated[k]`` is missing tilt number ``k``, aligned density (rows, width).
        """
        numbers = sorted(self.generated)
        for tilt in self.completion.tilts:
            if tilt.flag == GENERATED:
                yield self.raw(generated[numbers[tilt.source]], tilt.angle)
            else:
                yield self.filling.series.image.read(tilt.source)

    def stack(self, generated: Any) -> np.ndarray:
        """All of `tilts` in memory."""
        image = self.filling.series.image
        stack = np.empty((len(self.completion.tilts), *image.plane_shape), image.dtype.newbyteorder("="))
        for place, tilt in enumerate(self.tilts(generated)):
            stack[place] = tilt
        return stack

    def regions(self) -> np.ndarray:
        """Of the spectrum of the tomogram, as of `mendem.tomography.wedge_regions`."""
        geometry = self.filling.geometry
        return wedge_regions(geometry.angles_deg, geometry.shape, geometry.shape[0])

    def energies(self) -> tuple[WedgeEnergy, WedgeEnergy] | None:
        """In the missing wedge, of weighted back-projection and of what was filled; of the slices looked at.

        None where no slice was looked at. Slices without any energy have none in the wedge.
        """
        if not self._after:
            return None
        missing = wedge_mask(self.filling.geometry.angles_deg, self.filling.geometry.shape)
        before = np.stack([self.filling.back_projection(row) for row in self._after], axis=1)
        after = np.stack(list(self._after.values()), axis=1)
        return _energy(before, missing), _energy(after, missing)

    def record(self, begun: float, generated: Any) -> dict[str, Any]:
        """The provenance of a run that began at this time (`time.monotonic`); ``generated`` as of `tilts`."""
        energies, record = self.energies(), self.filling.record
        hidden = None if self.partial else compare_hidden(self.filling, generated)
        names = ("back_projection", "filled")
        return {
            **record,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "tilts": {**record["tilts"], "completed": self.completion.record()},
            "energy_in_wedge": energies and dict(zip(names, map(asdict, energies), strict=True)),
            "residual": (self._residual / self._power) ** 0.5 if self._power else None,
            "excluded_tilts": hidden and asdict(hidden),
            "blocks": {"finished": self.done, "all": self.filling.rows.count},
            "partial": self.partial,
            "seconds": round(time.monotonic() - begun, 3),
            "notes": [*self.filling.notes, *([hidden.sentence] if hidden else [])],
        }


def _energy(slices: np.ndarray, missing: np.ndarray) -> WedgeEnergy:
    if not np.ptp(slices) > 0:
        return WedgeEnergy(0.0, 0.0, share(missing))
    return wedge_energy(slice_power(slices), missing)
