"""``--control FILE`` of any task: the negative control, written before the result is computed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from mendem.errors import MendemError

if TYPE_CHECKING:
    from mendem.engine import Run


def check_control_name(chosen: argparse.Namespace, files: Collection[str] = ()) -> None:
    """Refuse, before anything is computed, the name of another file of the same command, and what cannot be written.

    ``files`` fill the task's input slots.
    """
    if chosen.control is None:
        return
    others = [(chosen.input, "the input"), (chosen.output, "the result"), (chosen.spread, "the spread")]
    for path, what in (*others, *((path, f"{path}, an input of this run") for path in files)):
        if path is not None and os.path.realpath(path) == os.path.realpath(chosen.control):
            raise MendemError(f"{chosen.control}: the control needs another name than {what}")

    from mendem.io import SUFFIXES

    if not chosen.control.lower().endswith(tuple(SUFFIXES.writable)):
        raise MendemError(
            f"cannot write {chosen.control}: give it a suffix that can be written ({', '.join(SUFFIXES.writable)})"
        )
    folder = os.path.dirname(chosen.control) or "."
    if not os.path.isdir(folder):
        raise MendemError(f"cannot write {chosen.control}: the folder {folder} does not exist; create it first")


def write_control(
    chosen: argparse.Namespace, run: Run, progress: Callable[[Any], None], check: Callable[[], None]
) -> dict[str, Any]:
    """Make and write the control of a prepared run; returns its numbers, what they say, and the name of the file.

    First, since a result may take the place of its input.
    """
    from mendem.io import write
    from mendem.negative_control import control_of

    control = control_of(run, progress, check)
    stack = control.stack()
    write(chosen.control, stack, overwrite=chosen.overwrite)
    return {
        "output": chosen.control,
        "channels": stack.metadata["mendem"]["channels"],
        "conclusion": list(control.sentences()),
        **control.numbers(),
    }


def control_lines(made: dict[str, Any]) -> list[str]:
    """What is said about it on standard output."""
    return [
        *(f"control: {sentence}" for sentence in made["conclusion"]),
        f"{made['output']} holds the negative control",
    ]
