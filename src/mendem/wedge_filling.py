"""Filling the missing wedge: what is decided before the first slice, and the slices one block after the other.

The volume road. Each slice across the tilt axis is filled by a `mendem.tomography.filler.Filler`; missing tilts are
projections of what came out, so that they agree with one another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.device import choose_device
from mendem.engine import Progress
from mendem.errors import MendemError
from mendem.image import VoxelSize
from mendem.provenance import SCHEMA, describe_image, software_versions
from mendem.tomography.aligned import AlignedRows
from mendem.tomography.density import Density
from mendem.tomography.extent import depth_of, voxel_size_of
from mendem.tomography.filler import Filled, Filler
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.missing_tilts import Completion, missing_tilts
from mendem.tomography.slices import Reconstruction, Sinograms
from mendem.tomography.specimen import is_isolated
from mendem.tomography.tilt_series import TiltSeries
from mendem.tomography.wbp import Wbp
from mendem.wedge_filler_choice import SAMPLE, choose_filler, spread
from mendem.wedge_parameters import FillWedge

if TYPE_CHECKING:
    from mendem.tomography.projector import Projector

#: Bytes of slices that are filled together.
BATCH_BYTES = {"cpu": 8 << 20}
BATCH_ON_GPU = 64 << 20
#: A slab has no tilt at 90°, and hardly one beyond this: rays run along it, mostly outside of what was seen.
SLAB_LIMIT = 80.0


@dataclass(frozen=True)
class FilledRows:
    """Some consecutive slices of the filled tomogram.

    Attributes
    ----------
    first
        Row of the first one.
    mean, std
        float32 (Z, rows, X); the standard deviation is None where the filler knows none.
    tilts
        Rows of the missing tilts, aligned: float32 (generated tilts, rows, width), density.
    residual, power
        Sums of squares of what the filled slices leave of the measured projections, and of these themselves.
    """

    first: int
    mean: np.ndarray
    std: np.ndarray | None
    tilts: np.ndarray
    residual: float
    power: float


@dataclass(frozen=True)
class WedgeFilling:
    """All that is decided before the first slice: `prepare` makes it.

    Attributes
    ----------
    parameters
        What was asked for.
    completion
        The tilt series, and the angles that are generated.
    rows, geometry
        Aligned densities, and the geometry of slices of the tomogram.
    isolated
        Whether the specimen is; else slices are filled beyond the view too, and cut off.
    filler
        What fills.
    density, device, voxel_size
        As of `mendem.tomogram.Tomogram`.
    found
        What was found out of the series, for the provenance.
    notes
        In sentences.
    """

    parameters: FillWedge
    completion: Completion
    rows: AlignedRows
    geometry: SliceGeometry
    isolated: bool
    filler: Filler
    density: Density
    device: str
    voxel_size: VoxelSize
    found: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def series(self) -> TiltSeries:
        return self.completion.series

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) of the tomogram; y is along the tilt axis."""
        depth, width = self.geometry.shape
        return depth, self.rows.count, width

    @cached_property
    def record(self) -> dict[str, Any]:
        """The provenance, but for how the run ends; all pixels of the series are read for it."""
        series = self.series
        return {
            "schema": SCHEMA,
            "software": software_versions(),
            "task": {"name": "fill-wedge", "parameters": asdict(self.parameters)},
            "options": asdict(self.density),
            "inputs": {"image": describe_image(series.image)},
            "device": self.device,
            "thickness": self.geometry.shape[0],
            "found": self.found,
            "tilts": {
                "completed": self.completion.record(),
                "offset": series.offset,
                "axis_angle": series.axis_angle,
                "aligned": series.aligned,
                "levels": list(self.rows.levels),
                "scales": list(self.rows.scales),
            },
            "previous": series.image.metadata.get("mendem"),
        }

    @cached_property
    def _wide(self) -> tuple[SliceGeometry, slice]:
        """The geometry in which slices are filled, and where the tomogram lies in it."""
        return (self.geometry, slice(0, self.geometry.shape[1])) if self.isolated else self.geometry.widened()

    @cached_property
    def _projectors(self) -> tuple[Projector, Projector]:
        """To the measured tilts, and to the missing ones."""
        from mendem.tomography.projector import Projector

        wide = self._wide[0]
        missing = replace(wide, angles_deg=self.completion.angles, shifts=())
        return Projector(wide, self.device), Projector(missing, self.device)

    def filled_rows(
        self, check: Callable[[], None] = lambda: None, progress: Callable[[Progress], None] = lambda _: None
    ) -> Iterator[FilledRows]:
        """All slices, in blocks of consecutive ones. Nothing depends on how the volume is cut."""
        import torch

        depth, width = self._wide[0].shape
        step = max(1, BATCH_BYTES.get(self.device, BATCH_ON_GPU) // (depth * width * 4))
        begun, count = time.monotonic(), self.rows.count
        inner = self._wide[1]
        for first, sinograms in windows(self.rows, self.filler.halo, step):
            spent = time.monotonic() - begun
            progress(Progress(first, count, first / count, spent * (count - first) / first if first else None))
            with torch.inference_mode():
                data = torch.from_numpy(sinograms).to(self.device)
                *_, filled = self._fill(data, check)
                measured, missing = self._projectors
                own = data[self.filler.halo : len(data) - self.filler.halo]
                residual = measured.forward(filled.mean) - own
                yield FilledRows(
                    first,
                    filled.mean[..., inner].transpose(0, 1).cpu().numpy(),
                    None if filled.std is None else filled.std[..., inner].transpose(0, 1).cpu().numpy(),
                    missing.forward(filled.mean).transpose(0, 1).cpu().numpy(),
                    float(residual.square().sum()),
                    float(own.square().sum()),
                )
        progress(Progress(count, count, 1.0, 0.0))

    def iterates(
        self, row: int, check: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Mean and standard deviation, float32 (Z, X), of one slice, better and better."""
        import torch

        if not 0 <= row < self.rows.count:
            raise MendemError(f"there is no slice {row}; the tilt series has {self.rows.count}, from 0")
        sinograms = around(self.rows, row, self.filler.halo)
        inner = self._wide[1]
        with torch.inference_mode():
            for filled in self._fill(torch.from_numpy(sinograms).to(self.device), check):
                std = None if filled.std is None else filled.std[0, :, inner].cpu().numpy().copy()
                yield filled.mean[0, :, inner].cpu().numpy().copy(), std

    def back_projection(self, row: int) -> np.ndarray:
        """One slice as it is without filling, by weighted back-projection: float32 (Z, X)."""
        return self._plain.slice(row)

    @cached_property
    def _plain(self) -> Reconstruction:
        return Reconstruction(self.rows, self.geometry, Wbp(), self.device)

    def _fill(self, data: Any, check: Callable[[], None]) -> Iterator[Filled]:
        check()
        yield from self.filler.fill(data, self._wide[0], check)


def prepare(
    series: TiltSeries,
    parameters: FillWedge | None = None,
    thickness: int | VoxelSize | None = None,
    *,
    density: Density | None = None,
    device: str = "auto",
    check: Callable[[], None] = lambda: None,
    rows: AlignedRows | None = None,
) -> WedgeFilling:
    """Decide what is decided before the first slice; parameters as of `mendem.fill_wedge`.

    ``rows`` is what was read of the series before, with the same density; without it all tilts are read once.
    """
    parameters, density, chosen = parameters or FillWedge(), density or Density(), choose_device(device)
    angles = tuple(series.true_angles[tilt] for tilt in series.used)
    if len(angles) < 3:
        raise MendemError(f"{series.name} has {len(angles)} tilts to use; filling its wedge needs at least three")
    rows = rows or AlignedRows(series, density, *density.levels(series))
    check()
    voxel_size = voxel_size_of(series, 1)
    depth = depth_of(thickness, voxel_size, rows.width, series.name)
    geometry = SliceGeometry(angles, (depth, rows.width), rows.width)
    sample = np.concatenate([rows.read(row, row + 1) for row in spread(rows.count, SAMPLE)])
    if not np.ptp(sample) > 0:
        raise MendemError(f"{series.name} is constant where it was looked at; there is nothing to fill a wedge from")
    isolated = is_isolated(sample) if parameters.specimen == "auto" else parameters.specimen == "isolated"
    missing = missing_tilts(angles, parameters.limit if isolated else min(parameters.limit, SLAB_LIMIT))
    if not missing:
        low, high = series.limits
        raise MendemError(
            f"{series.name} has tilts from {low:g}° to {high:g}°, and none is missing up to {parameters.limit:g}°; "
            "give a higher limit"
        )
    choice = choose_filler(parameters.filler, rows, geometry, isolated, chosen, check)
    notes = (*series.notes, *_notes(series, parameters, density, thickness, isolated, sample), *choice.notes)
    found = {"specimen": "isolated" if isolated else "slab", "filler": choice.filler.name, **choice.found}
    return WedgeFilling(
        parameters,
        Completion(series, missing),
        rows,
        geometry,
        isolated,
        choice.filler,
        density,
        chosen,
        voxel_size,
        found,
        notes,
    )


def around(rows: Sinograms, row: int, halo: int) -> np.ndarray:
    """Sinograms of a slice and ``halo`` neighbours on either side; the outermost slice is repeated beyond the ends."""
    low, high = max(0, row - halo), min(rows.count, row + halo + 1)
    return _padded(rows.read(low, high), halo - (row - low), halo - (high - 1 - row))


def windows(rows: Sinograms, halo: int, step: int) -> Iterator[tuple[int, np.ndarray]]:
    """First row of each block of ``step`` rows, and its sinograms with a halo as of `around`; each is read once."""
    held, start = rows.read(0, 0), 0
    for first in range(0, rows.count, step):
        last = min(first + step, rows.count)
        low, high, read = max(0, first - halo), min(rows.count, last + halo), start + len(held)
        new = [rows.read(read, high)] if high > read else []
        held, start = np.concatenate([held[low - start :], *new]), low
        yield first, _padded(held, halo - (first - low), halo - (high - last))


def _padded(sinograms: np.ndarray, before: int, after: int) -> np.ndarray:
    return np.pad(sinograms, ((before, after), (0, 0), (0, 0)), mode="edge")


def _notes(
    series: TiltSeries, parameters: FillWedge, density: Density, thickness: Any, isolated: bool, sample: np.ndarray
) -> Iterator[str]:
    if thickness is None:
        yield "No thickness was given: slices are as thick as the view is wide."
    if parameters.specimen == "auto":
        how = "isolated: all of it is in view at all tilts" if isolated else "a slab that goes on beyond the view"
        yield f"The specimen was taken to be {how}."
    if not isolated and parameters.limit > SLAB_LIMIT:
        yield f"Tilts were generated up to {SLAB_LIMIT:g}°: a slab has none at 90°."
    if not isolated:
        yield "Towards the sides of generated tilts of a slab, rays leave what was measured."
    profile = sample.mean(0)
    if isolated and profile.mean() < 0:
        yield "Most density is below zero and will be lost: choose the contrast dark or log."
    elif density.contrast == "bright":
        yield "Dense counts as bright; for bright-field TEM choose the contrast dark or log."
    if series.x_tilts is not None and any(series.x_tilts):
        yield "Tilts about x (.xtilt) are not corrected."
    if not series.aligned:
        yield "No alignment was applied beside the tilt axis: shifts between the tilts blur what is filled."
