"""Whether the spread is right, from the rows of the quality section: coverage and chi² need no further runs."""

from __future__ import annotations

import json

import numpy as np

from benchmarks.settings import Settings


def run(settings: Settings) -> dict:
    """Rows by group and kind of noise: coverage of the 90 % interval, spread over error, chi², noise found."""
    path = settings.kept / "quality.json"
    if not path.is_file():
        return {"skipped": "the section quality was not measured"}
    cases = json.loads(path.read_text())["result"]["rows"]
    rows = []
    for key in ("group", "noise", "level"):
        for value in dict.fromkeys(c[key] for c in cases):
            name = f"{100 * value:.0f} %" if key == "level" else value
            rows.append(_row(name, [c for c in cases if c[key] == value]))
    return {"rows": [*rows, _row("all", cases)]}


def _row(name: str, cases: list[dict]) -> dict:
    def column(key: str) -> np.ndarray:
        return np.array([c[key] for c in cases], float)

    low, high = np.quantile(column("coverage"), [0.05, 0.95])
    return {
        "cases": name,
        "count": len(cases),
        "coverage": float(column("coverage").mean()),
        "coverage 5 to 95 %": [float(low), float(high)],
        "spread over error": float(np.median(column("spread over error"))),
        "chi2": float(np.median(column("chi2"))),
        "noise found": float(np.median(column("noise found"))),
    }
