"""What a microscopist judges an alignment by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mendem.tomography.align_field import Field
from mendem.tomography.align_tilts import ReducedTilts

#: A tilt that agrees with the others by less than this part of what its neighbours do is doubtful.
DOUBTFUL = 0.6
#: Neighbours on either side that a tilt is compared with.
NEIGHBOURS = 4


@dataclass(frozen=True)
class AlignmentChecks:
    """One number for each tilt that is used, by rising angle.

    Attributes
    ----------
    tilts, angles
        Their places in the stack, and degrees.
    isolated
        Whether the specimen was taken for an object between empty sides; else for a slab.
    agreement
        Correlation of each tilt with what the others say that it shows, -1 to 1.
    mass
        Sum over an isolated object less its surroundings, the typical one 1; None for a slab. It should be constant.
    centre
        (tilts, 2): centre of mass of an isolated object, y and x in raw pixels from the middle of the aligned image;
        None for a slab. Along the axis (y) it should be constant, across it (x) a sinusoid of the angle.
    path
        (tilts, 2): the constant and the sinusoid that fit ``centre`` best; None for a slab.
    doubtful
        Places in the stack of tilts that do not fit: proposed for exclusion.
    """

    tilts: tuple[int, ...]
    angles: tuple[float, ...]
    isolated: bool
    agreement: np.ndarray
    mass: np.ndarray | None
    centre: np.ndarray | None
    path: np.ndarray | None
    doubtful: tuple[int, ...]

    @property
    def off_centre(self) -> np.ndarray | None:
        """(tilts, 2): raw pixels by which the centre of mass lies from the path of one point."""
        return None if self.centre is None or self.path is None else self.centre - self.path

    @property
    def sentences(self) -> tuple[str, ...]:
        """The same in words."""
        worst = self.angles[int(np.argmin(self.agreement))]
        said = [
            f"Tilts agree with one another by {np.median(self.agreement):.2f} (correlation; lowest "
            f"{self.agreement.min():.2f} at {worst:.0f}°)."
        ]
        off = self.off_centre
        if self.mass is not None and off is not None:
            said.append(f"The mass of the object varies by {100 * self.mass.std():.2g} % from tilt to tilt.")
            far = float(np.sqrt((off**2).sum(1).mean()))
            said.append(f"The centre of mass lies {far:.2g} pixels (rms) from the path of one point.")
        if self.doubtful:
            names = ", ".join(map(str, self.doubtful))
            said.append(f"Tilts that do not fit the others, counted from 0: {names}. Look at them and exclude them.")
        return tuple(said)


def checks_of(
    used: Sequence[int],
    angles: Sequence[float],
    tilts: ReducedTilts,
    transforms: np.ndarray,
    field: Field,
) -> AlignmentChecks:
    """Checks of tilts that ``transforms`` lay."""
    laid = tilts.laid(transforms)
    agreement = field.agreement(laid)
    mass = centre = path = None
    if tilts.isolated:
        # Gains were made equal by mass: what the tilts had before is what varies.
        mass = tilts.masses / np.median(tilts.masses)
        centre = _centres(laid) * tilts.factor
        path = _path(centre, angles)
    doubtful = tuple(sorted(used[int(k)] for k in np.flatnonzero(_is_doubtful(agreement))))
    return AlignmentChecks(tuple(used), tuple(angles), tilts.isolated, agreement, mass, centre, path, doubtful)


def _centres(tilts: np.ndarray) -> np.ndarray:
    """(tilts, 2): y and x from the middle of each tilt, whose surroundings are zero."""
    places = [np.arange(n) - (n - 1) / 2 for n in tilts.shape[1:]]
    mass = np.maximum(tilts.sum((1, 2)), 1e-9 * np.abs(tilts).sum((1, 2)))
    return np.stack([tilts.sum(2) @ places[0] / mass, tilts.sum(1) @ places[1] / mass], 1)


def _path(centres: np.ndarray, angles: Sequence[float]) -> np.ndarray:
    """What one point of a specimen would do: stay along the axis, a cos(angle) + b sin(angle) across it."""
    t = np.radians(angles)
    basis = np.stack([np.cos(t), np.sin(t)], 1)
    across = basis @ np.linalg.lstsq(basis, centres[:, 1], rcond=None)[0]
    return np.stack([np.full(len(centres), np.median(centres[:, 0])), across], 1)


def _is_doubtful(agreement: np.ndarray) -> np.ndarray:
    """Which of the tilts, by rising angle, agree far less with the others than those beside them do."""
    usual = np.empty_like(agreement)
    for k in range(len(agreement)):
        beside = np.r_[agreement[max(0, k - NEIGHBOURS) : k], agreement[k + 1 : k + 1 + NEIGHBOURS]]
        usual[k] = np.median(beside)
    return agreement < DOUBTFUL * np.maximum(usual, 0)
