"""The images of the benchmarks. Truths are scaled so that their 1st and 99th percentile are grey levels 32 and 224."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.noise import white_db2

#: Pictures with added noise are cut to this side: BM3D takes seconds for each.
SIDE = 256


#: Range of a truth in grey levels, from its 1st to its 99th percentile.
RANGE = 192.0
#: Real truths are smoothed a little after binning, against the noise of their own, in pixels.
SMOOTHED = 0.5


@dataclass(frozen=True)
class Picture:
    """A truth, float64, where it is from, and the standard deviation of its own noise over its range."""

    group: str
    name: str
    truth: np.ndarray
    own_noise: float


def scaled(x: np.ndarray) -> np.ndarray:
    """The middle of a picture, in the grey levels of these benchmarks."""
    top, left = ((n - min(n, SIDE)) // 2 for n in x.shape)
    x = x[top : top + SIDE, left : left + SIDE].astype(np.float64)
    low, high = np.percentile(x, [1, 99])
    return 32 + RANGE * (x - low) / (high - low)


def real(group: str, name: str, x: np.ndarray) -> Picture:
    """A micrograph as a truth; its own noise is estimated before the smoothing, and what that leaves of it is kept."""
    impulse = np.zeros((15, 15))
    impulse[7, 7] = 1
    left = float(np.sqrt((gaussian_filter(impulse, SMOOTHED) ** 2).sum()))
    smooth = gaussian_filter(x.astype(np.float64), SMOOTHED)
    low, high = np.percentile(smooth, [1, 99])
    return Picture(group, name, scaled(smooth), left * white_db2(x.astype(np.float64)) / (high - low))


def real_pair(data: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Short and long dwell of one place, as they are (uint8); None where the folder is absent."""
    import tifffile

    found = [sorted((data / "demo" / "sem_pair_emdiffuse").glob(f"{kind}_*.tif")) for kind in ("Input", "GT")]
    return (tifffile.imread(found[0][0]), tifffile.imread(found[1][0])) if all(found) else None


def held_out(data: Path) -> list[Picture]:
    """Validation images that no recipe reads, binned until their own noise is small (see `mendem.training.pool`)."""
    from mendem.training.pool import public_sources

    if not (data / "train").is_dir():
        return []
    pictures = []
    for source in public_sources(data / "train", split="validation"):
        large = [p for p in source.pictures if min(p.shape) >= 128]
        some = large[:: max(1, len(large) // 2)][:2]
        pictures += [real("held-out images", f"{source.name} {i}", p) for i, p in enumerate(some)]
    return pictures


def other_instruments(data: Path) -> list[Picture]:
    """Tissues, materials and instruments that no recipe reads, binned 2x against their own noise."""
    import tifffile

    from mendem.training.pool import block_mean

    names = {
        "cryo-FIB-SEM": "fibsem_quoll_042_256_3.37nm.tif",
        "mouse liver, FIB-SEM": "emdiffuse_mouse_liver_demo_0.tif",
        "mouse cortex, ssTEM": "emdiffuse_microns_demo_0.tif",
        "LSHR alloy, SEM": "sem_nasa_lshr_15kx_3kv_0.tif",
        "mouse brain, SEM": "sem_pair_emdiffuse/GT_53_Brain__4w_08_1.tif",
    }
    found = {name: data / "demo" / path for name, path in names.items() if (data / "demo" / path).is_file()}
    return [
        real("other instruments", name, block_mean(np.squeeze(tifffile.imread(path)))) for name, path in found.items()
    ]


def simulated_tissue(count: int = 2) -> list[Picture]:
    """Synthetic neuropil: the only truths here without any noise of their own."""
    from mendem.simulate import tissue_image

    return [
        Picture("simulated tissue", f"seed {seed}, {nm:g} nm", scaled(tissue_image((SIDE, SIDE), nm, seed).data), 0.0)
        for seed, nm in zip(range(101, 101 + count), (5.0, 8.0, 12.0), strict=False)
    ]
