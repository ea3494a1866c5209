"""Microtubules in a simulated cell."""

from __future__ import annotations

import numpy as np

from mendem.simulate.tilt_packing import Specimen

#: Radius of the middle of the wall, of its outside, and distance of monomers along a protofilament, nm.
WALL_NM, OUTER_NM, MONOMER_NM, PROTOFILAMENTS = 10.8, 14.5, 4.0, 13
_STEP_NM, _TRIES = 3.0, 60


def add_microtubule(rng: np.random.Generator, specimen: Specimen, room: np.ndarray, level: float) -> bool:
    """A bent tube along the longest of some ways through free cytosol; false where none is 60 nm long.

    Parameters
    ----------
    room
        (z, y, x): 1 where there is cytosol; set to 0 in the tube.
    level
        Value of protein.
    """
    size = np.array(specimen.shape) * specimen.voxel_nm
    best: tuple[float, tuple] = (60.0, ())
    for _ in range(_TRIES):
        centre = rng.uniform(-0.4, 0.4, 3) * size
        along = rng.standard_normal(3) * [0.15, 1, 1]
        along /= np.linalg.norm(along)
        side = np.cross(along, [1.0, 0, 0])
        side /= np.linalg.norm(side)
        frame = np.stack([along, side, np.cross(along, side)])
        bend = rng.uniform(80, 160)
        low, high, length = _free_way(specimen, room, centre, frame, bend)
        if length > best[0]:
            best = length, (centre, frame, bend, low, high)
    if best[1]:
        _draw(specimen, room, level, *best[1])
    return bool(best[1])


def _bent(s: np.ndarray, bend: float) -> np.ndarray:
    """Sideways way of the tube's middle, nm."""
    return 5.0 * np.sin(s / bend)


def _free_way(specimen: Specimen, room: np.ndarray, centre, frame, bend: float) -> tuple[float, float, float]:
    """Where the tube through ``centre`` begins and ends, and how much of it is in the volume, nm."""
    reach = float(np.linalg.norm(specimen.shape)) * specimen.voxel_nm
    s = np.arange(-reach, reach, _STEP_NM)
    turn = np.arange(8) * np.pi / 4
    ring = np.vstack([[[0.0, 0.0]], (OUTER_NM + 3) * np.stack([np.cos(turn), np.sin(turn)], 1)])
    places = (
        centre
        + s[:, None, None] * frame[0]
        + (_bent(s, bend)[:, None] + ring[:, 0])[..., None] * frame[1]
        + ring[:, 1][:, None] * frame[2]
    )
    voxel = np.rint(places / specimen.voxel_nm + (np.array(specimen.shape) - 1) / 2).astype(int)
    within = ((voxel >= 0) & (voxel < specimen.shape)).all(-1)
    z, y, x = np.moveaxis(np.where(within[..., None], voxel, 0), -1, 0)
    blocked = (within & ((room[z, y, x] < 1) | specimen.taken[z, y, x])).any(1)
    middle = len(s) // 2
    if blocked[middle]:
        return 0.0, 0.0, 0.0
    before, after = np.flatnonzero(blocked[:middle]), np.flatnonzero(blocked[middle:])
    first = before[-1] + 1 if len(before) else 0
    last = middle + after[0] if len(after) else len(s)
    return float(s[first]), float(s[last - 1]), _STEP_NM * float(within[first:last, 0].sum())


def _draw(specimen: Specimen, room: np.ndarray, level: float, centre, frame, bend, low: float, high: float) -> None:
    z, y, x = (g - np.float32(c) for g, c in zip(specimen.grid(), centre, strict=True))
    s, p, q = (np.float32(way[0]) * z + np.float32(way[1]) * y + np.float32(way[2]) * x for way in frame)
    p = p - _bent(s, bend)
    radius = np.hypot(p, q)
    inside = (radius < OUTER_NM) & (s >= low) & (s <= high)
    grain = 0.5 + 0.5 * np.cos(PROTOFILAMENTS * np.arctan2(q, p)) * np.cos(np.pi * s / MONOMER_NM) ** 2
    wall = np.exp(-0.5 * ((radius - WALL_NM) / 1.35) ** 2) * (0.65 + 0.5 * grain)
    specimen.values[inside] += level * wall[inside]
    specimen.taken |= inside & (radius > WALL_NM - 3.5)
    room[inside] = 0.0
