"""The aims, and whether the numbers of this run meet them; losses appear as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import (
    calibration,
    isotropic,
    large_volume,
    novelty,
    task_tables,
    tomography,
    tomography_alignment,
    wedge,
    wedge_held_out,
)
from benchmarks.quality import MAIN, against

#: Memory that a run from disk to disk may take above an interpreter with torch, bytes; speed over BM3D.
MEMORY_BOUND = 2e9
SPEED_BOUND = 10.0


def aims(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(aim, measured, met) of what was measured."""
    lines = []
    for rule in (
        _pair,
        _tasks,
        _isotropic,
        _tomography,
        _wedge,
        _calibration,
        _novelty,
        _speed,
        _large,
        _large_volume,
        _invariance,
        _live,
    ):
        lines += rule(found)
    return lines


def _said(met: bool) -> str:
    return "yes" if met else "**no**"


def _rows(found: dict[str, Any], section: str) -> list[dict]:
    return found.get(section, {}).get("result", {}).get("rows", [])


def _pair(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    rows = {r["method"]: r for r in _rows(found, "pair")}
    if not rows:
        return []
    ours = rows[f"mendem, {MAIN}"]
    lines = []
    for name in ("Gaussian", "BM3D, best sigma"):
        if name in rows:
            bar = rows[name]
            said = f"{name.split(',')[0]} at its best ({bar['PSNR']:.2f} dB, {bar['SSIM']:.3f})"
            aim = f"real pair, automatic, above {said}"
            met = ours["PSNR"] > bar["PSNR"] and ours["SSIM"] > bar["SSIM"]
            lines.append((aim, f"{ours['PSNR']:.2f} dB, {ours['SSIM']:.3f} ({MAIN})", _said(met)))
    return lines


def _tasks(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    result = found.get("tasks", {}).get("result", {})
    return task_tables.aims(result) if "rows" in result else []


def _isotropic(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    result = found.get("isotropic", {}).get("result", {})
    return isotropic.aims(result) if "rows" in result else []


def _tomography(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    result = found.get("tomography", {}).get("result", {})
    return [(aim, said, _said(met)) for aim, said, met in tomography.aims(result)] if "rows" in result else []


def _wedge(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    lines = []
    sections = {"alignment": tomography_alignment, "wedge": wedge, "wedge-held-out": wedge_held_out}
    for name, section in sections.items():
        result = found.get(name, {}).get("result", {})
        if "rows" in result:
            lines += [(aim, said, _said(met)) for aim, said, met in section.aims(result)]
    return lines


def _calibration(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    result = found.get("calibration", {}).get("result", {})
    return [(aim, said, _said(met)) for aim, said, met in calibration.aims(result)]


def _novelty(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    result = found.get("novelty", {}).get("result", {})
    return novelty.aims(result) if "rows" in result else []


def _speed(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    lines = []
    for row in _rows(found, "speed"):
        if row["method"] == f"mendem {MAIN}" and row["ratio"]:
            aim = f"{SPEED_BOUND:.0f} times the pixels a second of BM3D, {row['threads']} thread(s)"
            said = f"{row['ratio']:.1f} times; {row['whole ratio']:.1f} with noise estimation ({MAIN})"
            lines.append((aim, said, _said(row["whole ratio"] >= SPEED_BOUND)))
    return lines


def _large(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    result = found.get("large", {}).get("result", {})
    if "above" not in result:
        return []
    aim = f"{result['side']}² uint16 from disk to disk, peak below {MEMORY_BOUND / 1e9:.0f} GB above torch alone"
    return [(aim, f"{result['above'] / 1e9:.2f} GB", _said(result["above"] < MEMORY_BOUND))]


def _large_volume(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    result = found.get("large-volume", {}).get("result", {})
    return [(aim, said, _said(met)) for aim, said, met in large_volume.aims(result)] if "peak" in result else []


def _invariance(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    rows = _rows(found, "invariance")
    lines = []
    claims = {1.0: "shift, scale and inversion change nothing else", 0.1: "tiles and blocks change nothing"}
    for bound, what in claims.items():
        some = [r["largest"] for r in rows if r["bound"] == bound]
        if some:
            lines.append((f"{what} ({bound:g} % of the range)", f"{max(some):.3f} %", _said(max(some) <= bound)))
    return lines


def _live(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Bounds on single rows of the live section, found by how they begin."""
    rows = _rows(found, "stalls")
    lines = []
    stalls = [r["stall max (ms)"] for r in rows if r.get("stall max (ms)") is not None]
    if stalls:
        lines.append(
            ("event loop stalls below 100 ms, layer creation apart", f"{max(stalls):.0f} ms", _said(max(stalls) < 100))
        )
    bounds = {
        "widget opens": ("the widget opens within 1 s", 1.0),
        "first preview": ("first answer for a 512² view within 1 s", 1.0),
        "cancel": ("cancel within 0.3 s", 0.3),
    }
    for row in rows:
        for start, (aim, bound) in bounds.items():
            if row["what"].startswith(start) and row.get("latency (s)") is not None:
                lines.append((aim, f"{row['latency (s)']:.2f} s", _said(row["latency (s)"] < bound)))
    return lines


def reading(rows: list[dict]) -> list[str]:
    """Sentences about where mendem loses to BM3D at its best sigma, counted from the rows."""
    if not rows or "BM3D best" not in rows[0]:
        return []
    sentences = []
    for group in dict.fromkeys(r["group"] for r in rows):
        mine = [r for r in rows if r["group"] == group]
        ahead = np.array([against(r) for r in mine])
        worst = mine[int(ahead.argmin())]
        lost = int((ahead < 0).sum())
        sentences.append(
            f"**{group.capitalize()}**: {ahead.mean():+.2f} dB on average over {len(mine)} cases; behind in {lost} of "
            f"them, by more than 0.5 dB in {int((ahead < -0.5).sum())}. Worst: {worst['picture']}, {worst['noise']}, "
            f"{100 * worst['level']:.0f} %: {ahead.min():+.2f} dB (noise found / true: {worst['noise found']:.2f})."
        )
    kinds = dict.fromkeys(r["noise"] for r in rows)
    by_kind = {k: np.mean([against(r) for r in rows if r["noise"] == k]) for k in kinds}
    behind = [f"{k} ({v:+.2f} dB)" for k, v in by_kind.items() if v < 0]
    sentences.append("Kinds of noise where it is behind on average: " + (", ".join(behind) if behind else "none") + ".")
    wrong = [r for r in rows if abs(np.log(max(r["noise found"], 1e-6))) > np.log(1.5)]
    if wrong:
        lost = np.mean([against(r) for r in wrong])
        sentences.append(
            f"The noise was estimated wrong by more than 1.5 times in {len(wrong)} of {len(rows)} cases; "
            f"there mendem is at {lost:+.2f} dB."
        )
    return sentences
