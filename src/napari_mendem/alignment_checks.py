"""What an alignment is judged by, as curves over the tilt angle and in words. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mendem.tomography.tilt_series import TiltSeries

if TYPE_CHECKING:
    from mendem.tomography.alignment import Alignment


@dataclass(frozen=True)
class Curves:
    """One quantity of the tilts that are used, by rising angle.

    ``values`` are curves by name; ``expected`` is what the last of them should be, and ``band`` its uncertainty.
    """

    name: str
    label: str
    values: dict[str, np.ndarray]
    expected: np.ndarray | None = None
    band: np.ndarray | None = None


@dataclass(frozen=True)
class Judged:
    """All of it. ``tilts`` are places in the stack, of ``angles`` (degrees), ``doubtful`` those that do not fit."""

    tilts: tuple[int, ...]
    angles: tuple[float, ...]
    curves: tuple[Curves, ...]
    sentences: tuple[str, ...]
    doubtful: tuple[int, ...]

    @property
    def named_doubtful(self) -> str:
        """``3 (-57°), 40 (60°)``."""
        angle = dict(zip(self.tilts, self.angles, strict=True))
        return ", ".join(f"{tilt} ({angle[tilt]:.3g}°)" for tilt in self.doubtful)


def judge(alignment: Alignment, stated: TiltSeries) -> Judged:
    """The checks of an alignment, beside what was ``stated`` before it."""
    checks, found = alignment.checks, alignment.series
    used = list(checks.tilts)
    ones = np.ones(len(used))
    curves = []
    if checks.mass is not None:
        curves.append(Curves("mass", "mass (median 1)", {"mass": checks.mass}, ones))
    if checks.centre is not None and checks.path is not None:
        for axis, name in ((1, "centre of mass across the axis"), (0, "centre of mass along the axis")):
            curves.append(Curves(name, "px", {"centre of mass": checks.centre[:, axis]}, checks.path[:, axis]))
    off = checks.off_centre
    if off is not None:
        curves.append(Curves("off the path of one point", "px", {"along the axis": off[:, 0], "across it": off[:, 1]}))
    moves = {"stated": _upright_shifts(stated, used), "found": _upright_shifts(found, used)}
    if found is stated or np.allclose(moves["stated"], moves["found"]):
        moves.pop("stated")
    for axis, name in ((1, "shift across the axis"), (0, "shift along the axis")):
        values = {key: shifts[:, axis] for key, shifts in moves.items()}
        curves.append(Curves(name, "px", values, band=alignment.shift_std_px[:, axis]))
    curves.append(Curves("agreement", "correlation", {"agreement with the other tilts": checks.agreement}))
    return Judged(checks.tilts, checks.angles, tuple(curves), _sentences(alignment, stated), checks.doubtful)


def _sentences(alignment: Alignment, stated: TiltSeries) -> tuple[str, ...]:
    found = alignment.series
    said = []
    if abs(found.axis_angle - stated.axis_angle) > 0.005:
        error = "" if alignment.axis_std_deg is None else f" ± {alignment.axis_std_deg:.2g}"
        said.append(f"Tilt axis at {found.axis_angle:.2f}{error}° from y; {stated.axis_angle:.2f}° was stated.")
    if alignment.depth_px is not None:
        said.append(f"Taken for a slab, about {alignment.depth_px:.0f} px thick.")
    elif alignment.checks.isolated:
        said.append("Taken for an isolated object.")
    # The proposal to exclude has a switch of its own.
    said += [sentence for sentence in alignment.checks.sentences if "exclude them" not in sentence]
    return tuple(said)


def _upright_shifts(series: TiltSeries, used: list[int]) -> np.ndarray:
    """(tilts, 2): where the middle of the specimen lies in each tilt, pixels along (y) and across (x) the axis."""
    return -series.transforms[used][:, :, 2] + 0.0
