"""Volumes to learn the missing wedge from: solids, shells, pores, needles and clusters of every shape and direction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from mendem.simulate.tilt_packing import smooth_field
from mendem.simulate.tilt_shells import bilayer, random_turn

#: Isolated objects lie in a ball of this radius, in sides of the cube: every tilt sees them whole.
REACH = 0.47


class Canvas:
    """A cube of values, and solids put over one another in it; places from its middle, lengths in voxels."""

    def __init__(self, rng: np.random.Generator, side: int) -> None:
        self.rng, self.side = rng, side
        self.values = np.zeros((side,) * 3, np.float32)

    def solid(
        self, centre: np.ndarray, half: np.ndarray, turn: np.ndarray, kind: str, level: float | np.ndarray
    ) -> None:
        """Put a solid of half axes ``half`` over what is there, its border one voxel wide."""
        middle = (self.side - 1) / 2
        reach = np.sqrt(((np.abs(turn) * half) ** 2).sum(1) if kind == "ball" else (np.abs(turn) @ half) ** 2) + 1
        low = np.clip(np.floor(middle + centre - reach), 0, self.side).astype(int)
        high = np.clip(np.ceil(middle + centre + reach) + 1, 0, self.side).astype(int)
        if (high - low < 1).any():
            return
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = [a.astype(np.float32) - np.float32(middle + c) for a, c in zip(np.ogrid[box], centre, strict=True)]
        turned = [
            np.abs(sum(np.float32(turn[j, i] / half[i]) * axes[j] for j in range(3))) for i in range(3)
        ]  # in half axes
        radius = np.maximum(_norm(turned, kind), 1e-3)
        away = np.sqrt(sum(a**2 for a in axes))
        inside = np.clip((1 / radius - 1) * away + 0.5, 0, 1)
        here = self.values[box]
        here += inside * (np.float32(level) - here)

    def anywhere(self, size: float) -> np.ndarray:
        """A place for something of radius ``size`` inside the ball."""
        way = self.rng.standard_normal(3)
        room = max(REACH * self.side - size, 0.0)
        return way / np.linalg.norm(way) * room * self.rng.uniform() ** (1 / 3)


KINDS = ("ball", "round", "box", "octahedron", "cylinder", "prism")


def _norm(t: list[np.ndarray], kind: str) -> np.ndarray:
    """The size of the smallest solid of a kind that reaches a place, 1 on its surface."""
    if kind == "ball":
        return np.sqrt(t[0] ** 2 + t[1] ** 2 + t[2] ** 2)
    if kind == "round":
        return (t[0] ** 4 + t[1] ** 4 + t[2] ** 4) ** 0.25
    if kind == "box":
        return np.maximum(np.maximum(t[0], t[1]), t[2])
    if kind == "octahedron":
        return np.maximum(np.maximum(np.maximum(t[0], t[1]), t[2]), (t[0] + t[1] + t[2]) / 1.8)
    if kind == "cylinder":
        return np.maximum(np.sqrt(t[0] ** 2 + t[1] ** 2), t[2])
    return np.maximum(np.maximum(0.87 * t[0] + 0.5 * t[1], t[1]), t[2])


def _half(rng: np.random.Generator, size: float) -> np.ndarray:
    """Half axes of every aspect ratio, the largest of which is ``size``."""
    half = np.exp(rng.normal(0, rng.choice([0.1, 0.4, 0.8]), 3))
    return np.maximum(size * half / half.max(), 1.2)


def solids(rng: np.random.Generator, side: int) -> np.ndarray:
    """A few large or many small solids of one to three levels; some of them holes."""
    canvas = Canvas(rng, side)
    count = round(np.exp(rng.uniform(0, np.log(40))))
    palette = rng.uniform(0.15, 1, rng.integers(1, 4))
    few = rng.choice(KINDS, rng.integers(1, 4))
    for i in range(count):
        size = side * REACH * (rng.uniform(0.25, 0.9) if i < 2 and count < 12 else rng.uniform(0.06, 0.4))
        kind = str(rng.choice(few))
        level = 0.0 if i and rng.uniform() < 0.15 else rng.choice(palette)
        half = _half(rng, size / (1 if kind == "ball" else 1.4))
        canvas.solid(canvas.anywhere(size), half, random_turn(rng), kind, level)
    return canvas.values


def shells(rng: np.random.Generator, side: int) -> np.ndarray:
    """Bodies inside bodies: core and shell, hollow ones, ones of many layers."""
    canvas = Canvas(rng, side)
    for _ in range(rng.integers(1, 6)):
        size = side * REACH * rng.uniform(0.2, 0.75)
        centre, half, turn = canvas.anywhere(size), _half(rng, size), random_turn(rng)
        kind = str(rng.choice(KINDS[:2] if rng.uniform() < 0.7 else KINDS))
        share = 1.0
        for _ in range(rng.integers(2, 5)):
            inner = np.maximum(half * share / (1 if kind == "ball" else 1.4), 1)
            canvas.solid(centre, inner, turn, kind, rng.choice([0.0, 0.2, 0.5, 0.8, 1.0]) * rng.uniform(0.7, 1))
            share *= rng.uniform(0.4, 0.92)
            centre = centre + rng.uniform(-0.1, 0.1, 3) * half * (1 - share)
    return canvas.values


def _body(rng: np.random.Generator, side: int, least: float = 0.4) -> np.ndarray:
    """An uneven round body, 0 to 1, that lies in the ball."""
    canvas = Canvas(rng, side)
    half = np.maximum(_half(rng, side * REACH * rng.uniform(0.6, 0.85)), least * side * REACH * 0.8)
    canvas.solid(np.zeros(3), half, random_turn(rng), "ball", 1.0)
    if rng.uniform() < 0.6:
        field = smooth_field(rng, canvas.values.shape, rng.uniform(4, 12))
        soft: np.ndarray = ndimage.gaussian_filter(canvas.values, 4) + rng.uniform(0.05, 0.2) * field
        canvas.values = np.clip((soft - 0.5) * 6 + 0.5, 0, 1).astype(np.float32)
    return canvas.values * _ball(side)


def _ball(side: int) -> np.ndarray:
    place = np.arange(side, dtype=np.float32) - (side - 1) / 2
    away = np.sqrt(place[:, None, None] ** 2 + place[None, :, None] ** 2 + place**2)
    return np.clip(REACH * side - away, 0, 1)


def pores(rng: np.random.Generator, side: int) -> np.ndarray:
    """A body with pores, some with small bright particles on the walls."""
    body = _body(rng, side)
    field = smooth_field(rng, body.shape, rng.uniform(2, 8))
    if rng.uniform() < 0.3:  # channels in a direction
        field = ndimage.gaussian_filter1d(field, 6, axis=int(rng.integers(3)))
        field /= field.std()
    level = rng.uniform(-0.6, 0.8)
    walls = np.clip((np.abs(field) - 0.6 if rng.uniform() < 0.3 else field - level) * rng.uniform(2, 6) + 0.5, 0, 1)
    values = (rng.uniform(0.1, 1) * body * walls).astype(np.float32)
    if rng.uniform() < 0.5:
        canvas = Canvas(rng, side)
        canvas.values = values
        edge = np.argwhere((values > 0.3 * values.max()) & (values < 0.7 * values.max()))
        for at in edge[rng.integers(0, len(edge), rng.integers(5, 80))] if len(edge) else ():
            size = float(np.clip(np.exp(rng.normal(0.8, 0.4)), 1, 6))
            canvas.solid(at - (side - 1) / 2, np.full(3, size), np.eye(3), "ball", rng.uniform(0.6, 1))
        values = canvas.values * _ball(side)
    return values


def sticks(rng: np.random.Generator, side: int) -> np.ndarray:
    """Needles and plates, in all directions or in one."""
    canvas = Canvas(rng, side)
    common = random_turn(rng)
    flat = rng.uniform() < 0.4
    for _ in range(rng.integers(2, 25)):
        long, thin = side * REACH * rng.uniform(0.2, 0.6), rng.uniform(1.2, 5)
        half = np.array([long, long * rng.uniform(0.5, 1), thin] if flat else [thin, thin * rng.uniform(0.6, 1), long])
        turn = common if rng.uniform() < 0.3 else random_turn(rng)
        kind = str(rng.choice(["ball", "box", "cylinder", "prism"]))
        canvas.solid(canvas.anywhere(1.2 * long), half, turn, kind, rng.uniform(0.3, 1))
    return canvas.values


def cluster(rng: np.random.Generator, side: int) -> np.ndarray:
    """Particles of about one size and level, packed, alone or on a faint support."""
    canvas = Canvas(rng, side)
    if rng.uniform() < 0.5:
        canvas.values = np.float32(rng.uniform(0.05, 0.3)) * _body(rng, side)
    size, spread = side * np.exp(rng.uniform(np.log(0.025), np.log(0.12))), rng.uniform(0.05, 0.4)
    kind = str(rng.choice(KINDS))
    away = rng.uniform(0.4, 1)
    for _ in range(min(150, round(rng.uniform(0.03, 0.25) * (REACH * side * away / size) ** 3) + 2)):
        half = _half(rng, float(size * np.exp(rng.normal(0, spread)))) / (1 if kind == "ball" else 1.3)
        canvas.solid(away * canvas.anywhere(size), half, random_turn(rng), kind, rng.uniform(0.7, 1))
    return canvas.values


def masked(rng: np.random.Generator, side: int, texture: np.ndarray) -> np.ndarray:
    """A body with a texture: a crop of a recorded volume."""
    low, high = np.percentile(texture, [2, 98])
    return (_body(rng, side, 0.6) * np.clip((texture - low) / (high - low), 0, 1.5)).astype(np.float32)


ISOLATED: tuple[tuple[Callable[[np.random.Generator, int], np.ndarray], float], ...] = (
    (solids, 0.32),
    (shells, 0.2),
    (pores, 0.2),
    (sticks, 0.12),
    (cluster, 0.16),
)


def isolated(rng: np.random.Generator, side: int, recorded: list[np.ndarray]) -> np.ndarray:
    """An object (side, side, side) that every tilt sees whole, on a background of 0; its largest value about 1."""
    if recorded and rng.uniform() < 0.14:
        values = masked(rng, side, crop(rng, recorded, (side,) * 3))
    else:
        shares = np.array([share for _, share in ISOLATED])
        values = ISOLATED[rng.choice(len(ISOLATED), p=shares / shares.sum())][0](rng, side)
    if rng.uniform() < 0.5:
        values *= 1.0 + rng.uniform(0.03, 0.35) * smooth_field(rng, values.shape, rng.uniform(2, 15))
    if rng.uniform() < 0.5:
        values = ndimage.gaussian_filter(values, rng.uniform(0.3, 1.2))
    return np.maximum(values, 0).astype(np.float32)


def crop(rng: np.random.Generator, recorded: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """A random part of a recorded volume, in a random one of 48 orientations."""
    volume = recorded[rng.integers(len(recorded))].transpose(rng.permutation(3))
    volume = volume[tuple(slice(None, None, int(rng.choice([-1, 1]))) for _ in range(3))]
    starts = [int(rng.integers(0, max(n - s, 0) + 1)) for n, s in zip(volume.shape, shape, strict=True)]
    part = volume[tuple(slice(a, a + s) for a, s in zip(starts, shape, strict=True))]
    return np.pad(part, [(0, s - n) for n, s in zip(part.shape, shape, strict=True)], mode="symmetric")


def sheets(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Membranes, most of them horizontal, vesicles, and small bodies between them."""
    z = np.arange(shape[0], dtype=np.float32)[:, None, None]
    voxel = rng.uniform(0.8, 2.0)
    values = np.zeros(shape, np.float32)
    for _ in range(rng.integers(1, 5)):
        bumps = rng.uniform(0.5, 6) * smooth_field(rng, shape[1:], rng.uniform(8, 30))
        slope = np.tan(rng.normal(0, 0.4)) * (np.arange(shape[2]) - shape[2] / 2)[None, :]
        values += bilayer((z - rng.uniform(0.1, 0.9) * shape[0] - bumps - slope) * voxel, voxel)
    field = smooth_field(rng, shape, rng.uniform(5, 14))
    steep = np.maximum(np.sqrt(sum(g**2 for g in np.gradient(field))), 0.02)
    if rng.uniform() < 0.6:  # closed and winding membranes: a level of a smooth field
        values = np.maximum(values, bilayer((field - rng.uniform(0.5, 1.4)) / steep * voxel, voxel))
    fine = smooth_field(rng, shape, rng.uniform(0.8, 2.5))
    return (values + rng.uniform(0, 4) * np.clip(fine - rng.uniform(0.8, 1.8), 0, 1)).astype(np.float32)


def slab(rng: np.random.Generator, shape: tuple[int, int, int], recorded: list[np.ndarray]) -> np.ndarray:
    """A specimen that goes on in y and x, (z, y, x): crowded cells, membranes, ice with needles, tissue."""
    from mendem.simulate import cell_volume, slab_volume

    drawn, seed = rng.uniform(), int(rng.integers(1000, 2**31))
    if recorded and drawn < 0.15:
        values = crop(rng, recorded, shape)
    elif drawn < 0.5:
        crowding = float(rng.uniform(0.02, 0.25))
        values = np.asarray(cell_volume(shape, float(rng.uniform(0.9, 2.4)), seed, crowding=crowding).data)
    elif drawn < 0.62:
        beads = int(rng.integers(0, 6))
        values = np.asarray(slab_volume(shape, float(rng.uniform(0.7, 2)), seed, beads, int(rng.integers(3, 14))).data)
    else:
        values = sheets(rng, shape)
    if rng.uniform() < 0.5:  # fringes of phase contrast
        values = values - rng.uniform(0.4, 1) * ndimage.gaussian_filter(values, rng.uniform(1.5, 6))
    return ndimage.gaussian_filter(values, rng.uniform(0, 0.8)).astype(np.float32)
