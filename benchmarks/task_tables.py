"""The page about the tasks: by kind, by kind and group, what samples are worth, and where the baseline wins."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import task_detail
from benchmarks.ours import BUDGETS
from benchmarks.tables import signed, table
from benchmarks.task_detail import frc_table, hole_table, method_table
from benchmarks.task_kinds import KINDS
from benchmarks.task_pictures import MAIN_GROUPS
from benchmarks.tasks import FAMILIES, LARGE_HOLES, MAIN, SAMPLES, against

#: The families as titles.
TITLES = {
    "denoise": "Noise, estimated by the program",
    "superres": "Larger pixels",
    "one axis": "Thick slices and missing rows",
    "inpaint": "Holes",
    "deblur": "Known blur",
}

INTRO = (
    "Every kind of restoration with the one prior. A picture's range from 1 to 99 % is 192 grey levels; noise is in "
    "grey levels, 2 % is of that range. Noise: the program is given the image alone; BM3D knows the true sigma of "
    "white noise, and for other noise the white sigma that the truth likes best. All else: operator and noise level "
    "are known to both. Larger pixels are means over 2 x 2 and 4 x 4 pixels, the baseline is the better of bicubic "
    "(Keys, a = -1/2) and cubic B-spline interpolation, pixel centres where the blocks have theirs, after BM3D or not "
    "where there is noise. One axis: means over 4 and 8 rows, against the same in one direction; every 4th and 8th row "
    "from the first to the last, against the better of linear and cubic spline interpolation. Holes: squares of 24 "
    "pixels, or one of 128, judged inside, against biharmonic inpainting. Blur: Gaussian, with 2 and 5 % noise, "
    "against the best of Wiener filters, Richardson-Lucy (scikit-image) and total variation (ADMM), each at the "
    "strength that the truth likes best. The pictures are blurred before they are cut out: the baselines take them for "
    "mirrored at their edges, mendem takes what is outside for not measured. Held-out, binned: as "
    "`mendem.training.pool` makes the validation split, not smoothed; the noise that is left in real truths counts as "
    "an error for every method."
)


def page(result: dict) -> list[str]:
    """Everything but the pictures, which come family by family (`pictures`)."""
    rows = result["rows"]
    parts = [INTRO, *result.get("notes", [])]
    for family in FAMILIES:
        mine = [r for r in rows if r["family"] == family]
        if mine:
            parts += [f"### {TITLES[family]}", by_kind(mine), by_group(mine)]
            parts += [*method_table(mine, MAIN), *frc_table(mine), *hole_table(mine)]
    if result["samples"]:
        parts += ["### What samples are worth", samples(result["samples"])]
    return parts + ["### Where the baseline wins", *losses(rows)]


def pictures() -> list[str]:
    """Names of the kept pictures, for `benchmarks.crops.draw`."""
    return [*(f"task-{family.replace(' ', '-')}" for family in FAMILIES), LARGE_HOLES]


def _kinds(rows: list[dict]) -> dict[tuple[str, str], list[dict]]:
    found: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        found.setdefault((row["family"], row["kind"]), []).append(row)
    return found


def _mean(rows: list[dict], key: str) -> float:
    return float(np.mean([r[key] for r in rows]))


def by_kind(rows: list[dict]) -> str:
    """A line for each kind, means over all pictures."""
    lines = []
    for (_, kind), some in _kinds(rows).items():
        worst = min(some, key=against)
        names = [r["baseline"] for r in some]
        lines.append(
            [
                kind, max(set(names), key=names.count), _mean(some, "input dB"), _mean(some, "baseline dB"),
                *(_mean(some, b) for b in BUDGETS), signed(float(np.mean([against(r) for r in some]))),
                f"{signed(against(worst))} ({worst['group']}: {worst['picture']})",
                f"{_mean(some, 'baseline SSIM'):.3f}", f"{_mean(some, 'SSIM'):.3f}",
                float(np.median([r["spread over error"] for r in some])),
                *([float(np.median([r["noise found"] for r in some]))] if "noise found" in some[0] else []),
            ]
        )  # fmt: skip
    head = ["PSNR (dB)", "best baseline, mostly", "input", "baseline", *BUDGETS, f"{MAIN} − baseline", "its worst",
            "SSIM, baseline", f"SSIM, {MAIN}", "spread / error"]  # fmt: skip
    return table(head + (["noise found / true"] if "noise found" in rows[0] else []), lines)


def by_group(rows: list[dict]) -> str:
    """What the default budget is ahead of the best baseline: mean and worst, a column for each group."""
    groups = list(dict.fromkeys(r["group"] for r in rows))
    lines = []
    for (_, kind), some in _kinds(rows).items():
        line: list[Any] = [kind]
        for group in groups:
            ahead = [against(r) for r in some if r["group"] == group]
            line.append(f"{signed(float(np.mean(ahead)))} / {signed(min(ahead))}" if ahead else "–")
        lines.append(line)
    return table((f"{MAIN} − baseline (dB), mean / worst", *groups), lines)


def samples(rows: list[dict]) -> str:
    """Samples of the cases that are shown."""
    lines = [
        (f"{r['family']}, {r['kind']}", r["picture"], r["baseline dB"], r[MAIN], r["one sample"], r["mean of samples"])
        for r in rows
    ]
    head = ("PSNR (dB)", "picture", "baseline", f"mean, {MAIN}", "one sample", f"mean of {SAMPLES} samples")
    return table(head, lines)


def aims(result: dict) -> list[tuple[str, str, str]]:
    """(aim, measured, met): the promised gains, and never worse than the baseline on other instruments."""
    lines = []
    kinds = _kinds(result["rows"])
    for kind in KINDS:
        some = [r for r in kinds.get((kind.family, kind.name), []) if r["group"] in MAIN_GROUPS]
        if kind.bar is None or not some:
            continue
        ahead = float(np.mean([against(r) for r in some]))
        aim = f"{kind.family}, {kind.name}: {kind.bar:g} dB over the best baseline (phantoms, binned held-out images)"
        lines.append((aim, f"{signed(ahead)} dB ({MAIN})", "yes" if ahead >= kind.bar else "**no**"))
    some = [r for r in result["rows"] if r["group"] in MAIN_GROUPS]
    lines += [(aim, said, "yes" if met else "**no**") for aim, said, met in task_detail.aims(some)]
    others = [r for r in result["rows"] if r["group"] == "other instruments"]
    if others:
        worst = min(others, key=against)
        lost = sum(against(r) < 0 for r in others)
        case = f"{worst['picture']}, {worst['kind']}"
        said = f"behind in {lost} of {len(others)}; worst {signed(against(worst))} dB ({case})"
        lines.append(("never behind the best baseline on other instruments", said, "yes" if not lost else "**no**"))
    return lines


def losses(rows: list[dict]) -> list[str]:
    """Every kind and group in which the baseline is ahead on average, and the single worst cases."""
    lines = []
    for (family, kind), some in _kinds(rows).items():
        for group in dict.fromkeys(r["group"] for r in some):
            mine = [r for r in some if r["group"] == group]
            ahead = float(np.mean([against(r) for r in mine]))
            if ahead < 0:
                lines.append(f"- {family}, {kind}, {group}: {signed(ahead)} dB over {len(mine)}")
    behind = [r for r in rows if against(r) < 0]
    head = f"The best baseline is ahead in {len(behind)} of {len(rows)} cases"
    worst = sorted(behind, key=against)[:5]
    if worst:
        named = [f"{_case(r)} {signed(against(r))} dB" for r in worst]
        head += "; the worst: " + "; ".join(named)
    return [head + ".", *(["On average over a group it is ahead in:", "\n".join(lines)] if lines else [])]


def _case(row: dict) -> str:
    found = f" (noise found / true {row['noise found']:.2f})" if "noise found" in row else ""
    return f"{row['family']} {row['kind']}, {row['picture']}{found}"
