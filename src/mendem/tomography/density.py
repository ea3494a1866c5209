"""From pixel values to projected density: its sign, the level of nothing, and the gain of each tilt."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mendem.errors import MendemError
from mendem.options import check_parameters, parameter
from mendem.tomography.tilt_series import TiltSeries

#: Part of the width on either side of the tilt axis whose pixels tell the level of the surroundings.
EDGE = 0.03
#: Transmitted beam below this part of the empty beam counts as this, since nothing has no logarithm.
DARKEST = 0.01


@dataclass(frozen=True)
class Density:
    """How the density that a tilt sees is made of its pixel values.

    Iterative methods with positivity need density above zero and empty surroundings of zero; filtered ones need the
    projections to end near zero at the sides of the detector. The median of the sides of each tilt serves both: it is
    the empty level around an isolated object, and the level at which a slab leaves the view.
    """

    contrast: str = parameter(
        "bright",
        "bright: what is dense is bright (HAADF-STEM); dark: what is dense is dark (TEM); log: pixels are the "
        "transmitted beam, and density is minus its logarithm",
        choices=("bright", "dark", "log"),
    )
    background: float | str = parameter(
        "edges",
        "value of pixels that see nothing, for log that of the empty beam; edges: the median of the sides of each tilt",
        forms=("edges", "none"),
    )
    normalise: str = parameter(
        "none",
        "make equal in all tilts: mass, the sum of the density (an isolated object that is whole in all tilts), or "
        "deviation, its standard deviation",
        choices=("none", "mass", "deviation"),
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        if isinstance(self.background, str):
            if self.background not in ("edges", "none"):
                raise MendemError(f"background is {self.background!r}, but must be edges, none or a number")
        elif not math.isfinite(self.background):
            raise MendemError("background must be edges, none or a finite number")
        if self.contrast == "log" and self.background == "none":
            raise MendemError("the logarithm needs the value of the empty beam: give background a number or edges")

    def of(self, pixels: np.ndarray, level: float, scale: float = 1.0) -> np.ndarray:
        """Density of pixels of a tilt whose ``level`` and ``scale`` are known, float32 of the same shape."""
        values = pixels.astype(np.float32)
        if self.contrast == "log":
            return -scale * np.log(np.maximum(values / np.float32(level), DARKEST))
        return (-scale if self.contrast == "dark" else scale) * (values - np.float32(level))

    def pixels(self, density: np.ndarray, level: float, scale: float = 1.0) -> np.ndarray:
        """The inverse of `of`: pixel values, float32, of a density."""
        if self.contrast == "log":
            return np.float32(level) * np.exp(-density.astype(np.float32) / np.float32(scale))
        return np.float32(level) + density.astype(np.float32) / np.float32(-scale if self.contrast == "dark" else scale)

    def levels(self, series: TiltSeries) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Level and scale of each tilt of `TiltSeries.used`, in its order; one tilt is held in memory at a time.

        Raises
        ------
        MendemError
            Pixels that are not finite numbers, no beam to take the logarithm of, or nothing to normalise by.
        """
        levels, amounts = [], []
        for tilt in series.used:
            pixels = series.image.read(tilt)
            if not np.isfinite(pixels).all():
                raise MendemError(
                    f"{series.name}: tilt {tilt} has pixels that are not finite numbers; exclude it or fill them first"
                )
            level = self._level(pixels, series.axis_angle)
            if self.contrast == "log" and level <= 0:
                raise MendemError(
                    f"{series.name}: the empty beam of tilt {tilt} is {level:g}, which has no logarithm; give its "
                    "value (--background), or another contrast"
                )
            levels.append(level)
            if self.normalise != "none":
                density = self.of(pixels, level)
                amounts.append(float(density.mean(dtype=np.float64) if self.normalise == "mass" else density.std()))
        if not amounts:
            return tuple(levels), (1.0,) * len(levels)
        usual = float(np.median(amounts))
        for tilt, amount in zip(series.used, amounts, strict=True):
            if not amount > 1e-3 * abs(usual) or usual <= 0:
                raise MendemError(
                    f"{series.name}: the {self.normalise} of tilt {tilt} is {amount:.3g}, beside {usual:.3g} of a "
                    "usual tilt, and cannot be made equal; exclude it, or check contrast and background"
                )
        return tuple(levels), tuple(usual / amount for amount in amounts)

    def _level(self, pixels: np.ndarray, axis_angle: float) -> float:
        if self.background == "none":
            return 0.0
        if not isinstance(self.background, str):
            return float(self.background)
        across = pixels if abs(math.cos(math.radians(axis_angle))) >= math.sqrt(0.5) else pixels.T
        side = max(1, round(EDGE * across.shape[1]))
        return float(np.median(np.concatenate([across[:, :side], across[:, -side:]], axis=1)))
