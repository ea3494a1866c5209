"""A tilt series becomes a tomogram: in memory, or from disk to disk however large it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from os import PathLike, path
from threading import Event
from typing import Any

import numpy as np

from mendem.device import choose_device
from mendem.engine import Progress
from mendem.errors import Cancelled, MendemError
from mendem.image import Image, VoxelSize
from mendem.io import open_writer
from mendem.provenance import SCHEMA, describe_image, software_versions
from mendem.restoration import cancel_check
from mendem.tomography.aligned import AlignedRows
from mendem.tomography.density import Density
from mendem.tomography.extent import depth_of, voxel_size_of
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.notes import MOST_IS_LOST, below_zero, notes_of
from mendem.tomography.slices import STRIP, Method, Reconstruction
from mendem.tomography.tilt_series import TiltSeries
from mendem.tomography.wbp import Wbp

AXES = ("z", "y", "x")


@dataclass(frozen=True)
class Tomogram:
    """All that is decided before the first slice: `prepare` makes it, `reconstruct` and `reconstruct_file` run it.

    Attributes
    ----------
    series
        The tilt series.
    reconstruction
        Method, geometry and aligned data; ``reconstruction.measured_method`` has its noise measured.
    voxel_size
        Of the tomogram, the same along all axes.
    record
        The provenance, but for how the run ends.
    notes
        In sentences.
    """

    series: TiltSeries
    reconstruction: Reconstruction
    voxel_size: VoxelSize
    record: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x); y is along the tilt axis."""
        depth, width = self.reconstruction.geometry.shape
        return depth, self.reconstruction.rows.count, width


def prepare(
    series: TiltSeries,
    method: Method | None = None,
    thickness: int | VoxelSize | None = None,
    *,
    density: Density | None = None,
    binning: int = 1,
    surroundings: bool = True,
    device: str = "auto",
) -> Tomogram:
    """Read all tilts once and decide what is decided before the first slice; parameters as of `reconstruct`."""
    method, density, chosen = method or Wbp(), density or Density(), choose_device(device)
    if len(series.used) < 2:
        raise MendemError(f"{series.name}: one tilt alone has no depth; a tomogram needs at least two")
    rows = AlignedRows(series, density, *density.levels(series), binning)
    voxel_size = voxel_size_of(series, binning)
    depth = depth_of(thickness, voxel_size, rows.width, series.name)
    angles = tuple(series.true_angles[tilt] for tilt in series.used)
    geometry = SliceGeometry(angles, (depth, rows.width), rows.width)
    whole = Reconstruction(rows, geometry, method, device, surroundings)
    measured = whole.measured_method
    notes = notes_of(series, measured, density, thickness, voxel_size)
    if getattr(method, "positive", False) and below_zero(rows):
        notes = (*notes, MOST_IS_LOST)
    record = {
        "schema": SCHEMA,
        "software": software_versions(),
        "task": {"name": "reconstruct", "parameters": {"method": _name(method), **_parameters(method)}},
        "options": {**asdict(density), "binning": binning, "surroundings": surroundings, "device": device},
        "inputs": {"image": describe_image(series.image)},
        "device": chosen,
        "thickness": depth,
        "found": {} if measured == method else {"noise": getattr(measured, "noise", None)},
        "tilts": {
            "used": list(series.used),
            "excluded": list(series.excluded),
            "angles": list(angles),
            "offset": series.offset,
            "axis_angle": series.axis_angle,
            "aligned": series.aligned,
            "transforms": np.round(series.transforms[list(series.used)], 7).tolist(),
            "levels": list(rows.levels),
            "scales": list(rows.scales),
        },
        "previous": series.image.metadata.get("mendem"),
    }
    return Tomogram(series, whole, voxel_size, record, notes)


def reconstruct(
    series: TiltSeries,
    method: Method | None = None,
    thickness: int | VoxelSize | None = None,
    *,
    progress: Callable[[Progress], None] = lambda _: None,
    cancel: Event | None = None,
    **settings: Any,
) -> Image:
    """Reconstruct a tomogram in memory.

    Parameters
    ----------
    series
        Of `mendem.read_tilt_series`. Its shifts, tilt axis and distortions are applied.
    method
        `Wbp` (the default), `Sirt` or `Tv` with their parameters.
    thickness
        Along z: voxels of the result, or a length; as thick as the view is wide when left out.
    density
        `mendem.tomography.density.Density`: contrast, background and gain.
    binning
        Pixels along each side that are averaged.
    surroundings
        Whether SIRT and TV reconstruct what tilts see of a slab beyond the view; an isolated object can do without.
    device
        "auto", "cpu", "cuda" or "mps".
    progress, cancel
        Called with how far it is; an event that stops it.

    Returns
    -------
    Axes z, y, x, float32, with the tilt axis along y and in the middle; density for a path of one pixel of the raw
    tilts. ``metadata["mendem"]`` is the provenance.

    Raises
    ------
    MendemError
        A series that cannot be reconstructed, or parameters outside of their range.
    Cancelled
        ``cancel`` was set.
    """
    begun = time.monotonic()
    tomogram = prepare(series, method, thickness, **settings)
    volume = np.empty(tomogram.shape, np.float32)
    for first, block in blocks_of(tomogram, 1, progress, cancel_check(cancel)):
        volume[:, first : first + block.shape[1]] = block
    record = ended(tomogram, begun, tomogram.shape[1])
    return Image(volume, AXES, tomogram.voxel_size, {"mendem": record, "notes": list(tomogram.notes)}, series.name)


