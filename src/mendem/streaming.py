"""From disk to disk, however large: rows are read, restored and written as blocks finish."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from os import PathLike, path
from threading import Event
from typing import Any

import numpy as np

from mendem.blocks import Block, Region, checked_region
from mendem.cluster import Cluster
from mendem.decisions import as_decided, decisions
from mendem.engine import Progress, Run, Summary, prepare
from mendem.errors import Cancelled, MendemError
from mendem.execution import Source, execute, here, rows_handed_over
from mendem.fingerprint import difference, fingerprint
from mendem.image import Image, VoxelSize
from mendem.io import ImageWriter, open_writer, read
from mendem.io.files import LAZY_ABOVE
from mendem.journal import Journal
from mendem.measured import part_in_dtype
from mendem.options import Options
from mendem.outcome import outcome
from mendem.provenance import provenance
from mendem.restoration import as_image, cancel_check
from mendem.stored import Unstorable
from mendem.tasks.base import Task
from mendem.unreached import fill, unreached


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


def _to_go_on_with(journal: Journal, what: Mapping[str, Any], overwrite: bool) -> bool:
    """Whether the unfinished run that was found is the one that is wanted; `MendemError` where it must not be lost."""
    if journal.what is None or not journal.present():
        return False
    if differs := difference(journal.what, what):
        if overwrite or not journal.done:
            return False
        raise MendemError(
            f"{journal.path} has an unfinished run that is another one: {differs}; give the result another name, or "
            "allow overwriting (--overwrite) to begin anew"
        )
    journal.take_back()
    return True


def _goes_on(finished: int, blocks: int) -> str:
    return f"An unfinished run goes on: {finished} of {blocks} blocks are finished."


#: Bytes that the record of a section of a volume takes.
ROOM_OF_SECTION = 96


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
    scheduler: str | None = None,
    ome_zarr: str | None = None,
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
    scheduler
        Address or scheduler file of a dask.distributed cluster whose workers compute the blocks (`mendem.cluster`).
    ome_zarr
        Version of OME-Zarr that is written, "0.4" or "0.5"; left out, 0.5.
    task, options, inputs, region, progress, cancel, **changes
        As for `mendem.restore`.

    Returns
    -------
    The provenance, and what the run found. A cancelled run leaves a file too, marked ``partial`` in its provenance,
    NaN (0 for integers) where it did not get to; cancelled before the first estimate it raises `Cancelled` and leaves
    nothing. So it does where the target is an input, which is not lost to half a result.

    A run that was killed, cancelled or stopped by an error goes on where the same is asked for again: finished blocks
    are not computed again (`mendem.journal`), and the result is the same.

    Raises
    ------
    MendemError
        Bad input, or a target that exists while ``overwrite`` is false, or an unfinished run with the same target that
        was to compute something else.
    """
    dtype = dtype or ("same" if task.keeps_measured else "float32")
    if dtype not in ("float32", "same"):
        raise MendemError(f"dtype is {dtype!r}, but must be float32 or same")
    # To other machines files travel by their names.
    image = source if isinstance(source, Image) else read(source, voxel_size, 0 if scheduler else LAZY_ABOVE)
    inputs = {name: as_image(data) for name, data in (inputs or {}).items()}
    _check_names(target, spread, image, inputs)
    options = replace(options or Options(), **changes)
    pixel_type = image.dtype if dtype == "same" else np.dtype(np.float32)
    will_be = outcome(image, task, checked_region(region, image.plane_shape))
    check = cancel_check(cancel)
    results = {"result": target, **({} if spread is None else {"spread": spread})}
    with ExitStack() as files:
        cluster = None if scheduler is None else files.enter_context(Cluster(scheduler))
        journal = files.enter_context(Journal(target))
        whole = checked_region(region, image.plane_shape)
        what = fingerprint(image, task, options, inputs, whole, dtype, ome_zarr, results)
        found = _to_go_on_with(journal, what, overwrite)
        if not found:
            journal.clear(results.values())

        def create(name: str | PathLike, kind: np.dtype) -> ImageWriter:
            like = will_be.shape, kind, will_be.axes, will_be.voxel_size
            version = ome_zarr if name is target or str(name).endswith(".zarr") else None
            return files.enter_context(
                open_writer(name, *like, before, image.metadata, overwrite, resume=True, ome_zarr=version)
            )

        # The file has room for this and one record more, whatever history the input has, and for each section's own.
        before = {"previous": image.metadata.get("mendem"), "room": " " * (ROOM_OF_SECTION * will_be.sections)}
        # Opened first: a name that cannot be written is said before the work, not after it.
        writers = [create(target, pixel_type)]
        try:
            if spread is not None:
                writers.append(create(spread, np.dtype(np.float32)))
            if found:
                run = as_decided(journal.decided(), image, task, options, inputs, cluster is None)
                run = replace(run, notes=(*run.notes, _goes_on(len(journal.done), len(run.blocks))))
            else:
                # The device that is asked for is that of the workers.
                mine = options if cluster is None else replace(options, device="auto")
                run = replace(prepare(image, task, mine, inputs, region, check=check), options=options, lean=True)
            if cluster is not None:
                run = cluster.taken(run, found, check)
                run = replace(run, notes=(*run.notes, *cluster.notes))
            if found:
                journal.go_on()
            else:
                with suppress(Unstorable):  # a task of somebody else may keep what cannot be stored
                    journal.begin(what, *decisions(run))
            started(run)
            return _carry_out(run, writers, journal, progress, check, cluster)
        except BaseException:
            if journal.empty:
                for writer in writers:
                    writer.discard()
            raise


def _carry_out(
    run: Run,
    writers: Sequence[ImageWriter],
    journal: Journal,
    progress: Callable[[Progress], None],
    check: Callable[[], None],
    cluster: Cluster | None,
) -> tuple[dict[str, Any], Summary]:
    """Restore into open files: of the result, and perhaps of its spread."""
    result, *others = writers
    blocks = run.blocks
    rows, finished = rows_handed_over(run, journal.done), {blocks[i] for i in journal.done}

    def flush() -> None:
        for writer in writers:
            writer.flush()

    def put(block: Block, part: np.ndarray) -> None:
        rows[block.plane] = block.rows[1]
        finished.add(block)
        corner = run.places(block).start, block.rows[0], block.columns[0]
        result.put_box(*corner, part_in_dtype(run, block, part[run.wanted], result.dtype))
        for std in others:
            std.put_box(*corner, part[1])

    journal.durable = flush
    lasts = journal.what is not None
    source: Source = here if cluster is None else cluster.source
    summary = execute(run, put, progress, check, source, journal if lasts else None)
    summary.notes += [] if cluster is None else [note for note in cluster.notes if note not in run.notes]
    if summary.partial:
        if not summary.evaluations:
            raise Cancelled
        if result.path in {path.realpath(i.source) for i in (run.given, *run.inputs.values()) if i.source}:
            raise Cancelled(
                f"interrupted: {summary.finished} of {summary.blocks} blocks are kept; {result.path} is still the "
                "input, and the same command goes on"
            )
        for writer in writers:
            for box in unreached(run, rows, finished) if writer.dtype.kind == "f" else ():
                fill(writer, box)
        if lasts:
            journal.deliver({writer.path: writer.part_path for writer in writers})
    record = provenance(run, summary)
    result.set_provenance(record)
    for std in others:
        std.set_provenance({**record, "quantity": "standard deviation"})
    return record, summary
