"""Every kind of restoration with the one prior, beside the best classical answer: tables and a picture per kind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.crops import SPREAD, keep
from benchmarks.metrics import PEAK, psnr, ssim
from benchmarks.ours import BUDGETS
from benchmarks.pictures import Picture
from benchmarks.reliability import keep as keep_pixels
from benchmarks.reliability import some
from benchmarks.settings import Settings
from benchmarks.task_answers import answers
from benchmarks.task_detail import detail, fillings
from benchmarks.task_kinds import KINDS, LARGE_HOLE, Kind, Measured
from benchmarks.task_pictures import MAIN_GROUPS, SECTIONS, cut, groups

#: What the comparison is about: the default budget.
MAIN = "balanced"
#: Samples drawn for the case of each kind that is shown, and for every large hole.
SAMPLES = 4
#: The large holes that are shown, whole, as a picture of this name.
LARGE_HOLES, LARGE_SIDE = "large-holes", 256
#: Families of which there is one picture each, a row for each kind.
FAMILIES = tuple(dict.fromkeys(k.family for k in KINDS))

Case = tuple[Picture, Kind]


def run(settings: Settings) -> dict:
    """One row for each picture and kind; ``samples`` are what the shown cases gave when samples were drawn."""
    import torch

    from mendem.device import choose_dtype

    cases = plan(groups(settings.data))
    if settings.quick:
        cases = quick(cases)
    choose_dtype("cpu")  # measured while nothing else runs
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows: list[dict] = []
    with ThreadPoolExecutor(settings.jobs) as pool:
        for i, row in enumerate(pool.map(lambda case: _row(settings, case), cases)):
            rows.append(row)
            if i % 20 == 19:
                settings.say(f"{i + 1}/{len(cases)}")
        keep_pixels(settings.kept, "tasks", rows)
        shown = middles(rows)
        drawn = list(pool.map(lambda i: _drawn(settings, cases[i], rows[i]), shown))
        large = [cases[i] for i in spread_out([i for i, r in enumerate(rows) if "fillings" in r])]
        keep(settings.kept, LARGE_HOLES, list(pool.map(lambda case: _hole_shown(settings, case), large)), LARGE_SIDE)
    torch.set_num_threads(threads)
    for family in FAMILIES:
        mine = [panels for panels, row in drawn if row["family"] == family and "fillings" not in row]
        if mine:
            keep(settings.kept, f"task-{family.replace(' ', '-')}", mine)
    absent = [] if (settings.data / "train").is_dir() else ["the data folder has no train: no held-out images"]
    return {"rows": rows, "samples": [row for _, row in drawn], "notes": absent}


def plan(pictures: list[Picture]) -> list[Case]:
    """Every picture with every kind; sections across slices with what is done along one axis alone.

    Noise that is not white is tried on `MAIN_GROUPS`: looking for the best sigma of BM3D takes a minute a case, and the
    section on known truths has the other groups.
    """
    return [
        (cut(p, k.side), k)
        for k in KINDS
        for p in pictures
        if min(p.truth.shape) >= k.least
        if p.group != SECTIONS or k.family == "one axis"
        if p.group in MAIN_GROUPS or k.family != "denoise" or k.name.startswith("white")
    ]


def quick(cases: list[Case]) -> list[Case]:
    """One picture of each kind, taking turns."""
    chosen = []
    for i, kind in enumerate(KINDS):
        mine = [c for c in cases if c[1] == kind]
        chosen.append(mine[i % len(mine)])
    return chosen


def against(row: dict) -> float:
    """What mendem is ahead of the best baseline, dB."""
    return row[MAIN] - row["baseline dB"]


def middles(rows: list[dict]) -> list[int]:
    """Of each kind the case in the middle, judged by what mendem is ahead; the picture that is shown."""
    found = []
    for kind in dict.fromkeys((r["family"], r["kind"]) for r in rows):
        mine = sorted(
            (i for i, r in enumerate(rows) if (r["family"], r["kind"]) == kind), key=lambda i: against(rows[i])
        )
        found.append(mine[len(mine) // 2])
    return found


def spread_out(found: list[int]) -> list[int]:
    """The first, the middle and the last."""
    return [found[i] for i in sorted({0, len(found) // 2, len(found) - 1})] if found else []


def level(image: np.ndarray, m: Measured) -> float:
    """PSNR over what is judged."""
    part = slice(None) if m.scored is None else m.scored
    return psnr(image[part], m.truth[part])


def likeness(image: np.ndarray, m: Measured) -> float:
    """SSIM over what is judged."""
    if m.scored is None:
        return ssim(image, m.truth)
    from skimage.metrics import structural_similarity

    _, local = structural_similarity(m.truth, image.astype(np.float64), data_range=PEAK, full=True)
    return float(local[m.scored].mean())


def _best(m: Measured) -> str:
    return max(m.baselines, key=lambda name: level(m.baselines[name], m))


def _row(settings: Settings, case: Case) -> dict:
    picture, kind = case
    m = kind.of(settings, picture)
    best = _best(m)
    large = m.scored is not None and m.scored.sum() >= LARGE_HOLE**2
    found = answers(m, settings.prior, SAMPLES if large else 0)
    more: dict = {}
    if large:
        more["fillings"] = fillings(m, found.means[MAIN], found.samples)
    if kind.family == "superres":
        more |= detail(m, found.means[MAIN])
    if kind.family == "deblur":
        more["methods"] = {name: level(x, m) for name, x in m.baselines.items()}
    part = slice(None) if m.scored is None else m.scored
    error, spread = (found.means[MAIN] - m.truth)[part], found.spread[part]
    return {
        "group": picture.group,
        "picture": picture.name,
        "own noise": picture.own_noise,
        "family": kind.family,
        "kind": kind.name,
        "input dB": level(m.shown, m),
        "baseline": best,
        "baseline dB": level(m.baselines[best], m),
        "baseline SSIM": likeness(m.baselines[best], m),
        **{budget: level(found.means[budget], m) for budget in BUDGETS},
        "SSIM": likeness(found.means[MAIN], m),
        "spread over error": float(np.sqrt(np.mean(spread**2) / np.mean(error**2))),
        "pixels": some(found.means[MAIN][part], spread, m.truth[part]),
        **({} if found.noise is None else {"noise found": found.noise / float(np.std(m.y - m.truth))}),
        **more,
    }


def _drawn(settings: Settings, case: Case, row: dict) -> tuple[tuple[str, dict[str, np.ndarray], str], dict]:
    """The panels of a case, and its row with what samples are worth."""
    picture, kind = case
    m = kind.of(settings, picture)
    found = answers(m, settings.prior, SAMPLES)
    panels = {
        "input": m.shown.astype(np.float64),
        row["baseline"]: m.baselines[row["baseline"]],
        f"mendem, {MAIN}": found.means[MAIN],
        "one sample": found.samples[0],
        SPREAD: found.spread,
        "truth": m.truth,
    }
    single = float(np.mean([level(s, m) for s in found.samples]))
    together = level(np.mean(found.samples, axis=0), m)
    return (f"{picture.name}\n{kind.name}", panels, "truth"), row | {"one sample": single, "mean of samples": together}


def _hole_shown(settings: Settings, case: Case) -> tuple[str, dict[str, np.ndarray], str]:
    """The panels of a large hole: guesses, and two of the things that could be there."""
    picture, kind = case
    m = kind.of(settings, picture)
    found = answers(m, settings.prior, SAMPLES)
    panels = {
        "input": m.shown.astype(np.float64),
        "biharmonic": m.baselines["biharmonic"],
        "mendem, mean": found.means[MAIN],
        "one sample": found.samples[0],
        "another": found.samples[1],
        SPREAD: found.spread,
        "truth": m.truth,
    }
    return picture.name, panels, "truth"
