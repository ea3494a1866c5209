"""What 256³ voxels from 32 sections of 256 x 256 cost, beside interpolation and beside sampling every plane."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.isotropic import AS_THEY_ARE, PRIOR
from benchmarks.metrics import psnr
from benchmarks.process import measured, peak_bytes, reset_peak, torch_alone
from benchmarks.settings import Settings
from benchmarks.tables import table
from benchmarks.volumes import Sampling

#: Side of the volume, distance of its sections, and evaluations of the network for each plane that is sampled.
SIDE, FACTOR, EVALUATIONS = 256, 8, 50
#: Planes that are sampled; the time is told for all.
SAMPLED = 4
SAMPLING = Sampling("average", FACTOR, FACTOR)


def run(settings: Settings) -> dict:
    """One row for each method, each in a process of its own."""
    side = 64 if settings.quick else SIDE
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "truth.npy")
        measured("benchmarks.isotropic_cost:make", side, path)
        rows = []
        for method in ("trilinear", "cubic", "preview", "balanced", "plug-in"):
            rows.append({"method": method, **measured("benchmarks.isotropic_cost:method", method, path)})
            settings.say(f"{method}: {rows[-1]['seconds']:.1f} s")
    return {"side": side, "rows": rows, "torch": torch_alone()}


def make(side: int, path: str) -> None:
    """A simulated volume as the truth."""
    from mendem.simulate import tissue_volume

    np.save(path, (32 + 192 * np.asarray(tissue_volume((side,) * 3, 8.0, 710_001).data)).astype(np.float32))


def method(name: str, path: str) -> dict:
    """Seconds, peak memory above that before, PSNR and threads of one method."""
    import torch

    truth = np.load(path)
    sections, _ = SAMPLING.record(truth)
    planes = np.s_[:]
    answer = {
        "trilinear": lambda: SAMPLING.interpolated(sections, 1),
        "cubic": lambda: SAMPLING.interpolated(sections, 3),
    }
    if name == "plug-in":
        planes = np.linspace(0, len(truth) - 1, SAMPLED).astype(int)
        work = _plug_in(sections, planes)
    elif name in answer:
        work = answer[name]
    else:
        work = _mendem(sections, name)
    work()  # libraries and weights are loaded then
    before = reset_peak()
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    peak = peak_bytes() - before
    if name == "plug-in":
        seconds *= truth.shape[1] / SAMPLED
    wanted = truth[:, planes] if name == "plug-in" else truth
    return {"seconds": seconds, "peak": peak, "PSNR": psnr(result, wanted), "threads": torch.get_num_threads()}


def _mendem(sections, budget):
    from mendem import Image, Isotropic, restore

    task = Isotropic(factor=FACTOR, noise=0, **AS_THEY_ARE)
    return lambda: np.asarray(restore(Image(sections), task, prior=PRIOR, budget=budget).image.data)


def _plug_in(sections, planes):
    """Each plane xz sampled by the unconditional prior and the proximal step, as DDRM and its kin do."""
    import torch

    from mendem.device import choose_dtype
    from mendem.physics.block_mean import BlockMean
    from mendem.physics.noise import NoiseModel
    from mendem.physics.observation import Observation
    from mendem.priors.checkpoint import DEFAULT_PRIOR
    from mendem.priors.network_prior import load_prior
    from mendem.priors.prior import never
    from mendem.sampling import Budget, Place, _plug_in

    prior = load_prior(DEFAULT_PRIOR, "cpu", choose_dtype("cpu"))
    centre, scale = float(np.median(sections)), float(sections.std())
    y = torch.from_numpy((sections[:, planes].transpose(1, 0, 2) - centre) / scale)[:, None].float()
    seen = Observation(y, BlockMean((FACTOR, 1)), NoiseModel(0.0), torch.ones_like(y))

    def work():
        *_, last = (e for e in _plug_in(prior, seen, Budget(1, EVALUATIONS), 1, Place(), never) if e.sample is not None)
        return last.sample[:, 0].numpy().transpose(1, 0, 2) * scale + centre

    return work


def page(result: dict) -> list[str]:
    """The section of the page."""
    rows = [(NAMES[r["method"]], f"{r['seconds']:.1f}", f"{r['peak'] / 1e6:.0f}", r["PSNR"]) for r in result["rows"]]
    side = result["side"]
    return [
        f"{side}³ voxels of simulated neuropil from {side // FACTOR} averaged sections of {side} x {side}, in memory, "
        "the library loaded and the weights read, each method in a process of its own. Peak: above what was resident "
        f"before. Plane by plane sampling was run on {SAMPLED} planes xz and its time is told for all "
        f"{side}; one sample of each plane, {EVALUATIONS} evaluations. Threads: {result['rows'][0]['threads']}.",
        table(("method", "seconds", "peak (MB)", "PSNR (dB)"), rows),
    ]


NAMES = {
    "trilinear": "linear interpolation (SciPy)",
    "cubic": "cubic spline (SciPy)",
    "preview": "mendem, preview",
    "balanced": "mendem, balanced",
    "plug-in": f"plug-in sampling, {EVALUATIONS} evaluations a plane",
}
