"""Clean pictures to learn from: public electron micrographs, made cleaner than they are, and synthetic ones.

The validation split is fixed here, and no recipe may read it: the last 80 slices of the FIB-SEM block (40
slices are left out between them and the training part), and two images of each SEM folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from mendem.training.shapes import shapes as draw_shapes

#: Names of the SEM images that are kept for validation: the last two of each folder.
SEM_VALIDATION = 2


@dataclass(frozen=True)
class Source:
    """Pictures of one kind, float32, each with mean 0 and variance 1; drawn with probability ``share``."""

    name: str
    share: float
    pictures: list[np.ndarray]


def block_mean(x: np.ndarray, factor: int = 2) -> np.ndarray:
    """Mean over blocks of ``factor`` along every axis; what does not fill a block is cut off."""
    x = x[tuple(slice(0, n - n % factor) for n in x.shape)].astype(np.float32)
    for axis in range(x.ndim):
        shape = (*x.shape[:axis], x.shape[axis] // factor, factor, *x.shape[axis + 1 :])
        x = x.reshape(shape).mean(axis + 1)
    return x


def standardise(x: np.ndarray) -> np.ndarray:
    """Mean 0, variance 1, float32."""
    return ((x - x.mean()) / max(float(x.std()), 1e-6)).astype(np.float32)


def planes(volume: np.ndarray) -> list[np.ndarray]:
    """All sections of a volume along its three axes, scaled alike."""
    volume = standardise(volume)
    return [np.ascontiguousarray(s) for axis in range(3) for s in np.moveaxis(volume, axis, 0)]


def _grey(path: Path) -> np.ndarray:
    x = tifffile.imread(path)
    return x[..., 0] if x.ndim == 3 and x.shape[-1] in (3, 4) else x


def fibsem(folder: Path, split: str) -> list[np.ndarray]:
    """Sections of the FIB-SEM volumes after 2x2x2 means."""
    blocks = sorted((folder / "fibsem_flyem_medulla").glob("validation_sample_*.tif"))
    if split == "validation":
        return planes(block_mean(tifffile.imread(blocks[3])))
    volumes = [tifffile.imread(p) for p in sorted((folder / "fibsem_flyem_medulla").glob("training_sample*.tif"))]
    volumes += [tifffile.imread(blocks[0]), tifffile.imread(blocks[1]), tifffile.imread(blocks[2])[:40]]
    return [s for v in volumes for s in planes(block_mean(v))]


def sem(folder: Path, name: str, split: str, factor: int = 2) -> list[np.ndarray]:
    """SEM images of one folder after means over ``factor`` x ``factor`` pixels."""
    paths = sorted((folder / name).glob("*.tif"))
    paths = paths[-SEM_VALIDATION:] if split == "validation" else paths[:-SEM_VALIDATION]
    return [standardise(block_mean(_grey(p), factor)) for p in paths]


def public_sources(folder: Path, split: str = "train") -> list[Source]:
    """The real pictures below ``folder`` (see its README for licences); ``split`` is "train" or "validation"."""
    sources = [
        Source("fibsem", 0.30, fibsem(folder, split)),
        Source("coatings", 0.15, sem(folder, "sem_nasa_EBC", split)),
        Source("superalloy", 0.10, sem(folder, "sem_nasa_superalloy", split, 3)),
    ]
    if split == "train":
        worm = tifffile.imread(folder / "neubias_ccby" / "c_elegans_em_21x256x256.tif")
        cell = tifffile.imread(folder / "neubias_ccby" / "em_mitochondria_er_8nm.tif")
        sources.append(Source("neubias", 0.10, [standardise(block_mean(s)) for s in (*worm, cell)]))
    return sources


def synthetic_sources(shapes: int, tissue: int) -> list[Source]:
    """``shapes`` pictures of overlapping shapes, and ``tissue`` of simulated neuropil at 4 to 16 nm."""
    sources = [Source("shapes", 0.20, [draw_shapes(seed) for seed in range(shapes)])]
    if tissue:
        from mendem.simulate import tissue_patches

        patches = tissue_patches(tissue, 256, pixel_nm=(4.0, 16.0), seed=1)
        sources.append(Source("tissue", 0.20, [standardise(np.asarray(p.data)) for p in patches]))
    return sources
