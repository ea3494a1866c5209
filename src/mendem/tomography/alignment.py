"""Alignment of a tilt series that has none, and how far to believe it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mendem.errors import MendemError
from mendem.tomography.align_checks import AlignmentChecks, checks_of
from mendem.tomography.align_field import Field, Residual
from mendem.tomography.align_first import first_shifts
from mendem.tomography.align_step import Step, step_of
from mendem.tomography.align_tilts import ReducedTilts
from mendem.tomography.tilt_series import TiltSeries

#: Fewest tilts, and pixels of a side, that an alignment can be told from.
FEWEST, SMALLEST = 5, 32
KINDS = ("auto", "isolated", "slab")
#: Pixels of the longer side of the tilts that are worked with, roughly.
SIDE = 42
#: Depths of a slab that are compared at first, as parts of its width, and later, as parts of the one found at first.
DEPTHS, NEAR = (0.12, 0.2, 0.3, 0.45), (0.76, 0.87, 1.0, 1.15, 1.32)
#: Steps at most, and after how many of them spectrum and noise are measured anew; the last time, the depth is too.
STEPS, REFRESH = 30, (2, 6)
#: Reduced pixels and radians below which a step is the last, and what one step moves and turns at most.
DONE = 0.01, math.radians(0.01)
LARGEST = 1.5, math.radians(1.5)


@dataclass(frozen=True)
class Alignment:
    """A series that was aligned, and what tells whether it is.

    Attributes
    ----------
    series
        With shifts and tilt axis.
    checks
        Mass, centre of mass, agreement of each tilt with the others; proposed exclusions.
    depth_px
        Thickness of the slab in raw pixels that explains the tilts best; None for an isolated object.
    shift_std_px
        (tilts, 2): what the data leave open of each shift, raw pixels along and across the axis. Of the noise alone:
        a specimen that moves or shrinks adds to it.
    axis_std_deg
        The same of the tilt axis of an isolated object. None where it was not looked for, and for a slab, whose axis
        is off by far more than the noise makes it: by what enters and leaves the view.
    """

    series: TiltSeries
    checks: AlignmentChecks
    depth_px: float | None
    shift_std_px: np.ndarray
    axis_std_deg: float | None


def align(
    series: TiltSeries,
    *,
    kind: str = "auto",
    axis: bool = True,
    again: bool = False,
    check: Callable[[], None] = lambda: None,
    progress: Callable[[float], None] = lambda _: None,
) -> Alignment:
    """Find shifts and tilt axis of a series.

    Tilts are reduced to about `SIDE` pixels and first correlated with their neighbours, stretched by the ratio of the
    cosines. Then shifts and axis are refined to where all tilts together are most probable views of one specimen
    (`mendem.tomography.align_field`): each is compared with what all of them say of it, and what the specimen
    could explain of a shift is told apart from it. A shift of the specimen as a whole cannot be known: shifts are
    kept as small as can be.

    Parameters
    ----------
    kind
        "isolated": an object between empty sides, whole in all tilts. "slab": one that goes on beyond the view.
        "auto" tells it from the sides.
    axis
        Whether the direction of the tilt axis is refined too, from what the series states.
    again
        Refine a series that is aligned already; else it comes back as it is, with its checks.
    check
        Called between steps; raises to cancel.
    progress
        Called with the part that is done, 0 to 1.

    Raises
    ------
    MendemError
        Fewer than `FEWEST` tilts, generated ones, images below `SMALLEST` pixels, or a tilt without image.
    """
    if kind not in KINDS:
        raise MendemError(f"the kind of specimen is {kind!r}, but must be {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    _refuse_small(series)
    if series.generated:
        raise MendemError(
            f"{series.name} has {len(series.generated)} generated tilts, which say nothing of how the others lie; "
            "align the series that was measured"
        )
    angles = tuple(series.true_angles[tilt] for tilt in series.used)
    tilts = ReducedTilts.of(series, SIDE, kind, check)
    found = series.transforms[list(series.used)]
    if not tilts.isolated and max(map(abs, angles)) > 80:
        raise MendemError(
            f"{series.name} has tilts beyond 80°, where a slab cannot be seen through; exclude them, or state that the "
            "object is isolated"
        )
    moves = not series.aligned or again
    if not series.aligned:
        found = _moved(found, first_shifts(tilts, found, angles, check) * tilts.factor)
    progress(0.05)
    search = _Search(tilts, angles, check)
    search.measure(found, search.best_depth(found, tuple(part * tilts.shape[1] for part in DEPTHS)))
    turned, gain, step = 0.0, 1.0, None
    for n in range(STEPS if moves else 0):
        if n in REFRESH:
            depth = search.depth
            if depth is not None and n == REFRESH[-1]:
                depth = search.best_depth(found, tuple(part * depth for part in NEAR))
            search.measure(found, depth)
        last = step
        step = step_of(search.field, search.residual(found), axis)
        gain = _gain(gain, last, step)
        shifts = step.shifts * min(1.0, LARGEST[0] / max(float(np.abs(step.shifts).max()), 1e-9))
        turn = float(np.clip(step.turn * gain, -LARGEST[1], LARGEST[1]))
        found = _turned(_moved(found, shifts * tilts.factor), turn)
        turned += turn
        progress(0.05 + 0.9 * (n + 1) / STEPS)
        if n > REFRESH[-1] and np.abs(shifts).max() < DONE[0] and abs(turn) < DONE[1]:
            break
    search.measure(found, search.depth)
    step = step_of(search.field, search.residual(found), axis)
    if moves:
        found = _least(found, series, angles)
    transforms = series.transforms
    transforms[list(series.used)] = found
    aligned = series.with_transforms(transforms) if moves else series
    checks = checks_of(series.used, angles, search.tilts, found, search.field)
    if moves:
        aligned = replace(aligned, notes=(*series.notes, _said(tilts.isolated, axis, turned), *checks.sentences))
    progress(1.0)
    thickness = None if search.depth is None else search.depth * float(tilts.factor)
    axis_std = math.degrees(step.turn_std) if axis and tilts.isolated else None
    return Alignment(aligned, checks, thickness, _stds(step, tilts.factor), axis_std)


class _Search:
    """The field that the tilts are compared by, measured when they lie better than before."""

    field: Field

    def __init__(self, tilts: ReducedTilts, angles: tuple[float, ...], check: Callable[[], None]) -> None:
        self.tilts, self.angles, self.check = tilts, angles, check
        self.depth: int | None = None

    def best_depth(self, found: np.ndarray, depths: tuple[float, ...]) -> int | None:
        """The thickness of a slab, of those given, that makes the tilts most probable; None for an isolated object."""
        if self.tilts.isolated:
            return None
        laid = self.tilts.laid(found)

        def evidence(depth: int) -> float:
            field = self._field(laid, depth)
            return field.evidence(field.residual(laid))

        return max(sorted({max(4, round(depth)) for depth in depths}), key=evidence)

    def measure(self, found: np.ndarray, depth: int | None) -> None:
        """Spectrum and noise of the tilts as they lie, and gains of a slab's tilts."""
        self.depth = depth
        if not self.tilts.isolated and hasattr(self, "field"):
            residual = self.residual(found)
            data, mean = self.tilts.laid(found), residual.explained
            gains = (data * mean * self.field.window[:, None]).sum((1, 2)) / (mean**2).sum((1, 2))
            self.tilts = self.tilts.scaled(np.clip(gains / np.median(gains), 0.5, 2.0))
        self.field = self._field(self.tilts.laid(found), depth)

    def residual(self, found: np.ndarray) -> Residual:
        """Of the tilts as ``found`` lays them."""
        self.check()
        return self.field.residual(self.tilts.laid(found))

    def _field(self, laid: np.ndarray, depth: int | None) -> Field:
        return Field(laid, self.angles, depth, 0 if depth is None else 2, self.check)


