"""Tilts reduced to the pixels that an alignment works with, and laid as a set of transforms has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mendem.errors import MendemError
from mendem.physics.shifts import filled
from mendem.tomography.tilt_series import TiltSeries

#: Part of the width at either side whose median is the level of the surroundings of an isolated object.
EDGE = 0.04
#: Sides that vary less than this, against the whole image, are empty: the object is isolated.
EMPTY = 0.25


@dataclass(frozen=True)
class ReducedTilts:
    """The tilts of a series that are used, by rising angle, as means over ``factor``² pixels.

    Attributes
    ----------
    values
        (tilts, y, x) float64: for an isolated object the level of the sides is 0 and the mass the same in all tilts;
        for a slab the mean of a tilt is 0, in units of what the mean was.
    factor
        Raw pixels along the side of one of these.
    offset
        (y, x) where the middle of these images lies in raw pixels, from the middle of the raw image.
    isolated
        Whether the specimen lies between empty sides in all tilts, or goes on beyond them.
    masses
        (tilts,): sums over the raw tilts, the surroundings taken off; of a slab, means.
    """

    values: np.ndarray
    factor: int
    offset: np.ndarray
    isolated: bool
    masses: np.ndarray

    @classmethod
    def of(cls, series: TiltSeries, side: int, kind: str, check: Callable[[], None]) -> ReducedTilts:
        """Read tilt after tilt, binned so that the longer side has at most about ``side`` pixels.

        Parameters
        ----------
        kind
            "isolated", "slab", or "auto" to tell it from the sides of the tilts.

        Raises
        ------
        MendemError
            A tilt that is the same everywhere.
        """
        height, width = series.image.plane_shape
        factor = max(1, round(max(height, width) / side))
        shape = np.array([height // factor, width // factor])
        start = (np.array([height, width]) - shape * factor) // 2
        values = np.empty((len(series.used), *shape))
        for place, tilt in enumerate(series.used):
            check()
            raw = filled(series.image.read(tilt))
            raw = raw[start[0] : start[0] + shape[0] * factor, start[1] : start[1] + shape[1] * factor]
            values[place] = raw.reshape(shape[0], factor, shape[1], factor).mean((1, 3), dtype=np.float64)
            if not np.ptp(values[place]) > 0:
                raise MendemError(
                    f"{series.name}: tilt {tilt} is the same everywhere and cannot be aligned; exclude it"
                )
        offset = start + (shape * factor - 1) / 2 - (np.array([height, width]) - 1) / 2
        isolated = kind == "isolated" or (kind == "auto" and _between_empty_sides(values))
        if isolated:
            values -= np.median(_sides(values), axis=(1, 2))[:, None, None]
            masses = values.sum((1, 2))
            usual = np.median(masses)
            # A tilt whose mass is off by more than this has lost part of the object: a gain would not mend it.
            values /= np.clip(masses / usual, 0.5, 2.0)[:, None, None] * usual / shape.prod()
        else:
            masses = values.mean((1, 2))
            scale = np.where(np.abs(masses) > 1e-9, np.abs(masses), 1)
            values = (values - masses[:, None, None]) / scale[:, None, None]
        return cls(values, factor, offset, isolated, masses)

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) of a reduced tilt."""
        return self.values.shape[1], self.values.shape[2]

    def scaled(self, gains: np.ndarray) -> ReducedTilts:
        """Each tilt divided by its gain."""
        return replace(self, values=self.values / gains[:, None, None])

    def laid(self, transforms: np.ndarray) -> np.ndarray:
        """The tilts aligned by ``transforms``, (tilts, 2, 3) of raw pixels as of `TiltSeries.transforms`.

        Same shape as ``values``. What lies outside is empty for an isolated object, else the nearest pixel.
        """
        from scipy import ndimage

        middle = (np.array(self.shape) - 1) / 2
        out = np.empty_like(self.values)
        mode = "constant" if self.isolated else "nearest"
        for tilt, (value, transform) in enumerate(zip(self.values, transforms, strict=True)):
            back = np.linalg.inv(transform[:, :2])
            start = middle + (back @ -transform[:, 2] - self.offset) / self.factor - back @ middle
            out[tilt] = ndimage.affine_transform(value, back, start, order=3, mode=mode)
        return out


def _sides(values: np.ndarray) -> np.ndarray:
    """(tilts, y, columns): the outermost columns of both sides."""
    columns = max(1, round(EDGE * values.shape[2]))
    return np.concatenate([values[:, :, :columns], values[:, :, -columns:]], axis=2)


def _between_empty_sides(values: np.ndarray) -> bool:
    """Whether the sides vary little against what lies between them, in the mean of all tilts, as one is too noisy."""
    from scipy import ndimage

    mean = (values - np.median(_sides(values), axis=(1, 2))[:, None, None]).mean(0)[None]
    smooth = ndimage.gaussian_filter(mean, (0, *(n / 16 for n in mean.shape[1:])))
    sides = _sides(smooth)
    level = np.median(sides)
    return bool(((sides - level) ** 2).mean() < EMPTY**2 * ((smooth - level) ** 2).mean())
