"""Ice with gold beads and needles, and nanoparticles of materials science."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.simulate.tilt_packing import Specimen, smooth_field
from mendem.simulate.tilt_shells import random_turn

#: Volts above vitreous ice: a mineral needle, and gold.
NEEDLE, GOLD = 6.0, 22.0
#: HAADF brightness relative to gold: atomic number to the power 1.7, times atoms per volume.
TITANIA, CERIA, PLATINUM = 0.14, 0.45, 1.05


def slab_volume(
    shape: tuple[int, int, int] = (96, 192, 192),
    voxel_nm: float = 1.4,
    seed: int = 0,
    beads: int = 14,
    needles: int = 9,
) -> Image:
    """A slab of ice with gold beads of 6 to 12 nm, most on its surfaces, and crystalline needles inside.

    Volts above vitreous ice, float32, axes z, y, x. The specimen goes on in y and x.
    """
    if len(shape) != 3 or min(shape) < 16 or not voxel_nm > 0 or min(beads, needles) < 0:
        raise MendemError("a simulated slab has three sides of at least 16 voxels of a positive size")
    rng = np.random.default_rng([seed, 0x51AB])
    specimen = Specimen(shape, voxel_nm)
    size = np.array(shape) * voxel_nm
    for _ in range(needles):
        centre = rng.uniform(-0.45, 0.45, 3) * size * [0.6, 1, 1]
        length, width = rng.uniform(0.15, 0.5) * size[1:].min(), rng.uniform(3.0, 8.0)
        turn = random_turn(rng) if rng.uniform() < 0.4 else _flat_turn(rng)
        specimen.values[:] = np.maximum(specimen.values, NEEDLE * _prism(specimen, centre, length / 2, width / 2, turn))
    beads_on_surfaces(rng, specimen, beads - beads // 3, None, GOLD)
    for _ in range(beads // 3):
        _ball(specimen, rng.uniform(-0.5, 0.5, 3) * size * [0.8, 1, 1], rng.uniform(3.0, 6.0), GOLD)
    return _image(specimen, "slab", seed, "V above vitreous ice")


def particle_volume(shape: tuple[int, int, int] = (160, 160, 160), voxel_nm: float = 0.6, seed: int = 0) -> Image:
    """Nanoparticles as in a catalyst: a porous support with small metal particles, a core-shell and faceted ones.

    The object is isolated: it lies inside a cylinder about y, and is seen whole at every tilt. Brightness of HAADF
    relative to gold, float32, axes z, y, x.
    """
    if len(shape) != 3 or min(shape) < 32 or not voxel_nm > 0:
        raise MendemError("simulated particles need three sides of at least 32 voxels of a positive size")
    rng = np.random.default_rng([seed, 0x9A57])
    specimen = Specimen(shape, voxel_nm)
    reach = 0.5 * min(shape[0], shape[2]) * voxel_nm
    tall = 0.5 * shape[1] * voxel_nm
    support = _porous(rng, specimen, reach, tall)
    specimen.values[:] = TITANIA * support
    _decorate(rng, specimen, support, reach)
    places = np.array(
        [[0.35, -0.62, 0.3], [-0.3, -0.45, -0.45], [0.15, 0.62, -0.4], [-0.42, 0.5, 0.32], [0.4, 0.05, 0.5]]
    )
    for i, place in enumerate(places[rng.permutation(len(places))]):
        centre = place * [reach, tall, reach]
        radius = rng.uniform(0.15, 0.21) * min(reach, tall)
        _over(specimen, *(_core_shell if i < 2 else _faceted)(rng, specimen, centre, radius))
    z, _, x = specimen.grid()
    specimen.values *= np.hypot(z, x) < 0.97 * reach
    return _image(specimen, "particles", seed, "HAADF brightness relative to gold")


def beads_on_surfaces(
    rng: np.random.Generator, specimen: Specimen, count: int, radius_nm: float | None, level: float
) -> None:
    """Gold beads that touch the two surfaces of a slab from inside; of one radius, or of 3 to 6 nm."""
    for _ in range(count):
        radius = rng.uniform(3.0, 6.0) if radius_nm is None else radius_nm * rng.normal(1, 0.04)
        deep = (specimen.shape[0] - 1) / 2 * specimen.voxel_nm - radius - rng.uniform(0, 2)
        y, x = rng.uniform(-0.5, 0.5, 2) * specimen.shape[1:] * specimen.voxel_nm
        _ball(specimen, np.array([deep * rng.choice([-1, 1]), y, x]), radius, level)


def _image(specimen: Specimen, kind: str, seed: int, unit: str) -> Image:
    size = VoxelSize((specimen.voxel_nm,) * 3, "nm")
    return Image(
        specimen.values,
        ("z", "y", "x"),
        size,
        {"simulated": {"kind": kind, "seed": seed, "unit": unit}},
        f"simulated {kind}",
    )


def _soft(depth_nm: np.ndarray, voxel_nm: float) -> np.ndarray:
    """Share of a voxel that is inside, from the depth of its middle."""
    return np.clip(depth_nm / voxel_nm + 0.5, 0, 1).astype(np.float32)


def _from(specimen: Specimen, centre: np.ndarray) -> list[np.ndarray]:
    return [g - np.float32(c) for g, c in zip(specimen.grid(), centre, strict=True)]


def _flat_turn(rng: np.random.Generator) -> np.ndarray:
    """A rotation about an axis near z: what was along x stays near the plane of the slab."""
    way, rise = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.2)
    x = np.array([np.sin(rise), np.cos(rise) * np.sin(way), np.cos(rise) * np.cos(way)])
    y = np.cross(x, [1.0, 0, 0])
    y /= np.linalg.norm(y)
    return np.stack([np.cross(y, x), y, x], 1)


def _prism(
    specimen: Specimen, centre: np.ndarray, half_length: float, half_width: float, turn: np.ndarray
) -> np.ndarray:
    """A hexagonal needle along the third column of ``turn``, pointed at its ends."""
    z, y, x = _from(specimen, centre)
    p, q, s = (turn[0, i] * z + turn[1, i] * y + turn[2, i] * x for i in range(3))
    ways = np.radians([0, 60, 120])
    side = np.max([np.abs(np.cos(a) * p + np.sin(a) * q) for a in ways], axis=0)
    tip = (half_length - np.abs(s)) / 3
    return _soft(np.minimum(half_width, tip) - side, specimen.voxel_nm)


def _ball(specimen: Specimen, centre: np.ndarray, radius: float, level: float) -> None:
    """Put a ball over what is there; in its own corner of the grid."""
    middle = (np.array(specimen.shape) - 1) / 2 + centre / specimen.voxel_nm
    half = radius / specimen.voxel_nm + 1
    low, high = (
        np.maximum(np.ceil(middle - half), 0).astype(int),
        np.minimum(middle + half + 1, specimen.shape).astype(int),
    )
    if (high <= low).any():
        return
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    axes = np.ogrid[box]
    away = np.sqrt(sum((a - m) ** 2 for a, m in zip(axes, middle, strict=True))) * specimen.voxel_nm
    inside = _soft(radius - away, specimen.voxel_nm)
    specimen.values[box] = specimen.values[box] * (1 - inside) + np.float32(level) * inside


def _over(specimen: Specimen, inside: np.ndarray, level: np.ndarray | float) -> None:
    specimen.values[:] = specimen.values * (1 - inside) + np.float32(level) * inside


def _core_shell(rng, specimen: Specimen, centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """A gold core, off its middle, in a shell of ceria with an uneven surface."""
    shell = np.sqrt(sum(a**2 for a in _from(specimen, centre)))
    core = np.sqrt(sum(a**2 for a in _from(specimen, centre + rng.uniform(-0.12, 0.12, 3) * radius)))
    rough = 0.03 * radius * smooth_field(rng, specimen.shape, 0.15 * radius / specimen.voxel_nm)
    inner = _soft(0.6 * radius - core, specimen.voxel_nm)
    return _soft(radius - shell + rough, specimen.voxel_nm), CERIA + (1 - CERIA) * inner


def _faceted(rng, specimen: Specimen, centre: np.ndarray, radius: float) -> tuple[np.ndarray, float]:
    """A crystal of {111} and {100} facets (Wulff's shape of face-centred metals), truncated more or less."""
    turn = random_turn(rng)
    place = _from(specimen, centre)
    a, b, c = (np.abs(sum(turn[j, i] * place[j] for j in range(3))) for i in range(3))
    cube, octahedron = np.maximum(np.maximum(a, b), c), (a + b + c) / np.sqrt(3)
    ratio = rng.choice([0.78, 0.95, 1.2])
    return _soft(radius * 0.9 - np.maximum(cube * ratio, octahedron * 1.1), specimen.voxel_nm), 1.0


def _porous(rng, specimen: Specimen, reach: float, tall: float) -> np.ndarray:
    """A round body full of connected pores: where two smooth random fields are both near zero there are none."""
    place = _from(specimen, np.zeros(3))
    body = np.sqrt(
        (place[0] / (0.62 * reach)) ** 2 + (place[1] / (0.62 * tall)) ** 2 + (place[2] / (0.62 * reach)) ** 2
    )
    pores = smooth_field(rng, specimen.shape, 0.045 * reach / specimen.voxel_nm)
    outline = (1 - body) * 0.62 * min(reach, tall) + 0.05 * reach * smooth_field(
        rng, specimen.shape, 0.2 * reach / specimen.voxel_nm
    )
    walls = ndimage.gaussian_filter((pores > -0.25).astype(np.float32), 0.6)
    return walls * _soft(outline, specimen.voxel_nm)


def _decorate(rng, specimen: Specimen, support: np.ndarray, reach: float) -> None:
    """Small platinum particles on the walls of the pores."""
    edge = np.argwhere((support > 0.3) & (support < 0.7))
    middle = (np.array(specimen.shape) - 1) / 2
    for at in edge[rng.choice(len(edge), min(90, len(edge)), replace=False)]:
        radius = float(np.clip(rng.lognormal(np.log(0.022 * reach), 0.35), 0.8 * specimen.voxel_nm, 0.06 * reach))
        _ball(specimen, (at - middle) * specimen.voxel_nm, radius, PLATINUM)
