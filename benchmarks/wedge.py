"""How well the missing wedge is filled: specimens that no training reads, every method in the same cases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process import measured
from benchmarks.settings import Settings
from benchmarks.tables import judged, table

#: Methods that take seconds, and run in every case; the others in those of `ALL_METHODS` alone.
QUICK = ("WBP", "SIRT", "TV", "nearest tilt", "volume road")
KINDS = ("macromolecules", "shapes", "slab", "cell")
PLAIN = "±60° in 3°"


@dataclass(frozen=True)
class Condition:
    """A specimen and how it is tilted: e/Å² of each tilt (None: no noise), and seed."""

    kind: str
    tilts: str
    dose: float | None
    seed: int

    @property
    def thorough(self) -> bool:
        """Whether the methods that take long are tried too."""
        return (self.tilts, self.seed) == (PLAIN, 1)


#: ±60° with and without noise and several seeds; other limits with noise; what is irregular without, too.
CASES = (
    *(Condition(kind, PLAIN, dose, seed) for seed in (1, 2, 3) for dose in (3.0, None) for kind in KINDS),
    *(Condition(kind, tilts, 3.0, 1) for tilts in ("±45° in 3°", "±70° in 2°", "-51° to 69°") for kind in KINDS),
    *(Condition(kind, "-51° to 69°", None, 1) for kind in KINDS),
)
#: The case in which a network learns from one series.
LEARNING = Condition("macromolecules", PLAIN, 3.0, 1)
#: Volumes of five ellipsoids each, for the slope; and what is asked.
ELLIPSOIDS, DOSES = 10, (None, 3.0)
#: In-wedge error over WBP's, power over the truth's, slope, coverage: what is aimed at.
ERROR_BOUND, POWER_BOUNDS, SLOPE_BOUND, COVERED = 0.7, (0.5, 1.5), 0.9, (0.85, 0.95)
#: Methods of this project that aims are for, and those that they are compared with.
OURS = ("volume road", "tilt road")
BASELINES = ("WBP", "SIRT", "TV", "nearest tilt", "self-supervised")


def tried(condition: Condition, methods: list[str]) -> list[str]:
    """Those of the methods that run in a case."""
    from benchmarks.wedge_methods import SLOW

    return [
        m for m in methods if m in QUICK or (condition.thorough and m not in SLOW) or (condition == LEARNING)
    ]  # fmt: skip


def run(settings: Settings) -> dict:
    """Cases and ellipsoids, each in a process of its own."""
    from benchmarks.wedge_methods import available
    from benchmarks.wedge_phantoms import makers

    methods, kinds = available(), makers(settings.data)
    rows, slopes = [], []
    settings.kept.mkdir(parents=True, exist_ok=True)
    for one in [c for c in CASES if c.kind in kinds][: 1 if settings.quick else None]:
        pictured = (one.tilts, one.dose, one.seed) == (PLAIN, 3.0, 1)
        kept = str(settings.kept / f"wedge-{one.kind}.npz") if pictured else None
        some = tried(one, methods)
        found = measured(
            "benchmarks.wedge:case", str(settings.data), one.kind, one.tilts, one.dose, one.seed, some, kept, threads=1
        )
        rows += found
        settings.say(f"{one.kind}, {one.tilts}, {said(one.dose)}, {one.seed}: " + _told(found, "error"))
    for dose in DOSES[-1:] if settings.quick else DOSES:
        some = [m for m in methods if m in QUICK or (m == "tilt road" and dose is not None)]
        found = measured(
            "benchmarks.wedge:ellipsoid_slopes", 1 if settings.quick else ELLIPSOIDS, dose, some, threads=1
        )
        slopes += found
        settings.say(f"slopes, {said(dose)}: " + _told(found, "slope"))
    return {"rows": rows, "slopes": slopes, "methods": methods}


def _told(rows: list[dict], key: str) -> str:
    return ", ".join(f"{r['method']} {r[key]:.2f}" for r in rows)


def case(
    data: str, kind: str, scheme: str, dose: float | None, seed: int, methods: list[str], kept: str | None
) -> list[dict]:
    """One row for each method; with ``kept`` a slice of each in a file."""
    from benchmarks.wedge_methods import METHODS, taken
    from benchmarks.wedge_phantoms import angles_of, makers, recorded
    from benchmarks.wedge_scores import scored

    series = recorded(makers(Path(data))[kind](seed), angles_of(scheme), dose, seed)
    about = {"kind": kind, "tilts": scheme, "dose": dose, "seed": seed}
    answers = {name: METHODS[name](series) for name in methods}
    rows = [{"method": name, **about, **scored(a, series, answers["WBP"])} for name, a in answers.items()]
    for row in rows:
        if row["method"] == "volume road":
            row["taken"] = taken(series)
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


def _of(result: dict, group: tuple[str, str, str], method: str) -> list[dict]:
    """Rows of a group, one for each seed."""
    return [
        r for r in result["rows"] if (r["kind"], r["tilts"], said(r["dose"])) == group and r["method"] == method
    ]  # fmt: skip


def said(dose: float | None) -> str:
    return "none" if dose is None else f"{dose:g} e/Å²"


def aims(result: dict) -> list[tuple[str, str, bool]]:
    """(aim, measured, met)."""
    return [line for name in OURS if name in result["methods"] for line in _aims_of(result, name)]


def _aims_of(result: dict, name: str) -> list[tuple[str, str, bool]]:
    """Means and worst are over all cases of a method, each seed one."""
    mine = [r for r in result["rows"] if r["method"] == name]
    errors, powers = ([r[key] for r in mine] for key in ("error", "power"))
    best = sum(r["error"] <= min(_others(result, r)) for r in mine)
    astray = [p for p in powers if not POWER_BOUNDS[0] <= p <= POWER_BOUNDS[1]]
    lines = [
        (
            f"{name}: error in the wedge at most {ERROR_BOUND:g} of WBP's",
            f"{np.mean(errors):.2f} on average, {max(errors):.2f} at worst, {len(mine)} cases",
            max(errors) <= ERROR_BOUND,
        ),
        (
            f"{name}: better than WBP, SIRT, TV, the nearest tilt and a self-supervised network",
            f"in {best} of {len(mine)} cases",
            best == len(mine),
        ),
        (
            f"{name}: power in the wedge {POWER_BOUNDS[0]:g} to {POWER_BOUNDS[1]:g} of the truth's",
            f"{min(powers):.2f} to {max(powers):.2f}, {np.mean(powers):.2f} on average; outside in {len(astray)} of "
            f"{len(mine)} cases",
            not astray,
        ),
    ]
    lines += judged(f"{name}: taken in place of TV when measured tilts are hidden to judge it", mine)
    slopes = [r for r in result["slopes"] if r["method"] == name]
    plain = {r["dose"]: r["slope"] for r in result["slopes"] if r["method"] == "WBP"}
    lines.append(
        (
            f"{name}: slope of measured on true axial ratio at least {SLOPE_BOUND:g}",
            "; ".join(f"{r['slope']:.2f}, noise {said(r['dose'])} (WBP {plain[r['dose']]:.2f})" for r in slopes),
            min(r["slope"] for r in slopes) >= SLOPE_BOUND,
        )
    )
    sampled = [r["power"] for r in _of_method(result, f"{name}, sample")]
    if sampled:
        lines.append(
            (
                f"{name}, a sample: power in the wedge {POWER_BOUNDS[0]:g} to {POWER_BOUNDS[1]:g} of the truth's",
                f"{min(sampled):.2f} to {max(sampled):.2f}, {np.mean(sampled):.2f} on average, {len(sampled)} cases",
                POWER_BOUNDS[0] <= min(sampled) and max(sampled) <= POWER_BOUNDS[1],
            )
        )
    covered = [r["covered"] for r in mine if "covered" in r]
    if covered:
        mean = float(np.mean(covered))
        lines.append(
            (
                f"{name}: 90 % intervals hold 85 to 95 % of the truth",
                f"{100 * mean:.0f} % on average, {100 * min(covered):.0f} to {100 * max(covered):.0f} %; outside in "
                f"{sum(not COVERED[0] <= c <= COVERED[1] for c in covered)} of {len(covered)} cases",
                all(COVERED[0] <= c <= COVERED[1] for c in covered),
            )
        )
    return lines


def _others(result: dict, row: dict) -> list[float]:
    """Errors of what a row of ours is compared with, in the same case."""
    same = ("kind", "tilts", "dose", "seed")
    return [
        r["error"] for r in result["rows"] if r["method"] in BASELINES and all(r[key] == row[key] for key in same)
    ]  # fmt: skip


def page(result: dict) -> list[str]:
    """The section of the page."""
    methods = result["methods"]
    lines, powers, reaches = [], [], []
    for group in _groups(result):
        by = {m: _of(result, group, m) for m in methods}
        name = (*group, str(len(by["WBP"])))
        lines.append((*name, *(_mean(by[m], "error") for m in methods)))
        powers.append((*name, *(_mean(by[m], "power") for m in methods)))
        reaches.append((*name, *(f"{_mean(by[m], 'reach') or 0:.3f}" if by[m] else "–" for m in methods)))
    worst = [max((r["error"] for r in result["rows"] if r["method"] == m), default=None) for m in methods]
    lines.append(("worst of all", "", "", str(len(_of_method(result, "WBP"))), *worst))
    head = ("specimen", "tilts", "noise", "seeds", *methods)
    doses = list(dict.fromkeys(r["dose"] for r in result["slopes"]))
    slopes = [(m, *(text for dose in doses for text in _slope(result, m, dose))) for m in methods]
    columns = [f"{what}, {'no noise' if d is None else said(d)}" for d in doses for what in ("slope", "elongation")]
    parts = [
        "Specimens that no training reads, made and projected on voxels of half the size. *Macromolecules*: the three "
        "densities of `demo/` (1bxn, 3j9i, 4v4r) in a cylinder about the tilt axis; *shapes*: tori, cones, screws and "
        "gyroids; *slab*: the macromolecules in a slab that goes on beyond the view; *cell*: a simulated cell, "
        "membranes, vesicles and microtubules, whose cytosol is crowded with the same three densities (14 % of its "
        "volume; the networks learned from cells of bead models). 96 x 32 x 96 voxels of 1.6 nm. Noise: the shot "
        "noise of 3 e/Å² for each tilt in phase contrast, white. -51° to 69°: steps of about 3°, angles off by 0.6°, "
        "some tilts lost. Means over the seeds. Errors are squared, inside the missing wedge with one "
        "frequency of margin left out, over those of WBP. TV and SIRT allow nothing below zero for isolated "
        "specimens. *Nearest tilt*: SIRT after each missing tilt was taken from its nearest neighbour, from behind too "
        "where that is nearer. *Volume road*: always the network, whether or not `mendem fill-wedge` would have taken "
        "TV in its place, see the aims. *Sample*: a possible specimen in place of the mean, whose error is up to twice "
        "the mean's in theory. *Tilt road*: total variation of measured and generated tilts; with the first seed at "
        "±60° only, as in all tables where it has a dash. *Self-supervised*: the network of "
        "the volume road, learning from random weights from this series alone, turned and tilted again (IsoNet, "
        "DeepDeWedge), for one minute of CPU; *adapted*: the same from its trained weights. Both only for the "
        "macromolecules at 3 e/Å².",
        "### Error in the wedge, WBP = 1",
        table(head, lines),
        "### Power in the wedge over the truth's",
        table(head, powers),
        "### Correlation in the wedge",
        "Frequency in cycles per voxel at which the Fourier shell correlation with the truth, inside the wedge with "
        "one frequency of margin left out, falls below 1/2.",
        table(head, reaches),
        "### Shapes of ellipsoids",
        f"{ELLIPSOIDS * 5} ellipsoids of axial ratios (z to x) of 0.7 to 1.5, ±60°: regression of the ratio "
        "that is seen (second moments of what is above half of the object's level) on the true one, with its standard "
        "error, and how much longer they look on average.",
        table(("method", *columns), [row for row in slopes if any(cell != "–" for cell in row[1:])]),
    ]
    return parts + _coverage(result)


def _of_method(result: dict, method: str) -> list[dict]:
    return [r for r in result["rows"] if r["method"] == method]


def _slope(result: dict, method: str, dose: float | None) -> tuple[str, str]:
    """Slope and elongation, or dashes."""
    for r in result["slopes"]:
        if (r["method"], r["dose"]) == (method, dose):
            return f"{r['slope']:.2f} ± {r['standard error']:.2f}", f"{r['elongation']:.2f}"
    return "–", "–"


def _coverage(result: dict) -> list[str]:
    rows: list[tuple[Any, ...]] = []
    keys = ("covered", "covered in wedge", "covered in all")
    for m in result["methods"]:
        for group in _groups(result):
            some = [r for r in _of(result, group, m) if "covered" in r]
            if some:
                rows.append((m, *group, *(f"{100 * (_mean(some, k) or 0):.0f} %" for k in keys)))
    if not rows:
        return []
    return [
        "### Spread",
        "Share of voxels whose error lies within 1.645 of the stated standard deviation, which promises 90 %: of the "
        "specimen and two voxels around it; of the same voxels, only the part of the error that lies in the wedge, "
        "against the same intervals, which are for the whole error; and of all voxels, most of which are empty.",
        table(("method", "specimen", "tilts", "noise", "specimen", "in the wedge", "all"), rows),
    ]
