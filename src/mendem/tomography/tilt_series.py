"""A tilt series: the stack, and where each of its tilts lies in space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image

Matrix = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class TiltSeries:
    """Images of one specimen, turned about one axis.

    Conventions, with the first row at the bottom as IMOD shows it (napari shows it at the top, and what is said to be
    counterclockwise here is clockwise there)::

        y  tilt axis             y   tilt axis              z
        ^   \\                    ^   |                      ^     \\
        |    \\  axis_angle > 0   |   |  after alignment     |      \\  ray of a tilt
        |     c                  |   c                      |     c  of angle > 0
        |      \\                 |   |                      |       \\
        +----------> x           +----------> x             +----------> x

    - Tilts, rows and columns count from 0, in the order of the stack, which is any order of angles.
    - Positions are (y, x) in pixels; pixel centres are at integers. ``c`` is the middle of the image,
      ((rows - 1) / 2, (columns - 1) / 2). The specimen turns about a line through it.
    - ``axis_angle`` turns the y axis counterclockwise to the tilt axis. 0: the tilt axis is y.
    - At angle t, a specimen point (z, y, x), counted from the axis and with the axis along y, is seen at
      (y, x cos t + z sin t). Formats do not say which way z points; angles are taken over as they stand.
    - In tilt k, this point of the specimen lies at ``c + shifts[k] + R E[k]^-1 (its place)``, where R turns the y axis
      to the tilt axis and E is ``distortions[k]``, the identity for most. So a shift says where the middle of the
      specimen lies in the raw image, and alignment moves the image by minus the shift.

    Parameters
    ----------
    image
        Axes ``tilt, y, x``.
    angles
        One for each tilt, in degrees.
    axis_angle
        Direction of the tilt axis in the raw images, in degrees.
    offset
        Degrees that are added to all angles: the specimen's own tilt in the holder.
    shifts
        (y, x) in pixels for each tilt; zero when left out.
    excluded
        Tilts that are not to be used.
    dose
        e/Å2 that each tilt received, or None where unknown.
    order
        Place of each tilt in the order of acquisition, from 0, or None where unknown.
    distortions
        2 x 2 in the order y, x for each tilt, applied after turning the axis upright: what an alignment has beside one
        axis angle and shifts (magnification, stretch, an axis angle of its own). None for the identity.
    x_tilts
        Degrees by which each tilt is turned about x too (IMOD's ``.xtilt``), or None.
    aligned
        Whether shifts and tilt axis are those of an alignment; true where there is any shift or distortion, and of a
        stack that another program has aligned.
    generated
        Tilts that nobody measured: they are part of the stack, and say nothing of what a tilt scheme measures.
    notes
        Where all this comes from, in sentences.

    Raises
    ------
    MendemError
        Axes that are not those of a tilt series, counts that differ, numbers that are not finite, angles beyond 180°,
        or no tilt left to use.
    """

    image: Image
    angles: tuple[float, ...]
    axis_angle: float = 0.0
    offset: float = 0.0
    shifts: tuple[tuple[float, float], ...] = ()
    excluded: tuple[int, ...] = ()
    dose: tuple[float, ...] | None = None
    order: tuple[int, ...] | None = None
    distortions: tuple[Matrix, ...] | None = None
    x_tilts: tuple[float, ...] | None = None
    aligned: bool = False
    generated: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.image.axes != ("tilt", "y", "x"):
            raise MendemError(f"{self.name} has the axes {', '.join(self.image.axes)}, not tilt, y, x of a tilt series")
        count = self.count
        object.__setattr__(self, "angles", tuple(float(a) for a in self.angles))
        shifts = tuple((float(y), float(x)) for y, x in self.shifts) or ((0.0, 0.0),) * count
        object.__setattr__(self, "shifts", shifts)
        known = self.aligned or self.distortions is not None or any(y or x for y, x in shifts)
        object.__setattr__(self, "aligned", known)
        for name in ("excluded", "generated"):
            object.__setattr__(self, name, tuple(sorted({int(i) for i in getattr(self, name)})))
        for name in ("angles", "shifts", "dose", "order", "distortions", "x_tilts"):
            values = getattr(self, name)
            if values is None:
                continue
            what = name.replace("_", "-")
            if len(values) != count:
                raise MendemError(f"{self.name} has {count} tilts and {len(values)} {what}; give one for each tilt")
            for tilt, value in enumerate(values):
                if not np.isfinite(value).all():
                    raise MendemError(f"{self.name}: tilt {tilt} has {what} that are not finite numbers; correct them")
        if not (math.isfinite(self.axis_angle) and math.isfinite(self.offset)):
            raise MendemError(f"{self.name}: tilt axis angle and offset must be finite numbers of degrees")
        for tilt, angle in enumerate(self.angles):
            if abs(angle + self.offset) > 180:
                raise MendemError(f"{self.name}: tilt {tilt} has the angle {angle + self.offset:g}°, beyond ±180°")
        if self.order is not None and sorted(self.order) != list(range(count)):
            raise MendemError(f"{self.name}: the order of acquisition must name each of 0 to {count - 1} once")
        for name in ("excluded", "generated"):
            for tilt in getattr(self, name):
                if not 0 <= tilt < count:
                    raise MendemError(f"{self.name} has tilts 0 to {count - 1}; tilt {tilt} cannot be {name}")
        if len(self.excluded) == count:
            raise MendemError(f"{self.name}: all {count} tilts are excluded; leave some in")

    @property
    def name(self) -> str:
        """For messages."""
        return self.image.source or "the tilt series"

    @property
    def count(self) -> int:
        """How many tilts the stack has, excluded ones included."""
        return self.image.shape[0]

    @property
    def true_angles(self) -> tuple[float, ...]:
        """Angles with the offset added, in the order of the stack."""
        return tuple(angle + self.offset for angle in self.angles)

    @property
    def used(self) -> tuple[int, ...]:
        """Tilts that are not excluded, by rising angle; those of the same angle in the order of the stack."""
        kept = (tilt for tilt in range(self.count) if tilt not in self.excluded)
        return tuple(sorted(kept, key=lambda tilt: self.angles[tilt]))

    @property
    def measured(self) -> tuple[int, ...]:
        """Those of `used` that were not generated."""
        return tuple(tilt for tilt in self.used if tilt not in self.generated)

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest angle of the tilts that are used, the offset added."""
        used = self.used
        return self.true_angles[used[0]], self.true_angles[used[-1]]

    @property
    def largest_gap(self) -> float:
        """Degrees between the two neighbours that are furthest apart, among the tilts that are used."""
        angles = [self.angles[tilt] for tilt in self.used]
        return max((b - a for a, b in zip(angles, angles[1:], strict=False)), default=0.0)

    @property
    def transforms(self) -> np.ndarray:
        """What aligns each tilt: (tilts, 2, 3) in the order y, x, as `mendem.io.tilt_imod.read_xf` has it.

        A raw position p, counted from the middle, comes to ``T[:, :2] @ p + T[:, 2]``.
        """
        matrices = np.broadcast_to(_upright(self.axis_angle), (self.count, 2, 2))
        if self.distortions is not None:
            matrices = np.array(self.distortions) @ matrices
        moved = -np.einsum("kij,kj->ki", matrices, np.array(self.shifts))
        return np.concatenate([matrices, moved[..., None]], axis=2)

    def with_angles(self, angles: Sequence[float]) -> TiltSeries:
        """The same series with other angles, one for each tilt."""
        return replace(self, angles=tuple(angles))

    def excluding(self, tilts: Iterable[int]) -> TiltSeries:
        """The same series with more tilts excluded."""
        return replace(self, excluded=(*self.excluded, *tilts))

    def with_transforms(self, transforms: np.ndarray) -> TiltSeries:
        """The same series aligned by transforms as of `transforms`; excluded tilts do not count for the axis angle."""
        matrices = np.asarray(transforms, np.float64)[:, :, :2]
        moved = np.asarray(transforms, np.float64)[:, :, 2]
        axis = _common_axis(matrices[list(self.used)])
        excess = matrices @ _upright(axis).T
        excess[list(self.excluded)] = np.eye(2)
        # IMOD writes seven decimals.
        plain = np.abs(excess - np.eye(2)).max() < 1e-6
        shifts = -np.linalg.solve(matrices, moved[..., None])[..., 0]
        return replace(
            self,
            axis_angle=axis,
            shifts=tuple((float(y), float(x)) for y, x in shifts + 0.0),
            distortions=None
            if plain
            else tuple(((float(a), float(b)), (float(c), float(d))) for (a, b), (c, d) in excess),
            aligned=True,
        )


def _upright(axis_angle: float) -> np.ndarray:
    """The rotation of (y, x) that brings a tilt axis of this angle to the y axis."""
    cosine, sine = math.cos(math.radians(axis_angle)), math.sin(math.radians(axis_angle))
    return np.array([[cosine, -sine], [sine, cosine]])


def _common_axis(matrices: np.ndarray) -> float:
    """The tilt axis angle of matrices that bring the axis upright: the mean direction of their nearest rotations."""
    sines, cosines = matrices[:, 1, 0] - matrices[:, 0, 1], matrices[:, 0, 0] + matrices[:, 1, 1]
    lengths = np.hypot(sines, cosines)
    return math.degrees(math.atan2((sines / lengths).sum(), (cosines / lengths).sum()))
