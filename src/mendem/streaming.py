"""From disk to disk, however large: rows are read, restored and written as blocks finish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike
from threading import Event
from typing import Any

import numpy as np

from mendem.engine import Progress, Region, Run, Summary, execute, prepare
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.io import ImageWriter, open_writer, read
from mendem.options import Options
from mendem.provenance import provenance
from mendem.restoration import as_image, cancel_check
from mendem.tasks.base import Task


def to_dtype(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float values in another real dtype: rounded and clipped for integers; NaN (not reached) becomes 0 there."""
    if dtype.kind not in "iu":
        return values.astype(dtype)
    about = np.iinfo(dtype)
    return np.clip(np.rint(np.nan_to_num(values.astype(np.float64))), about.min, about.max).astype(dtype)


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
    NaN (0 for integers) where it did not get to.

    Raises
    ------
    MendemError
        Bad input, or a target that exists while ``overwrite`` is false. Nothing is left behind then.
    """
    if dtype not in ("float32", "same"):
        raise MendemError(f"dtype is {dtype!r}, but must be float32 or same")
    if spread is not None and str(spread) == str(target):
        raise MendemError(f"{target}: the result and its spread need different names")
    image = source if isinstance(source, Image) else read(source, voxel_size)
    options = replace(options or Options(), **changes)
    pixel_type = image.dtype if dtype == "same" else np.dtype(np.float32)
    with ExitStack() as files:

        def create(path: str | PathLike, kind: np.dtype) -> ImageWriter:
            height, width = image.plane_shape
            r = region or (0, height, 0, width)
            shape = (*image.shape[:-2], r[1] - r[0], r[3] - r[2])
            return files.enter_context(
                open_writer(path, shape, kind, image.axes, image.voxel_size, {}, image.metadata, overwrite)
            )

        # Opened first: a name that cannot be written is said before the work, not after it.
        result = create(target, pixel_type)
        std = None if spread is None else create(spread, np.dtype(np.float32))
        run = prepare(image, task, options, {k: as_image(v) for k, v in (inputs or {}).items()}, region)
        started(run)
        wanted = run.channels.index("sample 0") if options.estimate == "sample" else 0

        def put(plane: int, first: int, rows: np.ndarray) -> None:
            result.put(plane, first, 0, to_dtype(rows[wanted], pixel_type))
            if std is not None:
                std.put(plane, first, 0, rows[1])

        summary = execute(run, put, progress, cancel_check(cancel))
        record = provenance(run, summary)
        result.set_provenance(record)
        if std is not None:
            std.set_provenance({**record, "quantity": "standard deviation"})
    return record, summary
