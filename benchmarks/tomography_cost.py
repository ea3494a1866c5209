"""What a slice that follows a slider costs, and a whole tomogram from disk to disk."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.process import measured, peak_bytes, torch_alone
from benchmarks.settings import Settings
from benchmarks.tables import table

#: Side and tilts of the live slice; a slab is so thick.
LIVE, LIVE_TILTS, SLAB = 512, 61, 128
#: Sides (z, y, x) and tilts of the tomogram.
SHAPE, TILTS = (256, 1024, 1024), 41
#: What is run: name, arguments of the method.
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "WBP": ("Wbp", {}),
    "SIRT, 5 iterations": ("Sirt", {"iterations": 5}),
    "SIRT, 20 iterations": ("Sirt", {"iterations": 20}),
}
WHOLE = ("WBP", "SIRT, 5 iterations")
#: Seconds for a live slice, and bytes for the tomogram, that are not to be passed.
LIVE_BOUND, MEMORY_BOUND = 0.5, 4e9


def run(settings: Settings) -> dict:
    """The live slice, and tomograms in processes of their own."""
    live = measured("benchmarks.tomography_cost:live", threads=1)
    settings.say("live slices done")
    shape = (32, 64, 64) if settings.quick else SHAPE
    rows = []
    with tempfile.TemporaryDirectory(dir=settings.kept.parent) as folder:
        stack = str(Path(folder) / "series.mrc")
        measured("benchmarks.tomography_cost:make", shape, stack)
        for method in WHOLE:
            rows.append(
                {"method": method, **measured("benchmarks.tomography_cost:whole", method, shape, stack, threads=1)}
            )
            settings.say(f"{method}: {rows[-1]['cpu']:.0f} s of CPU")
    return {"live": live, "whole": rows, "shape": shape, "torch": torch_alone(1)}


def live() -> list[dict]:
    """CPU seconds of one slice with a new geometry (an angle was moved) and of the next one (another slice)."""
    from mendem.tomography import slices
    from mendem.tomography.geometry import SliceGeometry

    angles = np.linspace(-60, 60, LIVE_TILTS)
    stack = np.random.default_rng(0).normal(size=(LIVE_TILTS, 8, LIVE)).astype(np.float32)
    rows = []
    for name in METHODS:
        for depth, surroundings in ((LIVE, False), (SLAB, True)):
            new, again = [], []
            for turn in range(6):
                geometry = SliceGeometry(tuple(angles + 0.1 * turn), (depth, LIVE), LIVE)
                whole = slices.Reconstruction(slices.Rows(stack), geometry, _method(name), "cpu", surroundings)
                for spent, row in ((new, 0), (again, 1)):
                    start = time.process_time()
                    whole.slice(row)
                    spent.append(time.process_time() - start)
            about = {"method": name, "shape": (depth, LIVE), "surroundings": surroundings}
            rows.append({**about, "new": median(new[1:]), "again": median(again[1:])})
    return rows


def _method(name: str) -> Any:
    from mendem.tomography.sirt import Sirt
    from mendem.tomography.wbp import Wbp

    kind, arguments = METHODS[name]
    return {"Wbp": Wbp, "Sirt": Sirt}[kind](**arguments)


def make(shape: tuple[int, int, int], path: str) -> None:
    """A tilt series on disk, 16 bit: what matters is its size."""
    import mendem

    rng = np.random.default_rng(0)
    stack = rng.poisson(300, (TILTS, *shape[1:])).astype(np.int16)
    mendem.write(path, mendem.Image(stack, ("tilt", "y", "x"), mendem.VoxelSize((None, 1.0, 1.0))))


def whole(name: str, shape: tuple[int, int, int], path: str) -> dict:
    """Seconds from disk to disk, and the peak of this process from its start."""
    import mendem

    series = mendem.read_tilt_series(path, np.linspace(-60, 60, TILTS).tolist())
    start, cpu = time.perf_counter(), time.process_time()
    mendem.reconstruct_file(
        series, f"{path}.tomogram.mrc", _method(name), thickness=shape[0], device="cpu", overwrite=True
    )
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu, "peak": peak_bytes()}


def aims(result: dict) -> list[tuple[str, str, bool]]:
    """(aim, measured, met)."""
    slowest = max(r["new"] for r in result["live"] if r["method"] in WHOLE)
    size = " x ".join(str(n) for n in result["shape"][::-1])
    most = max(r["peak"] for r in result["whole"])
    return [
        (
            f"a slice of {LIVE} px from {LIVE_TILTS} tilts within {LIVE_BOUND:g} s while a slider moves",
            f"{slowest:.2f} s at most, of one thread (WBP, SIRT of 5 iterations)",
            slowest < LIVE_BOUND,
        ),
        (
            f"{size} from {TILTS} tilts with a peak below {MEMORY_BOUND / 1e9:.0f} GB",
            f"{most / 1e9:.2f} GB",
            most < MEMORY_BOUND,
        ),
    ]


def page(result: dict) -> list[str]:
    """The part of the page."""
    live = [
        (
            r["method"],
            " x ".join(map(str, r["shape"])) + (", surroundings too" if r["surroundings"] else ", isolated"),
            f"{1e3 * r['new']:.0f}",
            f"{1e3 * r['again']:.0f}",
        )
        for r in result["live"]
    ]
    whole = [(r["method"], f"{r['cpu']:.0f}", f"{r['seconds']:.0f}", f"{r['peak'] / 1e6:.0f}") for r in result["whole"]]
    size = " x ".join(str(n) for n in result["shape"][::-1])
    return [
        "### One slice while a slider moves",
        f"{LIVE} px and {LIVE_TILTS} tilts, CPU time of one thread, median of 5: with a geometry that is new (the "
        "angle offset moved), and of another slice with the same.",
        table(("method", "slice (z, x)", "new geometry (ms)", "same geometry (ms)"), live),
        "### A whole tomogram",
        f"{size} voxels from {TILTS} tilts, 16-bit MRC to float32 MRC, one thread, the borders of the view "
        "included (`surroundings`). Peak: resident memory of the process, an interpreter with torch "
        f"({result['torch'] / 1e6:.0f} MB) in it. No GPU was to be had.",
        table(("method", "CPU (s)", "seconds", "peak (MB)"), whole),
    ]
