"""A blur that nobody stated: the width that is found, and what is lost against the known one."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import numpy as np

from benchmarks.metrics import psnr
from benchmarks.pictures import RANGE, Picture, held_out
from benchmarks.settings import Settings
from benchmarks.tables import number, signed, table
from benchmarks.task_kinds import STD_PER_FWHM
from benchmarks.task_pictures import groups

#: Groups of `benchmarks.task_pictures` that are blurred, besides the held-out images of the section on denoising.
GROUPS = ("simulated tissue", "phantoms", "held-out, binned", "other instruments")
#: Full widths at half maximum, pixels; 0 asks what is said of the pictures as they are.
WIDTHS, LEVELS = (0.0, 3.0, 6.0), (0.02, 0.05)
#: What was promised: the width to this share, and this much PSNR.
NEAR, LOSS = 0.15, 1.0


def run(settings: Settings) -> dict:
    """A row for each picture, width and level of the noise."""
    pictures = [p for p in groups(settings.data) if p.group in GROUPS] + held_out(settings.data)
    cases = [(p, w, level) for p in pictures for w in WIDTHS for level in LEVELS]
    if settings.quick:
        cases = cases[::7]
    rows = []
    for i, case in enumerate(cases):
        rows.append(_row(settings, *case))
        if i % 20 == 19:
            settings.say(f"{i + 1}/{len(cases)}")
    return {"rows": rows}


def _row(settings: Settings, picture: Picture, fwhm: float, level: float) -> dict:
    from scipy.ndimage import gaussian_filter

    from mendem import Deblur, Image, restore

    rng = np.random.default_rng(crc32(f"{picture.name} {fwhm} {level}".encode()))
    truth = picture.truth
    y = gaussian_filter(truth, fwhm * STD_PER_FWHM, mode="reflect", truncate=6) if fwhm else truth
    image = Image((y + level * RANGE * rng.standard_normal(truth.shape)).astype(np.float32))
    blind = restore(image, Deblur(psf="auto"), prior=settings.prior)
    found = blind.provenance["found"]["blur"]
    row = {
        "group": picture.group,
        "picture": picture.name,
        "FWHM": fwhm,
        "level": level,
        "found": found["fwhm_px"],
        "std": found["std_px"],
        "confidence": found["confidence"] if found["significant"] else "none found",
        "significant": found["significant"],
        "input dB": psnr(np.asarray(image.data), truth),
        "blind dB": psnr(np.asarray(blind.image.data), truth),
    }
    if fwhm:
        known = restore(image, Deblur(psf=f"gaussian:{fwhm}px"), prior=settings.prior)
        row["known dB"] = psnr(np.asarray(known.image.data), truth)
    return row


def page(result: dict) -> list[str]:
    """The section of the page."""
    rows = result["rows"]
    head = ("picture", "FWHM (px)", "noise", "found (px)", "confidence", "blurred", "known", "auto", "auto − known")
    parts = [
        "Pictures blurred by a Gaussian, with white noise of 2 and 5 % of the range, restored by `mendem deblur --psf "
        "auto` and with the blur known (noise estimated in both). Truths of real microscopes carry a blur of their "
        "own, which the estimate includes and the PSNR counts as an error: what is found where nothing was blurred "
        "tells how large it is taken to be. Pictures in which a blur is found as they are count as soft. PSNR in dB.",
        table(("", *SUMMARY), list(_summary(rows))),
    ]
    for group in dict.fromkeys(r["group"] for r in rows):
        lines = [
            (
                r["picture"], f"{r['FWHM']:g}", f"{100 * r['level']:.0f} %",
                f"{r['found']:.1f} ± {r['std']:.1f}", r["confidence"], r["input dB"], r.get("known dB"), r["blind dB"],
                signed(r["blind dB"] - r["known dB"]) if "known dB" in r else number(None),
            )
            for r in rows
            if r["group"] == group
        ]  # fmt: skip
        parts += [f"### Blind, {group}", table(head, lines)]
    return parts


SUMMARY = (
    "cases", "found / true", f"within {100 * NEAR:.0f} %", "true within 1 σ", "within 2 σ", "auto − known (dB)",
    "worst", f"lost more than {LOSS:g} dB",
)  # fmt: skip


def _summary(rows: list[dict]) -> Iterator[tuple]:
    soft = {(r["group"], r["picture"]) for r in rows if not r["FWHM"] and r["significant"]}

    def kind(row: dict) -> str:
        return row["group"] + (", soft" if (row["group"], row["picture"]) in soft else "")

    for group in dict.fromkeys(map(kind, rows)):
        for fwhm in WIDTHS[1:]:
            mine = [r for r in rows if kind(r) == group and r["FWHM"] == fwhm]
            if not mine:
                continue
            ratio = np.array([r["found"] / fwhm for r in mine])
            off = np.array([abs(r["found"] - fwhm) / r["std"] for r in mine])
            ahead = np.array([r["blind dB"] - r["known dB"] for r in mine])
            yield (
                f"{group}, {fwhm:g} px", str(len(mine)), float(ratio.mean()), _share(abs(ratio - 1) <= NEAR),
                _share(off <= 1), _share(off <= 2), signed(float(ahead.mean())), signed(float(ahead.min())),
                str(int((ahead < -LOSS).sum())),
            )  # fmt: skip


def _share(true: np.ndarray) -> str:
    return f"{100 * true.mean():.0f} %"
