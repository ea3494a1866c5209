"""The small and many: synaptic vesicles, microtubules, ribosomes, glycogen."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from mendem.simulate.canvas import Canvas, fill, line
from mendem.simulate.style import TissueStyle
from mendem.simulate.territories import Territories


def scatter(
    rng: np.random.Generator, canvas: Canvas, cells: Territories, chosen: np.ndarray, per_um3: float,
    reach_nm: float, margin_nm: float = 25.0,
) -> np.ndarray:  # fmt: skip
    """Random places (n, 3) zyx nm in the cytoplasm of the cells for which the table ``chosen`` gives a weight.

    ``per_um3`` is the number per cubic micrometre where the weight is 1. In a section, places up to
    ``reach_nm`` above and below it count, for they show in it.
    """
    flat = canvas.shape[0] == 1
    deep = 2 * reach_nm if flat else canvas.extent_nm[0]
    volume = deep * canvas.extent_nm[1] * canvas.extent_nm[2] * 1e-9
    top = float(chosen.max(initial=0.0))
    if top <= 0:
        return np.empty((0, 3))
    places = rng.uniform(0, 1, (rng.poisson(volume * per_um3 * top), 3)) * [deep, *canvas.extent_nm[1:]]
    places[:, 0] -= reach_nm if flat else 0.0
    kept, voxel = canvas.inside(places)
    good = rng.uniform(0, top, kept.size) < chosen[cells.owner[voxel]]
    good &= (cells.distance_nm[voxel] > margin_nm) & ~canvas.occupied[voxel]
    return places[kept[good]]


def thin_out(points: np.ndarray, gap_nm: float | np.ndarray) -> np.ndarray:
    """Indices of a subset in which no two points are closer than ``gap_nm``; earlier points win."""
    kept = np.ones(len(points), bool)
    if len(points) > 1:
        pairs = cKDTree(points).query_pairs(gap_nm, output_type="ndarray")
        for a, b in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
            if kept[a]:
                kept[b] = False
    return np.flatnonzero(kept)


def vesicles(
    canvas: Canvas, style: TissueStyle, rng: np.random.Generator, points: np.ndarray, dense_core: float = 0.03
) -> None:
    """Spherical shells of 36-48 nm outer diameter; a few are larger and have a dense core."""
    cored = rng.uniform(size=len(points)) < dense_core
    radius = np.where(cored, rng.normal(38, 5, len(points)), rng.normal(20.5, 1.6, len(points))).astype(np.float32)
    shell = np.zeros(canvas.value.size, np.float32)
    lumen = np.zeros(canvas.value.size, np.float32)
    core = np.zeros(canvas.value.size, np.float32)
    for which in (~cored, cored):
        chosen = np.flatnonzero(which)
        if not chosen.size:
            continue
        reach = float(radius[chosen].max()) + 2.5 * canvas.blur_nm + canvas.thickness_nm / 3
        for part, index, (z, y, x) in canvas.stamps(points[chosen], reach):
            r = radius[chosen[part]][:, None, None, None]
            far = np.sqrt(z * z + y * y + x * x) + np.float32(1e-3)
            blur = canvas.smear(np.clip(z / far, -1, 1))
            depth = r - far
            np.maximum.at(shell, index, line(depth, 0.0, 6.5, blur))
            np.maximum.at(lumen, index, fill(depth, 3.0, blur))
            if which is cored:
                np.maximum.at(core, index, fill(depth, 13.0, blur))
    everywhere = (slice(None),) * 3
    light = min(style.cytoplasm + 0.05, 0.97)
    canvas.blend(everywhere, 0.6 * lumen.reshape(canvas.shape), light)
    canvas.blend(everywhere, 0.8 * shell.reshape(canvas.shape), style.membrane + 0.05)
    canvas.blend(everywhere, 0.9 * core.reshape(canvas.shape), style.membrane)


def microtubules(
    canvas: Canvas, cells: Territories, style: TissueStyle, rng: np.random.Generator, labels: list[int]
) -> None:
    """Hollow filaments of 25 nm that follow the course of their process."""
    tracks = []
    for label in labels:
        neurite = cells.neurites[label - 1]
        points, radius = neurite.points, float(np.median(neurite.radii))
        if len(points) < 3:
            continue
        count = rng.poisson(np.clip(3.0 + 110e-6 * radius**2, 2, 45))
        course = np.gradient(points, axis=0)
        course /= np.linalg.norm(course, axis=1, keepdims=True)
        first = np.cross(course, np.eye(3)[np.argmin(np.abs(course.mean(0)))])
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        second = np.cross(course, first)
        spacing = 0.5 * canvas.voxel_nm + 3.0
        arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        fine = np.arange(0, arc[-1], min(spacing, 8.0))
        at = [np.stack([np.interp(fine, arc, v[:, k]) for k in range(3)], -1) for v in (points, first, second)]
        for _ in range(count):
            angle, off = rng.uniform(0, 2 * np.pi), 0.75 * radius * np.sqrt(rng.uniform())
            wave = rng.uniform(0, 6, 2)
            a = off * np.cos(angle) + 14 * np.sin(fine / 500 + wave[0])
            b = off * np.sin(angle) + 14 * np.sin(fine / 600 + wave[1])
            begin, end = np.sort(rng.uniform(-0.3, 1.3, 2)) * arc[-1]
            track = (at[0] + a[:, None] * at[1] + b[:, None] * at[2])[(fine > begin) & (fine < end)]
            if canvas.shape[0] == 1:
                track = track[np.abs(track[:, 0]) < 30 + canvas.thickness_nm]
            kept, voxel = canvas.inside(track)
            track, owner = track[kept], cells.owner[voxel]
            good = (owner == label) & (cells.distance_nm[voxel] > 24) & ~canvas.occupied[voxel]
            tracks.append(track[good])
    if not tracks:
        return
    points = np.concatenate(tracks)
    # Strengths integrate along the filament: points are 8 nm or half a pixel apart, the Gaussian is 10 nm wide.
    canvas.splat(points, 10.5, 0.6, style.membrane)
    canvas.splat(points, 4.5, 0.5, style.cytoplasm)


def ribosomes(canvas: Canvas, style: TissueStyle, rng: np.random.Generator, points: np.ndarray) -> None:
    """Dark grains of 20-25 nm, partly in rosettes."""
    near = points[rng.integers(0, max(len(points), 1), len(points) // 2)] if len(points) else points
    rosette = near + rng.normal(0, 22, near.shape)
    grains = np.concatenate([points, rosette])
    canvas.splat(grains, 9.0, rng.uniform(0.7, 1.5, len(grains)), style.membrane)


def glycogen(canvas: Canvas, style: TissueStyle, rng: np.random.Generator, points: np.ndarray) -> None:
    """Very dark granules of 20-30 nm in glia."""
    canvas.splat(points, 10.0, rng.uniform(1.2, 2.5, len(points)), 0.6 * style.membrane)
