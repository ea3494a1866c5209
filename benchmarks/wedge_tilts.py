"""The experiment of MW-RaMViD: a cell with proteins, tilts from -90° to 90°, those beyond ±60° hidden."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process import measured
from benchmarks.settings import Settings
from benchmarks.tables import table

#: Voxels along each side of the cell, nm in each, and e/Å² of each tilt that are tried.
SIDE, VOXEL_NM, DOSES = 96, 2.0, (None, 3.0)
MEASURED = tuple(np.arange(-60.0, 61, 3))
HIDDEN = tuple(float(a) for a in np.arange(-90.0, 91, 3) if abs(a) > 60)
AT_ONCE = (1, 2, 5, 10, 20)


def run(settings: Settings) -> dict:
    """Rows for each way and condition."""
    from benchmarks.wedge_methods import available

    rows = []
    for dose in DOSES[:1] if settings.quick else DOSES:
        rows += measured("benchmarks.wedge_tilts:condition", str(settings.data), dose, available(), threads=1)
        for r in rows:
            settings.say(f"{r['way']}, {r['dose']}: {np.mean(r['PSNR']):.2f} dB, {np.mean(r['SSIM']):.3f}")
    return {"rows": rows, "hidden": HIDDEN, "side": SIDE}


def condition(data: str, dose: float | None, methods: list[str]) -> list[dict]:
    """PSNR and SSIM of each hidden tilt, against the tilt without noise."""
    from benchmarks import wedge_methods as ways
    from benchmarks.wedge_phantoms import Phantom, recorded, templates
    from benchmarks.wedge_scores import tilt_scores
    from mendem.training.tilts_cells import isolated_cell

    species = templates(Path(data) / "demo", VOXEL_NM / 2)
    fine = isolated_cell(np.random.default_rng(60), 2 * SIDE, VOXEL_NM / 2, species)
    phantom = Phantom("cell", fine / np.float32(3.0), True)
    case = recorded(phantom, MEASURED, dose)
    truth = phantom.project(HIDDEN)

    def projected(method: Callable) -> Callable[[], np.ndarray]:
        return lambda: ways.tilts_of(method(case), case, HIDDEN)

    calls: dict[str, Callable[[], np.ndarray]] = {
        "nearest tilt": lambda: ways.nearest_tilts(case, HIDDEN),
        "SIRT, reprojected": projected(ways.METHODS["SIRT"]),
        "TV, reprojected": projected(ways.METHODS["TV"]),
    }
    if "volume road" in methods:
        calls["volume road, reprojected"] = projected(ways.METHODS["volume road"])
    if "tilt road" in methods:
        for k in AT_ONCE:
            calls[f"tilt road, {k} at once"] = lambda k=k: ways.road_tilts(case, HIDDEN, k)
    rows = []
    for way, call in calls.items():
        start = time.process_time()
        found = call()
        rows.append({"way": way, "dose": dose, "cpu": time.process_time() - start, **tilt_scores(found, truth)})
    return rows


def at(result: dict, row: dict, key: str, low: float, high: float) -> float:
    """Mean of a score over hidden tilts of these sizes of angle, from above ``low`` to ``high``."""
    chosen = [v for a, v in zip(result["hidden"], row[key], strict=True) if low < abs(a) <= high]
    return float(np.mean(chosen))


def page(result: dict) -> list[str]:
    """The section of the page."""
    parts = [
        f"The experiment of MW-RaMViD. A simulated cell ({result['side']}³ voxels of {VOXEL_NM:g} nm: membrane, "
        "vesicles, and the three densities of `demo/`, which no training reads; cells of bead models are among what "
        "the networks learn from), tilted from -90° to 90° in steps of 3°. All beyond ±60° are "
        "hidden. PSNR (peak: range of the hidden tilts) and SSIM of what is generated, against hidden tilts without "
        "noise; means over the angles given."
    ]
    for dose in dict.fromkeys(r["dose"] for r in result["rows"]):
        said = "without noise" if dose is None else f"of {dose:g} e/Å² each"
        some: list[tuple[Any, ...]] = []
        for r in result["rows"]:
            if r["dose"] == dose:
                bands = [(60, 66), (66, 75), (75, 84), (84, 90)]
                some.append(
                    (
                        r["way"],
                        *(f"{at(result, r, 'PSNR', *b):.2f}" for b in bands),
                        f"{np.mean(r['PSNR']):.2f}",
                        *(f"{at(result, r, 'SSIM', *b):.3f}" for b in bands),
                        f"{np.mean(r['SSIM']):.3f}",
                        f"{r['cpu']:.0f}",
                    )
                )
        head = ("63–66°", "69–75°", "78–84°", "87–90°", "all")
        columns = ("way", *(f"PSNR {h}" for h in head), *(f"SSIM {h}" for h in head), "CPU (s)")
        parts += [f"Measured tilts {said}:", table(columns, some)]
    return parts


def _colour(way: str, shade: Any) -> Any:
    """Of a way; those of the tilt road, by how many tilts come at once, from dark to light."""
    if way.startswith("tilt road"):
        counts = [f"tilt road, {k} at once" for k in AT_ONCE]
        return shade(0.05 + 0.8 * counts.index(way) / (len(counts) - 1))
    return {"volume": "tab:red", "TV,": "0.2", "SIRT,": "0.5", "nearest": "0.75"}[way.split()[0]]


def draw(result: dict, target: Path) -> bool:
    """PSNR and SSIM over the hidden arc, which goes on from 90° to -90°: its mirror image."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    doses = list(dict.fromkeys(r["dose"] for r in result["rows"]))
    figure, axes = plt.subplots(2, len(doses), figsize=(4.6 * len(doses) + 2.2, 6), squeeze=False, layout="constrained")
    place = np.mod(result["hidden"], 180.0)
    order = np.lexsort((np.array(result["hidden"]) < 0, place))  # 90° before -90°
    ticks = (60, 70, 80, 90, 100, 110, 120)
    for column, dose in enumerate(doses):
        rows = [r for r in result["rows"] if r["dose"] == dose]
        for line, key in enumerate(("PSNR", "SSIM")):
            axis = axes[line, column]
            for r in rows:
                ours = r["way"].startswith(("tilt road", "volume road"))
                axis.plot(
                    place[order],
                    np.array(r[key])[order],
                    color=_colour(r["way"], plt.get_cmap("viridis")),
                    linestyle="-" if ours else "--",
                    label=r["way"],
                    marker=".",
                    markersize=4,
                    linewidth=1.3,
                )
            axis.set(xlim=(60, 120), xticks=ticks)
            axis.set_xticklabels(["60", "70", "80", "±90", "-80", "-70", "-60"])
            axis.grid(color="0.92")
            axis.set_axisbelow(True)
            if line:
                axis.set_xlabel("hidden tilt (°); measured up to ±60°", fontsize=9)
            else:
                axis.set_title(
                    "measured without noise" if dose is None else f"measured with {dose:g} e/Å²", fontsize=10
                )
        axes[0, column].sharex(axes[1, column])
    axes[0, 0].set_ylabel("PSNR (dB)")
    axes[1, 0].set_ylabel("SSIM")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, frameon=False, loc="outside right upper")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
    plt.close(figure)
    return True
