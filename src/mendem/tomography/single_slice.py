"""One slice of a tilt series, anew as tilts are excluded and the tilt axis turns: what was read is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mendem.errors import MendemError
from mendem.tomography.aligned import AlignedRows
from mendem.tomography.density import Density
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.slices import Reconstruction
from mendem.tomography.tilt_series import TiltSeries
from mendem.tomography.wbp import Wbp


class _Given:
    """A sinogram (1, tilts, width) as `mendem.tomography.slices.Sinograms`."""

    count = 1

    def __init__(self, sinogram: np.ndarray) -> None:
        self._sinogram = sinogram

    def read(self, first: int, last: int) -> np.ndarray:
        return self._sinogram


class SingleSlice:
    """Slices of one stack by weighted back-projection (Hann filter), as `mendem.reconstruct` makes them.

    The level of each tilt, and its row of the slice that was asked for last, are kept: another limit costs the
    back-projection alone (20 to 80 ms of CPU for 512² pixels from 61 tilts), another row or tilt axis the
    interpolation of one row of each tilt too (0.3 s).
    """

    def __init__(self) -> None:
        self._stack: object = None
        self._levels: dict[tuple[int, bool], float] = {}
        self._row: object = None
        self._known: dict[int, np.ndarray] = {}

    def of(
        self, series: TiltSeries, row: int, depth: int | None = None, check: Callable[[], None] = lambda: None
    ) -> np.ndarray:
        """Slice ``row`` of the aligned series, float32 (Z, X); as deep as it is wide when ``depth`` is left out.

        Raises
        ------
        MendemError
            A row that the series does not have, or pixels that are not finite numbers.
        """
        if series.image.data is not self._stack:
            self._stack, self._levels, self._row = series.image.data, {}, None
        place = row, series.axis_angle, series.shifts, series.distortions
        if place != self._row:
            self._row, self._known = place, {}
        missing = [tilt for tilt in series.used if tilt not in self._known]
        for tilt in missing:
            check()
            alone = replace(series, excluded=tuple(k for k in range(series.count) if k != tilt))
            rows = AlignedRows(alone, Density(), (self._level(alone, tilt),), (1.0,), band_bytes=1)
            if not 0 <= row < rows.count:
                raise MendemError(f"{series.name} has no slice {row}; its slices are 0 to {rows.count - 1}")
            self._known[tilt] = rows.read(row, row + 1)[0, 0]
        sinogram = np.stack([self._known[tilt] for tilt in series.used])[None]
        width = sinogram.shape[2]
        angles = tuple(series.true_angles[tilt] for tilt in series.used)
        geometry = SliceGeometry(angles, (depth or width, width), width)
        return Reconstruction(_Given(sinogram), geometry, Wbp(), "cpu").slice(0, check)

    def _level(self, alone: TiltSeries, tilt: int) -> float:
        """The level at the sides of a tilt, which depends on which sides those are."""
        key = tilt, abs(np.cos(np.radians(alone.axis_angle))) >= np.sqrt(0.5)
        if key not in self._levels:
            self._levels[key] = Density().levels(alone)[0][0]
        return self._levels[key]
