"""Smooth cell outlines: from coarse labels to sub-pixel signed distances on the image grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse
from scipy.special import erfinv

from mendem.simulate.neurites import Neurite, grow

#: Width (nm) of the Gaussian that rounds the outlines; the signed distance is exact to about 2.5 times this.
ROUNDING_NM = 22.0

#: Width (nm) of the diffusion that first takes wrinkles out of the coarse labels.
RELAXING_NM = 42.0


@dataclass(frozen=True)
class Territories:
    """Which cell owns each voxel, and how far away its border is.

    Fine arrays have the shape of the image grid (nz, ny, nx); ``nz`` is 1 for a micrograph.

    Parameters
    ----------
    owner
        1-based label of the cell, int32.
    distance_nm
        Signed distance to the border halfway between two cells: positive inside the owner, negative in the
        corners that no cell fills. Saturates near 80 nm.
    slope_z
        Derivative of the distance along z: how steeply the membrane is cut. Zero for volumes, where sections
        have no thickness.
    neurites, n_cells
        The processes (labels 1…len) and the number of labels, glia included.
    """

    owner: np.ndarray
    distance_nm: np.ndarray
    slope_z: np.ndarray | None
    neurites: list[Neurite]
    n_cells: int


def territories(
    rng: np.random.Generator, shape: tuple[int, int, int], voxel_nm: float, scale: float = 1.0, coherence: float = 0.3
) -> Territories:
    """Divide a grid among cells with smooth, rounded borders.

    The coarse labels are diffused and compared (one step of Merriman, Bence & Osher, 1992: motion by mean
    curvature); a diffused flat border is an error function of the distance, so its inverse gives the distance
    with sub-pixel accuracy at any pixel size. Cells that are not neighbours share one of a few colours, and one
    diffusion serves all cells of a colour.
    """
    coarse_nm = float(np.clip(2.0 * voxel_nm, 20.0, 28.0)) * min(max(scale, 1.0), 1.5)
    sigma = max(ROUNDING_NM / coarse_nm, 0.9)
    flat = shape[0] == 1
    pad = np.array([4 if flat else 5, 5, 5])
    origin = -pad * coarse_nm
    inner = np.ceil((np.array(shape) - 1) * voxel_nm / coarse_nm).astype(int)
    depth, height, across = (int(n) for n in inner + 2 * pad + 1)
    coarse_shape = (depth, height, across)
    labels, neurites, n_cells = grow(rng, coarse_shape, coarse_nm, scale, coherence)
    neurites = [Neurite(n.label, n.points + origin.astype(np.float32), n.radii) for n in neurites]
    colours = _colours(labels, n_cells)
    labels = _relax(labels, colours, RELAXING_NM / coarse_nm)

    position = [(np.arange(n) * voxel_nm - o) / coarse_nm for n, o in zip(shape, origin, strict=True)]
    best = np.full(shape, -1.0, np.float32)
    second = np.full(shape, -1.0, np.float32)
    winner = np.zeros(shape, colours.dtype)
    slopes = [np.zeros(shape if flat else (0,), np.float32) for _ in range(2)]
    painted = colours[labels]
    for colour in range(int(colours.max()) + 1):
        share, share_z = _diffuse(painted == colour, sigma, int(pad[0]) if flat else None)
        fine = _resample(share, position, flat)
        wins, places = fine > best, fine > second
        np.copyto(second, np.where(wins, best, fine), where=places)
        np.copyto(best, fine, where=wins)
        winner[wins] = colour
        if share_z is not None:
            fine_z = _resample(share_z, position, flat)
            np.copyto(slopes[1], np.where(wins, slopes[0], fine_z), where=places)
            np.copyto(slopes[0], fine_z, where=wins)
    owner = _nearby(labels, colours, winner, [np.rint(p).astype(int) for p in position])
    # With best - second alone, three cells meet in a point; the term 2 best - 1 opens the corner between them.
    contrast = 0.75 * (best - second) + 0.25 * (2.0 * best - 1.0)
    width = np.float32(np.sqrt(2.0) * sigma * coarse_nm)
    scaled = erfinv(np.clip(contrast, -0.9995, 0.9995)).astype(np.float32)
    slope_z = None
    if flat:
        # d(distance)/dz by the chain rule through the inverse error function.
        rate = 0.75 * (slopes[0] - slopes[1]) + 0.5 * slopes[0]
        slope_z = np.clip(rate * width * np.sqrt(np.pi) / 2 * np.exp(scaled**2) / coarse_nm, -1.0, 1.0)
    return Territories(owner, width * scaled, slope_z, neurites, n_cells)


def _relax(labels: np.ndarray, colours: np.ndarray, sigma: float) -> np.ndarray:
    """One step of motion by mean curvature on the coarse grid."""
    best = np.zeros(labels.shape, np.float32)
    winner = np.zeros(labels.shape, colours.dtype)
    painted = colours[labels]
    for colour in range(int(colours.max()) + 1):
        share = (painted == colour).astype(np.float32)
        for _ in range(2):
            share = ndimage.uniform_filter(share, 2 * round(1.2 * sigma) - 1)
        wins = share > best
        np.copyto(best, share, where=wins)
        winner[wins] = colour
    return _nearby(labels, colours, winner, [np.arange(n) for n in labels.shape])


def _nearby(labels: np.ndarray, colours: np.ndarray, winner: np.ndarray, where: list[np.ndarray]) -> np.ndarray:
    """The label of colour ``winner`` nearest to coarse voxel ``where`` (one index array per axis)."""
    found = labels[np.ix_(*where)]
    todo = np.flatnonzero(colours[found] != winner)
    place = [w[i] for w, i in zip(where, np.unravel_index(todo, winner.shape), strict=True)]
    wanted = winner.ravel()[todo]
    reach = range(-2, 3)
    for shift in sorted(((z, y, x) for z in reach for y in reach for x in reach), key=lambda s: sum(c * c for c in s)):
        index = tuple(np.clip(p + s, 0, n - 1) for p, s, n in zip(place, shift, labels.shape, strict=True))
        label = labels[index]
        hit = colours[label] == wanted
        found.reshape(-1)[todo[hit]] = label[hit]
        todo, wanted, place = todo[~hit], wanted[~hit], [p[~hit] for p in place]
        if not todo.size:
            break
    return found


def _colours(labels: np.ndarray, n_cells: int) -> np.ndarray:
    """Greedy colouring: a colour for each label, different wherever two cells come near each other."""
    rows, columns = [], []
    shifts = [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 3), (0, 3, 0), (3, 0, 0)]
    shifts += [(0, 2, 2), (0, 2, -2), (2, 0, 2), (2, 0, -2), (2, 2, 0), (2, -2, 0)]
    for shift in shifts:
        near = labels[tuple(slice(max(-s, 0), n - max(s, 0)) for s, n in zip(shift, labels.shape, strict=True))]
        far = labels[tuple(slice(max(s, 0), n - max(-s, 0)) for s, n in zip(shift, labels.shape, strict=True))]
        differ = near != far
        rows += [near[differ], far[differ]]
        columns += [far[differ], near[differ]]
    i, j = np.concatenate(rows), np.concatenate(columns)
    pairs = np.unique(i.astype(np.int64) * (n_cells + 1) + j)
    graph = sparse.csr_array(
        (np.ones(pairs.size, np.int8), (pairs // (n_cells + 1), pairs % (n_cells + 1))), (n_cells + 1,) * 2
    )
    colour = np.full(n_cells + 1, -1, np.int16)
    for cell in np.argsort(-np.diff(graph.indptr), kind="stable"):
        taken = set(colour[graph.indices[graph.indptr[cell] : graph.indptr[cell + 1]]].tolist())
        colour[cell] = next(c for c in range(n_cells + 2) if c not in taken)
    return colour


def _diffuse(inside: np.ndarray, sigma: float, plane: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Gaussian of an indicator; for one plane, that plane and its derivative along z only."""
    if plane is None:
        return ndimage.gaussian_filter(inside.astype(np.float32), sigma, truncate=3.5), None
    z = np.arange(inside.shape[0]) - plane
    kernel = np.exp(-0.5 * (z / sigma) ** 2)
    kernel /= kernel.sum()
    stack = inside.reshape(len(z), -1).astype(np.float32)
    both = np.stack([kernel, kernel * z / sigma**2]).astype(np.float32) @ stack
    both = ndimage.gaussian_filter(both.reshape(2, *inside.shape[1:]), (0, sigma, sigma), truncate=3.5)
    return both[:1], both[1:]


def _resample(values: np.ndarray, position: list[np.ndarray], flat: bool) -> np.ndarray:
    """Separable cubic B-spline interpolation at the product grid of ``position`` (coarse pixels)."""
    for axis, where in enumerate(position):
        if axis == 0 and flat:
            continue
        values = _resample_axis(values, where, axis)
    return values


def _resample_axis(values: np.ndarray, where: np.ndarray, axis: int) -> np.ndarray:
    spline = ndimage.spline_filter1d(values, 3, axis=axis, output=np.float32, mode="mirror")
    base = np.floor(where).astype(int)
    t = (where - base).astype(np.float32)
    weights = ((1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6)
    n = values.shape[axis]
    rows = np.repeat(np.arange(where.size), 4)
    columns = np.clip(base[:, None] + np.arange(-1, 3), 0, n - 1).ravel()
    matrix = sparse.csr_array((np.stack(weights, -1).ravel(), (rows, columns)), (where.size, n))
    moved = np.moveaxis(spline, axis, 0)
    out = (matrix @ moved.reshape(n, -1)).reshape(where.size, *moved.shape[1:])
    return np.moveaxis(out, 0, axis)
