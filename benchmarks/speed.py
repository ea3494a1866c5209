"""Megapixels a second and peak memory on one CPU at one thread count, mendem beside the classical denoisers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.bm3d_client import Worker
from benchmarks.pictures import real_pair
from benchmarks.process import measured, torch_alone
from benchmarks.settings import Settings

REPEATS = 3


def subject(data: str | Path) -> np.ndarray:
    """The short-dwell image of the real pair; the simulated micrograph of the same size where it is absent."""
    from mendem.simulate import sample_micrograph

    pair = real_pair(Path(data))
    return np.asarray(sample_micrograph()[0].data) if pair is None else pair[0]


def run(settings: Settings) -> dict:
    """Rows for one thread and for as many as there are cores."""
    image = subject(settings.data)
    rows, python = [], settings.bm3d.python if settings.bm3d else None
    for threads in sorted({1, os.cpu_count() or 1}):
        call = (str(settings.data), settings.prior, 1 if settings.quick else REPEATS, python, threads)
        table = measured("benchmarks.speed:seconds", *call, threads=threads)
        alone = torch_alone(threads)
        reference = table.get("BM3D", {}).get("seconds")
        for method, facts in table.items():
            settings.say(f"{method}, {threads} threads: {facts['seconds']:.2f} s")
            peak = None
            if method.startswith("mendem"):
                call = (str(settings.data), settings.prior, method.split()[-1])
                peak = measured("benchmarks.speed:peak", *call, threads=threads) - alone
            rows.append(
                {
                    "threads": threads,
                    "method": method,
                    "megapixels": image.size / 1e6,
                    "seconds": facts["seconds"],
                    "whole": facts.get("whole"),
                    "ratio": reference / facts["seconds"] if reference else None,
                    "whole ratio": reference / facts["whole"] if reference and "whole" in facts else None,
                    "peak": peak,
                    "precision": facts.get("precision"),
                }
            )
    return {"rows": rows, "load": os.getloadavg()[0], "shape": list(image.shape)}


def seconds(data: str, prior: str, repeats: int, bm3d: str | None, threads: int) -> dict[str, dict[str, Any]]:
    """Seconds by method, medians of rounds in which all methods take turns; run in a process with fixed threads."""
    import torch

    from benchmarks import baselines, ours
    from mendem import Denoise, Image
    from mendem.engine import prepare
    from mendem.options import Options
    from mendem.restoration import collect

    torch.set_num_threads(threads)
    image = subject(data)
    grey = image.astype(np.float64)
    plans = {b: prepare(Image(image), Denoise(), Options(budget=b, prior=prior)) for b in ours.BUDGETS}
    collect(plans["preview"])  # libraries choose their kernels on the first call
    worker = Worker(bm3d, threads) if bm3d else None
    methods: dict[str, Callable[[], Any]] = {
        "Gaussian": lambda: baselines.gaussian(grey, 0.8),
        "total variation": lambda: baselines.total_variation(grey, 6.3),
        "non-local means": lambda: baselines.non_local_means(grey, 5.0),
        **{f"mendem {b}": lambda b=b: collect(plans[b]) for b in ours.BUDGETS},
    }
    found: dict[str, list[float]] = {}
    whole: dict[str, list[float]] = {}
    for _ in range(repeats):
        for name, call in methods.items():
            found.setdefault(name, []).append(_timed(call))
        for b in ours.BUDGETS:
            whole.setdefault(f"mendem {b}", []).append(_timed(lambda b=b: ours.restored(image, b, prior)))
        if worker:
            found.setdefault("BM3D", []).append(worker(grey, 6.3)[1])
    if worker:
        worker.close()
    precision = str(plans["preview"].prior.dtype).removeprefix("torch.")
    return {
        name: {"seconds": median(s)} | ({"whole": median(whole[name]), "precision": precision} if name in whole else {})
        for name, s in found.items()
    }


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak(data: str, prior: str, budget: str) -> int:
    """Peak resident bytes of this process while it restores the image, noise estimation included."""
    from benchmarks import ours
    from benchmarks.process import peak_bytes

    ours.restored(subject(data), budget, prior)
    return peak_bytes()
