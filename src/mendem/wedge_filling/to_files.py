"""A tilt series becomes one without a missing wedge: from disk to disk, however large it is."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

from mendem.engine import Progress
from mendem.errors import Cancelled, MendemError
from mendem.image import Image, VoxelSize
from mendem.io import check_output, open_writer, write
from mendem.io.output import is_zarr, plain_words
from mendem.io.tilt_text import write_text
from mendem.io.writer import ImageWriter
from mendem.restoration import cancel_check
from mendem.tomography.density import Density
from mendem.tomography.tilt_beside import FLAGS, flags_text, stem_of
from mendem.tomography.tilt_files import write_alignment, write_angles
from mendem.tomography.tilt_series import TiltSeries
from mendem.tomography.wedge import over_volume
from mendem.tomography.wedge_regions import NAMES
from mendem.wedge_filling.findings import Findings
from mendem.wedge_filling.in_memory import AXES, DENSITY, SPREAD
from mendem.wedge_filling.journal import TiltJournal
from mendem.wedge_filling.parameters import FillWedge
from mendem.wedge_filling.pieces import FilledTilts, Piece
from mendem.wedge_filling.plan import WedgeFilling
from mendem.wedge_filling.prepare import prepare
from mendem.wedge_filling.tilt_road import TiltRoad

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

    @classmethod
    def named_after(cls, stack: Path) -> WedgeFiles:
        """Tomogram and spread named as the stack is: ``x_completed.mrc``, ``x_filled.mrc``, ``x_spread.mrc``."""
        stem, path = stem_of(stack), os.fspath(stack)
        begin, end = stem.removesuffix("_completed"), path[len(stem) :]
        return cls(path, f"{begin}_filled{end}", f"{begin}_spread{end}")

    @property
    def stem(self) -> str:
        """What the names of the files beside the stack begin with."""
        return stem_of(self.stack)

    @property
    def images(self) -> tuple[str, ...]:
        """The image files that are written."""
        paths = (self.stack, self.tomogram, self.spread, self.mask)
        return tuple(os.fspath(path) for path in paths if path is not None)

    @property
    def all(self) -> tuple[str, ...]:
        """Every file that may be written."""
        return (*self.images, *(f"{self.stem}{suffix}" for suffix in (".tlt", ".xf", FLAGS)))

    def check(self, image: Image, overwrite: bool) -> None:
        """Raise `MendemError` where files cannot be written, or would replace the series, one another, or others."""
        source = image.source
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
        check_output(self.stack, image.dtype)
        for path in self.images[1:]:
            check_output(path)
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
    changed: Callable[[WedgeFilling], WedgeFilling] = lambda filling: filling,
    density: Density | None = None,
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
    changed
        May give another filling in place of what was prepared, such as one whose filler has learned from the series.
    series, thickness, progress, cancel, density, device, **parameters
        As of `mendem.fill_wedge`.

    Returns
    -------
    The provenance. A cancelled run leaves files too, marked ``partial``: by the volume road, generated tilts are empty
    and the tomogram is NaN in slices that it did not get to; by the tilt road, tilts that it did not get to are
    missing. Cancelled before anything is finished it raises `Cancelled` and leaves nothing, as after an error; a killed
    run leaves nothing under the names. The tilt road keeps its tilts in ``<stem>.tilts.part`` until all are there, and
    the same call goes on after them.
    """
    begun, check = time.monotonic(), cancel_check(cancel)
    files.check(series.image, overwrite)
    filling = prepare(series, FillWedge(**parameters), thickness, density=density, device=device, check=check)
    filling, journal, before = changed(filling), None, []
    if isinstance(filling, TiltRoad):
        journal = TiltJournal(f"{files.stem}.tilts.part", filling)
        before = journal.read(overwrite)
        filling = filling.after(before)
    found = Findings(filling)
    with _Outputs(files, filling, overwrite) as out:
        started(filling)
        with suppress(Cancelled):
            for piece in filling.pieces(check, progress):
                out.take(piece)
                found.take(piece)
                if journal is not None and isinstance(piece, FilledTilts):
                    journal.add(piece)
        if found.nothing:
            if journal is not None and not before:
                journal.remove()
            raise Cancelled
        record = found.record(begun, out.scratch)
        out.finish(found, record)
    _write_beside(found, files, record, overwrite)
    if journal is not None and not found.partial:
        journal.remove()
    return record


