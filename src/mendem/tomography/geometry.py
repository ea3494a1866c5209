"""Where a ray of a single-axis tilt series runs through a slice across the tilt axis."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mendem.errors import MendemError


@dataclass(frozen=True)
class SliceGeometry:
    """Parallel projection of slices (z, x) across the tilt axis, which is y.

    The point (z, x) of a slice is seen at the place

        u = (x - axis_x) cos(angle) + (z - axis_z) sin(angle) + detector_axis + shift

    of the detector; pixel centres are at integer z, x and u.

    Parameters
    ----------
    angles_deg
        Tilt angles in degrees, any values in any order; 0 looks along z.
    shape
        (Z, X) of the slice in pixels.
    width
        Pixels of the detector; the slice may be wider or narrower.
    shifts
        Where each tilt lies on the detector, in pixels along u; one for each angle, zero when left out.
    detector_axis
        Place u of the tilt axis on the detector; the middle, (width - 1) / 2, when left out.
    slice_axis
        (z, x) of the tilt axis in the slice; its middle when left out.

    Raises
    ------
    MendemError
        No tilts, numbers that are not finite, counts that differ, or an empty slice or detector.
    """

    angles_deg: tuple[float, ...]
    shape: tuple[int, int]
    width: int
    shifts: tuple[float, ...] = ()
    detector_axis: float | None = None
    slice_axis: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        angles = tuple(float(a) for a in self.angles_deg)
        shifts = tuple(float(s) for s in self.shifts) or (0.0,) * len(angles)
        if not angles:
            raise MendemError("a reconstruction needs at least one tilt, but no angle is left")
        if len(shifts) != len(angles):
            raise MendemError(f"there are {len(shifts)} shifts for {len(angles)} tilt angles; give one for each")
        if not np.isfinite([*angles, *shifts]).all():
            raise MendemError("a tilt angle or shift is not a finite number; correct it or exclude that tilt")
        if min(*self.shape, self.width) < 1:
            raise MendemError(
                f"a slice of {self.shape[0]} x {self.shape[1]} pixels seen by {self.width} cannot be reconstructed"
            )
        object.__setattr__(self, "angles_deg", angles)
        object.__setattr__(self, "shifts", shifts)
        if self.detector_axis is None:
            object.__setattr__(self, "detector_axis", (self.width - 1) / 2)
        if self.slice_axis is None:
            object.__setattr__(self, "slice_axis", ((self.shape[0] - 1) / 2, (self.shape[1] - 1) / 2))

    @property
    def origins(self) -> np.ndarray:
        """Place u of the tilt axis on the detector for each tilt."""
        assert self.detector_axis is not None
        return self.detector_axis + np.array(self.shifts)

    @property
    def axis(self) -> tuple[float, float]:
        """(z, x) of the tilt axis in the slice."""
        assert self.slice_axis is not None
        return self.slice_axis

    def place(self, tilt: int, z: float, x: float) -> float:
        """Place u at which tilt number ``tilt`` sees the point (z, x)."""
        angle = math.radians(self.angles_deg[tilt])
        return float((x - self.axis[1]) * math.cos(angle) + (z - self.axis[0]) * math.sin(angle) + self.origins[tilt])

    def ray(self, tilt: int, u: float) -> np.ndarray | None:
        """Ends ((z, x), (z, x)) of the ray to place ``u`` inside the slice's pixels; ``None`` where it misses them."""
        angle = math.radians(self.angles_deg[tilt])
        across, along = np.array([math.sin(angle), math.cos(angle)]), np.array([math.cos(angle), -math.sin(angle)])
        foot = np.array(self.axis) + (u - self.origins[tilt]) * across
        low, high = -math.inf, math.inf
        for point, step, count in zip(foot, along, self.shape, strict=True):
            if abs(step) < 1e-12:
                if not -0.5 <= point <= count - 0.5:
                    return None
                continue
            ends = sorted([(-0.5 - point) / step, (count - 0.5 - point) / step])
            low, high = max(low, ends[0]), min(high, ends[1])
        return np.array([foot + low * along, foot + high * along]) if low < high else None

    def widened(self, limit_deg: float = 90.0) -> tuple[SliceGeometry, slice]:
        """The slice made wide enough for every ray that reaches the detector, and where the given slice lies in it.

        A slab goes on beyond the field of view, and a tilted detector sees what lies there: an iterative method that
        has no pixels for it piles it up at the borders. Tilts beyond ``limit_deg`` do not count.
        """
        half = (self.shape[0] - 1) / 2 + abs(self.axis[0] - (self.shape[0] - 1) / 2) + 0.5
        left, right = 0.0, self.shape[1] - 1.0
        for angle, origin in zip(np.radians(self.angles_deg), self.origins, strict=True):
            cosine = abs(math.cos(angle))
            if abs(math.degrees(math.atan2(abs(math.sin(angle)), cosine))) > limit_deg or cosine < 1e-6:
                continue
            reach = max(origin + 0.5, self.width - 0.5 - origin) / cosine + half * abs(math.tan(angle))
            left, right = min(left, self.axis[1] - reach), max(right, self.axis[1] + reach)
        before, after = math.ceil(-left), math.ceil(right - (self.shape[1] - 1))
        wide = replace(
            self,
            shape=(self.shape[0], before + self.shape[1] + after),
            slice_axis=(self.axis[0], self.axis[1] + before),
        )
        return wide, slice(before, before + self.shape[1])
