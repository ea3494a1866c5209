"""A vitrified cell at the resolution of cryo-ET: membranes, organelles, vesicles, and crowded proteins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.simulate.tilt_density import Species, cytosol
from mendem.simulate.tilt_filament import add_microtubule
from mendem.simulate.tilt_packing import Specimen, smooth_field
from mendem.simulate.tilt_shells import Blob, draw_bilayer, random_turn, stud

#: Volts above vitreous ice: protein, and gold.
PROTEIN, GOLD = 3.0, 22.0


def cell_volume(
    shape: tuple[int, int, int] = (128, 256, 256),
    voxel_nm: float = 1.4,
    seed: int = 0,
    species: Sequence[Species] | None = None,
    crowding: float = 0.14,
    gold_beads: int = 0,
) -> Image:
    """A piece of a cell in ice, as of a lamella or a thin edge.

    The plasma membrane crosses it; inside are an organelle of two membranes with cristae, one with an open lumen,
    vesicles, microtubules, ribosomes and proteins; outside there is little but vesicles. The first and last planes are
    the surfaces of the ice. The specimen goes on in y and x.

    Parameters
    ----------
    shape
        (z, y, x) voxels, at least 32 each.
    voxel_nm
        0.4 to 4 nm; the bilayer is 4 nm thick.
    seed
        Same seed and parameters: same cell.
    species
        What crowds the cytosol (`mendem.simulate.tilt_density.from_folder`); bead models when left out.
    crowding
        Share of the cytosol's volume that molecules fill, 0 to 0.3; a cell's is 0.1 to 0.3.
    gold_beads
        Fiducials of 10 nm on the two surfaces.

    Returns
    -------
    Image
        Electrostatic potential above that of vitreous ice, in volts, float32, axes z, y, x: protein 3, ribosomes 4,
        head groups 2.4, gold 22.

    Raises
    ------
    MendemError
        A size, voxel or share out of range.
    """
    if len(shape) != 3 or min(shape) < 32 or not 0.4 <= voxel_nm <= 4 or not 0 <= crowding <= 0.3 or gold_beads < 0:
        raise MendemError(
            "a simulated cell has three sides of at least 32 voxels of 0.4 to 4 nm, a crowding of 0 to 0.3, and no "
            "negative number of gold beads"
        )
    rng = np.random.default_rng([seed, 0xCE11])
    specimen = Specimen(shape, voxel_nm)
    size = np.array(shape) * voxel_nm
    room = np.zeros(shape, np.float32)  # share of the crowding that a place has
    _plasma_membrane(rng, specimen, size, room, seed)
    for _ in range(2):
        add_microtubule(rng, specimen, room, PROTEIN)
    closed = np.zeros(shape, bool)
    _organelles(rng, specimen, size, room, closed, seed)
    _vesicles(rng, specimen, size, room, closed, seed)
    species = cytosol(voxel_nm, seed) if species is None else species
    ice = _ice(rng, specimen)
    for share in np.unique(room[room > 0]):
        specimen.crowd(rng, species, (room == share) & ice, float(share) * crowding, PROTEIN)
    _solutes(rng, specimen, room)
    specimen.values *= ice
    from mendem.simulate.tilt_solids import beads_on_surfaces

    beads_on_surfaces(rng, specimen, gold_beads, 5.0, GOLD)
    return Image(
        specimen.values,
        ("z", "y", "x"),
        VoxelSize((voxel_nm,) * 3, "nm"),
        {"simulated": {"kind": "cell", "seed": seed, "crowding": crowding, "unit": "V above vitreous ice"}},
        "simulated cell",
    )


def _ice(rng: np.random.Generator, specimen: Specimen) -> np.ndarray:
    """Where there is ice: all but a few voxels beyond two gently uneven surfaces."""
    z = np.arange(specimen.shape[0])[:, None, None]
    edges = [3 + 1.2 * smooth_field(rng, specimen.shape[1:], 40 / specimen.voxel_nm) for _ in range(2)]
    return (z >= edges[0]) & (z <= specimen.shape[0] - 1 - edges[1])


def _plasma_membrane(rng, specimen: Specimen, size: np.ndarray, room: np.ndarray, seed: int) -> None:
    """A large sphere of which a corner of the field of view is free."""
    radius = rng.uniform(1.6, 2.6) * size[1:].max()
    way = rng.uniform(0, 2 * np.pi)
    off = radius - rng.uniform(0.18, 0.28) * size[1:].min()
    centre = np.array([rng.uniform(-0.3, 0.3) * size[0], off * np.sin(way), off * np.cos(way)])
    blob = Blob(centre, np.full(3, radius), np.eye(3), 5.0, 28.0)
    z, y, x = (slice(0, n) for n in room.shape)
    box = z, y, x
    depth = blob.depth_nm(rng, specimen, box)
    room[:] = np.where(depth > 3, 1.0, np.where(depth < -3, 0.06, 0.0))
    draw_bilayer(specimen, box, depth)
    stud(rng, specimen, box, depth, 1 / 350, PROTEIN, seed)


def _organelles(rng, specimen: Specimen, size: np.ndarray, room: np.ndarray, closed: np.ndarray, seed: int) -> None:
    """One with cristae and one with an open lumen, where there is room for them."""
    for cristae in (True, False):
        for _ in range(30):
            half = (rng.uniform(0.16, 0.26, 3) * size[1:].min()) * ([0.8, 1.0, 1.5] if cristae else [0.6, 0.8, 1.3])
            centre = rng.uniform(-0.4, 0.4, 3) * size * [0.5, 1, 1]
            blob = Blob(centre, np.maximum(half, 25.0), random_turn(rng), 4.0, 22.0)
            box = blob.box(specimen, 8.0)
            if box is None:
                continue
            depth = replace(blob, bumps_nm=0.0).depth_nm(rng, specimen, box)
            if not _free(room[box], closed[box], depth):
                continue
            depth = blob.depth_nm(rng, specimen, box)
            if not _free(room[box], closed[box], depth):
                continue
            body = depth > -7
            room[box][depth > -3] = 0.0
            room[box][depth > 3] = 0.75 if cristae else 0.25
            closed[box] |= body
            draw_bilayer(specimen, box, depth)
            stud(rng, specimen, box, depth, 1 / 500, PROTEIN, seed + 3)
            if cristae:
                _cristae(rng, specimen, box, depth, room, seed)
            break


def _free(room: np.ndarray, closed: np.ndarray, depth: np.ndarray) -> bool:
    """Whether an organelle has a body to speak of, and nothing but cytosol around it."""
    body = depth > -7
    return body.sum() >= 1000 and not (closed & body).any() and (room[body] < 1).mean() <= 0.02


def _cristae(rng, specimen: Specimen, box, depth: np.ndarray, room: np.ndarray, seed: int) -> None:
    """The inner membrane, 12 nm below the outer one, and folds of it: sheets across the organelle."""
    wave = smooth_field(rng, depth.shape, 14.0 / specimen.voxel_nm)
    gaps = np.stack(np.meshgrid(*(np.arange(n) for n in depth.shape), indexing="ij"), -1) @ random_turn(rng)[0]
    period = rng.uniform(30, 42)
    phase = (gaps * specimen.voxel_nm + 4.0 * wave) % period
    # Between two sheets 11 nm apart is the space inside a crista, open towards the border on some sides.
    sheet = 5.5 - np.abs(phase - period / 2)
    ends = depth - 22.0 - 10.0 * smooth_field(rng, depth.shape, 25.0 / specimen.voxel_nm)
    matrix = np.minimum(depth - 12.0, -np.minimum(sheet, ends).astype(np.float32))
    inner = np.where(depth > 5.5, matrix, -20.0).astype(np.float32)
    room[box][(np.abs(inner) < 3) & (depth > 3)] = 0.0
    room[box][(inner < -3) & (depth > 3)] = 0.1
    draw_bilayer(specimen, box, inner)
    stud(rng, specimen, box, -inner, 1 / 300, PROTEIN, seed + 5)


def _vesicles(rng, specimen: Specimen, size: np.ndarray, room: np.ndarray, closed: np.ndarray, seed: int) -> None:
    """Round ones of 40 to 110 nm, some coated with proteins, most of them empty."""
    wanted = rng.poisson(5.0 * np.prod(size) / (180.0 * 270.0 * 270.0)) + 2
    for _ in range(40 * wanted):
        radius = rng.uniform(18, 42)
        centre = rng.uniform(-0.5, 0.5, 3) * size
        blob = Blob(centre, radius * rng.uniform(0.9, 1.1, 3), random_turn(rng), 0.8, 12.0)
        box = blob.box(specimen, 6.0)
        if box is None:
            continue
        depth = blob.depth_nm(rng, specimen, box)
        body = depth > -5
        if body.sum() < 300 or (closed[box] & body).any() or (specimen.taken[box] & body).any():
            continue
        room[box][depth > -3] = 0.0
        room[box][depth > 3] = rng.choice([0.04, 0.3], p=[0.7, 0.3])
        closed[box] |= body
        draw_bilayer(specimen, box, depth)
        stud(rng, specimen, box, depth, rng.choice([1 / 900, 1 / 150], p=[0.6, 0.4]), PROTEIN, seed + 7)
        wanted -= 1
        if not wanted:
            return


def _solutes(rng, specimen: Specimen, room: np.ndarray) -> None:
    """Small proteins and metabolites that cannot be told apart: fine texture, stronger where the cell is crowded."""
    fine = max(0.9, 1.2 / specimen.voxel_nm)
    texture = 0.45 + 0.45 * smooth_field(rng, specimen.shape, fine)
    specimen.values += np.where(specimen.taken, 0, np.clip(texture, 0, None) * np.sqrt(room)).astype(np.float32)
