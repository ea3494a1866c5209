"""Alignment of simulated tilt series whose shifts and axis are known."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.process import measured
from benchmarks.settings import Settings
from benchmarks.tables import table
from mendem.simulate import (
    DarkField,
    PhaseContrast,
    Stage,
    cell_volume,
    continuous,
    dose_symmetric,
    irregular,
    particle_volume,
    record,
    true_alignment,
)
from mendem.tomography.tilt_series import TiltSeries

#: What the holder does: pixels (rms along each axis), and degrees of the tilt axis.
STAGE = Stage(axis_error_deg=1.0, jitter_px=2.0)
#: e/Å2 of each tilt; electrons at the brightest place of an HAADF tilt.
CRYO_DOSE, HAADF_DOSE = 3.0, 250.0
SEEDS = (1, 2, 3)
#: Pixels and degrees that may be left.
SHIFT_BOUND, AXIS_BOUND = 0.3, 0.2


def _cell(shape: tuple[int, int, int], seed: int, gold: int) -> TiltSeries:
    volume = cell_volume(shape, 1.4, seed, gold_beads=gold)
    return record(volume, dose_symmetric(60, 3), PhaseContrast(), dose=CRYO_DOSE, stage=STAGE, seed=seed)


def _irregular(shape: tuple[int, int, int], seed: int) -> TiltSeries:
    scheme = irregular(-51, 69, 3, seed=seed)
    return record(cell_volume(shape, 1.4, seed), scheme, PhaseContrast(), dose=CRYO_DOSE, stage=STAGE, seed=seed)


def _particles(shape: tuple[int, int, int], seed: int, scheme) -> TiltSeries:
    volume = particle_volume(shape, 0.6, seed)
    return record(volume, scheme, DarkField(), dose=HAADF_DOSE, stage=STAGE, seed=seed)


#: By name: a series of a seed.
CASES: dict[str, Callable[[int], TiltSeries]] = {
    "cell with gold beads, ±60°, 3 e/Å²": lambda seed: _cell((80, 192, 192), seed, 6),
    "cell without beads, ±60°, 3 e/Å²": lambda seed: _cell((80, 192, 192), seed, 0),
    "cell, irregular -51° to 69°, 3 e/Å²": lambda seed: _irregular((80, 192, 192), seed),
    "particles, HAADF, ±70° in 2°": lambda seed: _particles((128, 128, 128), seed, continuous(-70, 70, 2)),
    "particles, HAADF, irregular": lambda seed: _particles((128, 128, 128), seed, irregular(-65, 65, 2, seed=seed)),
}


def left_over(found: TiltSeries, truth: TiltSeries) -> dict[str, float]:
    """What is left of the shifts (px, root mean square along an axis, and the worst tilt) and of the axis (degrees).

    Of the differences in the upright image, what a shift of the whole specimen by (Z, Y, X) does is taken away: Y along
    the tilt axis, X cos t + Z sin t across it. Nothing in the data tells where the specimen is.
    """
    used = list(found.used)
    axis = math.radians(truth.axis_angle)
    upright = np.array([[math.cos(axis), -math.sin(axis)], [math.sin(axis), math.cos(axis)]])
    difference = (np.array(found.shifts)[used] - np.array(truth.shifts)[used]) @ upright.T
    along, across = difference.T
    t = np.radians(np.array(truth.true_angles)[used])
    basis = np.stack([np.cos(t), np.sin(t)], 1)
    across = across - basis @ np.linalg.lstsq(basis, across, rcond=None)[0]
    along = along - along.mean()
    return {
        "shift": float(np.sqrt((along**2 + across**2).mean() / 2)),
        "along": float(np.sqrt((along**2).mean())),
        "across": float(np.sqrt((across**2).mean())),
        "worst": float(np.hypot(along, across).max()),
        "axis": abs(found.axis_angle - truth.axis_angle),
    }


def correlated(series: TiltSeries) -> TiltSeries:
    """Neighbours registered in turn from 0° outwards, the stretch by the cosine undone: scikit-image's correlation."""
    from scipy import ndimage
    from skimage.registration import phase_cross_correlation

    images = [ndimage.gaussian_filter(_flat(series.image.read(t)), 1.5) for t in range(series.count)]
    axis = math.radians(series.axis_angle)
    upright = np.array([[math.cos(axis), -math.sin(axis)], [math.sin(axis), math.cos(axis)]])
    shape = images[0].shape
    middle, taper = (np.array(shape) - 1) / 2, np.outer(np.hanning(shape[0]), np.hanning(shape[1]))

    def seen(tilt: int, at: np.ndarray, stretch: float) -> np.ndarray:
        back = upright.T @ np.diag([1.0, 1 / stretch])
        return taper * ndimage.affine_transform(images[tilt], back, middle + at - back @ middle, order=1)

    shifts = np.zeros((series.count, 2))
    order = list(series.used)
    start = int(np.argmin(np.abs([series.true_angles[t] for t in order])))
    for step in (1, -1):
        i = start
        while 0 <= i + step < len(order):
            near, far = order[i], order[i + step]
            stretch = math.cos(math.radians(series.true_angles[near])) / math.cos(math.radians(series.true_angles[far]))
            moved, *_ = phase_cross_correlation(
                seen(near, shifts[near], 1.0), seen(far, shifts[near], stretch), upsample_factor=20, normalization=None
            )
            # Back from the stretched image: what is across the axis was longer there.
            shifts[far] = shifts[near] - upright.T @ (moved / [1.0, stretch])
            i += step
    return replace(series, shifts=tuple(map(tuple, shifts.tolist())), aligned=True)


