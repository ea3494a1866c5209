"""Specimens that no training reads, tilted exactly: what the filling of the missing wedge is judged by.

Volumes are made, and projected, on voxels of half the size, so that no reconstruction shares the grid of its data.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from mendem.simulate.tilt_beam import interaction
from mendem.simulate.tilt_cell import cell_volume
from mendem.simulate.tilt_density import Species, from_folder
from mendem.simulate.tilt_packing import Specimen
from mendem.tomography.density import EDGE
from mendem.tomography.geometry import SliceGeometry

#: Side of slices, thickness of slabs and rows that are filled, in pixels; nm in each; views of each template.
SIDE, THICK, ROWS, VOXEL_NM, VIEWS = 96, 60, 32, 1.6, 6
#: An isolated object lies within this part of half the side from the axis.
REACH = 0.92
#: Volts above ice of what has density 1, and the contrast that a microscope leaves of a weak phase on average.
VOLTS, CONTRAST = 3.0, 0.6


@dataclass(frozen=True)
class Phantom:
    """A specimen on fine voxels (2 Z, 2 rows, 2 X): isolated, or a slab that goes on in x, mirrored."""

    name: str
    fine: np.ndarray
    isolated: bool

    @property
    def truth(self) -> np.ndarray:
        """Mean of each voxel, float32 (Z, rows, X)."""
        z, y, x = (n // 2 for n in self.fine.shape)
        return self.fine.reshape(z, 2, y, 2, x, 2).mean((1, 3, 5))

    def project(self, angles: Sequence[float]) -> np.ndarray:
        """Line integrals in voxels, averaged over the pixels of the detector: float32 (rows, tilts, width)."""
        import torch

        from mendem.tomography.projector import Projector

        depth, rows, width = self.fine.shape
        geometry = SliceGeometry(tuple(angles), (depth, width), width)
        sides = (0, 0)
        if not self.isolated:
            wide, inner = geometry.widened()
            sides, geometry = (inner.start, wide.shape[1] - inner.stop), wide
        projector = Projector(geometry)
        out = np.empty((rows // 2, len(angles), width // 2), np.float32)
        for row in range(0, rows, 16):
            slices = np.pad(self.fine[:, row : row + 16].transpose(1, 0, 2), ((0, 0), (0, 0), sides), mode="symmetric")
            seen = projector.forward(torch.from_numpy(np.ascontiguousarray(slices))).numpy()
            binned = seen.reshape(len(seen) // 2, 2, len(angles), width // 2, 2).mean((1, 4)) / 2
            out[row // 2 : row // 2 + len(binned)] = binned
        return out


@dataclass(frozen=True)
class Case:
    """A tilt series of a phantom and its truth.

    Attributes
    ----------
    sinograms
        Density, float32 (rows, tilts, width); 0 is the level of the surroundings.
    geometry
        Of slices of the size of the truth.
    truth
        float32 (Z, rows, X); of a slab without its mean.
    isolated
        Whether the specimen is, or goes on in x.
    """

    name: str
    condition: str
    sinograms: np.ndarray
    geometry: SliceGeometry
    truth: np.ndarray
    isolated: bool


def shot_noise(dose: float) -> float:
    """Standard deviation of a pixel's projection (density 1 over a voxel) that ``dose`` e/Å² leave in weak contrast.

    The counts' relative deviation 1 / sqrt(dose area) over the contrast 2 x 0.6 x interaction x volts x length.
    """
    electrons = dose * (10 * VOXEL_NM) ** 2
    return float(1 / np.sqrt(electrons) / (2 * CONTRAST * interaction(300.0) * VOLTS * VOXEL_NM))


def recorded(phantom: Phantom, angles: Sequence[float], dose: float | None, seed: int = 0) -> Case:
    """A series without noise, or with the shot noise of so many e/Å² at each tilt."""
    seen = phantom.project(angles)
    if dose is not None:
        seen = seen + np.float32(shot_noise(dose)) * np.random.default_rng(seed).standard_normal(
            seen.shape, dtype=np.float32
        )
    truth = phantom.truth
    if not phantom.isolated:
        side = max(1, round(EDGE * seen.shape[2]))
        ends = np.concatenate([seen[..., :side], seen[..., -side:]], axis=2)
        seen = seen - np.median(ends, axis=(0, 2))[None, :, None]
    geometry = SliceGeometry(tuple(angles), (truth.shape[0], truth.shape[2]), truth.shape[2])
    condition = "noise-free" if dose is None else f"{dose:g} e/Å²"
    return Case(phantom.name, condition, seen.astype(np.float32), geometry, truth, phantom.isolated)


@cache
def templates(folder: Path, voxel_nm: float = VOXEL_NM / 2) -> tuple[Species, ...]:
    """The densities of demo/, which no recipe reads, on voxels of this size."""
    with tempfile.TemporaryDirectory() as chosen:
        for path in sorted(folder.glob("template_*.mrc")):
            (Path(chosen) / path.name).symlink_to(path.resolve())
        return tuple(from_folder(chosen, voxel_nm, seed=5, views=VIEWS))


def macromolecules(folder: Path, seed: int) -> Phantom:
    """An isolated cluster of them."""
    rng = np.random.default_rng([seed, 0x3A])
    specimen = Specimen((2 * SIDE, 2 * ROWS, 2 * SIDE), VOXEL_NM / 2)
    z, _, x = specimen.grid()
    room = np.hypot(z, x) < (REACH * SIDE - 22) / 2 * VOXEL_NM
    specimen.crowd(rng, templates(folder), np.broadcast_to(room, specimen.shape), rng.uniform(0.1, 0.2), 1.0)
    return Phantom("macromolecules", specimen.values, True)


def crowded_slab(folder: Path, seed: int) -> Phantom:
    """The same in a slab of ice that goes on in x; without its mean, as is all around it."""
    rng = np.random.default_rng([seed, 0x51])
    specimen = Specimen((2 * THICK, 2 * ROWS, 2 * SIDE), VOXEL_NM / 2)
    specimen.crowd(rng, templates(folder), np.ones(specimen.shape, bool), rng.uniform(0.08, 0.16), 1.0)
    values = specimen.values - specimen.values.mean(dtype=np.float64).astype(np.float32)
    return Phantom("macromolecules in a slab", np.pad(values, ((SIDE - THICK,) * 2, (0, 0), (0, 0))), False)


def crowded_cell(folder: Path, seed: int) -> Phantom:
    """A cell of `mendem.simulate`, its cytosol crowded with them; volts as density 1 for each 3 V, without the mean."""
    volume = cell_volume((2 * THICK, 2 * ROWS, 2 * SIDE), VOXEL_NM / 2, 40 + seed, templates(folder))
    values = np.asarray(volume.data) / np.float32(VOLTS)
    values = values - values.mean(dtype=np.float64).astype(np.float32)
    return Phantom("cell", np.pad(values, ((SIDE - THICK,) * 2, (0, 0), (0, 0))), False)


def shapes(seed: int) -> Phantom:
    """Tori, cones, screws and a ball of a gyroid: solids of density 0.4 to 1 in random directions."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng([seed, 0x5A])
    shape = (2 * SIDE, 2 * ROWS, 2 * SIDE)
    place = [(np.arange(n, dtype=np.float32) - (n - 1) / 2) for n in shape]
    values = np.zeros(shape, np.float32)
    grid = np.stack(np.meshgrid(*place, indexing="ij"), -1)
    kinds = [torus, cone, screw, gyroid]
    spots = _spots(rng, 6, SIDE * REACH - 28, ROWS)
    for i, spot in enumerate(spots):
        turned = (grid - spot.astype(np.float32)) @ Rotation.random(random_state=rng).as_matrix().astype(np.float32)
        depth = kinds[i % len(kinds)](rng, turned)
        inside = np.clip(depth + 0.5, 0, 1)
        values += inside * (np.float32(rng.uniform(0.4, 1.0)) - values)
    return Phantom("tori, cones, screws, gyroids", values, True)


