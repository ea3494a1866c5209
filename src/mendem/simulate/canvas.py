"""What organelles are drawn on: brightness on a grid, with anti-aliased membranes and fillings."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

Box = tuple[slice, slice, slice]


def line(depth_nm: np.ndarray, inner_nm: float, outer_nm: float, blur_nm: float | np.ndarray) -> np.ndarray:
    """Coverage (0…1) of a layer between two depths, blurred by a Gaussian of standard deviation ``blur_nm``."""
    scale = np.float32(1.0) / (np.float32(np.sqrt(2.0)) * np.asarray(blur_nm, np.float32))
    return 0.5 * (erf((depth_nm - np.float32(inner_nm)) * scale) - erf((depth_nm - np.float32(outer_nm)) * scale))


def fill(depth_nm: np.ndarray, edge_nm: float, blur_nm: float | np.ndarray) -> np.ndarray:
    """Coverage (0…1) of what is deeper than ``edge_nm``."""
    return 0.5 * (1.0 + erf((depth_nm - np.float32(edge_nm)) / (np.float32(np.sqrt(2.0)) * blur_nm)))


class Canvas:
    """Brightness (0 black … 1 white) of a grid of voxels, and which of them hold an organelle already.

    Parameters
    ----------
    shape
        (nz, ny, nx); ``nz`` is 1 for a section.
    voxel_nm
        Edge of a voxel.
    thickness_nm
        Depth that contributes to a section: what runs obliquely through it is smeared. 0 for volumes.
    blur_nm
        Standard deviation of the point-spread function, pixel aperture included.
    """

    def __init__(self, shape: tuple[int, int, int], voxel_nm: float, thickness_nm: float, blur_nm: float) -> None:
        self.value = np.ones(shape, np.float32)
        self.occupied = np.zeros(shape, bool)
        self.voxel_nm = voxel_nm
        self.thickness_nm = thickness_nm
        self.blur_nm = blur_nm

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.value.shape

    @property
    def extent_nm(self) -> np.ndarray:
        return np.array(self.shape) * self.voxel_nm

    def box(self, low_nm: np.ndarray, high_nm: np.ndarray) -> Box | None:
        """The part of the grid between two corners, or None where they miss it."""
        low = np.maximum(np.floor(np.asarray(low_nm) / self.voxel_nm).astype(int), 0)
        high = np.minimum(np.ceil(np.asarray(high_nm) / self.voxel_nm).astype(int) + 1, self.shape)
        if np.any(high <= low):
            return None
        z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return z, y, x

    def coordinates(self, box: Box) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Open grid of zyx positions (nm) in a box."""
        z, y, x = (np.arange(s.start, s.stop, dtype=np.float32) * np.float32(self.voxel_nm) for s in box)
        return z[:, None, None], y[:, None], x

    def smear(self, slope_z: np.ndarray | float) -> np.ndarray | float:
        """Blur (nm) of a surface whose distance changes by ``slope_z`` per nm of depth."""
        if not self.thickness_nm:
            return self.blur_nm
        return np.sqrt(self.blur_nm**2 + (self.thickness_nm * np.asarray(slope_z, np.float32)) ** 2 / 12.0)

    def blend(self, box: Box, coverage: np.ndarray, level: float | np.ndarray) -> None:
        """Lay brightness ``level`` over a box, as far as ``coverage`` says."""
        view = self.value[box]
        view += coverage * (level - view)

    def inside(self, points_nm: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Indices of the points within the grid (for a section: at any depth), and their voxels."""
        voxel = np.rint(points_nm / self.voxel_nm).astype(int)
        if self.shape[0] == 1:
            voxel[:, 0] = 0
        kept = np.flatnonzero(((voxel >= 0) & (voxel < self.shape)).all(1))
        return kept, tuple(voxel[kept].T)

    def splat(self, points_nm: np.ndarray, sigma_nm: float, strength: float | np.ndarray, level: float) -> None:
        """Small soft grains: each point a Gaussian of peak ``strength`` before blurring, towards ``level``."""
        wide = float(np.hypot(sigma_nm, self.blur_nm))
        deep = np.sqrt(wide**2 + self.thickness_nm**2 / 12.0)
        loss = (sigma_nm / wide) ** 2 * (sigma_nm / deep)
        density = np.zeros(self.shape, np.float32)
        strength = np.broadcast_to(np.asarray(strength, np.float32), len(points_nm))
        for part, index, (z, y, x) in self.stamps(points_nm, 2.6 * max(wide, 0.6 * deep)):
            bump = np.exp(-0.5 * ((z / deep) ** 2 + (y / wide) ** 2 + (x / wide) ** 2))
            np.add.at(density.reshape(-1), index, bump * (strength[part] * loss)[:, None, None, None])
        self.blend((slice(None),) * 3, 1.0 - np.exp(-density), level)

    def stamps(self, points_nm: np.ndarray, reach_nm: float, per_batch: int = 2_000_000):
        """Small neighbourhoods of many points, in batches.

        Yields
        ------
        part : indices of the points
        index : flat voxel indices (n, kz, ky, kx)
        offsets : zyx positions (nm) relative to the point, broadcastable to ``index``
        """
        half = np.array([0 if n == 1 else int(np.ceil(reach_nm / self.voxel_nm)) for n in self.shape])
        size = 2 * half + 1
        near = np.all((points_nm > -reach_nm) & (points_nm < self.extent_nm + reach_nm), axis=1)
        chosen = np.flatnonzero(near)
        step = max(per_batch // int(size.prod()), 1)
        strides = (self.shape[1] * self.shape[2], self.shape[2], 1)
        for start in range(0, chosen.size, step):
            part = chosen[start : start + step]
            centre = np.rint(points_nm[part] / self.voxel_nm).astype(int)
            centre[:, 0] = 0 if self.shape[0] == 1 else centre[:, 0]
            offsets, index = [], 0
            for axis in range(3):
                voxel = centre[:, axis, None] + np.arange(-half[axis], half[axis] + 1)
                place = [len(part), 1, 1, 1]
                place[axis + 1] = size[axis]
                gap = voxel * self.voxel_nm - points_nm[part, axis, None]
                # Voxels beyond the edge fold onto it, so far away that nothing is drawn there.
                gap = np.where((voxel >= 0) & (voxel < self.shape[axis]), gap, 1e6)
                offsets.append(gap.astype(np.float32).reshape(place))
                index = index + np.clip(voxel, 0, self.shape[axis] - 1).reshape(place) * strides[axis]
            yield part, index, offsets
