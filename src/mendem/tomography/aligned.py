"""Tilts turned upright and shifted into place while they are read, a band of rows at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mendem.errors import MendemError
from mendem.tomography.density import Density
from mendem.tomography.tilt_series import TiltSeries

#: Bytes of aligned rows that are held.
BAND_BYTES = 64 << 20
#: Degree of the interpolating spline, and pixels of context: what lies further away counts less than 1e-7.
DEGREE, MARGIN = 5, 40


@dataclass
class AlignedRows:
    """Sinograms of a tilt series with its axis along y and the specimen's middle in the middle, read when wanted.

    Density (`Density`) is taken of raw pixels, interpolated once by a quintic spline (shifts, tilt axis and distortions
    together), and averaged over ``binning`` x ``binning`` pixels. Where a tilt saw nothing it is 0, the level of the
    surroundings. Tilts that need no interpolation get none. Rows and columns change places where the tilt axis lies
    nearer to x than to y. Beside a band of rows, one raw tilt at most is held in memory.

    Parameters
    ----------
    series, density
        What is read, and how density is made of it.
    levels, scales
        Of each tilt that is used, as `Density.levels` gives them.
    binning
        Pixels along each side that are averaged; densities remain those of a path of one raw pixel.
    band_bytes
        Bytes of aligned rows that are made together and held: few, and one slice is there sooner.

    Raises
    ------
    MendemError
        Binning that leaves no pixel.
    """

    series: TiltSeries
    density: Density
    levels: tuple[float, ...]
    scales: tuple[float, ...]
    binning: int = 1
    band_bytes: int = field(default_factory=lambda: BAND_BYTES)
    _held: tuple[int, np.ndarray] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        rows, columns = self.series.image.plane_shape
        if abs(math.cos(math.radians(self.series.axis_angle))) < math.sqrt(0.5):
            rows, columns = columns, rows
        if not 1 <= self.binning <= min(rows, columns):
            raise MendemError(
                f"{self.series.name} has tilts of {rows} x {columns} pixels: binning must be a whole number from 1 to "
                f"{min(rows, columns)}, not {self.binning}"
            )
        self.count, self.width = rows // self.binning, columns // self.binning
        matrices = self.series.transforms[list(self.series.used)]
        # Rounded, or pixels of an edge would lie outside of it by 1e-16 and count as not seen.
        self._back = np.round(np.linalg.inv(matrices[:, :, :2]), 10)
        # Of the first aligned pixel, from the middle of both images.
        corner = -(np.array([self.count, self.width]) * self.binning - 1) / 2
        middle = (np.array(self.series.image.plane_shape) - 1) / 2
        self._start = np.round(middle + np.einsum("kij,kj->ki", self._back, corner - matrices[:, :, 2]), 7)

    @property
    def band(self) -> int:
        """Rows that are aligned together."""
        return max(1, min(self.count, self.band_bytes // (len(self.levels) * self.width * 4)))

    def read(self, first: int, last: int) -> np.ndarray:
        """Sinograms of the slices from ``first`` to before ``last``: float32 (slices, tilts, width).

        Bands begin at fixed rows, so that nothing depends on how the volume is cut.
        """
        out = np.empty((last - first, len(self.levels), self.width), np.float32)
        for begin in range(first - first % self.band, last, self.band):
            band = self._band(begin)
            start, end = max(begin, first), min(begin + len(band), last)
            out[start - first : end - first] = band[start - begin : end - begin]
        return out

    def tilt(self, k: int) -> np.ndarray:
        """The ``k``-th tilt that is used, whole: float32 (rows, columns), upright and in its place."""
        return self._binned(k, 0, self.count)

    def _band(self, begin: int) -> np.ndarray:
        if self._held is None or self._held[0] != begin:
            self._held = None  # not two at a time
            rows = min(self.band, self.count - begin)
            band = np.empty((rows, len(self.levels), self.width), np.float32)
            for k in range(len(self.levels)):
                band[:, k] = self._binned(k, begin, rows)
            self._held = begin, band
        return self._held[1]

    def _binned(self, k: int, begin: int, rows: int) -> np.ndarray:
        """Rows of the ``k``-th used tilt, float32 (rows, columns)."""
        n = self.binning
        fine = self._aligned(k, begin * n, rows * n)
        return fine.reshape(rows, n, self.width, n).mean((1, 3)) / n

    def _aligned(self, k: int, begin: int, rows: int) -> np.ndarray:
        """Rows of the ``k``-th used tilt before binning, float32 (rows, columns)."""
        columns, (height, width) = self.width * self.binning, self.series.image.plane_shape
        back = self._back[k]
        start = self._start[k] + begin * back[:, 0]
        whole = np.round(start)
        plain = np.abs(back - np.eye(2)).max() < 1e-9 and np.abs(start - whole).max() < 1e-6
        corners = start + [
            np.zeros(2),
            (rows - 1) * back[:, 0],
            (columns - 1) * back[:, 1],
            back @ [rows - 1, columns - 1],
        ]
        margin = 0 if plain else MARGIN
        low = np.floor(corners.min(0) + 1e-6).astype(int) - margin
        high = np.ceil(corners.max(0) - 1e-6).astype(int) + margin + 1
        top, left = np.maximum(low, 0)
        bottom, right = np.minimum(high, [height, width])
        out = np.zeros((rows, columns), np.float32)
        if top >= bottom or left >= right:
            return out
        raw = self.series.image.read(self.series.used[k], slice(top, bottom), slice(left, right))
        values = self.density.of(raw, self.levels[k], self.scales[k])
        if plain:
            y, x = (int(n) for n in whole)
            out[top - y : bottom - y, left - x : right - x] = values
            return out
        from scipy import ndimage

        return ndimage.affine_transform(
            values, back, start - [top, left], (rows, columns), out, order=DEGREE, mode="constant", cval=0.0
        )
