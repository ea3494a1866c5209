"""Generated tilts as the microscope would have recorded them: raw geometry, pixel values, data type of the series."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mendem.tomography.aligned import DEGREE
from mendem.tomography.density import Density
from mendem.tomography.tilt_series import TiltSeries


@dataclass(frozen=True)
class RawTilts:
    """Turns the density of aligned tilts back into pixels of the raw stack.

    Level and gain of an added tilt are those of the measured ones beside it in angle: interpolated between two,
    the outermost's beyond.

    Parameters
    ----------
    series, density, levels, scales
        As of `mendem.tomography.aligned.AlignedRows`.
    shift
        (y, x) in pixels: where the middle of the specimen is put, from the middle of the image.
    """

    series: TiltSeries
    density: Density
    levels: tuple[float, ...]
    scales: tuple[float, ...]
    shift: tuple[float, float] = (0.0, 0.0)

    def pixels(self, aligned: np.ndarray, angle_deg: float) -> np.ndarray:
        """One tilt (rows, columns) of the raw stack, in its data type, from the aligned density (rows, width)."""
        used = [self.series.true_angles[tilt] for tilt in self.series.used]
        level, scale = (float(np.interp(angle_deg, used, values)) for values in (self.levels, self.scales))
        return in_dtype(self.density.pixels(self._placed(aligned), level, scale), self.series.image.dtype)

    def _placed(self, aligned: np.ndarray) -> np.ndarray:
        """What the inverse of an alignment by tilt axis and shift makes of an aligned tilt."""
        turn, shape = math.radians(self.series.axis_angle), self.series.image.plane_shape
        upright = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        # Rounded, so that a turn by 0 or 90 degrees is one by whole pixels.
        upright = np.round(upright, 10)
        middle = (np.array(shape) - 1) / 2 + self.shift
        offset = np.round((np.array(aligned.shape) - 1) / 2 - upright @ middle, 7)
        if aligned.shape == shape and (upright == np.eye(2)).all() and not offset.any():
            return aligned
        from scipy import ndimage

        return ndimage.affine_transform(aligned, upright, offset, shape, np.float32, order=DEGREE, mode="nearest")


def in_dtype(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values in another data type: rounded and clipped to what integers hold."""
    if dtype.kind not in "iu":
        return values.astype(dtype)
    range_ = np.iinfo(dtype)
    # In double precision, which holds the ends of all ranges but those of 64 bits; clipped below these ends.
    high = np.nextafter(float(range_.max), 0) if range_.bits == 64 else float(range_.max)
    return np.clip(np.rint(values.astype(np.float64)), float(range_.min), high).astype(dtype)
