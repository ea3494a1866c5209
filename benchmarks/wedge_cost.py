"""What filling the wedge of 41 tilts of 512² costs, beside SIRT of the same."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.process import measured, peak_bytes, reset_peak
from benchmarks.settings import Settings
from benchmarks.tables import table

#: Pixels of a tilt, thickness of the tomogram, tilts; rows that are run, for which the time is told for all.
SIDE, DEPTH, TILTS, ROWS = 512, 256, 41, 16


def run(settings: Settings) -> dict:
    """One row for each method, each in a process of its own."""
    from benchmarks.wedge_methods import SLOW, available

    side = 64 if settings.quick else SIDE
    rows = []
    for method in [m for m in available() if m not in ("nearest tilt", *SLOW)]:
        rows.append({"method": method, **measured("benchmarks.wedge_cost:method", method, side, threads=1)})
        settings.say(f"{method}: {rows[-1]['cpu']:.0f} s of CPU")
    return {"rows": rows, "side": side}


def method(name: str, side: int) -> dict[str, Any]:
    """CPU seconds for all rows, and the peak above what was resident before: some rows of an ellipsoidal phantom."""
    import numpy as np

    from benchmarks.wedge_methods import METHODS
    from benchmarks.wedge_phantoms import Case
    from mendem.tomography.geometry import SliceGeometry
    from mendem.tomography.phantom import counted, ellipse_phantom

    depth = side * DEPTH // SIDE
    geometry = SliceGeometry(tuple(np.linspace(-60, 60, TILTS)), (depth, side), side)
    data = np.stack([counted(ellipse_phantom(depth, side).project(geometry), 1e4, i) for i in range(ROWS)])
    case = Case("cost", "noise", data, geometry, np.zeros((depth, ROWS, side), np.float32), True)
    before = reset_peak()
    start = time.process_time()
    METHODS[name](case)
    return {"cpu": (time.process_time() - start) * side / ROWS, "peak": peak_bytes() - before}


def page(result: dict) -> list[str]:
    """The section of the page."""
    side = result["side"]
    sirt = next(r["cpu"] for r in result["rows"] if r["method"] == "SIRT")
    rows = [
        (r["method"], f"{r['cpu']:.0f}", f"{r['cpu'] / sirt:.1f}", f"{r['peak'] / 1e6:.0f}") for r in result["rows"]
    ]
    return [
        f"{TILTS} tilts of {side}² of an isolated object to a tomogram of {side * DEPTH // SIDE} x {side} x {side} "
        f"voxels: CPU seconds of one thread, from {ROWS} rows, told for all {side}. Peak: above what was "
        "resident before, for those rows. No GPU was to be had.",
        table(("method", "CPU (s)", "SIRT = 1", "peak (MB)"), rows),
    ]
