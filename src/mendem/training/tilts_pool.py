"""Tilt series to learn from: simulated specimens seen from everywhere, of which a part was measured."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mendem.errors import MendemError
from mendem.simulate import particle_volume
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.projector import Projector
from mendem.tomography.tilt_road_order import path_length
from mendem.tomography.tilt_road_volume import reproject
from mendem.training.tilts_cells import isolated_cell
from mendem.training.wedge_volumes import isolated, slab

#: Version of the file.
PACK = "tilts-1"
#: What a series can show.
KINDS = ("cells", "particles", "shapes", "slabs")
#: Thickness of slabs over their width; a simulated cell has 32 voxels at the least.
THICKNESS, THINNEST = (0.3, 0.55), 32
#: Steps of total variation: fewer than where the network is used, since a pool takes long to draw as it is.
STEPS = 60
#: Largest angle of a slab, degrees.
SLAB_LIMIT = 80.0


@dataclass(frozen=True)
class Series:
    """One simulated series, in units of the standard deviation of its measured tilts.

    Attributes
    ----------
    angles
        Degrees: of the measured tilts, and after them of the missing ones.
    measured
        (m, y, x) float16, with noise and what else a microscope does.
    truth
        (n - m, y, x) float16: what the missing ones show, without noise.
    base, smooth
        (n, y, x) and (n - m, y, x) float16, see `mendem.tomography.tilt_road_volume`.
    isolated
        Or a slab.
    noise
        As estimated.
    """

    angles: tuple[float, ...]
    measured: np.ndarray
    truth: np.ndarray
    base: np.ndarray
    smooth: np.ndarray
    isolated: bool
    noise: float


def draw_volume(rng: np.random.Generator, kind: str, side: int) -> np.ndarray:
    """A specimen (z, y, x) of a kind; nowhere below zero, isolated ones on a background of 0."""
    if kind == "cells":
        return isolated_cell(rng, side)
    if kind == "particles":
        return np.asarray(particle_volume((side,) * 3, float(rng.uniform(0.6, 2.4)), int(rng.integers(2**31))).data)
    if kind == "shapes":
        values = isolated(rng, side, [])
        place = np.arange(side) - (side - 1) / 2
        return values * (np.hypot(place[:, None], place)[:, None, :] < 0.49 * side)
    depth = max(THINNEST, round(side * rng.uniform(*THICKNESS)))
    return slab(rng, (depth, side, side), [])


def draw_angles(rng: np.random.Generator, is_isolated: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measured and missing angles: a range to limits of 40° to 75°, now and then uneven or with gaps; and the rest."""
    step = float(rng.choice([1.5, 2.0, 3.0, 4.0, 5.0], p=[0.05, 0.25, 0.35, 0.2, 0.15]))
    limit = rng.uniform(40, 75)
    low, high = (-limit, limit) if rng.uniform() < 0.6 else (-rng.uniform(40, 75), rng.uniform(40, 75))
    last = 90.0 if is_isolated else SLAB_LIMIT
    every = np.arange(-last, last - 1e-6 if is_isolated else last + 1e-6, step) + rng.uniform(-0.5, 0.5) * step
    if not is_isolated:
        every = every[np.abs(every) <= SLAB_LIMIT]
    if rng.uniform() < 0.4:
        every = np.sort(every + rng.normal(0, 0.12 * step, len(every)))
    seen = (every >= low) & (every <= high)
    if rng.uniform() < 0.3:
        seen &= rng.uniform(size=len(every)) > 0.08
    return tuple(map(float, every[seen])), tuple(map(float, every[~seen]))