class _Outputs(ExitStack):
    """The image files that are written, each opened when there is something to put into it."""

    def __init__(self, files: WedgeFiles, filling: WedgeFilling, overwrite: bool) -> None:
        super().__init__()
        self.files, self.filling, self.overwrite = files, filling, overwrite
        self._open: dict[Path, ImageWriter] = {}
        self.scratch = _Scratch((len(filling.completion.angles), *filling.shape[1:]), files.stem, self)

    def take(self, piece: Piece) -> None:
        """Write what was finished."""
        if isinstance(piece, FilledTilts):
            for k, density in zip(piece.which, piece.density, strict=True):
                self.scratch.put(k, 0, density)
            return
        for k, density in enumerate(piece.tilts if piece.tilts is not None else ()):
            self.scratch.put(k, piece.first, density)
        for path, volume in ((self.files.tomogram, piece.mean), (self.files.spread, piece.std)):
            if path is not None and volume is not None:
                like = self.filling.shape, np.float32, AXES, self.filling.voxel_size
                self._writer(path, *like).put_box(0, piece.first, 0, volume)

    def finish(self, found: Findings, record: dict[str, Any]) -> None:
        """Complete all of them: the stack, and NaN for slices that are not finished."""
        depth, rows, width = self.filling.shape
        for writer in self._open.values():
            for z in range(depth if found.done < rows else 0):
                writer.put_box(z, found.done, 0, np.full((1, rows - found.done, width), np.nan, np.float32))
        missing = [p for p in (self.files.tomogram, self.files.spread) if p is not None and p not in self._open]
        for path in missing:
            record["notes"].append(f"{os.fspath(path)} was not written: there is nothing of it.")
        image = self.filling.series.image
        shape = len(found.completion.tilts), *image.plane_shape
        stack = self._writer(self.files.stack, shape, image.dtype, image.axes, image.voxel_size)
        for place, tilt in enumerate(found.tilts(self.scratch)):
            stack.put(place, 0, 0, tilt)
        for path, writer in self._open.items():
            quantity = {self.files.tomogram: DENSITY, self.files.spread: SPREAD}.get(path)
            writer.set_provenance(record if quantity is None else {**record, "quantity": quantity})

    def _writer(self, path: Path, shape: tuple[int, ...], dtype: Any, axes: tuple[str, ...], size: Any) -> ImageWriter:
        if path not in self._open:
            writer = open_writer(path, shape, dtype, axes, size, self.filling.record, None, self.overwrite)
            self._open[path] = self.enter_context(writer)
        return self._open[path]


def _write_beside(found: Findings, files: WedgeFiles, record: dict[str, Any], overwrite: bool) -> None:
    """Angles, alignment and flags of the completed stack, and the regions of the spectrum."""
    filling, completion = found.filling, found.completion
    nothing = np.broadcast_to(np.zeros((), filling.series.image.dtype), (len(completion.tilts), 1, 1))
    completed = completion.completed(nothing)
    if completed.aligned or completed.axis_angle:
        write_alignment(files.stem, completed, overwrite)
    else:
        write_angles(f"{files.stem}.tlt", completed, overwrite)
    flags = flags_text(files.stack, completion.record(), partial=record["partial"])
    write_text(f"{files.stem}{FLAGS}", flags, overwrite)
    if files.mask is not None:
        known = {**record, "quantity": "regions of the centred spectrum", "labels": NAMES}
        write(files.mask, Image(over_volume(found.regions(), filling.rows.count), AXES), known, overwrite)


class _Scratch:
    """Aligned tilts in a file without a name; what was never put is 0. ``scratch[k]`` is one tilt, (rows, width)."""

    def __init__(self, shape: tuple[int, int, int], path: str, closing: ExitStack) -> None:
        self.shape, self.path = shape, path
        with plain_words(path):
            self.file = closing.enter_context(tempfile.TemporaryFile(dir=os.path.dirname(os.path.realpath(path))))
            self.file.truncate(4 * int(np.prod(shape, dtype=object)))

    def put(self, k: int, first: int, density: np.ndarray) -> None:
        """Put consecutive rows of one tilt."""
        _, rows, width = self.shape
        with plain_words(self.path):
            self.file.seek(4 * (k * rows + first) * width)
            self.file.write(np.ascontiguousarray(density, np.float32).data)

    def __getitem__(self, k: int) -> np.ndarray:
        _, rows, width = self.shape
        self.file.seek(4 * k * rows * width)
        return np.frombuffer(self.file.read(4 * rows * width), np.float32).reshape(rows, width)