def _flat(image: np.ndarray) -> np.ndarray:
    return (image - image.mean()) / image.std()


def case(name: str, seed: int) -> list[dict[str, Any]]:
    """One row for each way: unaligned, correlated, mendem."""
    from mendem.tomography.alignment import align

    series = CASES[name](seed)
    truth = true_alignment(series)
    rows = []
    ways: dict[str, Callable[[TiltSeries], TiltSeries]] = {
        "unaligned": lambda s: s,
        "neighbours correlated (scikit-image)": correlated,
        "mendem": lambda s: align(s).series,
    }
    for way, call in ways.items():
        start = time.process_time()
        found = call(series)
        spent = time.process_time() - start
        rows.append({"case": name, "seed": seed, "way": way, "cpu": spent, **left_over(found, truth)})
    return rows


def run(settings: Settings) -> dict:
    """All cases, each in a process of its own."""
    rows = []
    for i, name in enumerate(CASES):
        for seed in (10 * i + s for s in (SEEDS[:1] if settings.quick else SEEDS)):
            rows += measured("benchmarks.tomography_alignment:case", name, seed, threads=1)
            settings.say(f"{name}, {seed}: {rows[-1]['shift']:.2f} px, {rows[-1]['axis']:.2f}°")
    return {"rows": rows}


def aims(result: dict) -> list[tuple[str, str, bool]]:
    """(aim, measured, met)."""
    ours = [r for r in result["rows"] if r["way"] == "mendem"]
    shift, axis = max(r["shift"] for r in ours), max(r["axis"] for r in ours)
    met = sum(r["shift"] <= SHIFT_BOUND and r["axis"] <= AXIS_BOUND for r in ours)
    return [
        (
            f"alignment: 2 px and 1° brought back to {SHIFT_BOUND:g} px and {AXIS_BOUND:g}°",
            f"{met} of {len(ours)} series; at worst {shift:.2f} px and {axis:.2f}°",
            met == len(ours),
        )
    ]


def page(result: dict) -> list[str]:
    """The section of the page."""
    rows = []
    for name in dict.fromkeys(r["case"] for r in result["rows"]):
        for way in dict.fromkeys(r["way"] for r in result["rows"]):
            some = [r for r in result["rows"] if (r["case"], r["way"]) == (name, way)]
            said = [" / ".join(f"{r[key]:.2f}" for r in some) for key in ("shift", "along", "across", "worst", "axis")]
            rows.append((name, way, *said, f"{np.mean([r['cpu'] for r in some]):.1f}"))
    return [
        "Simulated series with random shifts of 2 px (root mean square along each axis), a tilt axis that is 1° off, "
        "gain that drifts by 3 % and background by 1 %. Cells are slabs that go on beyond the view (80 x 192 x 192 "
        "voxels of 1.4 nm, CTF at 3 µm, 3 e/Å² for each tilt), particles are isolated (128³ voxels of 0.6 nm). "
        f"{len(SEEDS)} specimens each, one number for each of them. Left: root mean square of what is left of the "
        "shifts, after what a shift of the whole specimen would do is taken away (a constant along the axis, "
        "a cos t + b sin t across it), along an axis of the image, along and across the tilt axis, and of the worst "
        "tilt; and what is left of the tilt axis. CPU time of one thread.",
        table(
            ("series", "way", "left (px)", "along (px)", "across (px)", "worst tilt (px)", "axis (°)", "CPU (s)"), rows
        ),
    ]
