"""How well the missing wedge is filled: specimens that no training reads, every method in the same cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process import measured
from benchmarks.settings import Settings
from benchmarks.tables import table

#: Cases: kind of specimen, tilts, e/Å² of each tilt (None: no noise), seeds.
CASES: list[tuple[str, str, float | None, tuple[int, ...]]] = [
    (kind, "±60° in 3°", dose, (1,)) for dose in (3.0, None) for kind in ("macromolecules", "shapes", "slab")
]
#: Volumes of five ellipsoids each, for the slope; and what is asked.
ELLIPSOIDS, DOSES = 10, (3.0,)
#: In-wedge error over WBP's, power over the truth's, slope, coverage: what is aimed at.
ERROR_BOUND, POWER_BOUNDS, SLOPE_BOUND, COVERED = 0.7, (0.5, 1.5), 0.9, (0.85, 0.95)
#: Methods of this project that aims are for, and those that they are compared with.
OURS = ("volume road", "tilt road")
BASELINES = ("WBP", "SIRT", "TV", "nearest tilt", "self-supervised")


def run(settings: Settings) -> dict:
    """Cases and ellipsoids, each in a process of its own."""
    from benchmarks.wedge_methods import SLOW, available
    from benchmarks.wedge_phantoms import makers

    methods, kinds = available(), makers(settings.data)
    rows, slopes = [], []
    cases = [(k, s, d, seed) for k, s, d, seeds in CASES for seed in seeds if k in kinds]
    for kind, scheme, dose, seed in cases[:1] if settings.quick else cases:
        kept = str(settings.kept / f"wedge-{kind}.npz") if (scheme, dose, seed) == ("±60° in 3°", 3.0, 1) else None
        some = [m for m in methods if m not in SLOW or (kind, dose) == ("macromolecules", 3.0)]
        settings.kept.mkdir(parents=True, exist_ok=True)
        rows += measured("benchmarks.wedge:case", str(settings.data), kind, scheme, dose, seed, some, kept, threads=1)
        found = ", ".join(f"{r['method']} {r['error']:.2f}" for r in rows[-len(some) :])
        settings.say(f"{kind}, {scheme}, {dose}: {found}")
    for dose in DOSES:
        count = 1 if settings.quick else ELLIPSOIDS
        some = [m for m in methods if m not in SLOW]
        slopes += measured("benchmarks.wedge:ellipsoid_slopes", count, dose, some, threads=1)
        settings.say(f"slopes, {dose}: " + ", ".join(f"{r['method']} {r['slope']:.2f}" for r in slopes[-len(some) :]))
    return {"rows": rows, "slopes": slopes, "methods": methods}


def case(
    data: str, kind: str, scheme: str, dose: float | None, seed: int, methods: list[str], kept: str | None
) -> list[dict]:
    """One row for each method; with ``kept`` a slice of each in a file."""
    from benchmarks.wedge_methods import METHODS
    from benchmarks.wedge_phantoms import angles_of, makers, recorded
    from benchmarks.wedge_scores import scored

    series = recorded(makers(Path(data))[kind](seed), angles_of(scheme), dose, seed)
    about = {"kind": kind, "tilts": scheme, "dose": dose, "seed": seed}
    answers = {name: METHODS[name](series) for name in methods}
    rows = [{"method": name, **about, **scored(a, series, answers["WBP"])} for name, a in answers.items()]
    if kept is not None:
        middle = series.truth.shape[1] // 2
        slices = {name: a.mean[:, middle] for name, a in answers.items()}
        np.savez(kept, **slices, truth=series.truth[:, middle])
    return rows


def ellipsoid_slopes(volumes: int, dose: float | None, methods: list[str]) -> list[dict]:
    """Regression of measured on true axial ratios for each method."""
    from benchmarks.wedge_methods import METHODS
    from benchmarks.wedge_phantoms import angles_of, ellipsoids, recorded
    from benchmarks.wedge_scores import axial_ratios, slope

    true: list[float] = []
    seen: dict[str, list[float]] = {name: [] for name in methods}
    for seed in range(volumes):
        objects = ellipsoids(100 + seed)
        series = recorded(objects.phantom, angles_of("±60° in 3°"), dose, seed)
        true += (objects.halves[:, 0] / objects.halves[:, 2]).tolist()
        for name in methods:
            seen[name] += axial_ratios(METHODS[name](series).mean, objects).tolist()
    return [
        {"method": name, "dose": dose, **slope(np.array(seen[name]), np.array(true)), "seen": seen[name], "true": true}
        for name in methods
    ]


def _mean(rows: list[dict], key: str) -> float | None:
    values = [r[key] for r in rows if r.get(key) is not None]
    return float(np.mean(values)) if values else None


def _groups(result: dict) -> list[tuple[str, str, str]]:
    """(kind, tilts, condition) in the order of the cases."""
    return list(dict.fromkeys((r["kind"], r["tilts"], said(r["dose"])) for r in result["rows"]))


def said(dose: float | None) -> str:
    return "none" if dose is None else f"{dose:g} e/Å²"


def aims(result: dict) -> list[tuple[str, str, bool]]:
    """(aim, measured, met)."""
    lines = []
    groups = _groups(result)
    for name in [m for m in OURS if m in result["methods"]]:
        errors, best, powers = [], 0, []
        for group in groups:
            some = [r for r in result["rows"] if (r["kind"], r["tilts"], said(r["dose"])) == group]
            means = {m: _mean([r for r in some if r["method"] == m], "error") for m in result["methods"]}
            ours = means[name]
            assert ours is not None
            errors.append(ours)
            best += all(ours <= v for m, v in means.items() if v is not None and m in BASELINES)
            powers += [r["power"] for r in some if r["method"] == name]
        lines += [
            (
                f"{name}: error in the wedge at most {ERROR_BOUND:g} of WBP's",
                f"{np.mean(errors):.2f} on average, {max(errors):.2f} at worst",
                max(errors) <= ERROR_BOUND,
            ),
            (
                f"{name}: better than WBP, SIRT, TV, the nearest tilt and a self-supervised network",
                f"in {best} of {len(groups)} kinds of case",
                best == len(groups),
            ),
            (
                f"{name}: power in the wedge {POWER_BOUNDS[0]:g} to {POWER_BOUNDS[1]:g} of the truth's",
                f"{min(powers):.2f} to {max(powers):.2f}",
                POWER_BOUNDS[0] <= min(powers) and max(powers) <= POWER_BOUNDS[1],
            ),
        ]
        slopes = [r["slope"] for r in result["slopes"] if r["method"] == name]
        plain = [r["slope"] for r in result["slopes"] if r["method"] == "WBP"]
        lines.append(
            (
                f"{name}: slope of measured on true axial ratio at least {SLOPE_BOUND:g}",
                " and ".join(f"{s:.2f}" for s in slopes)
                + f" without noise and with (WBP {' and '.join(f'{s:.2f}' for s in plain)})",
                min(slopes) >= SLOPE_BOUND,
            )
        )
        covered = [r["covered"] for r in result["rows"] if r["method"] == name and "covered" in r]
        if covered:
            mean = float(np.mean(covered))
            lines.append(
                (
                    f"{name}: 90 % intervals hold 85 to 95 % of the truth",
                    f"{100 * mean:.0f} % on average, {100 * min(covered):.0f} to {100 * max(covered):.0f} %",
                    COVERED[0] <= mean <= COVERED[1],
                )
            )
    return lines


def page(result: dict) -> list[str]:
    """The section of the page."""
    methods = result["methods"]
    lines, powers, reaches = [], [], []
    for kind, tilts, noise in _groups(result):
        some = [r for r in result["rows"] if (r["kind"], r["tilts"], said(r["dose"])) == (kind, tilts, noise)]
        by = {m: [r for r in some if r["method"] == m] for m in methods}
        lines.append((kind, tilts, noise, *(_mean(by[m], "error") for m in methods)))
        powers.append((kind, tilts, noise, *(_mean(by[m], "power") for m in methods)))
        reaches.append((kind, tilts, noise, *(f"{_mean(by[m], 'reach') or 0:.3f}" if by[m] else "–" for m in methods)))
    head = ("specimen", "tilts", "noise", *methods)
    slopes = [
        (m, *(f"{r['slope']:.2f} ± {r['standard error']:.2f}" for r in result["slopes"] if r["method"] == m))
        + tuple(f"{r['elongation']:.2f}" for r in result["slopes"] if r["method"] == m)
        for m in methods
        if any(r["method"] == m for r in result["slopes"])
    ]
    parts = [
        "Specimens that no training reads, made and projected on voxels of half the size. *Macromolecules*: the three "
        "densities of `demo/` in a cylinder about the tilt axis; *shapes*: tori, cones, screws and gyroids; *slab*: "
        "the macromolecules in a slab that goes on beyond the view. 96 x 32 x 96 voxels of 1.6 nm. Noise: the shot "
        "noise of 3 e/Å² for each tilt in phase contrast, white. Errors are squared, inside the missing wedge with one "
        "frequency of margin left out, over those of WBP. TV and SIRT allow nothing below zero for isolated "
        "specimens. *Nearest tilt*: SIRT after each missing tilt was taken from its nearest neighbour, from behind too "
        "where that is nearer. *Tilt road*: SIRT of measured and generated tilts. *Self-supervised*: the network of "
        "the volume road, learning from random weights from this series alone, turned and tilted again (IsoNet, "
        "DeepDeWedge), for one minute of CPU; *adapted*: the same from its trained weights. Both only for the "
        "macromolecules at 3 e/Å².",
        "### Error in the wedge, WBP = 1",
        table(head, lines),
        "### Power in the wedge over the truth's",
        table(head, powers),
        "### Correlation in the wedge",
        "Frequency in cycles per voxel at which the Fourier shell correlation with the truth, inside the wedge, falls "
        "below 1/2.",
        table(head, reaches),
        "### Shapes of ellipsoids",
        f"{ELLIPSOIDS * 5} ellipsoids of axial ratios (z to x) of 0.7 to 1.5, ±60°, 3 e/Å²: regression of the ratio "
        "that is seen (second moments of what is above half of the object's level) on the true one, and how much "
        "longer they look on average.",
        table(("method", "slope", "elongation"), slopes),
    ]
    return parts + _coverage(result)


def _coverage(result: dict) -> list[str]:
    rows: list[tuple[Any, ...]] = []
    for m in result["methods"]:
        for kind, tilts, noise in _groups(result):
            some = [
                r
                for r in result["rows"]
                if (r["method"], r["kind"], r["tilts"], said(r["dose"])) == (m, kind, tilts, noise) and "covered" in r
            ]
            if some:
                keys = ("covered", "covered in wedge", "covered in all")
                rows.append((m, kind, tilts, noise, *(f"{100 * (_mean(some, k) or 0):.0f} %" for k in keys)))
    if not rows:
        return []
    return [
        "### Spread",
        "Share of voxels whose error lies within 1.645 of the stated standard deviation, which promises 90 %: of the "
        "specimen and two voxels around it; of the same voxels, only the part of the error that lies in the wedge, "
        "against the same intervals, which are for the whole error; and of all voxels, most of which are empty.",
        table(("method", "specimen", "tilts", "noise", "specimen", "in the wedge", "all"), rows),
    ]