def draw_series(rng: np.random.Generator, kind: str, side: int, rows: int) -> Series:
    """One series of a kind, (tilt, rows, side): some rows of a specimen that is ``side`` voxels tall."""
    alone = kind != "slabs"
    volume = draw_volume(rng, kind, side)
    # The middle shows more than the ends.
    first = round(float(np.clip(rng.normal(0.5, 0.3), 0, 1)) * (side - rows))
    volume = volume[:, first : first + rows]
    measured, missing = draw_angles(rng, alone)
    every = (*measured, *missing)
    geometry = SliceGeometry(every, (volume.shape[0], side), side)
    slices = np.ascontiguousarray(volume.transpose(1, 0, 2), np.float32)
    if not alone:
        geometry, inner = geometry.widened()
        sides = inner.start, geometry.shape[1] - inner.stop
        slices = np.pad(slices, ((0, 0), (0, 0), sides), mode="symmetric")
    with torch.inference_mode():
        seen = Projector(geometry).forward(torch.from_numpy(slices)).transpose(0, 1).numpy()
    lengths = np.array([1.0 if alone else path_length(a) for a in every], np.float32)[:, None, None]
    count = len(measured)
    if not alone:
        seen = seen - float((seen[:count] / lengths[:count]).mean()) * lengths
    seen = seen / max(float(seen[:count].std()), 1e-12)
    pixels = _recorded(rng, seen[:count])
    found = reproject(pixels, measured, every, isolated=alone, depth=volume.shape[0], steps=STEPS)
    half = (pixels, seen[count:], found.base, found.smooth[count:])
    shown, truth, base, smooth = (a.astype(np.float16) for a in half)
    return Series(every, shown, truth, base, smooth, alone, found.noise)


def _recorded(rng: np.random.Generator, clean: np.ndarray) -> np.ndarray:
    """Tilts (m, y, x) of unit deviation with gain, small shifts across the axis, and noise."""
    pixels = clean.astype(np.float32)
    if rng.uniform() < 0.4:
        pixels = pixels * np.exp(rng.normal(0, 0.02, (len(pixels), 1, 1))).astype(np.float32)
    if rng.uniform() < 0.4:
        place = np.arange(pixels.shape[2])
        for tilt, shift in zip(pixels, rng.normal(0, rng.uniform(0, 0.5), len(pixels)), strict=True):
            tilt[:] = np.stack([np.interp(place - shift, place, row) for row in tilt])
    level = 0.0 if rng.uniform() < 0.3 else math.exp(rng.uniform(math.log(0.01), math.log(0.6)))
    return pixels + (level * rng.standard_normal(pixels.shape)).astype(np.float32)


def draw_pool(data: Mapping[str, Any], seed: int = 0, part: slice = slice(None)) -> list[Series]:
    """All series of a recipe's table ``data``, or a part of them: so many of each kind, ``rows`` x ``side`` pixels."""
    wanted = [(i, kind) for i, kind in enumerate(kind for kind in KINDS for _ in range(data[kind]))][part]
    pool = []
    for i, kind in wanted:
        pool.append(draw_series(np.random.default_rng([seed, i, 0x7117]), kind, data["side"], data["rows"]))
        if len(pool) % 10 == 0:
            print(f"{len(pool)} of {len(wanted)} tilt series", file=sys.stderr, flush=True)
    return pool


def write_pool(path: Path, pool: list[Series]) -> None:
    """Write series to a file; it is whole or not there at all."""
    arrays: dict[str, np.ndarray] = {"pack": np.array(PACK)}
    for i, series in enumerate(pool):
        arrays[f"{i} angles"] = np.array(series.angles)
        arrays[f"{i} about"] = np.array([series.isolated, series.noise])
        for name in ("measured", "truth", "base", "smooth"):
            arrays[f"{i} {name}"] = getattr(series, name)
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def read_pool(path: Path) -> list[Series]:
    """What `write_pool` wrote; `MendemError` for another file."""
    try:
        with np.load(path) as stored:
            if str(stored["pack"]) != PACK:
                raise KeyError("another version")
            count = sum(name.endswith(" about") for name in stored)
            return [_stored(stored, i) for i in range(count)]
    except (OSError, KeyError, ValueError) as error:
        raise MendemError(f"{path} is no pack of tilt series; make one with `mendem train --pack`") from error


def _stored(stored: Any, i: int) -> Series:
    isolated_, noise = stored[f"{i} about"]
    measured, truth, base, smooth = (stored[f"{i} {name}"] for name in ("measured", "truth", "base", "smooth"))
    angles = tuple(stored[f"{i} angles"].tolist())
    return Series(angles, measured, truth, base, smooth, bool(isolated_), float(noise))