def _spots(rng: np.random.Generator, count: int, reach: float, half: float) -> list[np.ndarray]:
    """Places (z, y, x) in a cylinder about y that stay apart."""
    spots: list[np.ndarray] = []
    while len(spots) < count:
        way, far = rng.uniform(0, 2 * np.pi), reach * np.sqrt(rng.uniform())
        spot = np.array([far * np.sin(way), rng.uniform(-half, half), far * np.cos(way)])
        if all(np.hypot(*(spot - s)[[0, 2]]) > 40 for s in spots) or rng.uniform() < 0.01:
            spots.append(spot)
    return spots


def torus(rng: np.random.Generator, p: np.ndarray) -> np.ndarray:
    """Fine voxels inside of the surface, of places ``p`` (…, 3)."""
    return rng.uniform(4, 8) - np.hypot(np.hypot(p[..., 0], p[..., 1]) - rng.uniform(14, 24), p[..., 2])


def cone(rng: np.random.Generator, p: np.ndarray) -> np.ndarray:
    height, radius = rng.uniform(28, 46), rng.uniform(10, 20)
    along = p[..., 2] + height / 2
    slope = (radius * (1 - along / height) - np.hypot(p[..., 0], p[..., 1])) / np.hypot(1, radius / height)
    return np.minimum(slope, along)