def reconstruct_file(
    series: TiltSeries,
    target: str | PathLike,
    method: Method | None = None,
    thickness: int | VoxelSize | None = None,
    *,
    overwrite: bool = False,
    ome_zarr: str | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    cancel: Event | None = None,
    started: Callable[[Tomogram], None] = lambda _: None,
    **settings: Any,
) -> dict[str, Any]:
    """Reconstruct a tomogram into a file, in blocks of slices, however large it is.

    Parameters
    ----------
    target
        MRC, TIFF or OME-Zarr, by suffix.
    overwrite, ome_zarr
        As of `mendem.io.open_writer`.
    started
        Called before the first slice.
    series, method, thickness, progress, cancel, **settings
        As of `reconstruct`.

    Returns
    -------
    The provenance. A cancelled run leaves a file too, marked ``partial``, NaN where it did not get to; cancelled
    before the first slices are finished it raises `Cancelled` and leaves nothing, as after an error; a killed
    run leaves nothing under the name.
    """
    begun = time.monotonic()
    source = series.image.source
    if source and path.exists(source) and path.realpath(source) == path.realpath(target):
        raise MendemError(f"{target} is the tilt series itself; give another name")
    tomogram = prepare(series, method, thickness, **settings)
    depth, rows, width = tomogram.shape
    like = tomogram.shape, np.float32, AXES, tomogram.voxel_size
    record, done = ended(tomogram, begun, rows), 0
    with open_writer(target, *like, record, None, overwrite, ome_zarr=ome_zarr) as writer:
        started(tomogram)
        multiple = 1 if writer.chunks is None else writer.chunks[1]
        with suppress(Cancelled):
            for first, block in blocks_of(tomogram, multiple, progress, cancel_check(cancel)):
                writer.put_box(0, first, 0, block)
                done = first + block.shape[1]
        if not done:
            raise Cancelled
        if done < rows:
            nothing = np.full((1, rows - done, width), np.nan, np.float32)
            for z in range(depth):
                writer.put_box(z, done, 0, nothing)
        record = ended(tomogram, begun, done)
        writer.set_provenance(record)
    return record


def blocks_of(
    tomogram: Tomogram, multiple: int, progress: Callable[[Progress], None], check: Callable[[], None]
) -> Iterator[tuple[int, np.ndarray]]:
    """The slices of a tomogram: the first row of each block, and float32 (Z, rows, X).

    As `Reconstruction.blocks`, in strips of `STRIP` rows or the next multiple of ``multiple``. ``progress`` counts the
    slices whose data was read. ``check`` may raise `Cancelled`; a block that was yielded is finished.
    """
    whole, begun = tomogram.reconstruction, time.monotonic()
    watched = _Watched(whole.rows, lambda row: _report(progress, row, whole.rows.count, begun))
    run = replace(whole, rows=watched, method=whole.measured_method)
    strip = -(-STRIP // multiple) * multiple
    for first in range(0, whole.rows.count, strip):
        yield from run.blocks(multiple, check, first, min(first + strip, whole.rows.count))
    _report(progress, whole.rows.count, whole.rows.count, begun)


@dataclass(frozen=True)
class _Watched:
    """Rows that tell which of them are read."""

    rows: Any
    report: Callable[[int], None]

    @property
    def count(self) -> int:
        return self.rows.count

    def read(self, first: int, last: int) -> np.ndarray:
        self.report(first)
        return self.rows.read(first, last)


def _report(progress: Callable[[Progress], None], row: int, rows: int, begun: float) -> None:
    spent = time.monotonic() - begun
    progress(Progress(row, rows, row / rows, spent * (rows - row) / row if row else None))


def ended(tomogram: Tomogram, begun: float, done: int) -> dict[str, Any]:
    """The provenance of a run that ``begun`` at this time (`time.monotonic`) and reconstructed ``done`` slices."""
    return {
        **tomogram.record,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "blocks": {"finished": done, "all": tomogram.shape[1]},
        "partial": done < tomogram.shape[1],
        "seconds": round(time.monotonic() - begun, 3),
        "notes": list(tomogram.notes),
    }


def _name(method: Method) -> str:
    return type(method).__name__.lower()


def _parameters(method: Method) -> dict[str, Any]:
    return asdict(method)  # type: ignore[call-overload]
