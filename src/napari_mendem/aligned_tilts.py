"""The tilts of a series as its alignment has them, each made when it is looked at. No Qt."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np

from mendem.tomography.aligned import AlignedRows
from mendem.tomography.density import Density
from mendem.tomography.tilt_series import TiltSeries

#: Tilts that are kept once they were made.
KEPT = 8


class AlignedTilts:
    """A stack (tilt, y, x), float32, that can be sliced as an array: upright, in place, in the units of the pixels.

    Excluded tilts are there too. Where a tilt saw nothing it is 0.
    """

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, series: TiltSeries) -> None:
        self._series = series
        plain = replace(series, excluded=())
        count = series.count
        self._rows = AlignedRows(plain, Density(background="none"), (0.0,) * count, (1.0,) * count)
        self._place = {tilt: k for k, tilt in enumerate(plain.used)}
        self._made: OrderedDict[int, np.ndarray] = OrderedDict()
        self.shape = count, self._rows.count, self._rows.width

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *others = key if isinstance(key, tuple) else (key,)
        rest = tuple(others)
        if isinstance(first, int | np.integer):
            return self._tilt(range(self.shape[0])[int(first)])[rest]
        chosen = range(self.shape[0])[first]
        return np.stack([self._tilt(tilt)[rest] for tilt in chosen]) if len(chosen) else np.empty((0,), np.float32)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype)

    def _tilt(self, tilt: int) -> np.ndarray:
        if tilt not in self._made:
            self._made[tilt] = self._rows.tilt(self._place[tilt])
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(tilt)
        return self._made[tilt]
