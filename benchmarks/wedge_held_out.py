"""Series as a microscope records them, of which the outermost tilts are hidden: how well those are foreseen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.process import measured
from benchmarks.settings import Settings
from benchmarks.tables import judged, table
from benchmarks.wedge_recorded import ITERATIONS, NEEDLE, Recording

#: By name; of the tilts between ±60° (±45° of the cell) all are shown, beyond all are hidden.
RECORDINGS = {
    "particles, 89 tilts, noisy": Recording("particles", 2.0, 400.0),
    "particles, 89 tilts": Recording("particles", 2.0, 2500.0),
    "needle, 41 tilts": Recording("needle", 4.4, 2500.0),
    "needle, 61 tilts": Recording("needle", 2.93, 2500.0),
    "needle, 120 tilts": Recording("needle", 1.48, 2500.0),
    "cell, 45 tilts": Recording("cell", 3.0, 3.0),
}
SEEDS = (71, 72)
#: Series in which the tilt road, which takes longest, is tried: one seed of each.
WITH_TILT_ROAD = ("particles, 89 tilts", "cell, 45 tilts")
#: The hidden tilts without noise, against themselves as recorded: nothing can be nearer.
CEILING = "the specimen itself"
#: dB over TV, and error in the wedge over WBP's, that are aimed at.
GAIN_BOUND, ERROR_BOUND = 1.0, 0.7


def run(settings: Settings) -> dict:
    """Rows for each series and method."""
    from benchmarks.wedge_methods import SLOW, available

    rows: list[dict] = []
    for name in list(RECORDINGS)[:1] if settings.quick else RECORDINGS:
        for seed in SEEDS[:1] if settings.quick else SEEDS:
            road = name in WITH_TILT_ROAD and seed == SEEDS[0]
            left_out = {*SLOW, "volume road, sample", *(() if road else ("tilt road",))}
            methods = [m for m in available() if m not in left_out]
            found = measured("benchmarks.wedge_held_out:case", name, seed, methods, threads=1)
            rows += found
            said = (f"{r['method']} {r['recorded']:+.2f} and {_said(r['clean'])} dB" for r in found)
            settings.say(f"{name}, {seed}: " + ", ".join(said))
    return {"rows": rows, "kept": measured("benchmarks.wedge_held_out:kept_exactly", threads=1)}


def kept_exactly() -> dict[str, bool]:
    """Whether the measured tilts of completed series are the same bit for bit, in memory and in a file."""
    import tempfile

    import mendem
    from mendem.simulate import DarkField, continuous, particle_volume, record

    series = record(particle_volume((48, 32, 48), 1.6, 7), continuous(-60, 60, 6), DarkField(), dose=400.0, seed=7)
    pixels = np.asarray(series.image.data)
    found = {}
    for kind, data in {"float32": pixels, "uint16": np.round(pixels).clip(0).astype(np.uint16)}.items():
        one = replace(series, image=series.image.with_data(data), excluded=(3,))
        filled = mendem.fill_wedge(one, 48, filler="tv", device="cpu")
        shown = [i for i, flag in enumerate(filled.flags) if flag != "generated"]
        found[f"{kind}, in memory"] = bool(np.array_equal(np.asarray(filled.completed.image.data)[shown], data))
        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("mrc", "tif"):
                mendem.write(f"{folder}/stack.{suffix}", filled.completed.image)
                back = np.asarray(mendem.read(f"{folder}/stack.{suffix}").data)[shown]
                found[f"{kind}, {suffix}"] = bool(back.dtype == data.dtype and np.array_equal(back, data))
    return found


def case(name: str, seed: int, methods: list[str]) -> list[dict]:
    """For each method the gain over TV (dB) on hidden tilts, and the errors in the wedge.

    The last row is the ceiling. Errors are those against SIRT of all tilts and, for HAADF, against the specimen.
    """
    from benchmarks import wedge_methods as ways
    from benchmarks.wedge_recorded import compared, held, sirt_of_all
    from benchmarks.wedge_scores import scored

    recording = RECORDINGS[name]
    series = held(recording, seed)
    whole = replace(series.case, truth=sirt_of_all(series.case, series.all_angles, series.recorded))
    answers = {m: ways.METHODS[m](series.case) for m in methods}
    targets = np.stack([series.hidden, series.clean]).transpose(2, 0, 1, 3)
    about = {
        "series": name, "seed": seed, "noise": recording.noise, "shown": len(series.case.geometry.angles_deg),
        "hidden": len(series.angles), "angles": series.angles,
    }  # fmt: skip
    rows, errors = [], {}
    for method, answer in answers.items():
        if method == "nearest tilt":
            tilts = ways.nearest_tilts(series.case, series.angles)
        elif method == "tilt road":
            tilts = ways.road_tilts(series.case, series.angles)
        else:
            tilts = ways.tilts_of(answer, series.case, series.angles)
        errors[method] = np.array([compared(tilts[:, i], both) for i, both in enumerate(targets)])
        seen = scored(answer, whole, answers["WBP"])
        true = None if recording.cryo else scored(answer, series.case, answers["WBP"])["error"]
        judged = {"taken": ways.taken(series.case)} if method == "volume road" else {}
        rows.append(
            {"method": method, **about, **judged, "error": seen["error"], "true error": true, "power": seen["power"],
             "reach": seen["reach"], "cpu": answer.cpu}
        )  # fmt: skip
    errors[CEILING] = np.array([compared(both[1], both) for both in targets])
    rows.append({"method": CEILING, **about, "error": None, "true error": None, "power": None, "reach": None})
    for row in rows:
        gains = 10 * np.log10(errors["TV"] / np.maximum(errors[row["method"]], 1e-30))
        kept = ("recorded",) if row["method"] == CEILING else ("recorded", "clean")
        row["gains"] = {key: gains[:, i].tolist() for i, key in enumerate(kept)}
        row |= {"clean": None, **{key: float(np.mean(row["gains"][key])) for key in kept}}
    return rows


def _said(gain: float | None) -> str:
    return "–" if gain is None else f"{gain:+.2f}"


def _means(result: dict, name: str, method: str) -> dict[str, float | None]:
    """Over the seeds of a series, of what there is."""
    some = [r for r in result["rows"] if (r["series"], r["method"]) == (name, method)]
    keys = ("recorded", "clean", "error", "true error", "power")
    kept = {k: [r[k] for r in some if r.get(k) is not None] for k in keys}
    return {k: float(np.mean(v)) if v else None for k, v in kept.items()}


def page(result: dict) -> list[str]:
    """The section of the page."""
    rows: list[tuple[Any, ...]] = []
    for name in dict.fromkeys(r["series"] for r in result["rows"]):
        some = [r for r in result["rows"] if r["series"] == name]
        for method in dict.fromkeys(r["method"] for r in some):
            mean = _means(result, name, method)
            rows.append(
                (
                    f"{name}, noise of {some[0]['noise']}", f"{some[0]['shown']} + {some[0]['hidden']}", method,
                    _said(mean["recorded"]), _said(mean["clean"]), mean["error"], mean["true error"], mean["power"],
                )
            )  # fmt: skip
    kept = result["kept"]
    seeds = len({r["seed"] for r in result["rows"]})
    return [
        "No real series with its outer tilts is at hand. These are simulated as a microscope would record them: "
        "angles off by a tenth of a step, one tilt in twenty lost, shifts of 0.4 px (root mean square along each side) "
        "that nobody corrected, gain and background that drift, 16-bit counts. *Particles*: HAADF of nanoparticles in "
        f"a porous support, ±88°, beyond ±60° hidden. *Needle*: HAADF of a rough rod of brightness {NEEDLE:g} "
        "along the tilt axis, which goes on beyond the view, with cones, tori, screws and gyroids of 0.4 to 1 on it. "
        "*Cell*: a slab in phase contrast at 3 µm defocus, ±66°, beyond ±45° hidden; of both, 40 slices. Tilts: shown "
        f"+ hidden, of the first seed. Means over {seeds} seeds; of the tilt road one.",
        "Gain: mean squared error on the hidden tilts against that of TV reprojected, in dB, after shifts of up to 2 "
        "px and an affine fit of the values, mean over the tilts. **As recorded** the noise of the hidden tilts is in "
        f"both errors: what the hidden tilts without their noise would gain (*{CEILING}*) is all that can be gained. "
        f"**Without noise** tilts are compared with those. Errors in the wedge, WBP = 1: against SIRT of all tilts "
        f"({ITERATIONS} iterations), which has their noise and shifts in it, and against the specimen itself, which in "
        "phase contrast is nothing that a tilt shows. Power over that of SIRT of all tilts.",
        table(
            (
                "series", "tilts", "method", "gain as recorded (dB)", "gain without noise (dB)",
                "error against SIRT of all", "error against the specimen", "power",
            ),
            rows,
        ),
        f"Measured tilts, an excluded one too, are the same bit for bit in {sum(kept.values())} of {len(kept)} "
        f"completed series ({'; '.join(kept)}).",
    ]  # fmt: skip


def aims(result: dict) -> list[tuple[str, str, bool]]:
    """(aim, measured, met)."""
    kept = result["kept"].values()
    lines = [("measured tilts are kept bit for bit", f"in {sum(kept)} of {len(kept)} completed series", all(kept))]
    names = list(dict.fromkeys(r["series"] for r in result["rows"]))
    for method in [m for m in ("volume road", "tilt road") if any(r["method"] == m for r in result["rows"])]:
        means = [m for m in (_means(result, name, method) for name in names) if m["recorded"] is not None]
        best = [_means(result, name, CEILING)["recorded"] or 0.0 for name in names]
        for key, said, aside in (
            ("recorded", "as recorded", f"; at most {min(best):.1f} to {max(best):.1f} could be"),
            ("clean", "against tilts without noise", ""),
        ):
            gains = [m[key] or 0.0 for m in means]
            lines.append(
                (
                    f"{method}: {GAIN_BOUND:g} dB over TV on hidden tilts, {said}",
                    f"{min(gains):+.2f} to {max(gains):+.2f} dB in {len(gains)} kinds of series{aside}",
                    min(gains) >= GAIN_BOUND,
                )
            )
        lines += judged(
            f"{method}: taken on recorded series in place of TV when measured tilts are hidden to judge it",
            [r for r in result["rows"] if r["method"] == method],
        )
        errors = [m["error"] or 0.0 for m in means]
        lines.append(
            (
                f"{method}: error in the wedge against SIRT of all tilts at most {ERROR_BOUND:g} of WBP's",
                f"{np.mean(errors):.2f} on average, {max(errors):.2f} at worst",
                max(errors) <= ERROR_BOUND,
            )
        )
    return lines
