"""Clean pictures to learn from: public electron micrographs, made cleaner than they are, and synthetic ones.

The validation split is fixed here, and no recipe may read it: the last 80 slices of the FIB-SEM block (40
slices are left out between them and the training part), and two images of each SEM folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mendem.errors import MendemError

#: Names of the SEM images that are kept for validation: the last two of each folder.
SEM_VALIDATION = 2
#: What the real pictures become: means over blocks, as they are, or means of two neighbouring sections.
TARGETS = ("binned", "raw", "neighbours")
#: One in so many means of neighbouring sections is kept: each axis needs pictures of its own.
NEIGHBOURS_EVERY = 4


@dataclass(frozen=True)
class Source:
    """Pictures of one kind, drawn with probability ``share``.

    ``arrays`` are pictures (H, W), or volumes (Z, H, W) whose sections along all three axes are pictures; float32,
    each with mean 0 and variance 1.
    """

    name: str
    share: float
    arrays: list[np.ndarray]

    @property
    def pictures(self) -> list[np.ndarray]:
        """All pictures, (H, W), as views."""
        return [s for a in self.arrays for s in (planes(a) if a.ndim == 3 else [a])]


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
    """All sections of a volume along its three axes, as views."""
    return [s for axis in range(3) for s in np.moveaxis(volume, axis, 0)]


def neighbour_means(volume: np.ndarray) -> list[np.ndarray]:
    """Means of two neighbouring sections along each axis: less noise, no coarser pixels, a little blur across."""
    means = []
    for axis in range(3):
        sections = np.moveaxis(volume, axis, 0)
        means += [
            (sections[i].astype(np.float32) + sections[i + 1]) / 2
            for i in range(0, len(sections) - 1, NEIGHBOURS_EVERY)
        ]
    return means


def _read(path: Path) -> np.ndarray:
    import tifffile

    return tifffile.imread(path)


def _grey(path: Path) -> np.ndarray:
    x = _read(path)
    return x[..., 0] if x.ndim == 3 and x.shape[-1] in (3, 4) else x


def fibsem(folder: Path, split: str, targets: str = "binned") -> list[np.ndarray]:
    """The FIB-SEM volumes; their sections where ``targets`` are means of neighbours."""
    blocks = sorted((folder / "fibsem_flyem_medulla").glob("validation_sample_*.tif"))
    if split == "validation":
        volumes = [_read(blocks[3])]
    else:
        volumes = [_read(p) for p in sorted((folder / "fibsem_flyem_medulla").glob("training_sample*.tif"))]
        volumes += [_read(blocks[0]), _read(blocks[1]), _read(blocks[2])[:40]]
    if targets == "neighbours":
        return [standardise(s) for v in volumes for s in neighbour_means(v)]
    return [standardise(block_mean(v, 2 if targets == "binned" else 1)) for v in volumes]


def sem(folder: Path, name: str, split: str, factor: int = 2) -> list[np.ndarray]:
    """SEM images of one folder after means over ``factor`` x ``factor`` pixels."""
    paths = sorted((folder / name).glob("*.tif"))
    paths = paths[-SEM_VALIDATION:] if split == "validation" else paths[:-SEM_VALIDATION]
    return [standardise(block_mean(_grey(p), factor)) for p in paths]


def public_sources(folder: Path, split: str = "train", targets: str = "binned") -> list[Source]:
    """The real pictures below ``folder`` (see its README for licences); ``split`` is "train" or "validation".

    ``targets`` is one of `TARGETS`; images without neighbouring sections are binned in place of their mean.
    """
    if targets not in TARGETS:
        raise MendemError(f"targets is {targets!r}; use one of {', '.join(TARGETS)}")
    binned = targets != "raw"
    sources = [
        Source("fibsem", 0.30, fibsem(folder, split, targets)),
        Source("coatings", 0.15, sem(folder, "sem_nasa_EBC", split, 2 if binned else 1)),
        Source("superalloy", 0.10, sem(folder, "sem_nasa_superalloy", split, 3 if binned else 1)),
    ]
    if split == "train":
        worm = _read(folder / "neubias_ccby" / "c_elegans_em_21x256x256.tif")
        cell = _read(folder / "neubias_ccby" / "em_mitochondria_er_8nm.tif")
        pictures = [standardise(block_mean(s, 2 if binned else 1)) for s in (*worm, cell)]
        sources.append(Source("neubias", 0.10, pictures))
    return sources


def synthetic_sources(shapes: int, tissue: int) -> list[Source]:
    """``shapes`` pictures of overlapping shapes, and ``tissue`` of simulated neuropil at 4 to 16 nm."""
    from mendem.training.shapes import shapes as draw_shapes

    sources = [Source("shapes", 0.20, [draw_shapes(seed) for seed in range(shapes)])]
    if tissue:
        from mendem.simulate import tissue_patches

        patches = tissue_patches(tissue, 256, pixel_nm=(4.0, 16.0), seed=1)
        sources.append(Source("tissue", 0.20, [standardise(np.asarray(p.data)) for p in patches]))
    return sources


def volume_sources(folder: Path, count: int, split: str = "train") -> list[Source]:
    """The FIB-SEM volumes as they were recorded, and ``count`` simulated ones of neuropil at 4 to 14 nm."""
    from mendem.simulate import tissue_volume

    sizes = [float(np.exp(np.random.default_rng(i).uniform(np.log(4), np.log(14)))) for i in range(count)]
    drawn = [tissue_volume((112,) * 3, size, 1000 + i).data for i, size in enumerate(sizes)]
    sources = [
        Source("recorded volumes", 0.20, fibsem(folder, split, "raw")),
        Source("simulated volumes", 0.25, [standardise(np.asarray(v)) for v in drawn]),
    ]
    return [s for s in sources if s.arrays]


def phantom_source(folder: Path, count: int) -> Source:
    """``count`` crowds of projected macromolecules, from the densities below ``folder``."""
    if not count:
        return Source("phantoms", 0.08, [])
    from mendem.training.phantoms import crowd, projections

    views = projections(folder / "density_templates_polnet")
    return Source("phantoms", 0.08, [crowd(views, seed) for seed in range(count)] if views else [])
