"""What there is to know before a tomogram is reconstructed, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mendem.image import VoxelSize
from mendem.tomography.aligned import AlignedRows
from mendem.tomography.density import Density
from mendem.tomography.slices import Method
from mendem.tomography.tilt_series import TiltSeries

#: What is said where positivity would leave nothing.
MOST_IS_LOST = "Most density is below zero and will be lost: choose the contrast dark or log, or no positivity."


def below_zero(rows: AlignedRows) -> bool:
    """Whether what stands out of noise is dark: by the mean of some slices in the middle."""
    first = max(0, rows.count // 2 - 16)
    profile = rows.read(first, min(first + 32, rows.count)).mean(0)
    return float(profile.mean()) < -0.5 * float(profile.std())


def notes_of(
    series: TiltSeries, method: Method, density: Density, thickness: Any, voxel_size: VoxelSize
) -> tuple[str, ...]:
    """What there is to know before a reconstruction, in sentences; parameters as of `reconstruct`."""
    return (*series.notes, *_notes(series, method, density, thickness, voxel_size))


def _notes(
    series: TiltSeries, method: Method, density: Density, thickness: Any, voxel_size: VoxelSize
) -> Iterator[str]:
    if thickness is None:
        yield "No thickness was given: the tomogram is as thick as the view is wide."
    if not voxel_size.known:
        yield "The pixel size is unknown, and so is that of the voxels."
    if density.contrast == "bright":
        yield "Dense counts as bright; for bright-field TEM choose the contrast dark or log."
    if density.background == "edges":
        level = "empty beam" if density.contrast == "log" else "density 0"
        yield f"The median of the sides of each tilt is taken as {level}."
    if density.normalise != "none":
        yield f"All tilts are given the same {density.normalise}."
    yield from warnings_of(series, method)


def warnings_of(series: TiltSeries, method: Method) -> Iterator[str]:
    """Of these, what does not merely repeat the parameters."""
    if getattr(method, "positive", False):
        yield "Nothing below zero: right where the surroundings are empty, wrong for a slab that fills the view."
    if series.x_tilts is not None and any(series.x_tilts):
        yield "Tilts about x (.xtilt) are not corrected."
    if not series.aligned:
        yield "No alignment was applied beside the tilt axis: shifts between the tilts blur the tomogram."
