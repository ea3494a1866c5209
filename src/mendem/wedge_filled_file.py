"""A tilt series becomes one without a missing wedge: from disk to disk, however large it is."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

from mendem.engine import Progress
from mendem.errors import Cancelled, MendemError
from mendem.image import Image, VoxelSize
from mendem.io import open_writer, write
from mendem.io.output import is_zarr, plain_words
from mendem.io.tilt_text import write_text
from mendem.io.writer import ImageWriter
from mendem.restoration import cancel_check
from mendem.tomography.tilt_files import write_alignment, write_angles
from mendem.tomography.tilt_series import TiltSeries
from mendem.tomography.wedge import over_volume
from mendem.tomography.wedge_regions import NAMES, wedge_regions
from mendem.wedge_filled import AXES, Findings, completed_tilts
from mendem.wedge_filling import WedgeFilling, prepare
from mendem.wedge_parameters import FillWedge

Path = str | os.PathLike


@dataclass(frozen=True)
class WedgeFiles:
    """Where results go. Beside the completed stack lie its ``.tlt``, its ``.tilts.json`` with a flag for each tilt, and
    its ``.xf`` where the series has an alignment or a tilt axis that is not y.

    Attributes
    ----------
    stack
        The completed tilt series.
    tomogram, spread, mask
        The filled tomogram, its standard deviation, and the regions of its spectrum; None for none.
    """

    stack: Path
    tomogram: Path | None = None
    spread: Path | None = None
    mask: Path | None = None

    @property
    def stem(self) -> str:
        """What the names of the files beside the stack begin with."""
        return os.path.splitext(os.fspath(self.stack).rstrip("/\\"))[0].removesuffix(".ome")

    @property
    def all(self) -> tuple[str, ...]:
        """Every file that may be written."""
        images = (self.stack, self.tomogram, self.spread, self.mask)
        named = tuple(os.fspath(path) for path in images if path is not None)
        return (*named, *(f"{self.stem}{suffix}" for suffix in (".tlt", ".xf", ".tilts.json")))

    def check(self, source: str, overwrite: bool) -> None:
        """Raise `MendemError` where files would replace the tilt series, one another, or what exists."""
        places = [os.path.realpath(path) for path in self.all]
        for path in self.all:
            if places.count(os.path.realpath(path)) > 1:
                raise MendemError(f"{path} would be written twice; give each result its own name")
        beside = os.path.splitext(source)[0].removesuffix(".ome")
        if source and os.path.exists(source):
            if os.path.realpath(source) in places:
                raise MendemError(f"{source} is the tilt series itself; give another name")
            if os.path.realpath(beside) == os.path.realpath(self.stem):
                raise MendemError(f"{self.stem}.tlt belongs to {source}; give {self.stack} another name")
        for path in self.all:
            if not overwrite and (os.path.isfile(path) or is_zarr(path)):
                raise MendemError(f"{path} exists; choose another name, or allow overwriting (--overwrite)")


def fill_wedge_file(
    series: TiltSeries,
    files: WedgeFiles,
    thickness: int | VoxelSize | None = None,
    *,
    overwrite: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
    cancel: Event | None = None,
    started: Callable[[WedgeFilling], None] = lambda _: None,
    density: Any = None,
    device: str = "auto",
    **parameters: Any,
) -> dict[str, Any]:
    """Fill the missing wedge of a tilt series into files, in blocks of slices.

    Parameters
    ----------
    files
        What is written, and where.
    overwrite
        Whether existing files may be replaced.
    started
        Called before the first slice.
    series, thickness, progress, cancel, density, device, **parameters
        As of `mendem.fill_wedge`.

    Returns
    -------
    The provenance. A cancelled run leaves files too, marked ``partial``: in slices that it did not get to generated
    tilts are empty and the tomogram is NaN. Cancelled before the first slices it raises `Cancelled` and leaves
    nothing, as after an error; a killed run leaves nothing under the names.
    """
    begun, check = time.monotonic(), cancel_check(cancel)
    files.check(series.image.source, overwrite)
    filling = prepare(series, FillWedge(**parameters), thickness, density=density, device=device, check=check)
    found, completion, (depth, rows, width) = Findings(filling), filling.completion, filling.shape
    image = series.image
    with ExitStack() as open_files:

        def opened(path: Path, shape: tuple[int, ...], dtype: Any, axes: tuple[str, ...], size: Any) -> ImageWriter:
            writer = open_writer(path, shape, dtype, axes, size, filling.record, None, overwrite)
            return open_files.enter_context(writer)

        stack = len(completion.tilts), *image.plane_shape
        target = opened(files.stack, stack, image.dtype, image.axes, image.voxel_size)
        volume = filling.shape, np.float32, AXES, filling.voxel_size
        tomogram = None if files.tomogram is None else opened(files.tomogram, *volume)
        std: ImageWriter | None = None
        tilts = open_files.enter_context(_scratch((len(completion.angles), rows, width), files.stem))
        started(filling)
        with suppress(Cancelled):
            for part in filling.filled_rows(check, progress):
                tilts.put(part.first, part.tilts)
                if tomogram is not None:
                    tomogram.put_box(0, part.first, 0, part.mean)
                if part.std is not None and files.spread is not None:
                    std = std or opened(files.spread, *volume)
                    std.put_box(0, part.first, 0, part.std)
                found.take(part)
        if not found.done:
            raise Cancelled
        for place, tilt in enumerate(completed_tilts(filling, tilts)):
            target.put(place, 0, 0, tilt)
        record = found.record(begun)
        for writer in (tomogram, std):
            if writer is not None and found.done < rows:
                for z in range(depth):
                    writer.put_box(z, found.done, 0, np.full((1, rows - found.done, width), np.nan, np.float32))
        if files.spread is not None and std is None:
            record["notes"].append(f"{filling.filler.name} gives no spread: {os.fspath(files.spread)} was not written.")
        for writer in (target, tomogram, std):
            if writer is not None:
                writer.set_provenance(record)
    _write_beside(filling, files, record, overwrite)
    return record


def _write_beside(filling: WedgeFilling, files: WedgeFiles, record: dict[str, Any], overwrite: bool) -> None:
    """Angles, alignment and flags of the completed stack, and the regions of the spectrum."""
    completion = filling.completion
    nothing = np.broadcast_to(np.zeros((), filling.series.image.dtype), (len(completion.tilts), 1, 1))
    completed = completion.completed(nothing)
    if completed.aligned or completed.axis_angle:
        write_alignment(files.stem, completed, overwrite)
    else:
        write_angles(f"{files.stem}.tlt", completed, overwrite)
    about = {"stack": os.path.basename(os.fspath(files.stack)), "partial": record["partial"], "tilts": []}
    tilts = ",\n".join(f"  {json.dumps(tilt)}" for tilt in completion.record())
    write_text(f"{files.stem}.tilts.json", f"{json.dumps(about)[:-2]}\n{tilts}\n]}}\n", overwrite)
    if files.mask is not None:
        regions = wedge_regions(filling.geometry.angles_deg, filling.geometry.shape, filling.geometry.shape[0])
        known = {**record, "quantity": "regions of the centred spectrum", "labels": NAMES}
        write(files.mask, Image(over_volume(regions, filling.rows.count), AXES), known, overwrite)


class _Scratch:
    """Rows of aligned tilts in a file without a name; rows that were never put are 0. ``scratch[k]`` is one tilt."""

    def __init__(self, file: Any, shape: tuple[int, int, int], path: str) -> None:
        self.file, self.shape, self.path = file, shape, path
        file.truncate(4 * int(np.prod(shape, dtype=object)))

    def put(self, first: int, tilts: np.ndarray) -> None:
        """Put consecutive rows of all tilts, float32 (tilts, rows, width)."""
        _, rows, width = self.shape
        with plain_words(self.path):
            for k, part in enumerate(tilts):
                self.file.seek(4 * (k * rows + first) * width)
                self.file.write(np.ascontiguousarray(part, np.float32).data)

    def __getitem__(self, k: int) -> np.ndarray:
        _, rows, width = self.shape
        self.file.seek(4 * k * rows * width)
        return np.frombuffer(self.file.read(4 * rows * width), np.float32).reshape(rows, width)


@contextmanager
def _scratch(shape: tuple[int, int, int], stem: str) -> Iterator[_Scratch]:
    with tempfile.TemporaryFile(dir=os.path.dirname(os.path.realpath(stem))) as file:
        yield _Scratch(file, shape, stem)
