"""The negative control of real images and of known truths with added noise: what the prior invents where nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np

import mendem
from benchmarks.crops import CROP
from benchmarks.noise import corrupt
from benchmarks.pictures import held_out, other_instruments, real_pair, simulated_tissue
from benchmarks.settings import Settings
from benchmarks.tables import table
from mendem.appraisal.control import contrast, sharpness
from mendem.negative_control import Control, Trial, negative_control

#: Added noise: its kind, and its standard deviation over the truth's range.
KIND, LEVEL = "correlated 0.6 px", 0.10
#: Side of the windows, pixels.
SIDE = 256
#: Pictures that are shown.
SHOWN = 3


def images(settings: Settings) -> Iterator[tuple[str, np.ndarray]]:
    """The noisy images by name; those that are shown come first."""
    pair = real_pair(settings.data)
    if pair is not None:
        yield "real pair, short dwell", pair[0]
    simulated, held = simulated_tissue(1), held_out(settings.data)
    pictures = [*simulated, *held[:1], *other_instruments(settings.data), *held[1:]]
    for number, picture in enumerate(pictures[: 1 if settings.quick else 10]):
        noisy = corrupt(picture.truth, KIND, LEVEL, np.random.default_rng(number))[0]
        yield f"{picture.group}: {picture.name}", noisy.astype(np.float32)


def run(settings: Settings) -> dict:
    """One row for each image."""
    rows, shown = [], []
    for name, image in images(settings):
        window = _middle(image.shape)
        mean, drawn = (
            negative_control(image, mendem.Denoise(), region=window, prior=settings.prior, estimate=estimate)
            for estimate in ("mean", "sample")
        )
        again = {trial.name: _noise_estimated_again(trial, settings.prior) for trial in (mean.empty, mean.phases)}
        rows.append(_row(name, mean, drawn, again))
        if len(shown) < SHOWN:
            shown.append((name, mean, drawn))
        settings.say(name)
    _keep(settings, shown)
    return {"rows": rows}


def _middle(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    top, left = ((n - min(n, SIDE)) // 2 for n in shape)
    return top, top + min(shape[0], SIDE), left, left + min(shape[1], SIDE)


def _noise_estimated_again(trial: Trial, prior: str) -> np.ndarray:
    """The restoration of a control whose noise is not known but estimated from the control."""
    return np.asarray(mendem.restore(trial.input, mendem.Denoise(), prior=prior).image.data)


def _row(name: str, mean: Control, drawn: Control, again: dict[str, np.ndarray]) -> dict[str, Any]:
    of_image = mean.image.numbers
    assert of_image["contrast"] and of_image["sharpness"]
    return {
        "image": name,
        "contrast": mean.invented_contrast,
        "noise left": mean.noise_left,
        "contrast, sample": drawn.invented_contrast,
        "contrast, noise again": contrast(again[mean.empty.name]) / of_image["contrast"],
        "off by / spread": _ratio(mean.empty.numbers["contrast"], mean.empty.numbers["spread"]),
        "sharpness": of_image["sharpness"],
        "control's sharpness": mean.phases.numbers["sharpness"],
        "sharpness share": mean.invented_sharpness,
        "sharpness share, sample": drawn.invented_sharpness,
        "sharpness share, noise again": sharpness(again[mean.phases.name]) / of_image["sharpness"],
    }


def _ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a is not None and b else None


def _keep(settings: Settings, shown: list[tuple[str, Control, Control]]) -> None:
    """The middle of each picture, as `benchmarks.crops.draw` reads it: the last of a row decides its contrast."""
    arrays = {}
    for i, (name, mean, drawn) in enumerate(shown):
        panels = {"image": mean.image.input}
        for trial, sampled in ((mean.empty, drawn.empty), (mean.phases, drawn.phases)):
            panels |= {
                trial.name: trial.input,
                f"{trial.name},\nrestored": trial.restored,
                f"{trial.name},\none sample": sampled.restored,
            }
        panels["image,\nrestored"] = mean.image.restored
        for j, (title, pixels) in enumerate(panels.items()):
            y, x = ((n - CROP) // 2 for n in pixels.shape)
            part = pixels[y : y + CROP, x : x + CROP]
            arrays[f"{i}|{j}|{name.replace(': ', chr(10))}|{title}"] = np.asarray(part, np.float32)
    settings.kept.mkdir(parents=True, exist_ok=True)
    np.savez(settings.kept / "control.npz", **arrays)


def markdown(result: dict) -> list[str]:
    """The section of the page: what was done, the table, and its reading."""
    rows = result["rows"]

    def share(row: dict, name: str) -> str:
        return "–" if row[name] is None else f"{100 * row[name]:.1f} %"

    empty = ("contrast", "noise left", "contrast, sample", "contrast, noise again")
    phases = ("sharpness share", "sharpness share, sample", "sharpness share, noise again")
    first = [(r["image"], *(share(r, n) for n in empty), r["off by / spread"]) for r in rows]
    sharp = ("sharpness", "control's sharpness")
    second = [(r["image"], *(f"{r[n]:.3f}" for n in sharp), *(share(r, n) for n in phases)) for r in rows]
    return [
        "What a restoration makes of inputs in which there is nothing to find ([what they are and what they "
        f"tell](negative-control.md)). Truths with {100 * LEVEL:.0f} % of added noise ({KIND}), and a real image. The "
        "noise model is that of the image; *noise again* estimates it from the control instead. *one sample* is a "
        "sample instead of the mean.",
        "**Empty field**: standard deviation of the restored field over that of the restored image, over that of the "
        "noise, and over the spread that the restoration itself claims (1 or less: the spread covers it).",
        table(("image", "of the contrast", "of the noise", "one sample", "noise again", "over its spread"), first),
        "**Random phases**: sharpness (0 for a texture without edges) of the restored image and of the restored "
        "texture, and the second over the first.",
        table(("image", "image", "texture", "share", "one sample", "noise again"), second),
        f"In the median an empty field shows {_median(rows, 'contrast')} of the image's contrast, and a texture of "
        f"random phases {_median(rows, 'sharpness share')} of its edge sharpness "
        f"({_median(rows, 'sharpness share, sample')} in one sample).",
    ]


def _median(rows: list[dict], name: str) -> str:
    found = [r[name] for r in rows if r[name] is not None]
    return f"{100 * median(found):.0f} %" if found else "–"
