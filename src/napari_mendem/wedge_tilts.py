"""Which tilts of a series count, in which order, and how many slices it has. No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mendem.errors import MendemError
from napari_mendem.tilt_layers import TILTS

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from mendem.tomography.tilt_series import TiltSeries

#: The largest limit, the smallest, and its step, in degrees.
LARGEST, SMALLEST, STEP = 90.0, 1.0, 0.5


def direction(angle: float) -> float:
    """An angle as a direction from -90° to 90°: directions 180° apart are the same."""
    return angle if -90 <= angle <= 90 else (angle + 90.0) % 180.0 - 90.0


def within(angle: float, limit: float) -> bool:
    """Whether a tilt lies inside the limit; what files round does not decide."""
    return abs(direction(angle)) <= limit + 1e-3


def used_tilts(angles: Sequence[float], excluded: frozenset[int], limit: float) -> tuple[int, ...]:
    """Tilts that are neither excluded nor beyond the limit, in the order of the stack."""
    return tuple(k for k, angle in enumerate(angles) if k not in excluded and within(angle, limit))


def by_angle(series: TiltSeries) -> list[int]:
    """All tilts by rising angle."""
    angles = series.true_angles
    return sorted(range(len(angles)), key=lambda tilt: (angles[tilt], tilt))


def full_limit(series: TiltSeries) -> float:
    """The smallest limit that leaves out no tilt, rounded up to a step."""
    largest = max(abs(direction(angle)) for angle in series.true_angles)
    return max(SMALLEST, min(LARGEST, math.ceil((largest - 1e-3) / STEP) * STEP))


def limited(series: TiltSeries, limit: float, axis_angle: float) -> TiltSeries:
    """The series without tilts beyond a limit, with another tilt axis; `MendemError` where no measured one is left."""
    used = used_tilts(series.true_angles, frozenset(series.excluded), limit)
    if not set(used) - set(series.generated):
        raise MendemError(f"no measured tilt lies within ±{limit:g}°: raise the limit, or take excluded tilts in again")
    left_out = tuple(tilt for tilt in range(series.count) if tilt not in used)
    return replace(series, axis_angle=axis_angle, excluded=left_out)


def slices(series: TiltSeries, axis_angle: float) -> int:
    """How many slices it has: rows and columns change places where the tilt axis lies nearer to x."""
    rows, columns = series.image.plane_shape
    return rows if abs(math.cos(math.radians(axis_angle))) >= math.sqrt(0.5) else columns


def exclude(layer: ImageLayer, excluded: frozenset[int]) -> None:
    """Let a layer remember which of its tilts are excluded."""
    tilts = {**layer.metadata[TILTS], "excluded": tuple(sorted(excluded))}
    layer.metadata = {**layer.metadata, TILTS: tilts}
