"""The page: tables, pictures and a reading of the losses, all of it from the numbers of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import (
    ablation,
    blind,
    calibration,
    control,
    cost,
    isotropic,
    isotropic_cost,
    large_volume,
    novelty,
    ours,
    task_tables,
    tomography,
    tomography_alignment,
    tomography_pictures,
    wedge,
    wedge_cost,
    wedge_held_out,
    wedge_pictures,
    wedge_tilts,
)
from benchmarks.crops import draw
from benchmarks.quality import CLEAN_ENOUGH, MAIN, STEP, against
from benchmarks.tables import plain, signed, table
from benchmarks.verdicts import aims, reading

TITLES = {
    "pair": "A real pair",
    "quality": "Known truths with added noise",
    "tasks": "Every kind of restoration, one prior",
    "blind": "A blur that nobody stated",
    "isotropic": "Isotropic volumes",
    "isotropic-cost": "What an isotropic volume costs",
    "tomography": "Tilt series",
    "alignment": "Alignment of tilt series",
    "wedge": "The missing wedge, filled",
    "wedge-tilts": "Hidden tilts of a cell, generated",
    "wedge-held-out": "Hidden tilts of series as they are recorded",
    "wedge-cost": "What filling the wedge costs",
    "speed": "Speed and memory",
    "cost": "What an answer costs",
    "large": "A large file",
    "large-volume": "A large volume, killed three times",
    "invariance": "What must not change a result",
    "calibration": "Is the spread right?",
    "novelty": "Does the prior know what it does not know?",
    "control": "Negative control",
    "samplers": "Samplers",
    "realism": "Do samples look real?",
    "noise": "Noise estimation",
    "stalls": "Live in napari",
    "memory": "Memory of one evaluation",
    "ablation": "Which network, questions and targets",
}


def write(page: Path, found: dict[str, Any], kept: Path, sections: list[str]) -> None:
    """Write the page and its pictures (``images`` beside it)."""
    parts = ["# Benchmarks", _head(found)]
    summary = aims(found)
    if summary:
        parts += ["## Aims", table(("aim", "measured", "met"), summary)]
    for name, title in TITLES.items():
        parts.append(f"## {title}")
        if name not in found:
            parts.append("Not measured with these weights.")
            continue
        result = found[name]["result"]
        if "skipped" in result:
            parts.append(f"Skipped: {result['skipped']}.")
            continue
        parts += [*WRITERS[name](result), *_pictures(name, page, kept, result)]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n\n".join(parts) + "\n")


def _head(found: dict[str, Any]) -> str:
    command = "Written by `scripts/benchmark.sh`; not to be edited by hand."
    if not found:
        return command
    about = max(found.values(), key=lambda f: f["date"])
    lines = [f"- {about['cpu']}, {about['cores']} cores, {about['memory']:.0f} GB, {about['system']}, no GPU used"]
    lines.append("- " + ", ".join(f"{k} {v}" for k, v in about["versions"].items()))
    lines.append(f"- prior `{about['prior']}`, weights SHA-256 `{about['weights'][:16]}…`")
    dates = sorted(f["date"] for f in found.values())
    lines.append(f"- measured {dates[0]}" + (f" to {dates[-1]}" if dates[-1] != dates[0] else ""))
    return (
        f"{command} PSNR is for a peak of 255; SSIM is scikit-image's default (7 x 7 uniform window, "
        "`data_range=255`). mendem estimates the noise itself (`--noise auto`) and is told nothing else; the baselines "
        "are given the strength that the truth likes best, unless stated otherwise.\n\n" + "\n".join(lines)
    )


def _pair(result: dict) -> list[str]:
    rows = [(r["method"], r["strength"], r["PSNR"], f"{r['SSIM']:.3f}") for r in result["rows"]]
    noise = result["noise"]
    lag = " and ".join(f"{c:.2f}" for c in noise["correlation"])
    return [
        "One place of mouse brain, SEM, short and long dwell (768 x 768, EMDiffuse, MIT), compared after an affine fit "
        "of the intensities. The long dwell is noisy too, so that no method can reach more than about 36 to 37 dB.",
        table(("method", "strength", "PSNR (dB)", "SSIM"), rows),
        f"The two images differ by {result['residual']:.1f} grey levels (standard deviation, the noise of both in "
        f"it). mendem found {noise['std']:.1f} at the mean grey level, correlation {lag} along y and x "
        f"({noise['method']}). chi²: " + ", ".join(f"{k} {v:.2f}" for k, v in result["chi2"].items() if v) + ".",
    ]


def _quality(result: dict) -> list[str]:
    rows = result["rows"]
    has = "BM3D best" in rows[0]
    numbers = ["noisy", *(["BM3D white", "BM3D best"] if has else []), *ours.BUDGETS]
    names = {"BM3D white": "BM3D, white-noise estimate", "BM3D best": "BM3D, best sigma"}
    columns = [names.get(n, f"mendem {n}" if n in ours.BUDGETS else n) for n in numbers]

    def line(label: str, some: list[dict]) -> list[Any]:
        ahead = [against(r) for r in some]
        tail = [signed(float(np.mean(ahead))), signed(min(ahead))] if has else []
        return [label, *(float(np.mean([r[n] for r in some])) for n in numbers), *tail]

    head = ["PSNR (dB)", *columns, *([f"{MAIN} − best BM3D", "its worst"] if has else [])]
    parts = [
        "Truths are images binned until their own noise is small and smoothed by half a pixel, 256 x 256 pixels at "
        "most. Held-out images: the validation split of the training data. Other instruments: tissues and microscopes "
        "that no recipe reads. Simulated tissue: no noise of its own, not in the training data. Noisy truths: cases "
        f"whose truth has noise of its own of more than {100 * CLEAN_ENOUGH:.0f} % of the added noise; what a perfect "
        "denoiser removes of it counts as an error there. Noise of five kinds at 5, 10 and 20 % of the range. Row "
        "offsets and correlated noise are not what BM3D assumes; for every case its sigma is the one that the truth "
        f"likes best (steps of {STEP}, and the white-noise estimate). {len(rows)} cases.",
        *result.get("notes", []),
    ]
    for group in dict.fromkeys(r["group"] for r in rows):
        mine = [r for r in rows if r["group"] == group]
        lines = [line(k, [r for r in mine if r["noise"] == k]) for k in dict.fromkeys(r["noise"] for r in mine)]
        levels = sorted({r["level"] for r in mine})
        lines += [line(f"{100 * v:.0f} %", [r for r in mine if r["level"] == v]) for v in levels]
        lines += [line(p, [r for r in mine if r["picture"] == p]) for p in dict.fromkeys(r["picture"] for r in mine)]
        parts += [f"### {group.capitalize()}", table(head, [*lines, line("all", mine)])]
        ssims = [f"{b} {np.mean([r[f'{b} SSIM'] for r in mine]):.3f}" for b in ours.BUDGETS]
        if has:
            ssims.insert(0, f"BM3D at its best sigma {np.mean([r['BM3D best SSIM'] for r in mine]):.3f}")
        parts.append("Mean SSIM: " + ", ".join(ssims) + ".")
    said = reading(rows)
    if said:
        parts += ["### Losses", f"mendem ({MAIN}, automatic) less BM3D at the sigma that the truth likes best:"]
        parts.append("\n".join(f"- {s}" for s in said))
    return parts


def _speed(result: dict) -> list[str]:
    def rate(row: dict, key: str) -> str:
        return f"{row['megapixels'] / row[key]:.3g}" if row.get(key) else "–"

    rows = [
        (
            r["method"], str(r["threads"]), rate(r, "seconds"), _times(r["ratio"]), rate(r, "whole"),
            _times(r["whole ratio"]), "–" if r["peak"] is None else f"{r['peak'] / 1e6:.0f}", r["precision"] or "–",
        )
        for r in result["rows"]
    ]  # fmt: skip
    head = ("method", "threads", "MP/s", "BM3D = 1", "MP/s, noise estimated", "BM3D = 1", "peak (MB)", "arithmetic")
    size = " x ".join(str(n) for n in result["shape"])
    return [
        f"The same {size} image, the methods taking turns, medians. The prior is already loaded; the first column of "
        "mendem leaves out the estimation of the noise (BM3D is given it), the second takes everything from array to "
        "result. Peak: resident memory above an interpreter with torch imported. "
        f"Load average of the machine at the end: {result['load']:.1f}.",
        table(head, rows),
    ]


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _large(result: dict) -> list[str]:
    how = "`mendem denoise IN OUT --budget " + result["budget"] + "`"
    how = how if result["command line"] else f'`mendem.restore_file(…, budget="{result["budget"]}")`'
    rows = [
        ("seconds", f"{result['seconds']:.0f}"),
        ("megapixels a second", f"{result['megapixels a second']:.2f}"),
        ("peak resident memory (MB)", f"{result['peak'] / 1e6:.0f}"),
        ("the same, above an interpreter with torch imported (MB)", f"{result['above'] / 1e6:.0f}"),
        ("written", f"{result['written']['dtype']}, {result['written']['megabytes']:.0f} MB"),
    ]
    return [f"{result['side']} x {result['side']} uint16 TIFF from disk to disk with {how}:", table(("", ""), rows)]


def _invariance(result: dict) -> list[str]:
    rows = [(r["change"], f"{r['largest']:.4f}", f"{r['rms']:.5f}", f"{r['bound']:g}") for r in result["rows"]]
    head = ("change of the input, undone in the result", "largest deviation", "rms", "bound")
    return [f"In % of the input's range from 0.5 to 99.5 % of its pixels; {result['precision']}.", table(head, rows)]


WRITERS = {
    "pair": _pair,
    "quality": _quality,
    "speed": _speed,
    "large": _large,
    "large-volume": large_volume.page,
    "invariance": _invariance,
    "calibration": calibration.page,
    "tasks": task_tables.page,
    "blind": blind.page,
    "isotropic": isotropic.page,
    "isotropic-cost": isotropic_cost.page,
    "tomography": tomography.page,
    "alignment": tomography_alignment.page,
    "wedge": wedge.page,
    "wedge-tilts": wedge_tilts.page,
    "wedge-held-out": wedge_held_out.page,
    "wedge-cost": wedge_cost.page,
    "cost": cost.page,
    "novelty": novelty.page,
    "control": control.markdown,
    "samplers": lambda result: [plain(result["rows"])],
    "realism": lambda result: [plain(result["rows"])],
    "noise": lambda result: [plain(result["rows"])],
    "stalls": lambda result: [plain(result["rows"])],
    "memory": lambda result: [plain(result["rows"])],
    "ablation": ablation.page,
}


PICTURES = {
    "pair": ["pair"],
    "isotropic": ["isotropic"],
    "tasks": task_tables.pictures(),
    "control": ["control"],
    "realism": ["unconditional"],
}


def _pictures(name: str, page: Path, kept: Path, result: dict) -> list[str]:
    if name == "calibration" and calibration.draw(result, page.parent / "images" / "benchmark-calibration.png"):
        return ["![Coverage by decile of spread, and right against predicted spread](images/benchmark-calibration.png)"]
    images = page.parent / "images"
    if name == "wedge":
        wedge_pictures.draw_correlation(result, images / "benchmark-wedge-fsc.png")
        parts = ["![Correlation with the truth inside the wedge](images/benchmark-wedge-fsc.png)"]
        if wedge_pictures.draw_slices(kept, images / "benchmark-wedge.png"):
            parts.append("![Slices across the tilt axis, as each method fills them](images/benchmark-wedge.png)")
        return parts
    if name == "wedge-held-out" and wedge_pictures.draw_gains(result, images / "benchmark-wedge-held-out.png"):
        return ["![Gain over TV on each hidden tilt](images/benchmark-wedge-held-out.png)"]
    if name == "wedge-tilts" and wedge_tilts.draw(result, images / "benchmark-wedge-tilts.png"):
        return ["![PSNR and SSIM of generated tilts against their angle](images/benchmark-wedge-tilts.png)"]
    if name == "tomography" and tomography_pictures.draw(kept, page.parent / "images" / "benchmark-tomography.png"):
        return ["![Slices and the image of a point, ours, theirs and in theory](images/benchmark-tomography.png)"]
    names = PICTURES.get(name, [])
    if name == "quality":
        names = [g.replace(" ", "-") for g in dict.fromkeys(r["group"] for r in result["rows"])]
    parts = []
    for picture in names:
        file = f"benchmark-{picture}.png"
        if draw(kept, picture, page.parent / "images" / file):
            parts.append(f"![{picture.replace('-', ' ')}: crops at equal contrast](images/{file})")
    return parts
