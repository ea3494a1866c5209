"""Does the prior know what it does not know? Novelty and risk against the error, and mouse and cryo against fly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np

from benchmarks import ours
from benchmarks.noise import corrupt
from benchmarks.pictures import Picture, held_out, other_instruments, real, simulated_tissue
from benchmarks.settings import Settings
from benchmarks.tables import table

#: White noise over the truth's range.
LEVEL = 0.10
#: Side of a crop, and how many crops of held-out fly tissue.
CROP, FLY = 128, 24
FLY_GROUP = "fly, held out"
#: What is to be told from fly.
MOUSE_OR_CRYO = ("mouse liver, FIB-SEM", "mouse cortex, ssTEM", "mouse brain, SEM", "cryo-FIB-SEM", "cryo-ET")


def pictures(data: Path) -> list[Picture]:
    """Whole pictures of the other sections, and crops by tissue and instrument; no recipe reads any of them."""
    whole = [*held_out(data), *other_instruments(data), *simulated_tissue(3)]
    return [*whole, *_fly(data), *_demo(data), *_density(data)]


def _crops(group: str, name: str, x: np.ndarray, most: int = 6) -> list[Picture]:
    side = min(CROP, *x.shape)
    corners = [(y, x0) for y in range(0, x.shape[0] - side + 1, side) for x0 in range(0, x.shape[1] - side + 1, side)]
    some = corners[:: max(1, len(corners) // most)][:most]
    return [real(group, f"{name} at {y}, {x0}", x[y : y + side, x0 : x0 + side]) for y, x0 in some]


def _fly(data: Path) -> list[Picture]:
    from mendem.training.pool import public_sources

    if not (data / "train").is_dir():
        return []
    sections = next(s for s in public_sources(data / "train", split="validation") if s.name == "fibsem").pictures
    large = [s for s in sections if min(s.shape) >= 2 * CROP]
    some = large[:: max(1, len(large) // (FLY // 4))][: FLY // 4]
    return [p for i, s in enumerate(some) for p in _crops(FLY_GROUP, f"section {i}", s, 4)]


def _demo(data: Path) -> Iterator[Picture]:
    """Crops of the demonstration images, binned 2x, and of what was never trained on because of its kind."""
    import tifffile

    from mendem.training.pool import block_mean

    binned = {
        "mouse liver, FIB-SEM": "demo/emdiffuse_mouse_liver_demo_*.tif",
        "mouse cortex, ssTEM": "demo/emdiffuse_microns_demo_*.tif",
        "mouse brain, SEM": "demo/sem_pair_emdiffuse/GT_*.tif",
        "cryo-FIB-SEM": "demo/fibsem_quoll_*.tif",
        "alloy, SEM": "demo/sem_nasa_lshr_*.tif",
        "graphene, HRTEM": "train/hrtem_graphene_mit/*.tif",
    }
    for group, pattern in binned.items():
        for path in sorted(data.glob(pattern)):
            yield from _crops(group, path.stem, block_mean(np.squeeze(tifffile.imread(path))))
    for path in sorted((data / "train" / "cryoet_microtubule_bsd").glob("*.tif")):
        volume = tifffile.imread(path).astype(np.float32)
        for part, name in ((volume[:12], "first"), (volume[12:24], "middle"), (volume[24:], "last")):
            yield real("cryo-ET", f"{name} 12 sections averaged", part.mean(0))


def _density(data: Path) -> Iterator[Picture]:
    """Slices of EMDB maps through their middles, as they are."""
    from mendem.io import read

    for path in sorted((data / "demo").glob("EMD-*.map")):
        image = read(str(path))
        volume = np.stack([image.read(plane) for plane in range(image.plane_count)]).astype(np.float64)
        for axis in range(3):
            for share in (0.4, 0.5):
                section = np.take(volume, int(share * volume.shape[axis]), axis)
                if min(section.shape) >= 20 and np.subtract(*np.percentile(section, [99, 1])) > 0:
                    yield real("density map", f"{path.stem}, axis {axis} at {share:g}", section)


def run(settings: Settings) -> dict:
    """One row for each picture, and the figures that they give."""
    chosen = pictures(settings.data)
    if settings.quick:
        chosen = chosen[:: max(1, len(chosen) // 16)]
    rows = []
    for i, picture in enumerate(chosen):
        row = _row(settings, picture)
        if row is None:
            return {"skipped": "these weights do not say what their training pictures look like"}
        rows.append(row)
        if i % 10 == 9:
            settings.say(f"{i + 1}/{len(chosen)}")
    return {"rows": rows, **figures(rows)}


def _row(settings: Settings, picture: Picture) -> dict | None:
    rng = np.random.default_rng(crc32(f"{picture.name} {LEVEL}".encode()))
    noisy, std, _, _ = corrupt(picture.truth, "white", LEVEL, rng)
    restoration = ours.restored(noisy.astype(np.float32), "balanced", settings.prior)
    found = restoration.provenance["novelty"]
    if found is None:
        return None
    error = float(np.sqrt(np.mean((ours.pixels(restoration) - picture.truth) ** 2)))
    return {
        "group": picture.group, "picture": picture.name, "novelty": found["novelty"], "risk": found["risk"],
        "differs": found["differs"], "error over std": error / float(picture.truth.std()),
        "error over noise": error / std,
    }  # fmt: skip


def figures(rows: list[dict]) -> dict:
    """Rank correlations of both scores with the error, and how well both tell mouse and cryo from fly."""
    from scipy.stats import spearmanr

    def column(key: str, some: list[dict]) -> np.ndarray:
        return np.array([r[key] for r in some], float)

    fly = [r for r in rows if r["group"] == FLY_GROUP]
    others = [r for r in rows if r["group"] in MOUSE_OR_CRYO]
    found: dict = {"spearman": {}, "AUC": {}}
    for score in ("novelty", "risk"):
        found["spearman"][score] = {
            error: float(spearmanr(column(score, rows), column(error, rows)).statistic)
            for error in ("error over std", "error over noise")
        }
        if fly and others:
            found["AUC"][score] = auc(column(score, fly), column(score, others))
    return found


def auc(negative: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive case scores higher than a negative one; ties count half."""
    above = positive[:, None] - negative[None]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def aims(result: dict) -> list[tuple[str, str, str]]:
    """(aim, measured, met) for each of the two scores."""
    lines = []
    for score in ("novelty", "risk"):
        rank = result["spearman"][score]["error over std"]
        lines.append((f"Spearman of {score} and error at least 0.5", f"{rank:.2f}", "yes" if rank >= 0.5 else "**no**"))
        area = result["AUC"].get(score)
        if area is not None:
            said = f"mouse or cryo told from fly by {score}: AUC at least 0.9"
            lines.append((said, f"{area:.2f}", "yes" if area >= 0.9 else "**no**"))
    return lines


