"""The command of any task: from a file to a file."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from mendem.errors import Cancelled, MendemError
from mendem.options import Options
from mendem.tasks import Task

if TYPE_CHECKING:
    from mendem.engine import Run, Summary
    from mendem.image import Image


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem TASK IN OUT``; returns the exit status."""
    from mendem.cli import DONE, INTERRUPTED
    from mendem.cli.control import check_control_name, control_lines, write_control
    from mendem.cli.progress import GOES_ON, ProgressLine, interruptible
    from mendem.cli.report import print_json
    from mendem.io import read
    from mendem.io.files import LAZY_ABOVE

    if chosen.scheduler is not None and chosen.control is not None:
        raise MendemError("--control is computed on this machine; make it without --scheduler, in a run of its own")
    task, files = task_and_files(chosen)
    options = Options(**{f.name: getattr(chosen, f.name) for f in fields(Options) if hasattr(chosen, f.name)})
    _refuse_existing(chosen)
    check_control_name(chosen, files.values())
    lazy_above = LAZY_ABOVE if chosen.scheduler is None else 0  # to other machines files travel by their names
    image = read(chosen.input, chosen.voxel_size, lazy_above)
    inputs = {name: _slot_image(name, path, chosen.task) for name, path in files.items()}

    from mendem.restoration import cancel_check
    from mendem.streaming import restore_file  # torch comes with it: after all that can be refused without

    control: dict[str, Any] | None = None

    with interruptible("keeping what is finished", GOES_ON) as cancel, ProgressLine(sys.stderr) as progress:

        def started(run: Run) -> None:
            nonlocal control
            if not chosen.json:
                _introduce(run)
            if chosen.control is not None and not _made_before(chosen.control, chosen):
                with ProgressLine(sys.stderr) as own:
                    control = write_control(chosen, run, own, cancel_check(cancel))

        try:
            record, summary = restore_file(
                image,
                chosen.output,
                task,
                options=options,
                inputs=inputs,
                spread=chosen.spread,
                dtype=chosen.dtype,
                ome_zarr=chosen.ome_zarr,
                overwrite=chosen.overwrite,
                region=chosen.region,
                progress=progress,
                cancel=cancel,
                started=started,
                scheduler=chosen.scheduler,
            )
        except Cancelled as stopped:
            progress.close()
            if control is None or str(stopped):
                raise
            print(f"mendem: interrupted; only {chosen.control} was written", file=sys.stderr)
            return INTERRUPTED
    if chosen.json:
        print_json(
            {
                "output": chosen.output,
                "spread": chosen.spread,
                "partial": summary.partial,
                "resumed": summary.resumed,
                "chi2": summary.chi2,
                "novelty": record["novelty"],
                "seconds": round(summary.seconds, 3),
                "notes": record["notes"],
                "control": control,
                "provenance": record,
            }
        )
    else:
        _conclude(chosen, summary, record["chi2_counts_spread"])
        for line in control_lines(control) if control is not None else ():
            print(line)
    return INTERRUPTED if summary.partial else DONE


def task_and_files(chosen: argparse.Namespace) -> tuple[Task, dict[str, str]]:
    """The task with its parameters, and the files that fill its input slots.

    A parameter that is a slot too takes its own words and numbers itself; anything else is a file.
    """
    slots = {slot.name for slot in chosen.task.inputs}
    values: dict[str, Any] = {}
    files = {name: path for name in slots if (path := getattr(chosen, f"slot_{name}", None)) is not None}
    for f in fields(chosen.task):
        value = getattr(chosen, f.name, f.default)
        words = {f.default, *f.metadata["choices"]}
        stated = value in words or str(value).startswith(f.metadata["forms"] or ("\0",))
        if f.name in slots and isinstance(value, str) and not stated:
            files[f.name] = value
        else:
            values[f.name] = value
    return chosen.task(**values), files


def _slot_image(name: str, path: str, task: type[Task]) -> Image:
    from mendem.io import read

    declared = {
        f.name: [str(w) for w in f.metadata["choices"] or f.metadata["forms"]] or [str(f.default), "a number"]
        for f in fields(task)
    }
    if name in declared and not os.path.exists(path):
        words = " or ".join(declared[name])
        raise MendemError(f"--{name} {path}: give {words}, or a file; there is no file of that name")
    return read(path)


def _refuse_existing(chosen: argparse.Namespace) -> None:
    """Say early, and with the option that allows it, that something is in the way."""
    from mendem.io.output import is_zarr
    from mendem.journal import goes_on_with

    for path in (chosen.output, chosen.spread, chosen.control):
        if path is None or chosen.overwrite or not (os.path.isfile(path) or is_zarr(path)):
            continue
        if goes_on_with(chosen.output, path) or (path == chosen.control and _made_before(path, chosen)):
            continue
        if os.path.exists(chosen.input) and os.path.samefile(path, chosen.input):
            raise MendemError(f"{path} is the input itself; give another name, or --overwrite to lose the original")
        raise MendemError(f"{path} exists; give another name, or --overwrite to replace it")


def _made_before(control: str, chosen: argparse.Namespace) -> bool:
    """Whether a control is there already because the run goes on that made it."""
    from mendem.journal import unfinished

    return not chosen.overwrite and unfinished(chosen.output) and os.path.exists(control)


def _introduce(run: Run) -> None:
    """What was decided before the work begins, on standard output."""
    from mendem.cli.report import describe_noise, image_line, megabytes, novelty_line

    height, width = run.shape
    part = "" if run.shape == run.image.plane_shape else f", restoring {height} x {width} pixels of each slice"
    print(f"{run.given.source}: {image_line(run.given)}{part}")
    print(f"noise: {describe_noise(run.plan.noise, run.plan.normalisation.centre)}")
    blocks = len(run.blocks)
    print(
        f"prior {run.prior.name} on {run.device}, {blocks} block{'s' if blocks > 1 else ''}, "
        f"about {megabytes(run.memory_bytes)} of memory"
    )
    if run.novelty is not None:
        print(f"image: {novelty_line(run.novelty)}")
    for note in run.notes:
        print(f"note: {note}")
    sys.stdout.flush()


def _conclude(chosen: argparse.Namespace, summary: Summary, counts_spread: bool) -> None:
    from mendem.cli.report import chi2_line, duration

    for note in summary.notes:
        print(f"note: {note}")
    if summary.partial:
        print(
            f"interrupted: {summary.finished} of {summary.blocks} blocks finished; "
            f"{chosen.output} is PARTIAL and marked so in its provenance; the same command goes on"
        )
    else:
        print(f"{chosen.output} written after {duration(summary.seconds)}; {chi2_line(summary.chi2, counts_spread)}")
    if chosen.spread is not None:
        print(f"{chosen.spread} holds its standard deviation")
