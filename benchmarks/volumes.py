"""Volumes with a truth, and what a microscope with coarse sections would have recorded of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: Columns of the held-out block from this on: those before it fit the calibration of the spread.
SCORED = 136
#: Voxels of a scored part: along the coarse axis, and the other two.
PART = (160, 64, 128)


@dataclass(frozen=True)
class Truth:
    """A volume (z, y, x), float32, grey levels; z is the axis that is made coarse."""

    group: str
    name: str
    data: np.ndarray


@dataclass(frozen=True)
class Sampling:
    """How sections are taken: their distance and thickness in planes; one plane is skipped sampling."""

    kind: str
    spacing: int
    width: int

    @property
    def name(self) -> str:
        """In words."""
        both = f", {self.width} planes thick" if self.kind == "both" else ""
        return f"{self.kind}, {self.spacing}x{both}"

    def record(self, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sections, and the planes from the first to the last measured one."""
        count = (len(truth) - self.width) // self.spacing + 1
        first = np.arange(count) * self.spacing
        sections = np.stack([truth[i : i + self.width].mean(0, dtype=np.float64) for i in first]).astype(np.float32)
        return sections, truth[: first[-1] + self.width]

    def interpolated(self, sections: np.ndarray, order: int) -> np.ndarray:
        """What a spline of this order (1 linear, 3 cubic) makes of the sections, at the planes' own places."""
        from scipy.ndimage import map_coordinates

        planes = (len(sections) - 1) * self.spacing + self.width
        places = np.clip((np.arange(planes) - (self.width - 1) / 2) / self.spacing, 0, len(sections) - 1)
        grid = np.meshgrid(places, *(np.arange(n) for n in sections.shape[1:]), indexing="ij", sparse=False)
        return map_coordinates(sections, grid, order=order, mode="nearest")


SAMPLINGS = (
    Sampling("average", 4, 4), Sampling("average", 8, 8), Sampling("skip", 4, 1), Sampling("skip", 8, 1),
    Sampling("both", 8, 4),
)  # fmt: skip


def truths(data: Path) -> Iterator[Truth]:
    """The held-out FIB-SEM block, as recorded and as means over 2 x 2 x 2, along two axes; and simulated neuropil."""
    import tifffile

    from mendem.simulate import tissue_volume
    from mendem.training.pool import block_mean

    path = data / "train" / "fibsem_flyem_medulla" / "validation_sample_z3730-3809_10nm.tif"
    if path.is_file():
        raw = tifffile.imread(path).astype(np.float32)[..., SCORED:]
        for name, volume in (("raw, 10 nm", raw), ("binned, 20 nm", block_mean(raw))):
            for axis, order in (("y", (1, 0, 2)), ("x", (2, 0, 1))):
                yield Truth("held-out fly, FIB-SEM", f"{name}, coarse along {axis}", _part(volume.transpose(order)))
    for seed, size in ((700_001, 8.0), (700_002, 5.0)):
        volume = 32 + 192 * np.asarray(tissue_volume(PART, size, seed).data)
        yield Truth("simulated tissue", f"seed {seed}, {size:g} nm", volume.astype(np.float32))


def _part(volume: np.ndarray) -> np.ndarray:
    """The middle of a volume, at most `PART` voxels."""
    starts = [max(0, (n - most) // 2) for n, most in zip(volume.shape, PART, strict=True)]
    return np.ascontiguousarray(volume[tuple(slice(s, s + most) for s, most in zip(starts, PART, strict=True))])


def shaken(sections: np.ndarray, seed: int, jitter: float = 1.0, contrast: float = 0.05) -> np.ndarray:
    """Sections moved by ``jitter`` pixels rms along y and x, their contrast and brightness changed by ``contrast`` rms.

    Brightness changes in shares of the range from the 1st to the 99th percentile.
    """
    from scipy.ndimage import shift

    rng = np.random.default_rng(seed)
    low, high = np.percentile(sections, [1, 99])
    middle = (low + high) / 2
    out = np.empty_like(sections)
    for i, section in enumerate(sections):
        moved = shift(section, rng.normal(0, jitter, 2), order=3, mode="reflect")
        out[i] = middle + (moved - middle) * np.exp(rng.normal(0, contrast)) + rng.normal(0, contrast) * (high - low)
    return out


def texture(volume: np.ndarray) -> tuple[float, float, float]:
    """Mean absolute difference of neighbours along z, along y and along x."""
    along = [float(np.abs(np.diff(volume.astype(np.float64), axis=axis)).mean()) for axis in range(3)]
    return along[0], along[1], along[2]