def page(result: dict) -> list[str]:
    """The parts of the page about it."""
    rows = result["rows"]
    lines = []
    for group in dict.fromkeys(r["group"] for r in rows):
        mine = [r for r in rows if r["group"] == group]
        middle = [float(np.median([r[k] for r in mine])) for k in ("novelty", "risk", "error over std")]
        warned = np.mean([max(r["novelty"], r["risk"]) >= 1 for r in mine])
        lines.append((group, str(len(mine)), *middle, f"{100 * warned:.0f} %"))
    scores = [
        (score, found["error over std"], found["error over noise"], result["AUC"].get(score))
        for score, found in result["spearman"].items()
    ]
    return [
        f"White noise of {100 * LEVEL:.0f} % of each picture's range from 1 to 99 %; mendem finds the noise itself. "
        "Novelty is the distance of a picture's statistics from those of the training pictures, risk the same weighed "
        "by the squared error that the prior expects; of training pictures one in twenty exceeds 1. Errors: root mean "
        "squares over the truth's standard deviation; medians over the pictures. Warned: novelty or risk from 1 on.",
        table(("pictures", "count", "novelty", "risk", "error / std", "warned"), lines),
        "Rank correlation (Spearman) with the error over all these pictures, and the area under the ROC curve (AUC) of "
        f"mouse and cryo against fly ({', '.join(MOUSE_OR_CRYO)}):",
        table(("score", "with error / std", "with error / noise", "AUC against fly"), scores),
    ]
