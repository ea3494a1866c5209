"""A volume in which molecules are placed until it is crowded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from mendem.simulate.tilt_density import Density, Species


class Specimen:
    """Values on a grid of voxels, and which of them are taken.

    Attributes
    ----------
    values
        (z, y, x) float32: what is there beyond the solvent.
    taken
        (z, y, x) bool.
    """

    def __init__(self, shape: tuple[int, int, int], voxel_nm: float) -> None:
        self.values = np.zeros(shape, np.float32)
        self.taken = np.zeros(shape, bool)
        self.voxel_nm = voxel_nm

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def grid(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Open grid of zyx positions in nm, from the middle of the volume."""
        z, y, x = ((np.arange(n, dtype=np.float32) - (n - 1) / 2) * np.float32(self.voxel_nm) for n in self.shape)
        return z[:, None, None], y[None, :, None], x[None, None]

    def place(self, what: Density, at: np.ndarray, level: float, force: bool = False) -> bool:
        """Add a density with its middle at voxel ``at``, cut at the edges; false where something is there already."""
        half = what.values.shape[0] // 2
        low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, self.shape)
        if (high <= low).any():
            return False
        z, y, x = (slice(a, b) for a, b in zip(low, high, strict=True))
        part = tuple(slice(a, b) for a, b in zip(low - at + half, high - at + half, strict=True))
        body = what.body[part]
        if not force and (self.taken[z, y, x] & body).any():
            return False
        self.values[z, y, x] += np.float32(level) * what.values[part]
        self.taken[z, y, x] |= body
        return True

    def crowd(
        self, rng: np.random.Generator, species: Sequence[Species], room: np.ndarray, fraction: float, level: float
    ) -> int:
        """Fill ``fraction`` of the voxels of ``room`` (bool) with molecules, the largest first; how many were placed.

        Random sequential insertion: a molecule that would overlap another is tried at another place, a few times.
        """
        sizes = np.array([np.mean([v.body.sum() for v in s.views]) for s in species])
        shares = np.array([s.share for s in species])
        free = np.flatnonzero(room & ~self.taken)
        wanted = fraction * len(free) * shares / (shares * sizes).sum() if len(free) else 0 * shares
        placed = 0
        for i in np.argsort(-sizes):
            views, tries = species[i].views, rng.poisson(wanted[i])
            left = tries
            for index in rng.choice(free, 4 * tries) if tries else ():
                if not left:
                    break
                at = np.array(np.unravel_index(index, self.shape))
                if self.place(views[rng.integers(len(views))], at, level):
                    left -= 1
            placed += tries - left
        return placed


def smooth_field(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Gaussian noise of unit variance whose features are about ``scale`` voxels (standard deviation of the filter)."""
    coarse = max(1.0, scale / 2)
    small = tuple(int(np.ceil(n / coarse)) + 6 for n in shape)
    noise = ndimage.gaussian_filter(rng.standard_normal(small).astype(np.float32), scale / coarse, mode="wrap")
    noise /= max(float(noise.std()), 1e-12)
    if coarse > 1:
        noise = ndimage.zoom(noise, coarse, order=1)
    return noise[tuple(slice(0, n) for n in shape)]
