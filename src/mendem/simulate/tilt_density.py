"""Densities of macromolecules: made from beads, or read from a folder; turned and ready to be placed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from mendem.errors import MendemError

#: Nm3 that a kilodalton of protein fills: 0.73 cm3/g (Harpaz, Gerstein & Chothia, Structure 1994).
NM3_PER_KDA = 1.21
#: A bead is a small domain of this mass, kDa.
BEAD_KDA = 4.0


@dataclass(frozen=True)
class Density:
    """A macromolecule, or one turned view of it.

    Attributes
    ----------
    values
        (n, n, n) float32, 1 where there is protein, 0 in the solvent.
    body
        (n, n, n) bool, what no other molecule may enter.
    """

    values: np.ndarray
    body: np.ndarray


@cache
def bead_model(kda: float, symmetry: int, seed: int) -> tuple[tuple[float, float, float], ...]:
    """Bead positions (z, y, x) in nm of a complex of ``kda`` kilodaltons with ``symmetry`` equal chains about z.

    A chain grows from bead to bead, near its middle rather than far from it, so that it is compact and yet has
    clefts and arms; chains stand around the axis, touching one another.
    """
    rng = np.random.default_rng([seed, 0xBEAD, symmetry])
    beads = max(3, round(kda / symmetry / BEAD_KDA))
    radius = (3 * NM3_PER_KDA * BEAD_KDA / (4 * np.pi)) ** (1 / 3)
    chain = np.zeros((1, 3))
    squeeze = np.exp(rng.normal(0, 0.25, 3))
    while len(chain) < beads:
        ways = rng.standard_normal((12, 3))
        ways = chain[rng.integers(len(chain), size=12)] + 1.7 * radius * ways / np.linalg.norm(ways, axis=1)[:, None]
        gap = np.linalg.norm(ways[:, None] - chain[None], axis=2).min(1)
        far = np.linalg.norm((ways - chain.mean(0)) * squeeze, axis=1) + 1e3 * (gap < 1.3 * radius)
        chain = np.vstack([chain, ways[np.argsort(far)[rng.integers(3)]]])
    chain -= chain.mean(0)
    if symmetry > 1:
        reach = float(np.abs(chain[:, 2]).max()) + 0.6 * radius
        chain = chain + [0.0, 0.0, reach / np.sin(np.pi / symmetry) * 0.8]
        turns = [Rotation.from_rotvec([2 * np.pi * k / symmetry, 0, 0]).as_matrix() for k in range(symmetry)]
        chain = np.vstack([chain @ turn.T for turn in turns])
    return tuple((float(z), float(y), float(x)) for z, y, x in chain)


def from_beads(beads: np.ndarray, voxel_nm: float) -> Density:
    """Beads (n, 3) in nm as a density on a cube of voxels, the origin in the middle; outlines of about 1 nm."""
    radius = (3 * NM3_PER_KDA * BEAD_KDA / (4 * np.pi)) ** (1 / 3)
    sigma = radius / 1.55
    half = int(np.ceil((np.abs(beads).max() + 2.2 * sigma) / voxel_nm))
    axis = np.arange(-half, half + 1) * voxel_nm
    wide = np.hypot(sigma, voxel_nm / np.sqrt(12))
    bumps = np.exp(-0.5 * ((axis[None, None] - beads.T[..., None]) / wide) ** 2)
    # The sum of Gaussians spaced 1.7 radii is about 1 inside: beads overlap.
    values = np.minimum(np.einsum("nz,ny,nx->zyx", *bumps), 1.25).astype(np.float32) * (sigma / wide) ** 3
    return Density(values, values > 0.25)


def turned_views(beads: np.ndarray, voxel_nm: float, turns: Rotation) -> list[Density]:
    """The beads under each rotation of ``turns`` (acting on x, y, z)."""
    return [from_beads(turn.apply(beads[:, ::-1])[:, ::-1], voxel_nm) for turn in turns]


@dataclass(frozen=True)
class Species:
    """One kind of macromolecule: turned views of it, and how many there are for each of the most frequent kind."""

    views: tuple[Density, ...]
    share: float


#: Mass in kDa, chains, share by number: from small enzymes to ribosomes, as their counts fall in a cell.
CYTOSOL = (
    (60, 1, 1.0), (90, 2, 0.8), (140, 2, 0.6), (200, 4, 0.4), (340, 3, 0.2), (450, 6, 0.15), (700, 7, 0.1),
    (900, 8, 0.06), (1200, 5, 0.03),
)  # fmt: skip


def cytosol(voxel_nm: float, seed: int, views: int = 10) -> list[Species]:
    """Proteins of a cell's cytoplasm, and ribosomes, made from beads."""
    turns = Rotation.random(views, random_state=seed)
    made = []
    for i, (kda, chains, share) in enumerate(CYTOSOL):
        beads = np.array(bead_model(kda, chains, 31 * seed + i))
        made.append(Species(tuple(turned_views(beads, voxel_nm, turns)), share))
    return [*made, ribosomes(voxel_nm, seed)]


