"""From disk to disk, however large: rows are read, restored and written as blocks finish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike, path
from threading import Event
from typing import Any

import numpy as np

from mendem.blocks import Block, Region, checked_region
from mendem.engine import Progress, Run, Summary, prepare
from mendem.errors import Cancelled, MendemError
from mendem.execution import execute
from mendem.image import Image, VoxelSize
from mendem.io import ImageWriter, open_writer, read
from mendem.measured import part_in_dtype
from mendem.options import Options
from mendem.outcome import outcome
from mendem.provenance import provenance
from mendem.restoration import as_image, cancel_check
from mendem.tasks.base import Task


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
    dtype: str | None = None,
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
        "float32", or "same" for the input's own; left out, "same" where measured pixels are kept.
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
    dtype = dtype or ("same" if task.keeps_measured else "float32")
    if dtype not in ("float32", "same"):
        raise MendemError(f"dtype is {dtype!r}, but must be float32 or same")
    image = source if isinstance(source, Image) else read(source, voxel_size)
    inputs = {name: as_image(data) for name, data in (inputs or {}).items()}
    _check_names(target, spread, image, inputs)
    options = replace(options or Options(), **changes)
    pixel_type = image.dtype if dtype == "same" else np.dtype(np.float32)
    will_be = outcome(image, task, checked_region(region, image.plane_shape))
    with ExitStack() as files:

        def create(name: str | PathLike, kind: np.dtype) -> ImageWriter:
            like = will_be.shape, kind, will_be.axes, will_be.voxel_size
            return files.enter_context(open_writer(name, *like, before, image.metadata, overwrite))

        # The file has room for this and one record more, whatever history the input has.
        before = {"previous": image.metadata.get("mendem")}
        # Opened first: a name that cannot be written is said before the work, not after it.
        result = create(target, pixel_type)
        std = None if spread is None else create(spread, np.dtype(np.float32))
        run = prepare(image, task, options, inputs, region)
        started(run)

        reached: dict[int, int] = {}

        def put(block: Block, part: np.ndarray) -> None:
            reached[block.plane] = block.rows[1]
            corner = run.places(block).start, block.rows[0], block.columns[0]
            result.put_box(*corner, part_in_dtype(run, block, part[run.wanted], pixel_type))
            if std is not None:
                std.put_box(*corner, part[1])

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
