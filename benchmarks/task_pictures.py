"""The pictures of the section on tasks: clean phantoms, held-out images binned and raw, other instruments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.noise import white_db2
from benchmarks.pictures import Picture, other_instruments, scaled, simulated_tissue

#: Pictures are cut to whole cells of so many pixels.
CELL = 16
#: Seeds of synthetic shapes from here on are never trained on.
FIRST_SEED = 100000
#: Groups that the promised gains are about; on all others the promise is not to be worse.
MAIN_GROUPS = ("simulated tissue", "phantoms", "held-out, binned")
#: Sections across the slices of a volume; one-axis tasks alone are tried on them.
SECTIONS = "FIB-SEM across z"


def groups(data: Path) -> list[Picture]:
    """All pictures, `benchmarks.pictures.SIDE` at the most; of real ones those that the folder has."""
    found = [*simulated_tissue(), *_shapes()]
    if (data / "train").is_dir():
        found += [*_binned(data), *_raw(data), *_sections(data)]
    return found + other_instruments(data)


def cut(picture: Picture, side: int) -> Picture:
    """The middle of a picture, whole cells of it, ``side`` pixels at the most."""
    x = picture.truth
    sides = [min(side, n // CELL * CELL) for n in x.shape]
    top, left = ((n - kept) // 2 for n, kept in zip(x.shape, sides, strict=True))
    return replace(picture, truth=np.ascontiguousarray(x[top : top + sides[0], left : left + sides[1]]))


def _shapes(count: int = 2) -> Iterator[Picture]:
    from mendem.training.shapes import shapes

    for seed in range(FIRST_SEED, FIRST_SEED + count):
        yield Picture("phantoms", f"shapes {seed}", scaled(shapes(seed)), 0.0)


def _as_it_is(group: str, name: str, x: np.ndarray) -> Picture:
    """A micrograph as a truth without smoothing; the noise of its own goes along."""
    x = x.astype(np.float64)
    low, high = np.percentile(x, [1, 99])
    return Picture(group, name, scaled(x), white_db2(x) / (high - low))


def _binned(data: Path) -> Iterator[Picture]:
    from mendem.training.pool import public_sources

    for source in public_sources(data / "train", split="validation"):
        large = [p for p in source.pictures if min(p.shape) >= 128]
        yield _as_it_is("held-out, binned", f"{source.name} 0", large[0])


def _block(data: Path) -> np.ndarray:
    """The held-out FIB-SEM block, (z, y, x) uint8 at 10 nm."""
    import tifffile

    return tifffile.imread(sorted((data / "train" / "fibsem_flyem_medulla").glob("validation_sample_*.tif"))[3])


def _raw(data: Path) -> Iterator[Picture]:
    import tifffile

    yield _as_it_is("held-out, raw", "fibsem slice 0", _block(data)[0])
    for folder, name in (("sem_nasa_EBC", "coatings"), ("sem_nasa_superalloy", "superalloy")):
        path = sorted((data / "train" / folder).glob("*.tif"))[-2]
        x = tifffile.imread(path)
        yield _as_it_is("held-out, raw", f"{name} 0", x[..., 0] if x.ndim == 3 else x)


def _sections(data: Path) -> Iterator[Picture]:
    from mendem.training.pool import block_mean

    raw = _block(data)
    binned = block_mean(raw)
    yield _as_it_is(SECTIONS, "xz, binned", binned[:, 100])
    yield _as_it_is(SECTIONS, "yz, binned", binned[:, :, 100])
    yield _as_it_is(SECTIONS, "xz, raw", raw[:, 200])
