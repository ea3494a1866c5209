"""Membranes: closed surfaces, the bilayer drawn along them, and the proteins that stand in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from mendem.simulate.tilt_density import Density, bead_model, from_beads
from mendem.simulate.tilt_packing import Specimen, smooth_field

#: Volts above vitreous ice of the head groups and of the chains of a lipid bilayer, and where the heads are, nm.
HEADS, CHAINS, HEAD_AT_NM = 2.4, 0.5, 1.9
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Blob:
    """An ellipsoid with an uneven surface.

    Attributes
    ----------
    centre, half
        Place from the middle of the volume and half axes, zyx in nm, before turning.
    turn
        (3, 3) rotation of zyx vectors.
    bumps_nm, bump_size_nm
        Height (rms) and width of the unevenness.
    """

    centre: np.ndarray
    half: np.ndarray
    turn: np.ndarray
    bumps_nm: float = 0.0
    bump_size_nm: float = 30.0

    def box(self, specimen: Specimen, margin_nm: float) -> Box | None:
        """Where it lies on the grid, or None."""
        reach = np.sqrt(((self.turn * self.half) ** 2).sum(1)) + 3 * self.bumps_nm + margin_nm
        middle = (np.array(specimen.shape) - 1) / 2 + self.centre / specimen.voxel_nm
        low = np.maximum(np.floor(middle - reach / specimen.voxel_nm), 0).astype(int)
        high = np.minimum(np.ceil(middle + reach / specimen.voxel_nm) + 1, specimen.shape).astype(int)
        if (high - low < 2).any():
            return None
        z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return z, y, x

    def depth_nm(self, rng: np.random.Generator, specimen: Specimen, box: Box) -> np.ndarray:
        """Distance to the surface in nm, positive inside; exact near the surface."""
        z, y, x = specimen.grid()
        axes = z[box[0]], y[:, box[1]], x[:, :, box[2]]
        place = [a - np.float32(c) for a, c in zip(axes, self.centre, strict=True)]
        turned = [sum(np.float32(self.turn[j, i]) * place[j] for j in range(3)) for i in range(3)]
        radius = np.sqrt(sum((t / np.float32(h)) ** 2 for t, h in zip(turned, self.half, strict=True)))
        slope = np.sqrt(sum((t / np.float32(h) ** 2) ** 2 for t, h in zip(turned, self.half, strict=True)))
        depth = (1 - radius) * radius / np.maximum(slope, 1e-6)
        if self.bumps_nm:
            depth = depth + self.bumps_nm * smooth_field(rng, depth.shape, self.bump_size_nm / specimen.voxel_nm)
        return np.minimum(depth, np.float32(self.half.min()))


def random_turn(rng: np.random.Generator) -> np.ndarray:
    """A (3, 3) rotation."""
    return Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()


def bilayer(depth_nm: np.ndarray, voxel_nm: float) -> np.ndarray:
    """Volts above ice of a bilayer in the middle of which the depth is 0, averaged over a voxel."""
    heads = np.hypot(0.55, voxel_nm / np.sqrt(12))
    chains = np.hypot(0.9, voxel_nm / np.sqrt(12))
    away = np.abs(depth_nm)
    profile = HEADS * 0.55 / heads * np.exp(-0.5 * ((away - HEAD_AT_NM) / heads) ** 2)
    return (profile + CHAINS * 0.9 / chains * np.exp(-0.5 * (away / chains) ** 2)).astype(np.float32)


def draw_bilayer(specimen: Specimen, box: Box, depth_nm: np.ndarray) -> None:
    """Add a bilayer; what was there before gives way to it."""
    coverage = np.clip((3.2 - np.abs(depth_nm)) / specimen.voxel_nm, 0, 1)
    view = specimen.values[box]
    view *= 1 - coverage
    view += bilayer(depth_nm, specimen.voxel_nm)
    specimen.taken[box] |= np.abs(depth_nm) < 3.0


def stud(
    rng: np.random.Generator,
    specimen: Specimen,
    box: Box,
    depth_nm: np.ndarray,
    per_nm2: float,
    level: float,
    seed: int,
) -> None:
    """Membrane proteins, ``per_nm2`` of them: a part inside the bilayer, a stalk, and a head on the outer side."""
    surface = np.argwhere(np.abs(depth_nm) < 0.6 * specimen.voxel_nm)
    count = rng.poisson(per_nm2 * len(surface) / 1.2 * specimen.voxel_nm**2) if len(surface) else 0
    if not count:
        return
    slopes = np.stack(np.gradient(depth_nm), -1)
    corner = np.array([s.start for s in box])
    kinds = [_standing(kda, height, seed + i) for i, (kda, height) in enumerate(((70, 4.5), (150, 6.0), (350, 10.0)))]
    for at in surface[rng.choice(len(surface), min(count, len(surface)), replace=False)]:
        out = -slopes[tuple(at)]
        if np.linalg.norm(out) < 1e-6:
            continue
        beads = kinds[rng.choice(3, p=[0.5, 0.35, 0.15])] @ _towards(rng, out)
        what = from_beads(beads, specimen.voxel_nm)
        _place_head(specimen, what, at + corner, level)


def _place_head(specimen: Specimen, what: Density, at: np.ndarray, level: float) -> None:
    """Place a membrane protein unless another stands there; the bilayer around its foot does not count."""
    half = max(1, what.values.shape[0] // 4)
    z, y, x = (slice(max(a - half, 0), a + half + 1) for a in at)
    if specimen.values[z, y, x].max() < 1.35 * HEADS:
        specimen.place(what, at, level, force=True)


def _standing(kda: float, height_nm: float, seed: int) -> np.ndarray:
    """Beads of a membrane protein along +z, the first axis: the bilayer's middle at 0, the head at ``height_nm``."""
    head = np.array(bead_model(kda, 3 if kda > 300 else 1, 500 + seed)) + [height_nm, 0, 0]
    foot = np.array(bead_model(50, 1, 700 + seed)) * [1.0, 0.8, 0.8]
    stalk = np.stack([np.arange(2.0, height_nm, 1.2), *(np.zeros(len(np.arange(2.0, height_nm, 1.2))),) * 2], 1)
    return np.vstack([head, foot, stalk])


def _towards(rng: np.random.Generator, direction: np.ndarray) -> np.ndarray:
    """A (3, 3) matrix M so that rows v @ M turn the first axis to ``direction``, at a random angle about it."""
    first = direction / np.linalg.norm(direction)
    second = rng.standard_normal(3)
    second -= first * (first @ second)
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])
