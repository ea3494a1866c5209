"""The tilts that a series lacks, and what a series is once it has them: where each of its tilts comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.tomography.directions import missing_arcs
from mendem.tomography.tilt_series import TiltSeries

#: What a tilt of a completed series can be.
MEASURED, EXCLUDED, GENERATED = "measured", "excluded", "generated"


def tilt_step(angles_deg: Sequence[float]) -> float:
    """Median of the differences between neighbouring angles, repeated ones left out; `MendemError` for fewer than 2."""
    different = np.unique(np.round(np.asarray(angles_deg, np.float64), 4))
    if len(different) < 2:
        raise MendemError("one tilt angle alone has no spacing; a missing wedge needs at least two")
    return float(np.median(np.diff(different)))


def missing_tilts(
    angles_deg: Sequence[float], limit_deg: float = 90.0, excluded_deg: Sequence[float] = ()
) -> tuple[float, ...]:
    """Angles of the tilts that are missing up to ±``limit_deg``, rising, at the spacing of the series.

    They go on outward from both ends of the measured range, and stand evenly in gaps inside of it that are wide enough
    to count as missing (`missing_arcs`). Where tilts were measured there, and excluded, theirs are the angles: what is
    generated can be compared with them. Angles are rounded to 0.0001°.

    Raises
    ------
    MendemError
        A limit that is not above 0° and at most 90°, or fewer than two angles.
    """
    if not 0 < limit_deg <= 90:
        raise MendemError(f"the limit is {limit_deg:g}°, but must be above 0° and at most 90°")
    step, found = tilt_step(angles_deg), set()
    arcs = missing_arcs(angles_deg)
    for start, end in arcs:
        if end <= 90:
            between = round((end - start) / step)
            found |= {start + (end - start) * i / between for i in range(1, between)}
        else:
            found |= {start + step * i for i in range(1, math.floor((90 - start) / step + 1e-6) + 1)}
            found |= {end - 180 - step * i for i in range(1, math.floor((end - 90) / step + 1e-6) + 1)}
    found = {angle for angle in found if abs(angle) <= limit_deg + 1e-6}
    hidden = [angle for angle in excluded_deg if abs(angle) <= limit_deg]
    known = {a for a in hidden if any(start < a + turn < end for start, end in arcs for turn in (0, 180))}
    found = {angle for angle in found if all(abs(angle - other) >= step / 2 for other in known)} | known
    return tuple(sorted({round(angle, 4) for angle in found}))


@dataclass(frozen=True)
class CompletedTilt:
    """One tilt of a completed series.

    Attributes
    ----------
    angle
        In degrees, the offset of the series added.
    flag
        "measured", "excluded" (measured too, but not used) or "generated".
    source
        Number of the tilt in the measured stack, or of the generated tilt among the generated ones.
    """

    angle: float
    flag: str
    source: int


@dataclass(frozen=True)
class Completion:
    """A tilt series, and the true angles at which tilts are added to it."""

    series: TiltSeries
    angles: tuple[float, ...]

    @cached_property
    def tilts(self) -> tuple[CompletedTilt, ...]:
        """All tilts by rising angle; those of the same angle in the order of the stack, generated ones last."""
        series = self.series
        measured = (
            CompletedTilt(angle, EXCLUDED if k in series.excluded else MEASURED, k)
            for k, angle in enumerate(series.true_angles)
        )
        generated = (CompletedTilt(angle, GENERATED, k) for k, angle in enumerate(self.angles))
        return tuple(sorted([*measured, *generated], key=lambda tilt: tilt.angle))

    @property
    def flags(self) -> tuple[str, ...]:
        """Of each tilt, in the order of `tilts`."""
        return tuple(tilt.flag for tilt in self.tilts)

    @cached_property
    def shift(self) -> tuple[float, float]:
        """(y, x) in whole pixels at which generated tilts show the specimen: the median of those that are used."""
        used = np.array(self.series.shifts)[list(self.series.used)]
        y, x = np.round(np.median(used, axis=0)) + 0.0
        return float(y), float(x)

    def record(self) -> list[dict[str, Any]]:
        """The same as plain values: what lies beside a completed stack."""
        return [
            {"angle": tilt.angle, "flag": tilt.flag, **({} if tilt.flag == GENERATED else {"source": tilt.source})}
            for tilt in self.tilts
        ]

    def completed(self, stack: Any) -> TiltSeries:
        """The series that a stack (tilt, y, x) in the order of `tilts` is.

        Measured tilts keep shift, distortion, dose and exclusion. Generated ones have the median shift, no distortion
        and no dose. The order of acquisition is not kept.
        """
        series, tilts = self.series, self.tilts
        identity = ((1.0, 0.0), (0.0, 1.0))

        def chosen(values: Sequence[Any] | None, generated: Any) -> tuple[Any, ...] | None:
            if values is None:
                return None
            return tuple(generated if tilt.flag == GENERATED else values[tilt.source] for tilt in tilts)

        return replace(
            series,
            image=series.image.with_data(stack),
            angles=tuple(tilt.angle - series.offset for tilt in tilts),
            shifts=chosen(series.shifts, self.shift) or (),
            excluded=tuple(i for i, tilt in enumerate(tilts) if tilt.flag == EXCLUDED),
            generated=tuple(i for i, tilt in enumerate(tilts) if tilt.flag == GENERATED),
            dose=chosen(series.dose, 0.0),
            order=None,
            distortions=chosen(series.distortions, identity),
            x_tilts=chosen(series.x_tilts, 0.0),
            notes=(*series.notes, *said_of(self.flags.count(GENERATED))),
        )


def said_of(generated: int) -> tuple[str, ...]:
    """What is to be known of a stack that has so many generated tilts, in sentences."""
    if not generated:
        return ()
    many = "1 tilt of this stack was" if generated == 1 else f"{generated} tilts of this stack were"
    return (f"{many} generated, not measured.",)
