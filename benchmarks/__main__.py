"""All benchmarks, and the page about them.

    python -m benchmarks [--data FOLDER] [--bm3d PYTHON] [--only pair,speed] [--quick]

Each section is kept in ``runs/benchmarks``. With ``--only`` the others are taken from there where they were measured
with the same weights, and left out where not. ``scripts/benchmark.sh`` installs what is missing and calls this.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from benchmarks import (
    ablation,
    blind,
    calibration,
    control,
    cost,
    invariance,
    isotropic,
    isotropic_cost,
    large_file,
    large_volume,
    machine,
    novelty,
    optional,
    pair,
    quality,
    realism,
    report,
    samplers,
    speed,
    tasks,
    tomography,
    tomography_alignment,
    wedge,
    wedge_cost,
    wedge_held_out,
    wedge_tilts,
)
from benchmarks.bm3d_client import Bm3d
from benchmarks.process import ROOT
from benchmarks.settings import Settings

#: In this order: what is timed runs alone, before what fills all cores.
SECTIONS = {
    "speed": speed.run,
    "cost": cost.run,
    "pair": pair.run,
    "invariance": invariance.run,
    "quality": quality.run,
    "tasks": tasks.run,
    "blind": blind.run,
    "isotropic": isotropic.run,
    "isotropic-cost": isotropic_cost.run,
    "tomography": tomography.run,
    "alignment": tomography_alignment.run,
    "wedge": wedge.run,
    "wedge-tilts": wedge_tilts.run,
    "wedge-held-out": wedge_held_out.run,
    "wedge-cost": wedge_cost.run,
    "calibration": calibration.run,
    "novelty": novelty.run,
    "control": control.run,
    "samplers": samplers.run,
    "realism": realism.run,
    "noise": optional.noise,
    "stalls": optional.stalls,
    "memory": optional.memory,
    "large": large_file.run,
    "large-volume": large_volume.run,
    "ablation": ablation.run,
}
#: Sections that train networks of their own: valid whatever the shipped weights are.
OWN_WEIGHTS = ("ablation",)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder with train and demo")
    parser.add_argument("--bm3d", metavar="PYTHON", help="Python that has BM3D; without it BM3D is left out")
    parser.add_argument("--prior", default="em-small")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"of {', '.join(SECTIONS)}; or none")
    parser.add_argument("--skip", default="", help="sections not to measure")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cases at a time, but for speed")
    parser.add_argument("--quick", action="store_true", help="few cases and a small file, to try it out")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md", help="the page to write")
    given = parser.parse_args()
    kept = ROOT / "runs" / ("benchmarks-quick" if given.quick else "benchmarks")
    bm3d = Bm3d(given.bm3d, given.jobs, ROOT / "runs" / "bm3d-results") if given.bm3d else None
    wanted = [s for s in given.only.split(",") if s in SECTIONS and s not in given.skip.split(",")]
    weights = machine.weights(given.prior)

    for name in wanted:
        start = time.perf_counter()

        def say(text: str, name: str = name) -> None:
            print(f"{name}: {text}", file=sys.stderr, flush=True)

        settings = Settings(given.data, kept, bm3d, given.prior, given.jobs, given.quick, say)
        result = SECTIONS[name](settings)
        say(f"done in {time.perf_counter() - start:.0f} s")
        kept.mkdir(parents=True, exist_ok=True)
        about = {**machine.facts(settings), "result": result}
        (kept / f"{name}.json").write_text(json.dumps(about, indent=1))
    if bm3d is not None:
        bm3d.close()

    found = {n: json.loads(p.read_text()) for n in SECTIONS if (p := kept / f"{n}.json").is_file()}
    found = {n: facts | ({"weights": weights} if n in OWN_WEIGHTS else {}) for n, facts in found.items()}
    found = {n: facts for n, facts in found.items() if facts["weights"] == weights}
    page = kept / "benchmarks.md" if given.quick else given.page
    report.write(page, found, kept, list(SECTIONS))
    print(page)


if __name__ == "__main__":
    main()
