"""Known truths with added noise: held-out images, other instruments, simulated tissue. mendem is told nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from zlib import crc32

import numpy as np

from benchmarks import ours, reliability
from benchmarks.crops import keep
from benchmarks.metrics import climb, coverage, psnr, ssim
from benchmarks.noise import corrupt, white_db2
from benchmarks.pictures import Picture, held_out, other_instruments, simulated_tissue
from benchmarks.settings import Settings

KINDS = ("white", "correlated 0.6 px", "scan filter 0.6", "Poisson-Gaussian", "row offsets")
#: Standard deviation of the noise over the truth's range from 1 to 99 %.
LEVELS = (0.05, 0.10, 0.20)
#: A truth whose own noise is more than this share of the added noise is judged apart: a perfect denoiser would remove
#: that noise too, and it would count as an error.
CLEAN_ENOUGH = 0.5
NOISY_TRUTHS = "noisy truths"
#: What the comparison is about: the default budget.
MAIN = "balanced"
#: Steps of BM3D's sigma when its best is looked for.
STEP = 1.25

Case = tuple[Picture, str, float]


def run(settings: Settings) -> dict:
    """One row for each picture, kind and level of noise."""
    import torch

    from mendem.device import choose_dtype

    pictures = held_out(settings.data) + other_instruments(settings.data) + simulated_tissue()
    absent = [] if (settings.data / "train").is_dir() else ["the data folder has no train: no held-out images"]
    cases = plan(pictures)
    if settings.quick:
        cases = cases[:: len(cases) // 12]
    choose_dtype("cpu")  # measured while nothing else runs
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = []
    with ThreadPoolExecutor(settings.jobs) as pool:
        for i, row in enumerate(pool.map(lambda case: _row(settings, case), cases)):
            rows.append(row)
            if i % 10 == 9:
                settings.say(f"{i + 1}/{len(cases)}")
    torch.set_num_threads(threads)
    reliability.keep(settings.kept, "quality", rows)
    _keep_pictures(settings, cases, rows)
    return {"rows": rows, "notes": absent}


def plan(pictures: list[Picture]) -> list[Case]:
    """Every picture with every kind of noise, the levels taking turns (a Latin square: a third of all combinations)."""
    return [
        (picture, kind, LEVELS[(i + k) % len(LEVELS)])
        for i, picture in enumerate(pictures)
        for k, kind in enumerate(KINDS)
    ]


def noisy(case: Case) -> tuple[np.ndarray, float]:
    """The degraded picture as uint8 does not hold it (float32), and the true standard deviation of the noise."""
    picture, kind, level = case
    rng = np.random.default_rng(crc32(f"{picture.name} {kind} {level}".encode()))
    image, std, _, _ = corrupt(picture.truth, kind, level, rng)
    return image.astype(np.float32), std


def best_bm3d(settings: Settings, case: Case) -> tuple[np.ndarray, float]:
    """BM3D's result at the sigma that the truth likes best, and that sigma."""
    assert settings.bm3d is not None
    bm3d, truth = settings.bm3d, case[0].truth
    image, std = noisy(case)

    def score(sigma: float) -> float:
        return psnr(bm3d(image, sigma), truth)

    sigma, _ = climb(score, std, STEP)
    sigma = max(sigma, white_estimate(image), key=score)
    return bm3d(image, sigma), sigma


def white_estimate(image: np.ndarray) -> float:
    """The standard deviation that an estimator for white noise finds."""
    return white_db2(image.astype(np.float64))


def _row(settings: Settings, case: Case) -> dict:
    picture, kind, level = case
    image, std = noisy(case)
    group = picture.group if picture.own_noise <= CLEAN_ENOUGH * level else NOISY_TRUTHS
    row = {"group": group, "picture": picture.name, "noise": kind, "level": level, "own noise": picture.own_noise}
    row["noisy"] = psnr(image, picture.truth)
    if settings.bm3d is not None:
        result, sigma = best_bm3d(settings, case)
        row |= {"BM3D best": psnr(result, picture.truth), "BM3D best SSIM": ssim(result, picture.truth), "sigma": sigma}
        row["BM3D white"] = psnr(settings.bm3d(image, white_estimate(image)), picture.truth)
    for budget in ours.BUDGETS:
        restoration = ours.restored(image, budget, settings.prior)
        result = ours.pixels(restoration)
        row[budget], row[f"{budget} SSIM"] = psnr(result, picture.truth), ssim(result, picture.truth)
        if budget == MAIN:
            spread = np.asarray(restoration.std.data, np.float64)
            row["chi2"] = restoration.chi2
            row["pixels"] = reliability.some(result, spread, picture.truth)
            row["coverage"] = coverage(result, spread, picture.truth)
            row["spread over error"] = float(np.sqrt(np.mean(spread**2) / np.mean((result - picture.truth) ** 2)))
            squares = np.mean((image - result) ** 2) + np.mean((result - picture.truth) ** 2)
            row["true chi2"] = float(squares / std**2)
            noise = restoration.provenance["noise"]
            variance = np.maximum(noise["offset"] + noise["gain"] * picture.truth, noise["floor"]).mean()
            row["noise found"] = float(np.sqrt(max(variance, 0)) / std)
    return row


def against(row: dict) -> float:
    """What mendem is ahead of the best BM3D, dB; of the noisy image where BM3D was not run."""
    return row[MAIN] - row.get("BM3D best", row["noisy"])


def _keep_pictures(settings: Settings, cases: list[Case], rows: list[dict]) -> None:
    """Of each group the middle and the worst case, judged by what mendem is ahead of BM3D."""
    for group in dict.fromkeys(r["group"] for r in rows):
        order = sorted((i for i, r in enumerate(rows) if r["group"] == group), key=lambda i: against(rows[i]))
        shown = []
        for what, i in (("middle", order[len(order) // 2]), ("worst", order[0])):
            picture, kind, level = cases[i]
            image, _ = noisy(cases[i])
            panels = {"noisy": image.astype(np.float64)}
            if settings.bm3d is not None:
                panels["BM3D, best sigma"] = best_bm3d(settings, cases[i])[0].astype(np.float64)
            panels[f"mendem, {MAIN}"] = ours.pixels(ours.restored(image, MAIN, settings.prior))
            panels["truth"] = picture.truth
            shown.append((f"{what}: {picture.name}\n{kind}, {100 * level:.0f} %", panels, "truth"))
        keep(settings.kept, group.replace(" ", "-"), shown)
