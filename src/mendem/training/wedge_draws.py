"""What the network for the missing wedge learns from: tilt series of random volumes, recorded at random."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mendem.priors.wedge_inputs import HALO, inputs_of, setting_of
from mendem.tomography.density import EDGE
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.projector import Projector
from mendem.tomography.wedge import wedge_mask
from mendem.training.wedge_volumes import isolated, slab

#: Side of a slice, pixels.
SIDE = 96
#: Slices of one volume, which share their tilts; shares of the series of slabs, and without any fault.
TOGETHER, SLABS, FAULTLESS = 8, 0.35, 0.15


@dataclass(frozen=True)
class Scheme:
    """Tilts as they are stated, and what is wrong with them: places on the detector, gains, offsets."""

    stated: tuple[float, ...]
    true: tuple[float, ...]
    shifts: tuple[float, ...]


def scheme(rng: np.random.Generator, extended: bool) -> Scheme:
    """Limits of 40 to 75° (66° for slabs), symmetric or not; 18 to 90 tilts, regular or not, some lost."""
    most = 66.0 if extended else 76.0
    high = rng.uniform(40, most)
    low = -high if rng.uniform() < 0.55 else -rng.uniform(40, most)
    count = round(float(np.exp(rng.uniform(np.log(18), np.log(70 if extended else 90)))))
    angles: np.ndarray = np.linspace(low, high, count)
    step = (high - low) / (count - 1)
    if rng.uniform() < 0.4:
        angles = angles + rng.uniform(0, 0.3) * step * rng.standard_normal(count)
    if rng.uniform() < 0.3:
        kept = rng.uniform(size=count) > rng.uniform(0.02, 0.12)
        kept[[0, -1]] = True
        angles = angles[kept]
    angles = np.round(np.sort(angles), 2)
    wrong = rng.uniform(0, 0.25) * rng.standard_normal(len(angles)) * (rng.uniform() < 0.4)
    jitter = rng.uniform(0.05, 0.7) * rng.standard_normal(len(angles)) * (rng.uniform() < 0.55)
    if rng.uniform() < 0.2:  # the axis is not where it is said to be
        jitter = jitter + rng.uniform(-0.7, 0.7)
    return Scheme(tuple(angles.tolist()), tuple((angles + wrong).tolist()), tuple(jitter.tolist()))


def recorded(rng: np.random.Generator, rows: Tensor, extended: bool) -> Tensor:
    """Projections (slices, tilts, width) with noise, gain and offset of each tilt, and a bent intensity scale."""
    tilts = rows.shape[1]
    top, spread = float(rows.abs().max()), float(rows.std())
    if not extended and rng.uniform() < 0.3:
        rows = rows * (1 - rng.uniform(-0.1, 0.15) * rows / max(top, 1e-12))
    if rng.uniform() < 0.75:
        level = spread * float(np.exp(rng.uniform(np.log(0.01), np.log(1.6 if extended else 0.4))))
        noise = torch.from_numpy(rng.standard_normal(rows.shape, dtype=np.float32))
        if not extended and rng.uniform() < 0.5:  # counts: the variance grows with the brightness
            noise = noise * (0.1 + rows.abs() / max(float(rows.abs().mean()), 1e-12)).sqrt()
        rows = rows + level * noise
    if rng.uniform() < 0.5:
        gains = torch.from_numpy(np.exp(rng.uniform(0, 0.04) * rng.standard_normal(tilts)).astype(np.float32))
        rows = rows * gains[:, None]
    if rng.uniform() < 0.5:
        offsets = rng.uniform(0, 0.02) * float(rows.abs().mean()) * rng.standard_normal(tilts).astype(np.float32)
        rows = rows + torch.from_numpy(offsets)[:, None]
    return rows


@dataclass(frozen=True)
class Draws:
    """Slices of one series, in units of their gain.

    Attributes
    ----------
    channels, descriptor
        What the network reads, see `mendem.priors.wedge_inputs.Inputs`; float16 (n, C, Z, X), float32 (n, D).
    truth
        float16 (n, Z, X).
    wedge
        bool (Z, X): frequencies that were not measured, the frequency 0 first.
    """

    channels: np.ndarray
    descriptor: np.ndarray
    truth: np.ndarray
    wedge: np.ndarray

    def save(self, path: Path) -> None:
        """Write a file, which is whole or not there at all."""
        part = path.with_suffix(".part")
        with open(part, "wb") as file:
            np.savez(file, **vars(self))
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Draws:
        with np.load(path, allow_pickle=False) as file:
            return cls(**{name: file[name] for name in file.files})


def chosen_rows(rng: np.random.Generator, volume: np.ndarray, count: int) -> np.ndarray:
    """Slices across y that show something, the first and last ``HALO`` left out."""
    energy = np.square(volume[:, HALO:-HALO]).sum((0, 2))
    enough = np.flatnonzero(energy > 0.08 * energy.max()) + HALO
    return rng.choice(enough, min(count, len(enough)), replace=False)


def series(
    rng: np.random.Generator, volume: np.ndarray, extended: bool, plan: Scheme, rows: np.ndarray, ideal: bool = False
) -> tuple[Tensor, Tensor, SliceGeometry]:
    """Sinograms (n, 2 HALO + 1, tilts, width), true slices (n, Z, X), and the geometry that is stated, of some rows.

    ``ideal`` leaves noise, gains and offsets out.
    """
    taken = rows[:, None] + np.arange(-HALO, HALO + 1)
    slices = torch.from_numpy(np.ascontiguousarray(volume[:, taken].transpose(1, 2, 0, 3), dtype=np.float32))
    depth, width = slices.shape[-2:]
    shape = depth, width
    if extended:
        slices = slices - slices.mean()
        stated, view = SliceGeometry(plan.stated, shape, width).widened()
        real = SliceGeometry(plan.true, stated.shape, width, plan.shifts, slice_axis=stated.slice_axis)
        before, after = view.start, stated.shape[1] - view.stop
        wide = np.pad(slices.numpy(), ((0, 0),) * 3 + ((before, after),), mode="symmetric")
        seen = Projector(real).forward(torch.from_numpy(wide))
    else:
        stated = SliceGeometry(plan.stated, shape, width)
        seen = Projector(SliceGeometry(plan.true, shape, width, plan.shifts)).forward(slices)
    flat = seen.flatten(0, 1)
    if not ideal:
        flat = recorded(rng, flat, extended)
    if extended:  # as `mendem.tomography.density.Density` finds the level of a tilt
        side = max(1, round(EDGE * width))
        ends = torch.cat([flat[..., :side], flat[..., -side:]], -1)
        flat = flat - ends.transpose(0, 1).flatten(1).median(1).values[None, :, None]
    return flat.view(seen.shape), slices[:, HALO], stated


def prepared(sinograms: Tensor, truth: Tensor, geometry: SliceGeometry, extended: bool) -> Draws:
    """Sinograms of `series` as the network sees them."""
    setting = setting_of(sinograms.numpy(), extended)
    projector = Projector(geometry)
    told = inputs_of(projector, sinograms, setting)
    return Draws(
        told.channels.to(torch.float16).numpy(),
        told.descriptor.numpy(),
        (truth / told.gain).to(torch.float16).numpy(),
        np.fft.ifftshift(wedge_mask(geometry.angles_deg, (truth.shape[-2], truth.shape[-1]))),
    )


@torch.inference_mode()
def draw(rng: np.random.Generator, fibsem: list[np.ndarray]) -> Draws:
    """Some slices of a new volume."""
    extended = rng.uniform() < SLABS
    if extended:
        thick = int(rng.integers(36, SIDE + 1))
        volume = slab(rng, (thick, 40, SIDE), fibsem)
        volume = volume - np.float32(volume.mean())
        before = (SIDE - thick) // 2
        volume = np.pad(volume, ((before, SIDE - thick - before), (0, 0), (0, 0)))
        volume = -volume if rng.uniform() < 0.15 else volume
    else:
        volume = isolated(rng, SIDE, fibsem)
        if not volume.any():
            return draw(rng, fibsem)
    rows = chosen_rows(rng, volume, TOGETHER)
    scale = float(np.exp(rng.normal(0, 1)))
    plan = scheme(rng, extended)
    if faultless := rng.uniform() < FAULTLESS:
        plan = Scheme(plan.stated, plan.stated, (0.0,) * len(plan.stated))
    sinograms, truth, geometry = series(rng, scale * volume, extended, plan, rows, faultless)
    return prepared(sinograms, truth, geometry, extended)
