"""Coverage of the 90 % interval by decile of its width, from pixels that the scored cases leave behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.metrics import coverage

#: Pixels of each case that are kept, drawn with replacement.
PIXELS = 2048
#: Half the width of the interval in standard deviations, and where coverage is aimed at in every decile.
NORMAL = 1.645
AIM = (0.85, 0.95)
DECILES = 10


@dataclass(frozen=True)
class Pixels:
    """Errors and spreads in grey levels, each (cases, `PIXELS`), and the group of each case."""

    error: np.ndarray
    spread: np.ndarray
    groups: list[str]

    def of(self, groups: list[str]) -> Pixels:
        """The cases of some groups."""
        mine = [i for i, g in enumerate(self.groups) if g in groups]
        return Pixels(self.error[mine], self.spread[mine], [self.groups[i] for i in mine])


def some(mean: np.ndarray, spread: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Error and spread of random pixels of one case, (2, `PIXELS`) float32; the same for the same size.

    Pixels that were measured without noise have no spread and no error, and do not count.
    """
    open_ones = np.flatnonzero(spread)
    chosen = np.random.default_rng(0).choice(open_ones if open_ones.size else mean.size, PIXELS)
    return np.stack([(mean - truth).ravel()[chosen], spread.ravel()[chosen]]).astype(np.float32)


def keep(folder: Path, name: str, rows: list[dict]) -> None:
    """Take what `some` gave out of the rows (key ``pixels``), and keep it for the section on calibration."""
    pixels = np.stack([row.pop("pixels") for row in rows])
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{name}-pixels.npz", pixels=pixels, groups=[row["group"] for row in rows])


def kept(folder: Path, name: str) -> Pixels | None:
    """What `keep` kept; None where there is nothing."""
    path = folder / f"{name}-pixels.npz"
    if not path.is_file():
        return None
    with np.load(path) as file:
        return Pixels(*np.moveaxis(file["pixels"].astype(np.float64), 1, 0), file["groups"].tolist())


def deciles(pixels: Pixels) -> dict:
    """Over the deciles of spread of all pixels: its median, the error's 90 % quantile over 1.645, the coverage."""
    error, spread = np.abs(pixels.error.ravel()), pixels.spread.ravel()
    parts = np.array_split(np.argsort(spread, kind="stable"), DECILES)
    return {
        "spread": [float(np.median(spread[p])) for p in parts],
        "right spread": [float(np.quantile(error[p], 0.9) / NORMAL) for p in parts],
        "coverage": [coverage(error[p], spread[p], np.zeros(p.size)) for p in parts],
    }


def width_ratio(error: np.ndarray, spread: np.ndarray) -> float:
    """Mean width of the intervals over that of intervals of one width that hold as many of the truths."""
    constant = np.quantile(np.abs(error), np.mean(np.abs(error) <= NORMAL * spread))
    return float(NORMAL * np.mean(spread) / max(constant, 1e-9))


def widths(pixels: Pixels) -> dict:
    """`width_ratio` with one width for all cases, and with one for each case (the median over cases)."""
    each = [width_ratio(e, s) for e, s in zip(pixels.error, pixels.spread, strict=True)]
    return {"all cases": width_ratio(pixels.error.ravel(), pixels.spread.ravel()), "each case": float(np.median(each))}


def draw(rows: list[dict], target: Path) -> None:
    """The reliability plot: coverage by decile, and the right spread over the predicted one.

    Rows whose name ends in "all" are named lines, the groups that they are made of thin grey ones.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    left.axhspan(*AIM, color="0.9", label="aim")
    left.axhline(0.9, color="0.6", linewidth=0.8)
    numbers = np.arange(1, DECILES + 1)
    most = max(max(row["spread"] + row["right spread"]) for row in rows)
    least = min(min(row["spread"] + row["right spread"]) for row in rows)
    right.plot([least, most], [least, most], color="0.6", linewidth=0.8)
    for row in sorted(rows, key=lambda row: row["cases"].endswith("all")):
        whole = row["cases"].endswith("all")
        look = {"marker": "o", "markersize": 3} if whole else {"color": "0.75", "linewidth": 0.8}
        left.plot(numbers, row["coverage"], label=row["cases"] if whole else None, **look)
        right.plot(row["spread"], row["right spread"], **look)
    left.set(xlabel="decile of the predicted spread", ylabel="truths in the 90 % interval", ylim=(0.5, 1.0))
    left.set_xticks(numbers)
    left.plot([], [], color="0.75", linewidth=0.8, label="single groups")
    left.legend(fontsize=8, loc="lower right")
    right.set(xscale="log", yscale="log", xlabel="predicted spread (grey levels)")
    right.set_ylabel("spread that would hold 90 % (grey levels)")
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=150)
    plt.close(figure)
