"""The real pair: short dwell restored, compared with long dwell after an affine fit of the intensities."""

from __future__ import annotations

import time

import numpy as np

from benchmarks import ours
from benchmarks.baselines import scanned
from benchmarks.crops import keep
from benchmarks.metrics import affine_fit, climb, psnr, ssim
from benchmarks.noise import white_db2
from benchmarks.pictures import real_pair
from benchmarks.settings import Settings

#: Samples drawn for the row that says what one sample is worth.
SAMPLES = 4


def run(settings: Settings) -> dict:
    """Rows: method, strength, PSNR, SSIM. ``skipped`` says why where there is no pair."""
    pair = real_pair(settings.data)
    if pair is None:
        return {"skipped": "the data folder has no demo/sem_pair_emdiffuse"}
    short, long = (p.astype(np.float64) for p in pair)
    level = float(np.std(affine_fit(short, long) - long))
    results: dict[str, tuple[str, np.ndarray]] = {"short dwell as it is": ("", short)}

    def score(image: np.ndarray) -> float:
        return psnr(affine_fit(image, long), long)

    results |= scanned(short, score, level)
    settings.say("classical filters")
    if settings.bm3d is not None:
        bm3d = settings.bm3d
        white = white_db2(short)
        results["BM3D, white-noise estimate"] = (f"sigma {white:.1f}", bm3d(short, white))
        sigma, _ = climb(lambda s: score(bm3d(short, s)), round(level, 1), 1.08)
        results["BM3D, best sigma"] = (f"sigma {sigma:.1f}", bm3d(short, sigma))
        settings.say("BM3D")
    chi2 = {}
    for budget in ours.BUDGETS:
        start = time.perf_counter()
        restoration = ours.restored(pair[0], budget, settings.prior)
        settings.say(f"mendem {budget}: {time.perf_counter() - start:.1f} s")
        results[f"mendem, {budget}"] = ("automatic", ours.pixels(restoration))
        chi2[budget] = restoration.chi2
    drawn = ours.restored(pair[0], "balanced", settings.prior, samples=SAMPLES)
    rows = [_row(name, strength, image, long) for name, (strength, image) in results.items()]
    single = [_row("", "", np.asarray(s.data, np.float64), long) for s in drawn.samples]
    rows.append(
        {
            "method": f"mendem, one sample (mean of {SAMPLES} scores)",
            "strength": "automatic",
            "PSNR": float(np.mean([r["PSNR"] for r in single])),
            "SSIM": float(np.mean([r["SSIM"] for r in single])),
        }
    )
    together = np.mean([s.data for s in drawn.samples], 0)
    rows.append(_row(f"mendem, mean of {SAMPLES} samples", "automatic", together, long))
    shown = {name: results[name][1] for name in ("Gaussian", "BM3D, best sigma", "mendem, best") if name in results}
    fitted = {n: affine_fit(image, long) for n, image in ({"short dwell": short} | shown).items()} | {
        "long dwell": long
    }
    keep(settings.kept, "pair", [("real pair", fitted, "long dwell")])
    noise = drawn.provenance["noise"]
    std = float(np.sqrt(max(noise["offset"] + noise["gain"] * short.mean(), 0)))
    return {
        "rows": rows,
        "chi2": chi2,
        "residual": level,
        "noise": {"std": std, "correlation": noise["correlation"], "method": noise["method"]},
    }


def _row(name: str, strength: str, image: np.ndarray, long: np.ndarray) -> dict:
    fitted = affine_fit(image, long)
    return {"method": name, "strength": strength, "PSNR": psnr(fitted, long), "SSIM": ssim(fitted, long)}
