"""Slices as each method fills them, and the correlation with the truth inside the wedge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

COLOURS = {
    "WBP": "0.75",
    "SIRT": "0.5",
    "TV": "0.2",
    "nearest tilt": "tab:olive",
    "volume road": "tab:red",
    "volume road, sample": "tab:orange",
    "tilt road": "tab:blue",
    "self-supervised": "tab:green",
    "volume road, adapted": "tab:pink",
}


def draw_slices(kept: Path, target: Path) -> bool:
    """A row of slices for each specimen at equal contrast, by what filled all of them, the truth last; False where
    nothing was kept."""
    found = {p.stem.removeprefix("wedge-"): p for p in sorted(kept.glob("wedge-*.npz"))}
    if not found:
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = {}
    for name, path in found.items():
        with np.load(path) as arrays:
            rows[name] = {key: arrays[key] for key in arrays.files}
    titles = [title for title in max(rows.values(), key=len) if all(title in row for row in rows.values())]
    figure, axes = plt.subplots(
        len(rows), len(titles), figsize=(2.3 * len(titles), 2.5 * len(rows)), squeeze=False, layout="constrained"
    )
    for line, (name, pictures) in enumerate(rows.items()):
        low, high = np.percentile(pictures["truth"], [0.5, 99.7])
        for axis, title in zip(axes[line], titles, strict=True):
            axis.set(xticks=[], yticks=[])
            if not line:
                axis.set_title(title, fontsize=10)
            axis.imshow(pictures[title], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axes[line, 0].set_ylabel(f"{name}, 3 e/Å²\nz", fontsize=9)
        axes[line, 0].set_xlabel("x", fontsize=9)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
    plt.close(figure)
    return True


def draw_correlation(result: dict[str, Any], target: Path) -> bool:
    """Fourier shell correlation inside the wedge, mean over the seeds, of the cases at ±60°."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [r for r in result["rows"] if r["tilts"].startswith("±60°")]
    kinds, doses = (list(dict.fromkeys(r[k] for r in rows)) for k in ("kind", "dose"))
    figure, axes = plt.subplots(
        len(doses), len(kinds), figsize=(4.2 * len(kinds), 3.1 * len(doses)), squeeze=False, layout="constrained"
    )
    for line, dose in enumerate(doses):
        for column, kind in enumerate(kinds):
            axis = axes[line, column]
            for method in result["methods"]:
                some = [r for r in rows if (r["kind"], r["dose"], r["method"]) == (kind, dose, method)]
                if not some:
                    continue
                curves = np.array([[np.nan if c is None else c for c in r["FSC"]] for r in some])
                axis.plot(some[0]["frequency"], curves.mean(0), color=COLOURS[method], label=method, linewidth=1.5)
            axis.axhline(0.5, color="0.85", linewidth=0.8, zorder=0)
            axis.set(xlim=(0, 0.5), ylim=(-0.2, 1.02))
            axis.set_title(f"{kind}, " + ("no noise" if dose is None else f"{dose:g} e/Å²"), fontsize=10)
            axis.set_xlabel("cycles per voxel", fontsize=9)
    axes[0, 0].set_ylabel("FSC inside the wedge", fontsize=9)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside right upper")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
    plt.close(figure)
    return True


def draw_gains(result: dict[str, Any], target: Path) -> bool:
    """Gains of the volume road over TV on each hidden tilt, a picture for each recorded series, all seeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(r["series"] for r in result["rows"]))
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(3.8 * columns, 2.9 * lines), squeeze=False, layout="constrained"
    )
    kinds = (
        ("the specimen itself", "recorded", "0.6", "all that noise leaves to gain"),
        ("volume road", "recorded", "tab:red", "volume road, as recorded"),
        ("volume road", "clean", "tab:blue", "volume road, without noise"),
    )
    for axis, name in zip(axes.flat, names, strict=False):
        for method, key, colour, label in kinds:
            some = [r for r in result["rows"] if (r["series"], r["method"]) == (name, method)]
            if some:
                angles = np.abs(np.concatenate([r["angles"] for r in some]))
                gains = np.concatenate([r["gains"][key] for r in some])
                axis.plot(angles, gains, ".", color=colour, label=label, markersize=4)
        axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axis.set_title(name, fontsize=10)
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for axis in axes[-1]:
        axis.set_xlabel("hidden tilt, either side (°)", fontsize=9)
    for axis in axes[:, 0]:
        axis.set_ylabel("gain over TV (dB)", fontsize=9)
    axes[0, 0].legend(fontsize=7, frameon=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
    plt.close(figure)
    return True
