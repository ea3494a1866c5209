"""Reconstruction of tilt series against an analytic phantom and scikit-image, with its costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks import tomography_cost, tomography_theory
from benchmarks.process import measured
from benchmarks.settings import Settings
from benchmarks.tables import table

#: Side of the slices, tilts, slices of the volume that are reconstructed, and iterations that are compared.
SIDE, TILTS, SLICES, ITERATIONS = 512, 61, 3, (20,)
#: Marks the reference that knows the object to lie in the disc, as mendem does not.
DISC = ", theirs in the disc"
#: Electrons on a pixel of empty beam where there is noise (`mendem.tomography.phantom.counted`).
DOSE = 1e4
#: Directions of the tilts, and degrees that they stand for: each for its step, the outermost too.
RANGES = {
    "half circle": (np.arange(TILTS) * 180 / TILTS - 90, 180.0),
    "±60°": (np.linspace(-60, 60, TILTS), 122.0),
}
#: Times that a method is run for its CPU time.
REPEATS = 3
#: Part of the reference's error that is allowed, and of theory.
BOUND, THEORY_BOUND = 1.10, 0.02


def run(settings: Settings) -> dict:
    """Errors, times of one thread, costs of volumes, and what theory says."""
    side = 128 if settings.quick else SIDE
    rows = measured("benchmarks.tomography:accuracy", side, threads=1)
    settings.say("accuracy done")
    speed = measured("benchmarks.tomography:speed", side, threads=1)
    settings.say("speed done")
    settings.kept.mkdir(parents=True, exist_ok=True)
    measured("benchmarks.tomography_pictures:keep", str(settings.kept / "tomography.npz"), threads=1)
    costs = tomography_cost.run(settings)
    settings.say("theory")
    return {"side": side, "rows": rows, "speed": speed, **costs, "theory": tomography_theory.run()}


def sections(side: int) -> list[tuple[Callable[[Any], np.ndarray], Callable[[Any], np.ndarray]]]:
    """Image and projections of some slices of a solid: at the place y its section is smaller by sqrt(1 - y²)."""
    from mendem.tomography.phantom import ellipse_phantom

    places = np.linspace(0, 0.8, SLICES)
    phantoms = [ellipse_phantom(*2 * (round(side * float(np.sqrt(1 - y**2))),)) for y in places]
    return [(p.image, p.project) for p in phantoms]


def _methods(angles: np.ndarray, arc: float, side: int) -> dict[str, tuple[Callable, Callable]]:
    """By name: the reference, and ours, each of a sinogram (tilts, width)."""
    import torch

    from benchmarks import tomography_reference as reference
    from mendem.tomography.projector import Projector
    from mendem.tomography.sirt import Sirt
    from mendem.tomography.wbp import Wbp

    projector = Projector(reference.geometry(angles, side))

    def ours(method):
        def answer(sinogram):
            with torch.inference_mode():
                *_, last = method.iterates(projector, torch.from_numpy(sinogram))
            return last.numpy()

        return answer

    found: dict[str, tuple[Callable, Callable]] = {
        f"WBP, {name}": (lambda s, name=name: reference.wbp(s, angles, name, arc), ours(Wbp(name)))
        for name in ("ramp", "hann")
    }
    for n in ITERATIONS:
        for disc, note in ((False, ""), (True, DISC)):
            found[f"SIRT, {n} iterations{note}"] = (
                lambda s, n=n, disc=disc: reference.sirt(s, angles, n, disc),
                ours(Sirt(n)),
            )
    return found


def accuracy(side: int) -> list[dict]:
    """Root mean square errors over those of the truth, inside the disc that all tilts see, for all slices together."""
    from benchmarks import tomography_reference as reference
    from mendem.tomography.phantom import counted

    disc, rows = reference.seen(side), []
    for name, (angles, arc) in RANGES.items():
        geometry = reference.geometry(angles, side)
        exact = [(image(geometry), project(geometry)) for image, project in sections(side)]
        methods = _methods(angles, arc, side)
        for dose in (None, DOSE):
            slices = [(t, p if dose is None else counted(p, dose, i)) for i, (t, p) in enumerate(exact)]
            total = sum(float((t[disc] ** 2).sum()) for t, _ in slices)

            def error(answer, slices=slices, total=total) -> float:
                return float(np.sqrt(sum(((answer(p) - t)[disc] ** 2).sum() for t, p in slices) / total))

            about = {"tilts": name, "noise": dose is not None}
            for method, (theirs, mine) in methods.items():
                rows.append({"method": method, **about, "reference": error(theirs), "ours": error(mine)})
            alone = {"method": "SART of scikit-image, 1 sweep", "ours": None}
            rows.append({**alone, **about, "reference": error(lambda s, a=angles: reference.sart(s, a, 1))})
    return rows


def speed(side: int) -> list[dict]:
    """CPU seconds of one slice from ±60°, the methods taking turns, the median of some."""
    from benchmarks import tomography_reference as reference

    angles, arc = RANGES["±60°"]
    sinogram = sections(side)[0][1](reference.geometry(angles, side))
    methods = _methods(angles, arc, side)
    calls = {(m, who): pair[i] for m, pair in methods.items() for i, who in enumerate(("reference", "ours"))}
    calls["SART of scikit-image, 1 sweep", "reference"] = lambda s: reference.sart(s, angles, 1)
    spent: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for _ in range(1 + REPEATS):  # the first is not counted
        for key, call in calls.items():
            start = time.process_time()
            call(sinogram)
            spent[key].append(time.process_time() - start)
    return [{"method": m, "who": who, "seconds": median(times[1:])} for (m, who), times in spent.items()]


def aims(result: dict) -> list[tuple[str, str, bool]]:
    """(aim, measured, met)."""
    rows = [r for r in result["rows"] if r["ours"] is not None and not r["method"].endswith(DISC)]
    worst = max(r["ours"] / r["reference"] for r in rows)
    times = {(r["method"], r["who"]): r["seconds"] for r in result["speed"]}
    ratios = {m: times[m, "reference"] / times[m, "ours"] for m, who in times if who == "ours"}
    slowest = min(ratios.values())
    slice_ = f"{result['side']}² from {TILTS} tilts"
    lines = [
        (
            f"WBP and SIRT of {slice_}: error at most {BOUND:g} times that of scikit-image",
            f"at worst {worst:.2f} times",
            worst <= BOUND,
        ),
        (f"WBP and SIRT of {slice_} faster than scikit-image", f"{slowest:.1f} times at least", slowest > 1),
    ]
    theory = [
        abs(r[key] / r[f"{key} in theory"] - 1) for r in result["theory"]["rows"] for key in ("elongation", "z", "x")
    ] + [
        abs(a / b - 1)
        for r in result["theory"]["rows"]
        for a, b in zip(r["limits"], r["limits in theory"], strict=True)
    ]
    lines.append(
        (
            "elongation, widths and limits of the wedge within 2 % of theory",
            f"{100 * max(theory):.1f} % at most",
            max(theory) <= THEORY_BOUND,
        )
    )
    return lines + tomography_cost.aims(result)


def page(result: dict) -> list[str]:
    """The section of the page."""
    side = result["side"]
    errors = [
        (
            r["method"],
            r["tilts"],
            "shot noise" if r["noise"] else "none",
            f"{r['reference']:.4f}",
            "–" if r["ours"] is None else f"{r['ours']:.4f}",
            "–" if r["ours"] is None else f"{r['ours'] / r['reference']:.2f}",
        )
        for r in result["rows"]
    ]
    times = {(r["method"], r["who"]): r["seconds"] for r in result["speed"]}
    speeds = []
    for method in dict.fromkeys(m for m, _ in times):
        theirs, ours = times[method, "reference"], times.get((method, "ours"))
        said = ("–", "–") if ours is None else (f"{1e3 * ours:.0f}", f"{theirs / ours:.1f}")
        speeds.append((method, f"{1e3 * theirs:.0f}", *said))
    return [
        f"{SLICES} slices of {side}² of a solid of ellipsoids with holes and details, whose projections are known "
        f"exactly, from {TILTS} tilts. Errors: root mean square over the root mean square of the truth, inside the "
        "disc that all tilts see. Shot noise: "
        f"{DOSE:g} electrons on a pixel of empty beam, a tenth of which the thickest place takes away. SIRT of "
        "scikit-image is written with `radon` and `iradon` without a filter, with the same weights, of the same "
        "square; *in the disc* it knows that the corners are empty: its steps are longer, and equal numbers of "
        "iterations are not equal. The half circle that its WBP assumes is scaled to the range of the tilts.",
        table(("method", "tilts", "noise", "error of scikit-image", "error of mendem", "ratio"), errors),
        f"CPU time of one slice from ±60°, one thread each, the methods taking turns in one process, median of "
        f"{REPEATS}. What mendem prepares once for a volume is not in it: it is less than a slice of SIRT.",
        table(("method", "scikit-image (ms)", "mendem (ms)", "times faster"), speeds),
        *tomography_cost.page(result),
        *tomography_theory.page(result["theory"]),
    ]
