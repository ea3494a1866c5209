"""In which order the microscope goes through the tilts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mendem.errors import MendemError


@dataclass(frozen=True)
class TiltScheme:
    """Angles of a stack, and when each was taken.

    Parameters
    ----------
    angles
        Degrees, in the order of the stack: rising.
    order
        Place of each tilt in the order of acquisition, from 0.

    Raises
    ------
    MendemError
        No angle, an order that does not name each place once, or angles of 90° and beyond.
    """

    angles: tuple[float, ...]
    order: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.angles or not (np.abs(self.angles) < 90).all():
            raise MendemError("a tilt scheme has at least one angle, and all between -90° and 90°")
        if sorted(self.order) != list(range(len(self.angles))):
            raise MendemError(f"the order of acquisition must name each of 0 to {len(self.angles) - 1} once")


def continuous(low: float = -60.0, high: float = 60.0, step: float = 3.0) -> TiltScheme:
    """From one end to the other."""
    angles = _range(low, high, step)
    return TiltScheme(tuple(angles), tuple(range(len(angles))))


def bidirectional(low: float = -60.0, high: float = 60.0, step: float = 3.0, start: float = 0.0) -> TiltScheme:
    """From ``start`` up to the high end, then from below ``start`` down to the low end."""
    angles = _range(low, high, step)
    first = [i for i, angle in enumerate(angles) if angle >= start]
    return _taken(angles, first + [i for i in reversed(range(len(angles))) if i not in set(first)])


def dose_symmetric(limit: float = 60.0, step: float = 3.0, group: int = 1) -> TiltScheme:
    """From 0° outwards, ``group`` tilts on one side and then on the other (Hagen, Wan & Briggs, J Struct Biol 2017)."""
    if group < 1:
        raise MendemError(f"a group has at least one tilt on each side, not {group}")
    angles = _range(-limit, limit, step)
    by_size = sorted(range(len(angles)), key=lambda i: (abs(angles[i]), -angles[i]))
    sides = [[i for i in by_size[1:] if angles[i] > 0], [i for i in by_size[1:] if angles[i] < 0]]
    taken = by_size[:1]
    for first in range(0, max(map(len, sides)), group):
        taken += sides[0][first : first + group] + sides[1][first : first + group]
    return _taken(angles, taken)


def irregular(
    low: float = -51.0, high: float = 69.0, step: float = 3.0, spread: float = 0.6, lost: float = 0.08, seed: int = 0
) -> TiltScheme:
    """Continuous, with angles that are off by ``spread`` degrees (rms), and a share of the tilts ``lost``."""
    rng = np.random.default_rng([seed, 0x5C4E])
    angles = np.array(_range(low, high, step))
    kept = rng.uniform(size=len(angles)) >= lost
    kept[[0, -1]] = True
    angles = np.clip(np.sort(angles[kept] + rng.normal(0, spread, int(kept.sum()))), low, high)
    return TiltScheme(tuple(np.round(angles, 2).tolist()), tuple(range(len(angles))))


def _range(low: float, high: float, step: float) -> list[float]:
    if not (np.isfinite([low, high, step]).all() and step > 0 and high >= low):
        raise MendemError(f"tilts from {low:g}° to {high:g}° in steps of {step:g}° are none; give rising limits")
    return [low + step * i for i in range(int((high - low) / step + 1e-6) + 1)]


def _taken(angles: list[float], indices: list[int]) -> TiltScheme:
    """A scheme that takes the tilts of these indices one after the other."""
    order = [0] * len(angles)
    for place, index in enumerate(indices):
        order[index] = place
    return TiltScheme(tuple(angles), tuple(order))
