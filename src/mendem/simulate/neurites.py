"""Courses of nerve-cell processes through space, and the territory that each one claims on a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

#: Radius range (nm) of each generation of processes, and the share of the free space that it may claim.
#: Widest first: dendrites, boutons and thin dendrites, axons, the finest axons.
GENERATIONS = (
    (380.0, 640.0, 0.13),
    (230.0, 400.0, 0.30),
    (140.0, 230.0, 0.45),
    (85.0, 140.0, 0.55),
    (58.0, 85.0, 0.45),
)

#: Free space farther than this (nm) from every process belongs to glia.
GLIA_GAP_NM = 38.0


@dataclass(frozen=True)
class Neurite:
    """One process: ``points`` (n, 3) zyx in nm, ``radii`` (n,) in nm, and its ``label`` on the coarse grid."""

    label: int
    points: np.ndarray
    radii: np.ndarray


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Gaussian random field of unit variance, correlation length ``sigma`` (pixels); float32, periodic."""
    field = rng.standard_normal(shape, dtype=np.float32)
    # An axis much shorter than sigma would average to a constant: filter it as if it were longer.
    sigmas = [min(sigma, 0.5 * n) if n > 1 else 0.0 for n in shape]
    field = ndimage.gaussian_filter(field, sigmas, mode="wrap", truncate=3.0)
    return field / max(float(field.std()), 1e-12)


def grow(
    rng: np.random.Generator, shape: tuple[int, int, int], voxel_nm: float, scale: float, coherence: float
) -> tuple[np.ndarray, list[Neurite], int]:
    """Fill a coarse grid with processes and glia.

    Processes are persistent random walks with varicosities, isotropic when ``coherence`` is 0 and bundled along
    one direction above. Each generation takes root where the wider ones left room; what is left between them is
    shared by glia and by the nearest process, so that shapes are rounded where they are free and concave where
    they are squeezed.

    Returns
    -------
    labels : (z, y, x) int32, 1-based
    neurites : in the order of their labels
    n_labels : neurites and glia together
    """
    labels = np.zeros(shape, np.int32)
    rough = 0.17 * smooth_noise(rng, shape, 190.0 / voxel_nm) + 0.05 * smooth_noise(rng, shape, 70.0 / voxel_nm)
    rough = np.clip(0.9 + rough, 0.5, 1.4) ** 2
    main = rng.standard_normal(3)
    main /= np.linalg.norm(main)
    neurites: list[Neurite] = []
    for low, high, share in GENERATIONS:
        low, high = low * scale, high * scale
        free = labels == 0
        # Half the resolution is enough to find room, and eight times as fast.
        room = _room(free[::2, ::2, ::2], 2 * voxel_nm)
        for seed_nm, radius in _seeds(rng, room, 2 * voxel_nm, low, high, share * free.sum() / 8):
            label = len(neurites) + 1
            neurite = _walk(rng, label, seed_nm, radius, main * coherence, np.array(shape) * voxel_nm)
            _paint(labels, rough, neurite, voxel_nm)
            neurites.append(neurite)
    gap = _room(labels == 0, voxel_nm) > GLIA_GAP_NM
    glia, n_glia = ndimage.label(gap)
    labels[gap] = glia[gap] + len(neurites)
    _, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    return labels[tuple(nearest)], neurites, len(neurites) + n_glia


def _room(free: np.ndarray, voxel_nm: float) -> np.ndarray:
    """Distance (nm) from each free voxel to what is taken; large everywhere in an empty grid."""
    if free.all():
        return np.full(free.shape, 1e6, np.float32)
    return ndimage.distance_transform_edt(free, sampling=voxel_nm).astype(np.float32)


