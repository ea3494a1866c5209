"""Volumes of coarse sections made isotropic, against interpolation; and which way of asking the network is best."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zlib import crc32

import numpy as np

from benchmarks import machine
from benchmarks.crops import keep
from benchmarks.metrics import coverage, psnr
from benchmarks.settings import Settings
from benchmarks.tables import number, signed, table
from benchmarks.volumes import SAMPLINGS, Sampling, Truth, shaken, texture, truths

PRIOR = "em-axial"
#: Nothing is wrong with the sections of a part of one volume: they are taken as they are.
AS_THEY_ARE = {"align": False, "contrast": False, "focus": False, "repair": False}
#: What was promised over the best interpolation, dB.
AIMS = {"average": 0.8, "skip": 0.5}
AIM_SHAKEN = 1.0
#: Volumes and samplings from which the prior learns, by the ends of their names; minutes of learning.
LEARNED, MINUTES = (
    (
        ("binned, 20 nm, coarse along y", "average, 4x"),
        ("raw, 10 nm, coarse along x", "skip, 8x"),
        ("seed 700001, 8 nm", "average, 8x"),
    ),
    1.0,
)
#: What was promised of learning from the volume alone, over cubic interpolation, dB.
AIM_LEARNED = 0.4
#: Smaller sections, pixels, are taken as they are.
LARGE_ENOUGH = 64


def run(settings: Settings) -> dict:
    """A row for each volume and sampling; the ways of asking for some of them; and shaken sections."""
    volumes = list(truths(settings.data))
    if settings.quick:
        volumes = volumes[-1:]
    rows, ways, loose, own = [], [], [], []
    kept = []
    for truth in volumes:
        for sampling in SAMPLINGS:
            looked_at = truth is volumes[0]
            row, pictures = _row(truth, sampling, looked_at)
            rows.append(row)
            if looked_at:
                kept.append((f"{truth.group}\n{sampling.name}", pictures, "truth"))
            settings.say(f"{truth.name}, {sampling.name}: {row['mendem'] - row['best']:+.2f} dB")
            if looked_at and sampling.kind != "both":
                ways.append(_ways(truth, sampling, settings.prior))
            if sampling.spacing == 4 and min(truth.data.shape[1:]) >= LARGE_ENOUGH:
                loose.append(_shaken(truth, sampling))
            if (truth.name, sampling.name) in LEARNED or settings.quick and sampling is SAMPLINGS[0]:
                own.append(_learned(truth, sampling, MINUTES / 10 if settings.quick else MINUTES))
    keep(settings.kept, "isotropic", kept)
    return {"rows": rows, "ways": ways, "shaken": loose, "own": own, "weights": machine.weights(PRIOR)}


def _restored(sections: np.ndarray, sampling: Sampling, prior: str = PRIOR, **settings: Any) -> Any:
    from mendem import Image, Isotropic, restore

    options = {name: settings.pop(name) for name in ("budget", "estimate") if name in settings}
    task = Isotropic(
        factor=sampling.spacing,
        sampling=sampling.kind,
        thickness=sampling.width / sampling.spacing,
        **{"noise": 0, **AS_THEY_ARE, **settings},
    )
    return restore(Image(sections), task, prior=prior, **options)


def _row(truth: Truth, sampling: Sampling, deep: bool) -> tuple[dict, dict[str, np.ndarray]]:
    """Numbers, and one plane of each answer; ``deep`` asks for the best budget and for a sample too."""
    sections, wanted = sampling.record(truth.data)
    linear, cubic = (sampling.interpolated(sections, order) for order in (1, 3))
    found = _restored(sections, sampling)
    mean, std = (np.asarray(i.data) for i in (found.image, found.std))
    more = {
        name: np.asarray(_restored(sections, sampling, **how).image.data)
        for name, how in (("mendem best", {"budget": "best"}), ("sample", {"estimate": "sample"}))
        if deep
    }
    open_ = std > 0
    row = {
        "group": truth.group,
        "volume": truth.name,
        "sampling": sampling.name,
        "kind": sampling.kind,
        "linear": psnr(linear, wanted),
        "cubic": psnr(cubic, wanted),
        "mendem": psnr(mean, wanted),
        **{name: psnr(answer, wanted) for name, answer in more.items()},
        "coverage": coverage(mean[open_], std[open_], wanted[open_]),
        "texture": {n: texture(v) for n, v in {"truth": wanted, "cubic": cubic, "mean": mean, **more}.items()},
    }
    row["best"] = max(row["linear"], row["cubic"])
    middle = wanted.shape[1] // 2
    drawn = {"mendem, one sample": more["sample"]} if deep else {}
    planes = {"cubic": cubic, "mendem, mean": mean, **drawn, "truth": wanted}
    return row, {name: v[:, middle] for name, v in planes.items()}


def _ways(truth: Truth, sampling: Sampling, single: str) -> dict:
    """The same sections asked for in one direction, without neighbours, in both; and another prior."""
    import mendem.volumes
    from mendem import Image, Isotropic, Options
    from mendem.blocks import Block
    from mendem.engine import prepare

    sections, wanted = sampling.record(truth.data)
    answers = {}
    for label, prior, directions in (
        ("single planes, xz", single, ("xz",)),
        ("single planes, both", single, ("xz", "yz")),
        ("five neighbours, xz", PRIOR, ("xz",)),
        ("five neighbours, yz", PRIOR, ("yz",)),
        ("five neighbours, both", PRIOR, ("xz", "yz")),
    ):
        task = Isotropic(factor=sampling.spacing, sampling=sampling.kind, noise=0, **AS_THEY_ARE)
        run = prepare(Image(sections), task, Options(prior=prior))
        whole = Block((0, wanted.shape[0]), (0, wanted.shape[1]), (0, wanted.shape[2]))
        *_, last = mendem.volumes.volume_estimates(run, whole, directions=directions)
        along = texture(last.mean)
        answers[label] = psnr(last.mean, wanted)
        answers[f"{label}: y over x"] = along[1] / along[2]
    truly = texture(wanted)
    return {
        "volume": truth.name, "sampling": sampling.name, "cubic": psnr(sampling.interpolated(sections, 3), wanted),
        "truth: y over x": truly[1] / truly[2], **answers,
    }  # fmt: skip


def _shaken(truth: Truth, sampling: Sampling) -> dict:
    """Jitter of 1 px and contrast changes of 5 %: restored, beside cubic interpolation of the corrected sections."""
    from mendem import Image
    from mendem.physics.stack_corrected import corrected
    from mendem.physics.stack_inspect import inspect_stack

    sections, wanted = sampling.record(truth.data)
    loose = shaken(sections, crc32(f"{truth.name} {sampling.name}".encode()))
    report = inspect_stack(Image(loose))
    mended = np.asarray(corrected(Image(loose), report).data[:])
    known = _without_gaps(mended)
    on = dict.fromkeys(AS_THEY_ARE, True)
    found = _restored(loose, sampling, keep=False, noise="auto", **on)
    inner = (slice(None), slice(4, -4), slice(4, -4))  # what was moved in from outside was not measured
    score = {
        "cubic, as recorded": psnr(sampling.interpolated(loose, 3)[inner], wanted[inner]),
        "cubic, corrected": psnr(sampling.interpolated(known, 3)[inner], wanted[inner]),
        "mendem": psnr(np.asarray(found.image.data)[inner], wanted[inner]),
    }
    return {"group": truth.group, "volume": truth.name, "sampling": sampling.name, **score}


def _learned(truth: Truth, sampling: Sampling, minutes: float) -> dict:
    """The prior before and after it has learned from the planes xy of the coarse volume."""
    from dataclasses import replace

    from mendem import Image, Isotropic, Options
    from mendem.engine import prepare
    from mendem.training.own_volume import learn_from

    sections, wanted = sampling.record(truth.data)
    task = Isotropic(factor=sampling.spacing, sampling=sampling.kind, noise=0, **AS_THEY_ARE)
    run = prepare(Image(sections), task, Options(prior=PRIOR))
    own = learn_from(run.prior, run.image, run.grid, run.plan.noise, run.plan.normalisation, minutes=minutes)
    before, after = (psnr(_volume(replace(run, prior=prior)), wanted) for prior in (run.prior, own))
    best = max(psnr(sampling.interpolated(sections, order), wanted) for order in (1, 3))
    return {
        "volume": truth.name, "sampling": sampling.name, "interpolation": best, "shipped": before, "learned": after,
        "same": own is run.prior,
    }  # fmt: skip


def _volume(run: Any) -> np.ndarray:
    """The mean of a prepared run, in one block."""
    from mendem.blocks import Block
    from mendem.volumes import volume_estimates

    *_, last = volume_estimates(run, Block((0, run.result_planes), (0, run.shape[0]), (0, run.shape[1])))
    return last.mean


def _without_gaps(sections: np.ndarray) -> np.ndarray:
    """What was not measured, interpolated between the sections before and after."""
    out, places = sections.copy(), np.arange(len(sections))
    gaps = np.argwhere(~np.isfinite(sections).all(0))
    for y, x in gaps:
        line = sections[:, y, x]
        seen = np.isfinite(line)
        out[:, y, x] = np.interp(places, places[seen], line[seen]) if seen.any() else np.nanmean(sections)
    return out


def page(result: dict) -> list[str]:
    """The section of the page."""
    rows = result["rows"]
    parts = [
        f"Prior `{PRIOR}`, weights SHA-256 `{result['weights'][:16]}…`. Truths are parts of volumes that no recipe "
        "reads, made coarse along one axis: the held-out FIB-SEM block as it was recorded, whose own noise counts as "
        "an error, and as means over 2 x 2 x 2 voxels, and simulated neuropil. No noise added; sections taken as they "
        "are. "
        "Linear and cubic are splines at the planes' exact places. PSNR in dB over the whole volume, which is that of "
        "its xz planes and of its yz planes; coverage of 90 % intervals.",
        table(HEAD, [_line(r) for r in rows] + list(_means(rows))),
        "Texture: mean absolute difference of neighbouring voxels along z over that of the truth, and over the mean of "
        "y and x, again over that of the truth (1 is right: neither smoother nor more striped along z than across).",
        table(("volume", "sampling", *_TEXTURE), list(_textures(rows))),
    ]
    if result["ways"]:
        names = [n for n in result["ways"][0] if n not in ("volume", "sampling")]
        ways = [[w["volume"], w["sampling"], *(w[n] for n in names)] for w in result["ways"]]
        parts += [
            "### Which planes the network is asked for",
            "Single planes are restored by the prior for slices, which knows no neighbours; *y over x* is the texture "
            "along y over that along x, which planes of one direction alone make stripy.",
            table(("volume", "sampling", *names), ways),
        ]
    own = [
        (r["volume"], r["sampling"], r["interpolation"], r["shipped"], r["learned"],
         signed(r["learned"] - r["shipped"]), signed(r["learned"] - r["interpolation"]))
        for r in result["own"]
    ]  # fmt: skip
    parts += [
        "### Learning from the volume itself",
        f"`mendem learn` for {MINUTES:g} minutes, from the planes xy of the coarse volume alone, then as above.",
        table(
            (
                "volume",
                "sampling",
                "best interpolation",
                "shipped prior",
                "learned",
                "over shipped",
                "over interpolation",
            ),
            own,
        ),
    ]
    loose = [
        (r["volume"], r["sampling"], r["cubic, as recorded"], r["cubic, corrected"], r["mendem"],
         signed(r["mendem"] - r["cubic, corrected"]))
        for r in result["shaken"]
    ]  # fmt: skip
    parts += [
        "### Sections that jitter",
        "Every section moved by 1 px (rms, along y and x), its contrast and its brightness changed by 5 % (rms). "
        "*Corrected* is what `mendem` found and undid, interpolated.",
        table(("volume", "sampling", "cubic, as recorded", "cubic, corrected", "mendem", "mendem − corrected"), loose),
    ]
    return parts


HEAD = ("volume", "sampling", "linear", "cubic", "mendem", "best budget", "mendem − best", "one sample", "coverage")
_TEXTURE = ("cubic, z", "mean, z", "sample, z", "mean, z over xy", "sample, z over xy")


def _line(r: dict) -> tuple:
    return (
        f"{r['group']}, {r['volume']}", r["sampling"], r["linear"], r["cubic"], r["mendem"], r.get("mendem best"),
        signed(r["mendem"] - r["best"]), r.get("sample"), f"{100 * r['coverage']:.0f} %",
    )  # fmt: skip


def _means(rows: list[dict]) -> Iterator[tuple]:
    for sampling in dict.fromkeys(r["sampling"] for r in rows):
        mine = [r for r in rows if r["sampling"] == sampling]

        def mean(name: str, mine: list[dict] = mine) -> float:
            return float(np.mean([r[name] for r in mine]))

        ahead = signed(float(np.mean([r["mendem"] - r["best"] for r in mine])))
        cover = f"{100 * mean('coverage'):.0f} %"
        yield (
            "**all**", sampling, mean("linear"), mean("cubic"), mean("mendem"), None, ahead, None, cover,
        )  # fmt: skip


def _textures(rows: list[dict]) -> Iterator[tuple]:
    for r in rows:
        truth = r["texture"]["truth"]

        def z(name: str, r: dict = r, truth: list[float] = truth) -> float | None:
            return r["texture"][name][0] / truth[0] if name in r["texture"] else None

        def across(name: str, r: dict = r, truth: list[float] = truth) -> float | None:
            if name not in r["texture"]:
                return None
            along, y, x = r["texture"][name]
            return along / (y + x) * (truth[1] + truth[2]) / truth[0]

        yield (r["volume"], r["sampling"], z("cubic"), z("mean"), z("sample"), across("mean"), across("sample"))


def aims(result: dict) -> list[tuple[str, str, str]]:
    """What was promised, what was measured, and whether it was met."""
    lines = []
    for sampling in dict.fromkeys(r["sampling"] for r in result["rows"]):
        mine = [r for r in result["rows"] if r["sampling"] == sampling and r["kind"] in AIMS]
        if mine:
            aim, gain = AIMS[mine[0]["kind"]], float(np.mean([r["mendem"] - r["best"] for r in mine]))
            worst = min(r["mendem"] - r["best"] for r in mine)
            said = f"{signed(gain)} dB, at worst {signed(worst)}"
            lines.append((f"isotropic, {sampling}: {aim:g} dB over interpolation", said, _met(gain >= aim)))
    over = [r["learned"] - r["interpolation"] for r in result["own"]]
    if over:
        said = f"{signed(float(np.mean(over)))} dB, at worst {signed(min(over))}"
        aim = f"isotropic, learned from the volume: {AIM_LEARNED:g} dB over interpolation"
        lines.append((aim, said, _met(min(over) >= AIM_LEARNED)))
    ahead = [r["mendem"] - r["cubic, corrected"] for r in result["shaken"]]
    if ahead:
        lines.append(
            (
                f"isotropic, jitter and contrast: {AIM_SHAKEN:g} dB over cubic after the same corrections",
                f"{signed(float(np.mean(ahead)))} dB, at worst {signed(min(ahead))}",
                _met(float(np.mean(ahead)) >= AIM_SHAKEN),
            )
        )
    stripes = [w["five neighbours, both: y over x"] / w["truth: y over x"] for w in result["ways"]]
    if stripes:
        worst = max(abs(s - 1) for s in stripes)
        aim = "isotropic, no stripes: texture along y over x within 5 % of the truth's"
        lines.append((aim, f"{100 * worst:.0f} % at most", _met(worst <= 0.05)))
    off = [abs(t[5] - 1) for t in _textures(result["rows"])]
    off_sample = [abs(t[-1] - 1) for t in _textures(result["rows"]) if t[-1] is not None]
    said = f"mean {number(100 * float(np.mean(off)), 0)} %, one sample {number(100 * float(np.mean(off_sample)), 0)} %"
    lines.append(("isotropic, texture along over across z within 5 % of the truth's", said, _met(max(off) <= 0.05)))
    return lines


def _met(met: bool) -> str:
    return "yes" if met else "**no**"