def screw(rng: np.random.Generator, p: np.ndarray) -> np.ndarray:
    """A wire wound about an axis."""
    pitch, radius, length = rng.uniform(18, 28), rng.uniform(9, 14), 60.0
    turn = 2 * np.pi * p[..., 2] / pitch
    off = np.hypot(p[..., 0] - radius * np.cos(turn), p[..., 1] - radius * np.sin(turn))
    lean = np.hypot(1, 2 * np.pi * radius / pitch)
    return np.minimum(rng.uniform(3, 5) - off / lean * 1.4, length / 2 - np.abs(p[..., 2]))


def gyroid(rng: np.random.Generator, p: np.ndarray) -> np.ndarray:
    """Walls of a gyroid, in a ball."""
    period, radius = rng.uniform(22, 32), rng.uniform(20, 27)
    a, b, c = (2 * np.pi / period * p[..., i] for i in range(3))
    level = np.sin(a) * np.cos(b) + np.sin(b) * np.cos(c) + np.sin(c) * np.cos(a)
    wall = rng.uniform(2, 4) - np.abs(level) * period / (2 * np.pi) / 1.5
    return np.minimum(wall, radius - np.linalg.norm(p, axis=-1))


@dataclass(frozen=True)
class Ellipsoids:
    """A phantom of ellipsoids, and of each its middle (z, y, x) and half axes in voxels of the truth."""

    phantom: Phantom
    middles: np.ndarray
    halves: np.ndarray


def ellipsoids(seed: int, count: int = 5) -> Ellipsoids:
    """Some of axial ratios z to x of 0.7 to 1.5, axes upright, that do not touch."""
    rng = np.random.default_rng([seed, 0xE1])
    shape = np.array([2 * SIDE, 2 * ROWS, 2 * SIDE])
    z, y, x = (np.arange(n, dtype=np.float32) - (n - 1) / 2 for n in shape)
    values = np.zeros(shape, np.float32)
    middles, halves = [], []
    for turn in rng.permutation(count):
        ratio, size = rng.uniform(0.7, 1.5), rng.uniform(14, 19)
        half = size * np.array([np.sqrt(ratio), rng.uniform(0.8, 1.2), 1 / np.sqrt(ratio)])
        way = 2 * np.pi * (turn + rng.uniform(-0.1, 0.1)) / count
        middle = np.array([np.sin(way), 0, np.cos(way)]) * rng.uniform(50, 58) + [0, rng.uniform(-20, 20), 0]
        radius = np.sqrt(
            ((z[:, None, None] - middle[0]) / half[0]) ** 2
            + ((y[:, None] - middle[1]) / half[1]) ** 2
            + ((x - middle[2]) / half[2]) ** 2
        )
        values += np.clip((1 - radius) * half.min() + 0.5, 0, 1).astype(np.float32)
        middles.append(middle / 2 + (shape / 2 - 1) / 2)
        halves.append(half / 2)
    return Ellipsoids(Phantom("ellipsoids", values, True), np.array(middles), np.array(halves))


#: Tilts by name.
SCHEMES: dict[str, tuple[float, ...]] = {
    "±60° in 3°": tuple(np.arange(-60.0, 61, 3)),
    "±45° in 3°": tuple(np.arange(-45.0, 46, 3)),
    "±70° in 2°": tuple(np.arange(-70.0, 71, 2)),
    "-51° to 69°": (),
}


def angles_of(scheme: str) -> tuple[float, ...]:
    """Of a name of `SCHEMES`."""
    from mendem.simulate import irregular

    return SCHEMES[scheme] or irregular(-51, 69, 3, seed=3).angles


def rows_of(phantom: Phantom, rows: slice) -> Phantom:
    """Some rows of a phantom, counted in the truth's."""
    return replace(phantom, fine=phantom.fine[:, 2 * rows.start : 2 * rows.stop])


Maker = Callable[[int], Phantom]


def makers(data: Path) -> dict[str, Maker]:
    """By name: a phantom of a seed."""
    folder = data / "demo"
    found: dict[str, Maker] = {"shapes": shapes}
    if any(folder.glob("template_*.mrc")):
        found = {
            "macromolecules": lambda seed: macromolecules(folder, seed),
            **found,
            "slab": lambda seed: crowded_slab(folder, seed),
            "cell": lambda seed: crowded_cell(folder, seed),
        }
    return found
