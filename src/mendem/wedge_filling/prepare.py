"""What is decided before a wedge is filled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mendem.device import choose_device
from mendem.errors import MendemError
from mendem.image import VoxelSize
from mendem.tomography.aligned import AlignedRows
from mendem.tomography.density import Density
from mendem.tomography.extent import depth_of, voxel_size_of
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.missing_tilts import Completion, missing_tilts, tilt_step
from mendem.tomography.specimen import is_isolated
from mendem.tomography.tilt_series import TiltSeries
from mendem.wedge_filling.choice import choose_filler
from mendem.wedge_filling.parameters import FillWedge
from mendem.wedge_filling.plan import WedgeFilling
from mendem.wedge_filling.rows import SAMPLE, spread
from mendem.wedge_filling.tilt_road import WEIGHTS, TiltRoad
from mendem.wedge_filling.volume_road import VolumeRoad, estimating

#: A slab has no tilt at 90°, and hardly one beyond this: rays run along it, mostly outside of what was seen.
SLAB_LIMIT = 80.0

#: Between these are the largest densities whose squares, summed over a slice, single precision holds.
SMALLEST, LARGEST = 1e-15, 1e15


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
    if series.generated:
        raise MendemError(
            f"{series.name} has {len(series.generated)} generated tilts: its wedge has been filled. Give the "
            "series that was measured"
        )
    rows = rows or AlignedRows(series, density, *density.levels(series))
    check()
    voxel_size = voxel_size_of(series, 1)
    depth = depth_of(thickness, voxel_size, rows.width, series.name)
    geometry = SliceGeometry(angles, (depth, rows.width), rows.width)
    sample = np.concatenate([rows.read(row, row + 1) for row in spread(rows.count, SAMPLE)])
    _check(series, sample)
    isolated = is_isolated(sample) if parameters.specimen == "auto" else parameters.specimen == "isolated"
    limit = parameters.limit if isolated else min(parameters.limit, SLAB_LIMIT)
    missing = missing_tilts(angles, limit, [series.true_angles[tilt] for tilt in series.excluded])
    if not missing:
        raise MendemError(_none_missing(series, angles, limit, isolated))
    notes = (*series.notes, *_notes(series, parameters, density, thickness, isolated, sample))
    common = parameters, Completion(series, missing), rows, geometry, isolated, density, chosen, voxel_size
    if parameters.road == "tilts":
        if not installed(WEIGHTS):
            raise MendemError("the network that generates tilts is not installed: take the volume road")
        said = ["The tomogram is reconstructed from all tilts; the tilt road gives no spread of it."]
        if parameters.filler != "auto":
            said.append(f"The filler {parameters.filler} counts on the volume road alone: here the tilt road fills.")
        return TiltRoad(*common, {}, (*notes, *said))
    wide = geometry if isolated else geometry.widened()[0]
    choice = choose_filler(parameters.filler, rows, wide, isolated, chosen, check)
    return estimating(VolumeRoad(*common, choice.found, (*notes, *choice.notes), choice.filler), parameters)


def installed(network: str) -> bool:
    """Whether the weights of a network that generates tilts are there."""
    from mendem.priors.checkpoint import find
    from mendem.priors.tilt_prior import FILE

    try:
        find(network, FILE)
    except MendemError:
        return False
    return True


def _check(series: TiltSeries, sample: np.ndarray) -> None:
    """Raise `MendemError` where densities (rows, tilts, width) of slices have nothing to fill a wedge from."""
    spans = np.ptp(sample, axis=(0, 2))
    if not spans.max() > 0:
        raise MendemError(f"{series.name} is constant where it was looked at; there is nothing to fill a wedge from")
    if not SMALLEST < np.abs(sample).max() < LARGEST:
        raise MendemError(
            f"{series.name} has densities of {np.abs(sample).max():.3g}, which is outside what can be computed with; "
            "multiply its pixels by a constant first"
        )
    blank = sorted(tilt for tilt, span in zip(series.used, spans, strict=True) if not span > 0)
    if blank:
        many = f"tilt {blank[0]} is" if len(blank) == 1 else f"tilts {', '.join(map(str, blank))} are"
        raise MendemError(f"{series.name}: {many} constant where it was looked at; exclude what shows nothing")


def _none_missing(series: TiltSeries, angles: tuple[float, ...], limit: float, isolated: bool) -> str:
    """Why no tilt is missing beside those at ``angles``, in a sentence."""
    low, high = series.limits
    said = f"{series.name} has tilts from {low:g}° to {high:g}°, and none is missing up to {limit:g}°"
    if limit < (90.0 if isolated else SLAB_LIMIT):
        return f"{said}; give a higher limit"
    why = "" if isolated else ", up to which tilts of a slab are generated"
    return f"{said}{why}, at a spacing of {tilt_step(angles):g}°: there is nothing to fill"


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