def ribosomes(voxel_nm: float, seed: int, views: int = 10) -> Species:
    """Two compact subunits with a cleft between them; RNA makes them denser than protein."""
    large = np.array(bead_model(1500, 1, 1000 + seed))
    small = np.array(bead_model(800, 1, 2000 + seed)) * [0.8, 1.1, 1.0] + [11.5, 0, 0]
    beads = np.vstack([large, small]) - [4.0, 0, 0]
    views_ = turned_views(beads, voxel_nm, Rotation.random(views, random_state=seed + 1))
    return Species(tuple(Density(1.4 * v.values, v.body) for v in views_), 0.06)


def from_folder(folder: str | os.PathLike, voxel_nm: float, seed: int = 0, views: int = 10) -> list[Species]:
    """Densities of a folder (``.mrc``, ``.map``), turned at random; each is as frequent as the others.

    Values count from the median (the solvent) to the 99th percentile of what is above a fifth of the maximum, which
    becomes 1. Voxels without a size are taken to be 1 nm.

    Raises
    ------
    MendemError
        No density in the folder, or one that is not a volume.
    """
    from mendem.io import read

    paths = sorted(p for p in Path(folder).iterdir() if p.suffix in (".mrc", ".map")) if Path(folder).is_dir() else []
    if not paths:
        raise MendemError(f"{folder} has no densities (.mrc, .map); name a folder that has some")
    made = []
    for i, path in enumerate(paths):
        image = read(os.fspath(path))
        values = np.asarray(image.data, np.float32)
        if values.ndim != 3 or min(values.shape) < 2 or not np.isfinite(values).all():
            raise MendemError(f"{path} is not a volume of finite numbers; take it out of the folder of densities")
        assert image.voxel_size is not None
        values = np.clip(values - np.median(values), 0, None)
        values /= max(float(np.quantile(values[values >= 0.2 * values.max()], 0.99)), 1e-30)
        zoom = (image.voxel_size.nm[2] or 1.0) / voxel_nm
        turns = Rotation.random(views, random_state=seed + i).as_matrix()
        made.append(Species(tuple(_turned(values, zoom, turn) for turn in np.atleast_3d(turns)), 1.0))
    return made


def _turned(values: np.ndarray, zoom: float, matrix: np.ndarray) -> Density:
    """A cube of other voxels, turned about its middle, and cropped to what it holds."""
    if zoom < 1:
        values = ndimage.gaussian_filter(values, 0.4 / zoom)
    side = int(np.ceil(np.linalg.norm(values.shape) * zoom / 2)) * 2 + 1
    inverse = matrix / zoom
    offset = (np.array(values.shape) - 1) / 2 - inverse @ np.full(3, (side - 1) / 2)
    out = ndimage.affine_transform(values, inverse, offset, (side,) * 3, order=1)
    middle = side // 2
    filled = np.argwhere(out > 0.1)
    half = int(np.abs(filled - middle).max()) if len(filled) else 0
    crop = out[(slice(middle - half, middle + half + 1),) * 3]
    return Density(crop, crop > 0.25)