def _gain(gain: float, last: Step | None, step: Step) -> float:
    """How far to go beyond the next turn: steps that fall by a constant ratio say where they would end."""
    if last is None or not last.turn * step.turn > 0:
        return 1.0
    covered = (1 - step.turn / last.turn) / gain
    return float(np.clip(1 / covered, 1.0, 8.0)) if covered > 0 else min(2 * gain, 8.0)


def _moved(transforms: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    out = transforms.copy()
    out[:, :, 2] += shifts
    return out


def _turned(transforms: np.ndarray, turn: float) -> np.ndarray:
    cosine, sine = math.cos(turn), math.sin(turn)
    return np.einsum("ij,kjl->kil", np.array([[cosine, -sine], [sine, cosine]]), transforms)


def _least(transforms: np.ndarray, series: TiltSeries, angles: tuple[float, ...]) -> np.ndarray:
    """The same alignment with the specimen shifted as a whole so that tilts move little from where they were stated."""
    before = series.transforms[list(series.used)][:, :, 2] if series.aligned else 0.0
    moved = transforms[:, :, 2] - before
    t = np.radians(angles)
    basis = np.stack([np.cos(t), np.sin(t)], 1)
    across = basis @ np.linalg.lstsq(basis, moved[:, 1], rcond=None)[0]
    return _moved(transforms, -np.stack([np.full_like(across, moved[:, 0].mean()), across], 1))


def _stds(step: Step, factor: int) -> np.ndarray:
    """(tilts, 2) in raw pixels; what no data tell (a shift of the whole specimen) does not count."""
    inverse = np.linalg.pinv(step.certainty, rcond=1e-6, hermitian=True)
    return factor * np.sqrt(np.maximum(np.diag(inverse)[:-1], 0)).reshape(2, -1).T


def _said(isolated: bool, axis: bool, turned: float) -> str:
    what = "an isolated object" if isolated else "a slab"
    how = f"and the tilt axis (turned by {math.degrees(turned):+.2f}°) " if axis else ""
    return f"Shifts {how}were found by correlation and refined to the most probable ones, of {what}."


def _refuse_small(series: TiltSeries) -> None:
    if len(series.used) < FEWEST:
        raise MendemError(
            f"{series.name} has {len(series.used)} tilts to use; an alignment needs at least {FEWEST}: include more"
        )
    height, width = series.image.plane_shape
    if min(height, width) < SMALLEST:
        raise MendemError(
            f"{series.name} has tilts of {height} x {width} pixels; an alignment needs at least {SMALLEST} a side"
        )
