"""Beyond PSNR: down to which detail larger pixels are undone, and whether what fills a large hole looks real."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.metrics import psnr
from benchmarks.realism import BANDS, JUDGED, decibels, radial_power
from benchmarks.tables import table
from benchmarks.task_kinds import LARGE_HOLE, Measured

#: Correlation with the truth, ring by ring, below which detail counts as lost.
THRESHOLD = "0.5"
#: What is compared in a large hole.
FILLINGS = ("mean grey level", "biharmonic", "mendem, mean", "mendem, one sample", "mendem, mean of samples")


def finest(image: np.ndarray, truth: np.ndarray) -> float:
    """Frequency (cycles/px) at which the Fourier ring correlation with the truth falls below `THRESHOLD`; 0.5 is all.

    The truth is known, so that this is resolution, not agreement of two answers.
    """
    from mendem.appraisal.resolution import fourier_ring_correlation

    period = fourier_ring_correlation(image, truth).resolution(THRESHOLD)
    return 0.5 if period is None else min(0.5, 1 / period)


def detail(m: Measured, ours: np.ndarray) -> dict[str, float]:
    """`finest` of our answer, and of the bicubic interpolation, denoised before or not, whichever is better."""
    bicubic = [x for name, x in m.baselines.items() if name.endswith("bicubic")]
    return {"FRC": finest(ours, m.truth), "FRC bicubic": max(finest(x, m.truth) for x in bicubic)}


def spectrum_off(image: np.ndarray, truth: np.ndarray) -> float:
    """Root mean square over the lower bands of the radial power's deviation from the truth's, dB."""
    import torch

    power, reference = (radial_power(torch.from_numpy(x)[None, None]) for x in (image, truth))
    return float(np.sqrt(np.mean(decibels(power, reference)[: round(JUDGED * BANDS)] ** 2)))


def fillings(m: Measured, mean: np.ndarray, samples: tuple[np.ndarray, ...]) -> dict[str, dict[str, float | None]]:
    """PSNR and `spectrum_off` in a large hole, by filling; of samples the mean of their figures, None of a constant."""
    rows, columns = (np.flatnonzero(m.scored.any(axis)) for axis in (1, 0))  # type: ignore[union-attr]
    hole = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    def judged(*images: np.ndarray) -> dict[str, float | None]:
        pairs = [(np.ascontiguousarray(x[hole], np.float64), m.truth[hole]) for x in images]
        return {
            "dB": float(np.mean([psnr(*pair) for pair in pairs])),
            "spectrum": float(np.mean([spectrum_off(*pair) for pair in pairs])) if np.ptp(pairs[0][0]) else None,
        }

    each = ((m.shown,), (m.baselines["biharmonic"],), (mean,), samples, (np.mean(samples, axis=0),))
    return {name: judged(*images) for name, images in zip(FILLINGS, each, strict=True)}


def frc_table(rows: list[dict]) -> list[str]:
    """For larger pixels: finest detail of both, by kind; nothing where no row has it."""
    lines = []
    for kind, some in _by_kind(rows, "FRC"):
        ours, bicubic = (np.array([r[key] for r in some]) for key in ("FRC", "FRC bicubic"))
        lines.append(
            (kind, f"{bicubic.mean():.3f}", f"{ours.mean():.3f}", f"{ours.mean() / bicubic.mean():.2f}",
             f"{int((ours < bicubic).sum())} of {len(some)}")
        )  # fmt: skip
    if not lines:
        return []
    return [
        "Finest detail: the frequency (cycles per fine pixel; 0.5 is Nyquist) at which the Fourier ring correlation "
        f"with the truth falls below {THRESHOLD}, of the answer of the default budget, and of bicubic interpolation, "
        "with or without BM3D before it, whichever is better.",
        table((f"FRC {THRESHOLD} (cycles/px)", "bicubic", "mendem", "ratio", "mendem coarser in"), lines),
    ]


def method_table(rows: list[dict], main: str) -> list[str]:
    """For deblurring: every method at its best, by kind; nothing where no row has it."""
    found = _by_kind(rows, "methods")
    if not found:
        return []
    names = list(found[0][1][0]["methods"])
    lines = []
    for kind, some in found:
        each = [float(np.mean([r["methods"][name] for r in some])) for name in names]
        best = float(np.mean([max(r["methods"].values()) for r in some]))
        lines.append((kind, *each, best, float(np.mean([r[main] for r in some]))))
    return [table(("PSNR (dB)", *names, "best of them, case by case", f"mendem, {main}"), lines)]


def hole_table(rows: list[dict]) -> list[str]:
    """For large holes: distortion and realism of each filling, by group and together; nothing where no row has it."""
    found = [r for r in rows if "fillings" in r]
    if not found:
        return []
    groups = list(dict.fromkeys(r["group"] for r in found))
    lines: list[tuple[Any, ...]] = []
    for name in FILLINGS:
        cells = [name]
        for some in (*([r for r in found if r["group"] == g] for g in groups), found):
            level, off = ([r["fillings"][name][key] for r in some] for key in ("dB", "spectrum"))
            cells.append(f"{np.mean(level):.2f} / {'–' if None in off else f'{np.mean(off):.1f}'}")
        lines.append(tuple(cells))
    return [
        f"A hole of {LARGE_HOLE} pixels holds structure that nothing measured: the best guess is smooth, and a sample "
        "shows one of many things that could be there. PSNR in the hole (dB), higher is closer to the truth; and how "
        "far the radial power spectrum in it is from the truth's, root mean square over frequencies up to "
        f"{JUDGED:g} of Nyquist (dB), lower looks more like the truth.",
        table(("PSNR / spectrum off (dB)", *groups, "all"), lines),
    ]


def aims(rows: list[dict]) -> list[tuple[str, str, bool]]:
    """(aim, measured, met) of the finest detail, by kind of larger pixels."""
    lines = []
    for kind, some in _by_kind(rows, "FRC"):
        ours, bicubic = (float(np.mean([r[key] for r in some])) for key in ("FRC", "FRC bicubic"))
        said = f"{ours:.3f} against {bicubic:.3f} cycles/px"
        lines.append(
            (f"superres, {kind}: finer detail than bicubic (FRC {THRESHOLD} to the truth)", said, ours > bicubic)
        )
    return lines


def _by_kind(rows: list[dict], key: str) -> list[tuple[str, list[dict]]]:
    found: dict[str, list[dict]] = {}
    for row in rows:
        if key in row:
            found.setdefault(row["kind"], []).append(row)
    return list(found.items())
