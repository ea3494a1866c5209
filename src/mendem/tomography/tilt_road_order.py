"""Which missing tilt comes next, and which tilts lie around it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

#: Tilts on either side of a missing one that are looked at.
EACH_SIDE = 2
#: Angles closer than this are the same, degrees.
SAME = 1e-6


@dataclass(frozen=True)
class Neighbour:
    """A tilt that is known, as it is seen from a missing one.

    Attributes
    ----------
    index
        Its place in the list of tilts.
    distance
        Degrees from the missing tilt, negative below it.
    mirrored
        Whether it lies beyond ±90° and is the mirror of what was seen there, about the tilt axis.
    """

    index: int
    distance: float
    mirrored: bool


def separation(angle: float, target: float, isolated: bool) -> tuple[float, bool]:
    """Signed degrees from ``target`` to ``angle``, and whether ±90° was crossed.

    An isolated object looks from behind like its mirror: P(t + 180°) is P(t) with u reversed. So angles repeat every
    180°, and the shorter way is taken. A slab has no tilt at 90°, and nothing is crossed.
    """
    distance = angle - target
    if not isolated:
        return distance, False
    turns = round(distance / 180)
    return distance - 180 * turns, turns % 2 != 0


def neighbours(
    angles: Sequence[float], known: Sequence[int], measured: Collection[int], target: float, isolated: bool
) -> tuple[list[Neighbour], list[Neighbour]]:
    """The tilts below the target and above it that say most of it, nearest first, at most `EACH_SIDE` each.

    The first is the nearest of all that are known; the others are the nearest that were measured: what was generated
    says nothing that these did not say.
    """
    sides: tuple[list[Neighbour], list[Neighbour]] = ([], [])
    for index in known:
        distance, mirrored = separation(angles[index], target, isolated)
        sides[distance >= 0].append(Neighbour(index, distance, mirrored))
    chosen = []
    for side in sides:
        side.sort(key=lambda n: (abs(n.distance), n.index))
        chosen.append([*side[:1], *(n for n in side[1:] if n.index in measured)][:EACH_SIDE])
    return chosen[0], chosen[1]


def outward(measured: Sequence[float], targets: Sequence[float], isolated: bool) -> list[int]:
    """Places of the targets in the order in which they are generated: the nearest to what was measured first.

    Both sides of the measured range take turns. Around an isolated object the missing range is one arc, and its two
    sides meet in its middle.
    """
    away = [min(abs(separation(angle, target, isolated)[0]) for angle in measured) for target in targets]
    return sorted(range(len(targets)), key=lambda i: (round(away[i] / SAME), targets[i]))


def path_length(angle: float) -> float:
    """Length of a ray through a slab over its thickness, 1 / cos."""
    return 1 / math.cos(math.radians(angle))
