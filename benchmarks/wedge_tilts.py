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

#: Voxels along each side of the cell, nm in each, slices in its middle that are filled, and e/Å² of each tilt.
SIDE, VOXEL_NM, ROWS, DOSES = 96, 2.0, 48, (None, 3.0)
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
    from benchmarks.wedge_phantoms import Phantom, recorded, rows_of, templates
    from benchmarks.wedge_scores import tilt_scores
    from mendem.training.tilts_cells import isolated_cell

    species = templates(Path(data) / "demo", VOXEL_NM / 2)
    fine = isolated_cell(np.random.default_rng(60), 2 * SIDE, VOXEL_NM / 2, species)
    first = (SIDE - ROWS) // 2
    phantom = rows_of(Phantom("cell", fine / np.float32(3.0), True), slice(first, first + ROWS))
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
        f"the networks learn from; {ROWS} slices of it), tilted from -90° to 90° in steps of 3°. All beyond ±60° are "
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


def draw(result: dict, target: Path) -> bool:
    """PSNR and SSIM against the angle."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    doses = list(dict.fromkeys(r["dose"] for r in result["rows"]))
    figure, axes = plt.subplots(2, len(doses), figsize=(6.5 * len(doses), 7), squeeze=False, layout="constrained")
    angles = np.array(result["hidden"])
    for column, dose in enumerate(doses):
        rows = [r for r in result["rows"] if r["dose"] == dose]
        for line, key in enumerate(("PSNR", "SSIM")):
            axis = axes[line, column]
            for i, r in enumerate(rows):
                road = r["way"].startswith("tilt road")
                shades = plt.get_cmap("viridis")(np.linspace(0.05, 0.85, len(AT_ONCE)))
                nth = sum(o["way"].startswith("tilt road") for o in rows[:i])
                colour = shades[nth] if road else {"v": "tab:red", "T": "0.2", "S": "0.5", "n": "0.75"}[r["way"][0]]
                for side in (-1, 1):
                    chosen = np.sign(angles) == side
                    label = r["way"] if side > 0 else None
                    axis.plot(
                        angles[chosen],
                        np.array(r[key])[chosen],
                        color=colour,
                        linestyle="-" if road or r["way"][0] == "v" else "--",
                        label=label,
                        marker=".",
                        markersize=4,
                    )
            axis.axvspan(-60, 60, color="0.93")
            axis.set_xlabel("tilt (°)")
            axis.set_ylabel(f"{key}{' (dB)' if key == 'PSNR' else ''}")
            axis.set_xlim(-92, 92)
            axis.set_title("measured without noise" if dose is None else f"measured with {dose:g} e/Å²", fontsize=10)
    axes[0, 0].legend(fontsize=7, loc="center", title="shaded: measured")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
    plt.close(figure)
    return True
