"""Crops side by side: kept as arrays when they are computed, drawn when the page is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.metrics import psnr

#: Side of a crop in pixels.
CROP = 128
#: A panel of this name is a standard deviation: drawn on a scale of its own, from 0, and not scored.
SPREAD = "spread"


def keep(folder: Path, name: str, rows: list[tuple[str, dict[str, np.ndarray], str]], side: int = CROP) -> None:
    """Keep rows of (label, images by name, name of the truth): the same crop of every image of a row."""
    arrays = {}
    for i, (label, images, truth) in enumerate(rows):
        y, x = _busiest(images[truth], side)
        for j, (title, image) in enumerate(images.items()):
            said = title if title in (truth, SPREAD) else f"{title}\n{psnr(image, images[truth]):.2f} dB"
            arrays[f"{i}|{j}|{label}|{said}"] = np.asarray(image[y : y + side, x : x + side], np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{name}.npz", **arrays)


def _busiest(image: np.ndarray, side: int) -> tuple[int, int]:
    """Corner of the crop with the largest local contrast, so that no one chooses it."""
    corners = [
        (int(y), int(x))
        for y in range(0, max(1, image.shape[0] - side + 1), side // 2)
        for x in range(0, max(1, image.shape[1] - side + 1), side // 2)
    ]
    contrast = [np.mean(np.abs(np.diff(image[y : y + side, x : x + side], axis=1))) for y, x in corners]
    return corners[int(np.argsort(contrast)[len(contrast) * 3 // 4])]


def draw(folder: Path, name: str, target: Path) -> bool:
    """One row of panels for each kept row, at equal contrast within it; False where nothing was kept."""
    if not (folder / f"{name}.npz").is_file():
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with np.load(folder / f"{name}.npz") as arrays:
        panels = [(*key.split("|"), arrays[key]) for key in arrays.files]
    rows = sorted({int(p[0]) for p in panels})
    columns = max(int(p[1]) for p in panels) + 1
    size = 2.5
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(columns * size, len(rows) * (size + 0.5)), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for i in rows:
        mine = [p for p in panels if int(p[0]) == i]
        low, high = np.percentile(mine[-1][4], [0.5, 99.5])  # the truth comes last
        for _, j, label, title, pixels in mine:
            axis = axes[i, int(j)]
            axis.set_axis_on()
            axis.set(xticks=[], yticks=[])
            if title == SPREAD:
                most = max(float(np.percentile(pixels, 99.5)), 1e-6)
                axis.imshow(pixels, cmap="magma", vmin=0, vmax=most, interpolation="nearest")
                title = f"{title}\n0 to {most:.1f} grey levels"
            else:
                axis.imshow(pixels, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axis.set_title(title, fontsize=9)
            if j == "0":
                axis.set_ylabel(label, fontsize=9)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=150)
    plt.close(figure)
    return True
