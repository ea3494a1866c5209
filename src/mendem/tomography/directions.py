"""Which directions a tilt scheme measures, and what each tilt counts for. Directions 180° apart are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: A gap between neighbouring tilts is missing when it is wider than this many of the steps around it.
MISSING_STEPS = 3.0


@dataclass(frozen=True)
class _Gaps:
    """Different directions in [-90, 90), sorted; behind each the gap to the next, and the step that is usual there."""

    directions: np.ndarray
    width: np.ndarray
    usual: np.ndarray
    missing: np.ndarray
    #: Index of the direction of each tilt.
    member: np.ndarray


def _gaps(angles_deg: Sequence[float]) -> _Gaps:
    angles = np.mod(np.round(np.asarray(angles_deg, np.float64), 6) + 90.0, 180.0) - 90.0
    directions, member = np.unique(angles, return_inverse=True)
    width = np.diff(directions, append=directions[0] + 180.0)
    # Of the two gaps on each side the second widest: neither a repeated tilt nor another hole decides.
    usual = np.sort([np.roll(width, shift) for shift in (-2, -1, 1, 2)], axis=0)[2]
    missing = width > MISSING_STEPS * usual if len(directions) > 1 else np.ones(1, bool)
    return _Gaps(directions, width, usual, missing, member)


def missing_arcs(angles_deg: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Arcs (from, to) in degrees without a tilt: the missing wedge, and wide gaps inside the range.

    A gap is missing when it is wider than three of the steps around it, so that one or two excluded tilts leave none.
    ``from`` is in [-90, 90), ``to`` is larger. Tilts from -60° to 60° miss (60, 120).
    """
    gaps = _gaps(angles_deg)
    chosen = zip(gaps.directions[gaps.missing], gaps.width[gaps.missing], strict=True)
    return tuple((float(start), float(start + width)) for start, width in chosen)


def missing_share(angles_deg: Sequence[float]) -> float:
    """Share of all directions, and so of Fourier space, that lies in missing arcs: a third for tilts up to 60°."""
    return sum(end - start for start, end in missing_arcs(angles_deg)) / 180.0


def angular_weights(angles_deg: Sequence[float], beyond: float = 0.0) -> np.ndarray:
    """Radians of direction that each tilt stands for.

    A tilt reaches half-way to its neighbours, and into a missing arc by ``beyond`` of a usual step: with 0 the sum is
    what is not missing, and the outermost tilts count half, as in the trapezoidal rule. A tilt alone between two
    missing arcs stands for a usual step, one that is alone at all for π. Tilts of equal angle share their part.
    """
    gaps = _gaps(angles_deg)
    if len(gaps.directions) == 1:
        reach = gaps.width
    else:
        half = np.where(gaps.missing, 2 * beyond * gaps.usual, gaps.width) / 2
        reach = half + np.roll(half, 1)
        reach = np.where(reach == 0, gaps.usual, reach)
    return np.radians(reach / np.bincount(gaps.member))[gaps.member]
