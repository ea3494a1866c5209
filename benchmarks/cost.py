"""What an answer costs: evaluations, arithmetic, memory; and how near it comes to the machine's peak."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.process import measured
from benchmarks.settings import Settings
from benchmarks.tables import table

if TYPE_CHECKING:
    import torch

    from mendem.physics.observation import Observation
    from mendem.priors.network_prior import NetworkPrior

#: Side of the image, of a view that is previewed, and of what the operations are counted on.
SIDE, VIEW, COUNTED = 768, 512, 256
MEGA = SIDE**2 / 1e6
REPEATS = 3


def run(settings: Settings) -> dict:
    """``budgets``: cost for each megapixel; ``speeds``: one row for each device and number of threads."""
    import torch

    speeds = []
    for threads in sorted({1, os.cpu_count() or 1}):
        speeds.append(measured("benchmarks.cost:speed", settings.prior, "cpu", threads, threads=threads))
        settings.say(f"CPU, {threads} thread(s): {speeds[-1]['evaluation']:.2f} s an evaluation")
    if torch.cuda.is_available():
        speeds.append(measured("benchmarks.cost:speed", settings.prior, "cuda", None))
        settings.say(f"{speeds[-1]['device']}: {speeds[-1]['evaluation']:.4f} s an evaluation")
    return {
        "budgets": budgets(speeds[-1 if speeds[-1]["threads"] else -2]),
        "speeds": speeds,
        "load": os.getloadavg()[0],
    }


def budgets(speed: dict[str, Any]) -> list[dict]:
    """Cost of the mean and of each sample for a megapixel; memory as measured in ``speed``."""
    from mendem.sampling import BUDGETS

    one = speed["gflop"]
    return [
        {
            "budget": name,
            "evaluations": budget.turns,
            "GFLOP": budget.turns * one,
            "sample evaluations": budget.steps,
            "sample GFLOP": budget.steps * one,
            "peak MB": speed["peaks"][name] / MEGA / 1e6,
        }
        for name, budget in BUDGETS.items()
    ]


def speed(prior: str, device: str, threads: int | None) -> dict[str, Any]:
    """Seconds of an evaluation and of each budget, their peak memory, and the peak of the machine."""
    import torch

    from mendem.device import choose_dtype
    from mendem.priors.network_prior import load_prior
    from mendem.sampling import BUDGETS, sample

    if threads:
        torch.set_num_threads(threads)
    dtype = choose_dtype(device)
    loaded = load_prior(prior, device, dtype)
    large, view = (observed(side, device) for side in (SIDE, VIEW))
    condition = large.condition()
    loaded.denoise(None, None, condition)  # libraries choose their kernels on the first call

    def spend(budget: str, observation: Observation) -> None:
        for _ in sample(loaded, observation, BUDGETS[budget]):
            pass

    seconds, peaks = {}, {}
    for budget in BUDGETS:
        start = held(device)
        seconds[budget] = timed(lambda b=budget: spend(b, large), device, 1)  # type: ignore[misc]
        peaks[budget] = peak(device) - start
    gflop = operations(loaded) / 1e9 / (COUNTED**2 / 1e6)
    evaluation = timed(lambda: loaded.denoise(None, None, condition), device, REPEATS)
    most = roofline(device, dtype)
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "threads": threads,
        "arithmetic": str(dtype).removeprefix("torch."),
        "gflop": gflop,
        "evaluation": evaluation,
        "view": timed(lambda: spend("preview", view), device, REPEATS),
        "megapixels a second": {b: MEGA / s for b, s in seconds.items()},
        "peaks": peaks,
        "GFLOP a second": gflop * MEGA / evaluation,
        "roofline": most,
        "share": gflop * MEGA / evaluation / max(most.values()),
    }


def observed(side: int, device: str) -> Observation:
    """Noise to be denoised: what it shows changes nothing of the cost."""
    import torch

    from mendem.physics.mask import Mask
    from mendem.physics.noise import NoiseModel
    from mendem.physics.observation import Observation

    y = torch.randn((1, 1, side, side), generator=torch.Generator().manual_seed(0)).to(device)
    return Observation(y, Mask(), NoiseModel(0.25), torch.ones_like(y), None, 1.5)


def operations(prior: NetworkPrior) -> int:
    """Floating-point operations of one evaluation of `COUNTED`² pixels; a multiplication and an addition are two."""
    from torch.utils.flop_counter import FlopCounterMode

    condition = observed(COUNTED, prior.device).condition()
    with FlopCounterMode(display=False) as counter:
        prior.denoise(None, None, condition)
    return counter.get_total_flops()


def roofline(device: str, dtype: torch.dtype) -> dict[str, float]:
    """GFLOP a second that this machine reaches with large operations of this arithmetic, nothing else around them."""
    import torch
    from torch.nn import functional as F

    n, width, side = (8192, 256, 256) if device == "cuda" else (1536, 192, 96)
    a, b = (torch.randn((n, n), device=device).to(dtype) for _ in range(2))
    x = torch.randn((1, width, side, side), device=device).to(dtype, memory_format=torch.channels_last)
    kernel = torch.randn((width, width, 3, 3), device=device).to(dtype, memory_format=torch.channels_last)
    cases: dict[str, tuple[Callable[[], Any], float]] = {
        "matrix product": (lambda: a @ b, 2.0 * n**3),
        "3x3 convolution": (lambda: F.conv2d(x, kernel, padding=1), 2.0 * 9 * width**2 * side**2),
    }
    with torch.inference_mode():
        return {name: count / timed(call, device, 3 * REPEATS, min) / 1e9 for name, (call, count) in cases.items()}


def timed(call: Callable[[], Any], device: str, repeats: int, of: Callable[[list[float]], float] = median) -> float:
    """Seconds of a call, the median of some."""
    import torch

    found = []
    for _ in range(repeats):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    return of(found)


def held(device: str) -> int:
    """Bytes that are held now; what `peak` tells begins here."""
    import torch

    from benchmarks.process import reset_peak

    if device != "cuda":
        return reset_peak()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def peak(device: str) -> int:
    """Most bytes that were held at once."""
    import torch

    from benchmarks.process import peak_bytes

    return peak_bytes() if device != "cuda" else torch.cuda.max_memory_allocated()


def page(result: dict) -> list[str]:
    """The section: what each budget costs, and how fast that is."""
    costs = [
        (
            r["budget"], str(r["evaluations"]), f"{r['GFLOP']:.0f}", str(r["sample evaluations"]),
            f"{r['sample GFLOP']:.0f}", f"{r['peak MB']:.0f}",
        )
        for r in result["budgets"]
    ]  # fmt: skip
    speeds = [
        (
            r["device"], str(r["threads"] or "–"), r["arithmetic"],
            *(f"{r['megapixels a second'][b]:.3g}" for b in ("preview", "balanced", "best")), f"{r['view']:.2g}",
            f"{r['GFLOP a second']:.0f}", " / ".join(f"{v:.0f}" for v in r["roofline"].values()),
            f"{100 * r['share']:.0f} %",
        )
        for r in result["speeds"]
    ]  # fmt: skip
    return [
        f"For each megapixel of an image of {SIDE}². A multiplication and an addition are two operations. Memory: peak "
        "above the loaded prior and the data.",
        table(("budget", "evaluations", "GFLOP", "for each sample", "GFLOP", "peak (MB)"), costs),
        f"Speed of the mean, megapixels a second; and seconds for a {VIEW}² view at the smallest budget. Roofline: a "
        "large matrix product and a 3x3 convolution in the same arithmetic and run, and how much of the faster "
        f"one the network reaches (channels-last, no compilation). Load average at the end: {result['load']:.1f}.",
        table(
            (
                "device",
                "threads",
                "arithmetic",
                "preview",
                "balanced",
                "best",
                f"{VIEW}² (s)",
                "GFLOP/s",
                "roofline (GFLOP/s)",
                "share",
            ),
            speeds,
        ),  # fmt: skip
    ]
