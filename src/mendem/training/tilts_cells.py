"""Small isolated cells: a closed membrane studded with proteins, vesicles, and a crowded cytosol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mendem.simulate.tilt_cell import PROTEIN
from mendem.simulate.tilt_density import Species, cytosol
from mendem.simulate.tilt_packing import Specimen
from mendem.simulate.tilt_shells import Blob, draw_bilayer, random_turn, stud

#: Kinds of proteins: so many sets, at so many voxel sizes (nm), are made once.
SETS, VOXELS_NM = 4, (1.2, 1.6, 2.1, 2.7)


def isolated_cell(
    rng: np.random.Generator, side: int, voxel_nm: float | None = None, species: Sequence[Species] | None = None
) -> np.ndarray:
    """A cell (side, side, side) that every tilt about y sees whole; volts above ice, float32.

    Parameters
    ----------
    rng
        What is random.
    voxel_nm
        One of `VOXELS_NM` at random when left out.
    species
        What crowds it; bead models when left out.
    """
    voxel = float(rng.choice(VOXELS_NM)) if voxel_nm is None else voxel_nm
    specimen = Specimen((side,) * 3, voxel)
    size = side * voxel
    half = rng.uniform(0.5, 0.86, 3) * size / 2
    body = Blob(np.zeros(3), half, random_turn(rng), rng.uniform(0, 0.02) * size, 0.2 * size)
    everything = slice(0, side), slice(0, side), slice(0, side)
    depth = body.depth_nm(rng, specimen, everything)
    draw_bilayer(specimen, everything, depth)
    stud(rng, specimen, everything, depth, 1 / rng.uniform(200, 900), PROTEIN, int(rng.integers(100)))
    for _ in range(rng.integers(0, 7)):
        _vesicle(rng, specimen, half, depth)
    species = cytosol(voxel, int(rng.integers(SETS))) if species is None else species
    specimen.crowd(rng, species, depth > 3, rng.uniform(0.03, 0.22), PROTEIN)
    z, _, x = specimen.grid()
    specimen.values *= np.hypot(z, x) < 0.49 * size
    return specimen.values


def _vesicle(rng: np.random.Generator, specimen: Specimen, half: np.ndarray, depth: np.ndarray) -> None:
    """One where there is room for it, empty or as crowded as the rest."""
    radii = np.maximum(rng.uniform(0.12, 0.35, 3) * half.min(), 8.0)
    blob = Blob(rng.uniform(-0.55, 0.55, 3) * half, radii, random_turn(rng), 1.0, 12.0)
    box = blob.box(specimen, 4.0)
    if box is None:
        return
    inside = blob.depth_nm(rng, specimen, box)
    wall = inside > -5
    if (specimen.taken[box] & wall).any() or not wall.any() or (depth[box][wall] < 5).any():
        return
    draw_bilayer(specimen, box, inside)
    if rng.uniform() < 0.6:
        specimen.taken[box] |= inside > 0
