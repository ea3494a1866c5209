"""Whether the spread is right, from what other sections keep: coverage and chi² need no further runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks import reliability
from benchmarks.reliability import AIM, DECILES, Pixels
from benchmarks.settings import Settings
from benchmarks.tables import table

#: Mean width of the intervals over intervals of one width: at most this.
WIDTH_AIM = 0.8
#: Sections that keep pixels, and what their cases are called together.
SECTIONS = {"quality": "denoising, all", "tasks": "other tasks, all"}
#: What stands in the way of a verdict: the truths' own noise counts as an error there.
NOISY_TRUTHS = ("noisy truths", "held-out, raw")


def run(settings: Settings) -> dict:
    """``rows`` by group, kind and level of noise; ``deciles`` and widths by group, those of all cases first."""
    path = settings.kept / "quality.json"
    if not path.is_file():
        return {"skipped": "the section quality was not measured"}
    cases = json.loads(path.read_text())["result"]["rows"]
    rows = []
    for key in ("group", "noise", "level"):
        for value in dict.fromkeys(c[key] for c in cases):
            name = f"{100 * value:.0f} %" if key == "level" else value
            rows.append(_row(name, [c for c in cases if c[key] == value]))
    return {"rows": [*rows, _row("all", cases)], "deciles": _deciles(settings.kept)}


def _row(name: str, cases: list[dict]) -> dict:
    def column(key: str) -> np.ndarray:
        return np.array([c.get(key, np.nan) for c in cases], float)

    low, high = np.quantile(column("coverage"), [0.05, 0.95])
    return {
        "cases": name,
        "count": len(cases),
        "coverage": float(column("coverage").mean()),
        "coverage 5 to 95 %": [float(low), float(high)],
        "spread over error": float(np.median(column("spread over error"))),
        "chi2": float(np.median(column("chi2"))),
        "true chi2": float(np.median(column("true chi2"))),
        "noise found": float(np.median(column("noise found"))),
    }


def _deciles(kept: Path) -> list[dict]:
    found = []
    for section, everything in SECTIONS.items():
        pixels = reliability.kept(kept, section)
        if pixels is None:
            continue
        names = list(dict.fromkeys(pixels.groups))
        found.append(_line(everything, pixels.of([n for n in names if n not in NOISY_TRUTHS])))
        found += [_line(n, pixels.of([n])) for n in names]
    return found


def _line(name: str, pixels: Pixels) -> dict:
    widths = reliability.widths(pixels)
    return {"cases": name, "count": len(pixels.groups), **reliability.deciles(pixels), "widths": widths}


def page(result: dict) -> list[str]:
    """The tables of the page."""
    rows = [
        (
            r["cases"], str(r["count"]), f"{100 * r['coverage']:.0f} %",
            "{:.0f} to {:.0f} %".format(*(100 * v for v in r["coverage 5 to 95 %"])), r["spread over error"], r["chi2"],
            r["true chi2"], r["noise found"],
        )
        for r in result["rows"]
    ]  # fmt: skip
    head = ("cases", "count", "truth within 1.645 std (90 % is right)", "5 to 95 % of the cases", "spread / error",
            "chi²", "chi² with the truth", "noise found / true")  # fmt: skip
    parts = [
        "The spread that the prior predicts, corrected by the calibration that its weights carry. It was measured on "
        "held-out pictures and simulated ones that are not scored here. chi² is what the program reports without the "
        "truth; beside it the same with the true error in place of the spread and the true noise. The last four "
        "columns are medians; 1 is right. Spread and error are root mean squares.",
        table(head, rows),
    ]
    if not result.get("deciles"):
        return parts
    lines = [(r["cases"], str(r["count"]), *(f"{100 * c:.0f}" for c in r["coverage"])) for r in result["deciles"]]
    widths = [(r["cases"], r["widths"]["all cases"], r["widths"]["each case"]) for r in result["deciles"]]
    return [
        *parts,
        "Truths in the 90 % interval, in %, by decile of the predicted spread over all pixels of the cases (the lowest "
        f"first; {reliability.PIXELS} pixels of each case). Cases with noisy truths are left out of all:",
        table(("cases", "count", *(str(i + 1) for i in range(DECILES))), lines),
        "Mean width of these intervals over that of intervals of constant width which hold as many truths: one "
        "width for all cases, or the best one for each case, which knows the case (median over the cases):",
        table(("cases", "one width for all", "one width for each case"), widths),
    ]


def draw(result: dict, target: Path) -> bool:
    """Draw the reliability plot of a result; False where no pixels were kept."""
    if result.get("deciles"):
        reliability.draw(result["deciles"], target)
    return bool(result.get("deciles"))


def aims(result: dict) -> list[tuple[str, str, bool]]:
    """(aim, measured, whether it is met) for all cases of each section."""
    found = []
    for row in result.get("deciles", ()):
        if row["cases"] not in SECTIONS.values():
            continue
        low, high = min(row["coverage"]), max(row["coverage"])
        said = f"90 % intervals hold {100 * AIM[0]:.0f} to {100 * AIM[1]:.0f} % of the truths in every decile of spread"
        met = AIM[0] <= low and high <= AIM[1]
        found.append((f"{said}: {row['cases']}", f"{100 * low:.0f} to {100 * high:.0f} %", met))
        ratio = row["widths"]["all cases"]
        said = f"their mean width at most {WIDTH_AIM:g} of intervals of one width: {row['cases']}"
        found.append((said, f"{ratio:.2f}", ratio <= WIDTH_AIM))
    return found
