"""Tilt series as a microscope records them, of which the outermost tilts are hidden: the nearest to real data here.

Nothing of what the methods are given is ideal: shifts, gains and background of the tilts are wrong by a little and not
corrected, angles are irregular, counts are whole 16-bit numbers. What they are judged by is recorded too; the same
tilts without noise are kept beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from benchmarks.wedge_phantoms import Case, cone, gyroid, screw, torus
from mendem.image import Image, VoxelSize
from mendem.simulate import DarkField, PhaseContrast, Stage, cell_volume, irregular, particle_volume, record
from mendem.simulate.tilt_packing import smooth_field
from mendem.tomography.aligned import AlignedRows
from mendem.tomography.density import Density
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.tilt_series import TiltSeries

#: Side of the specimens in HAADF, pixels, and nm in each.
SIDE, VOXEL_NM = 112, 0.8
#: The cell, and thickness of its tomogram; slices that are filled, in the middle.
CELL, CELL_NM, CELL_DEPTH, ROWS = (64, 96, 128), 1.4, 72, 40
#: What is left of an alignment, and drifts.
STAGE = Stage(jitter_px=0.4, gain_drift=0.02, background_drift=0.005)
#: Brightness of the needle, radius and places of what sits on it from the axis, in pixels.
NEEDLE, RADIUS, OFF_AXIS = 0.15, 13.0, (17.0, 30.0)

#: Iterations of SIRT on all tilts: what stands for the truth where only recorded tilts are known.
ITERATIONS = 60
#: Pixels that a tilt may be shifted by before it is compared, and that are left out at the borders then.
REACH, BORDER = 2.0, 4


@dataclass(frozen=True)
class Recording:
    """How a series was recorded.

    Attributes
    ----------
    specimen
        A name of `SPECIMENS`.
    step
        Between tilts, degrees; angles are off by a tenth of it, and every twentieth tilt is lost.
    dose
        For the cell e/Å² of each tilt; else electrons in the brightest pixel.
    """

    specimen: str
    step: float
    dose: float

    @property
    def cryo(self) -> bool:
        return self.specimen == "cell"

    @property
    def reach(self) -> float:
        """Steepest tilt that is recorded."""
        return 66.0 if self.cryo else 88.0

    @property
    def limit(self) -> float:
        """Steepest tilt that is shown."""
        return 45.0 if self.cryo else 60.0

    @property
    def noise(self) -> str:
        """In words."""
        return f"{self.dose:g} e/Å²" if self.cryo else f"{100 / np.sqrt(self.dose):.1f} % of the peak"


@dataclass(frozen=True)
class Held:
    """A recorded series: what is shown, what is hidden.

    Attributes
    ----------
    case
        The tilts that are shown; its truth is the specimen in the unit of the tilts, or, where contrast is not the
        projection of anything, SIRT of all tilts.
    recorded
        (rows, tilts, width) density of all tilts as recorded, those that are shown too, and their angles.
    hidden, clean
        (rows, tilts, width) density of the hidden tilts, as recorded and without noise.
    """

    case: Case
    recorded: np.ndarray
    all_angles: tuple[float, ...]
    hidden: np.ndarray
    clean: np.ndarray
    angles: tuple[float, ...]


def needle(seed: int) -> Image:
    """A rod along the tilt axis that goes on beyond the view, with cones, tori, screws and gyroids on it."""
    rng = np.random.default_rng([seed, 0x4EED])
    place = [(np.arange(n, dtype=np.float32) - (n - 1) / 2) for n in (SIDE, ROWS + 16, SIDE)]
    grid = np.stack(np.meshgrid(*place, indexing="ij"), -1)
    rough = 2.0 * smooth_field(rng, grid.shape[:3], 6.0)
    bend = 2.0 * np.sin(grid[..., 1] / 25 + rng.uniform(0, 6))
    values = NEEDLE * np.clip(RADIUS + rough - np.hypot(grid[..., 0] - bend, grid[..., 2]) + 0.5, 0, 1)
    for turn in range(9):
        way, far = 2 * np.pi * (turn + rng.uniform(-0.3, 0.3)) / 9, rng.uniform(*OFF_AXIS)
        spot = np.array([far * np.sin(way), rng.uniform(-0.5, 0.5) * (ROWS + 8), far * np.cos(way)])
        turned = (grid - spot.astype(np.float32)) @ Rotation.random(random_state=rng).as_matrix().astype(np.float32)
        depth = (cone, torus, screw, gyroid)[turn % 4](rng, 2.4 * turned) / 2.4
        inside = np.clip(depth + 0.5, 0, 1)
        values = values * (1 - inside) + np.float32(rng.uniform(0.4, 1.0)) * inside
    size = VoxelSize((VOXEL_NM,) * 3, "nm")
    return Image(values.astype(np.float32), ("z", "y", "x"), size, {}, "simulated needle")


def particles(seed: int) -> Image:
    """Nanoparticles of `mendem.simulate`: a porous support with small ones, core and shell, facets."""
    return particle_volume((SIDE,) * 3, VOXEL_NM, seed)


def cell(seed: int) -> Image:
    """A slab of cell, crowded with bead models."""
    return cell_volume(CELL, CELL_NM, seed)


SPECIMENS = {"particles": particles, "needle": needle, "cell": cell}


def held(recording: Recording, seed: int) -> Held:
    """A series of a specimen, the tilts beyond the limit hidden; the middle rows."""
    volume = SPECIMENS[recording.specimen](seed)
    scheme = irregular(
        -recording.reach, recording.reach, recording.step, spread=0.1 * recording.step, lost=0.05, seed=seed
    )
    beam = PhaseContrast() if recording.cryo else DarkField()
    noisy, plain = (
        record(volume, scheme, beam, dose=recording.dose, stage=STAGE, noise=noise, seed=seed)
        for noise in (True, False)
    )
    density = Density(contrast="dark" if recording.cryo else "bright")
    series = replace(noisy, image=noisy.image.with_data(whole_numbers(noisy)))
    levels = density.levels(series)
    first = (volume.shape[1] - ROWS) // 2
    every, clean = (AlignedRows(s, density, *levels).read(first, first + ROWS) for s in (series, plain))
    angles = np.array([series.true_angles[t] for t in series.used])
    shown, width = np.abs(angles) <= recording.limit, every.shape[2]
    depth = CELL_DEPTH if recording.cryo else width
    case = Case(
        recording.specimen,
        "recorded",
        np.ascontiguousarray(every[:, shown]),
        SliceGeometry(tuple(angles[shown]), (depth, width), width),
        np.empty((depth, ROWS, width), np.float32),
        not recording.cryo,
    )
    if recording.cryo:
        truth = sirt_of_all(case, angles, every)
    else:
        scale = VOXEL_NM * noisy.image.metadata["truth"]["counts_per_brightness_nm"]
        truth = np.float32(scale) * np.asarray(volume.data)[:, first : first + ROWS]
    case = replace(case, truth=truth)
    return Held(case, every, tuple(angles), every[:, ~shown], clean[:, ~shown], tuple(angles[~shown]))


def whole_numbers(series: TiltSeries) -> np.ndarray:
    """Counts as a camera writes them, uint16."""
    return np.clip(np.round(np.asarray(series.image.data)), 0, 65535).astype(np.uint16)


def sirt_of_all(case: Case, angles: np.ndarray | tuple[float, ...], every: np.ndarray) -> np.ndarray:
    """SIRT of all tilts (rows, tilts, width), those that are hidden from the methods too."""
    from benchmarks.wedge_methods import reconstructed
    from mendem.tomography.sirt import Sirt

    return reconstructed(case, Sirt(ITERATIONS, positive=case.isolated), angles, every)


def compared(found: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Mean squared errors of a tilt (y, x) against each target (n, y, x), shifted and fitted first.

    For each target the shift is the best of a grid of half pixels up to 2 px, looked for about the best of whole
    pixels; scale and offset of the values are those of least squares; borders are left out.
    """
    inner = (slice(BORDER, -BORDER),) * 2
    smooth = ndimage.spline_filter(found.astype(np.float64), 3)

    @cache
    def shifted(dy: float, dx: float) -> tuple[np.ndarray, float]:
        """What is compared, without its mean, and its mean square."""
        moved = ndimage.shift(smooth, (dy, dx), order=3, mode="nearest", prefilter=False)[inner].ravel()
        moved -= moved.mean()
        return moved, float(np.mean(moved**2))

    errors = []
    for target in targets:
        wanted = target[inner].ravel().astype(np.float64)
        wanted -= wanted.mean()
        power = float(np.mean(wanted**2))

        def error(at: tuple[float, float], wanted: np.ndarray = wanted, power: float = power) -> float:
            moved, own = shifted(*at)
            return power - float(np.mean(wanted * moved)) ** 2 / own if own > 0 else power

        whole = np.arange(-REACH, REACH + 0.1)
        near = min(product(whole, whole), key=error)
        halves = [[p + h for h in (-0.5, 0.0, 0.5) if abs(p + h) <= REACH] for p in near]
        errors.append(min(map(error, product(*halves))))
    return np.array(errors)