def _seeds(rng, room, voxel_nm, low, high, budget_voxels):
    """Places and radii, apart from one another, that together claim about ``budget_voxels``."""
    slab = min(room.shape) * voxel_nm
    places = np.flatnonzero(room > 0.75 * low)
    if not places.size:
        return
    # A walk claims roughly a tube across the grid, or one disc where the grid is thinner than the tube.
    typical = 0.5 * (low + high)
    claim = np.pi * typical**2 * min(1.3 * slab, 2500.0) / voxel_nm**3
    count = max(int(np.ceil(3 * budget_voxels / claim)), 4)
    chosen = rng.choice(places, min(count, places.size), replace=False)
    zyx = np.stack(np.unravel_index(chosen, room.shape), -1) + rng.uniform(-0.5, 0.5, (chosen.size, 3))
    radii = low * (high / low) ** rng.beta(1.0, 1.5, chosen.size)
    radii = np.minimum(radii, np.maximum(room.ravel()[chosen], low))
    points = zyx * voxel_nm
    kept = np.ones(len(points), bool)
    for a, b in sorted(cKDTree(points).query_pairs(2 * radii.max())):
        if kept[a] and kept[b] and np.linalg.norm(points[a] - points[b]) < radii[a] + radii[b]:
            kept[b] = False
    claimed = 0.0
    for i in np.flatnonzero(kept):
        claim = min(np.pi * radii[i] ** 2 * min(1.3 * slab, 2500.0) / voxel_nm**3, room.size)
        # In a small picture the budget is less than one process: then it appears in some pictures, not in all.
        if claimed + claim > budget_voxels and rng.uniform() > (budget_voxels - claimed) / claim:
            return
        claimed += claim
        yield points[i], float(radii[i])


def _walk(rng, label, seed_nm, radius, drift, extent_nm) -> Neurite:
    """A persistent random walk both ways from the seed, until it is well outside the grid."""
    step = np.clip(0.35 * radius, 25.0, 120.0)
    reach = min(float(np.linalg.norm(extent_nm)), 4000.0)
    count = int(reach / step) + 2
    start = rng.standard_normal(3) + drift * rng.choice([-1.0, 1.0])
    start /= np.linalg.norm(start)
    halves = []
    for sign in (-1.0, 1.0):
        # Thin axons wander more than dendrites do: persistence grows with calibre.
        turn = rng.standard_normal((count, 3)) * np.sqrt(step / (900.0 + 4.0 * radius))
        course = np.cumsum(np.vstack([sign * start, turn]), 0)
        course /= np.linalg.norm(course, axis=1, keepdims=True)
        halves.append(seed_nm + np.cumsum(course * step, 0))
    points = np.vstack([halves[0][::-1], seed_nm, halves[1]])
    arc = np.arange(len(points)) * step
    knots = np.arange(0.0, arc[-1] + 800.0, 400.0)
    swell = 0.12 * np.interp(arc, knots, rng.standard_normal(knots.size))
    if radius < 240:
        for centre in rng.uniform(0, arc[-1], rng.poisson(arc[-1] / 2600.0)):
            swell += rng.uniform(0.4, 1.6) * np.exp(-0.5 * ((arc - centre) / rng.uniform(180, 320)) ** 2)
    radii = radius * np.exp(np.clip(swell, -0.6, 1.3))
    near = np.all((points > -600.0) & (points < extent_nm + 600.0), axis=1)
    # Keep the stretch around the seed that never leaves the neighbourhood of the grid.
    middle = len(halves[0])
    gone = np.flatnonzero(~near)
    first = gone[gone < middle].max(initial=-1) + 1
    last = gone[gone > middle].min(initial=len(points))
    return Neurite(label, points[first:last].astype(np.float32), radii[first:last].astype(np.float32))


def _paint(labels: np.ndarray, rough: np.ndarray, neurite: Neurite, voxel_nm: float) -> None:
    """Claim the free voxels inside a roughened tube of spheres."""
    points, radii = neurite.points / voxel_nm, neurite.radii / voxel_nm
    low = np.maximum(np.floor(points - 1.4 * radii[:, None]), 0).astype(int)
    high = np.minimum(np.ceil(points + 1.4 * radii[:, None]) + 1, labels.shape).astype(int)
    for i in np.flatnonzero((high > low).all(1)):
        box = tuple(slice(a, b) for a, b in zip(low[i], high[i], strict=True))
        z, y, x = (np.arange(a, b, dtype=np.float32) - p for a, b, p in zip(low[i], high[i], points[i], strict=True))
        far = (z * z)[:, None, None] + (y * y)[:, None] + x * x
        view = labels[box]
        view[(far < rough[box] * radii[i] ** 2) & (view == 0)] = neurite.label
