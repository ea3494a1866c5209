"""From disk to disk, however large: rows are read, restored and written as blocks finish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike, path
from threading import Event
from typing import Any

import numpy as np

from mendem.blocks import Region, checked_region
from mendem.engine import Progress, Run, Summary, execute, prepare
from mendem.errors import Cancelled, MendemError
from mendem.image import Image, VoxelSize
from mendem.io import ImageWriter, open_writer, read
from mendem.options import Options
from mendem.provenance import provenance
from mendem.restoration import as_image, cancel_check
from mendem.tasks.base import Task


def to_dtype(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float values in another real dtype: rounded and clipped for integers; NaN (not reached) becomes 0 there."""
    if dtype.kind == "b":
        return values > 0.5
    if dtype.kind == "f":
        limit = np.finfo(dtype).max
        return np.clip(values, -limit, limit).astype(dtype) if dtype.itemsize < 4 else values.astype(dtype)
    about = np.iinfo(dtype)
    # The largest 64-bit integers are no floats: the next smaller float is the limit there.
    high = about.max if dtype.itemsize < 8 else np.nextafter(float(about.max), 0)
    return np.clip(np.rint(np.nan_to_num(values.astype(np.float64))), about.min, high).astype(dtype)


def _check_names(
    target: str | PathLike, spread: str | PathLike | None, image: Image, inputs: Mapping[str, Image]
) -> None:
    """Refuse names of which one would replace the other."""
    real = {name: path.realpath(name) for name in (target, spread) if name is not None}
    if spread is not None and real[spread] == real[target]:
        raise MendemError(f"{target}: the result and its spread need different names")
    for name, place in real.items():
        for source in (image, *inputs.values()):
            mine = source is image and name == target  # a result may replace its own input
            if source.source and not mine and path.exists(source.source) and path.realpath(source.source) == place:
                raise MendemError(f"{name} is an input of this run; give another name")


def _fill(writer: ImageWriter, run: Run, reached: Mapping[int, int]) -> None:
    """NaN from the first row that was not reached to the end of each slice."""
    height, width = run.shape
    band = max(1, (8 << 20) // (4 * width))
    for plane in run.planes:
        for first in range(reached.get(plane, 0), height, band):
            rows = min(band, height - first)
            writer.put(plane, first, 0, np.full((rows, width), np.nan, writer.dtype))


def restore_file(
    source: Image | str | PathLike,
    target: str | PathLike,
    task: Task,
    *,
    options: Options | None = None,
    inputs: Mapping[str, Image | Any] | None = None,
    spread: str | PathLike | None = None,
    dtype: str = "float32",
    voxel_size: VoxelSize | None = None,
    overwrite: bool = False,
    region: Region | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    cancel: Event | None = None,
    started: Callable[[Run], None] = lambda _: None,
    **changes: Any,
) -> tuple[dict[str, Any], Summary]:
    """Restore a file into a file without holding either in memory.

    Parameters
    ----------
    source, target
        Paths (or an `Image` that is read lazily); formats by suffix.
    spread
        File for the standard deviation, if wanted.
    dtype
        "float32", or "same" for the input's own.
    voxel_size
        Replaces what the file says.
    started
        Called with the prepared run, before the first block.
    task, options, inputs, region, progress, cancel, **changes
        As for `mendem.restore`.

    Returns
    -------
    The provenance, and what the run found. A cancelled run leaves a file too, marked ``partial`` in its provenance,
    NaN (0 for integers) where it did not get to; cancelled before the first estimate it raises `Cancelled` and leaves
    nothing.

    Raises
    ------
    MendemError
        Bad input, or a target that exists while ``overwrite`` is false. Nothing is left behind then.
    """
    if dtype not in ("float32", "same"):
        raise MendemError(f"dtype is {dtype!r}, but must be float32 or same")
    image = source if isinstance(source, Image) else read(source, voxel_size)
    inputs = {name: as_image(data) for name, data in (inputs or {}).items()}
    _check_names(target, spread, image, inputs)
    options = replace(options or Options(), **changes)
    pixel_type = image.dtype if dtype == "same" else np.dtype(np.float32)
    top, bottom, left, right = checked_region(region, image.plane_shape)
    with ExitStack() as files:

        def create(name: str | PathLike, kind: np.dtype) -> ImageWriter:
            shape = (*image.shape[:-2], bottom - top, right - left)
            return files.enter_context(
                open_writer(name, shape, kind, image.axes, image.voxel_size, before, image.metadata, overwrite)
            )

        # The file has room for this and one record more, whatever history the input has.
        before = {"previous": image.metadata.get("mendem")}
        # Opened first: a name that cannot be written is said before the work, not after it.
        result = create(target, pixel_type)
        std = None if spread is None else create(spread, np.dtype(np.float32))
        run = prepare(image, task, options, inputs, region)
        started(run)
        wanted = run.channels.index("sample 0") if options.estimate == "sample" else 0

        reached: dict[int, int] = {}

        def put(plane: int, first: int, rows: np.ndarray) -> None:
            reached[plane] = first + rows.shape[1]
            result.put(plane, first, 0, to_dtype(rows[wanted], pixel_type))
            if std is not None:
                std.put(plane, first, 0, rows[1])

        summary = execute(run, put, progress, cancel_check(cancel))
        if summary.partial and not summary.evaluations:
            raise Cancelled
        if summary.partial:
            for writer in (result, std):
                if writer is not None and writer.dtype.kind == "f":
                    _fill(writer, run, reached)
        record = provenance(run, summary)
        result.set_provenance(record)
        if std is not None:
            std.set_provenance({**record, "quantity": "standard deviation"})
    return record, summary
