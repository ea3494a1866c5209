"""The parser, made from the declarations that widgets are made from: a new task needs no edit here."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import Field, fields
from types import NoneType
from typing import Any, NoReturn, get_args, get_type_hints

from mendem.errors import MendemError
from mendem.image import VoxelSize
from mendem.options import Options
from mendem.tasks import TASKS, Task

#: How a length unit may be spelled behind a number.
UNITS = {
    "": "nm",
    "nm": "nm",
    "a": "angstrom",
    "å": "angstrom",
    "angstrom": "angstrom",
    "um": "um",
    "µm": "um",
    "μm": "um",
    "pm": "pm",
    "mm": "mm",
}


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose errors are one line, like all others."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise MendemError(f"{message}; '{self.prog} --help' shows what can be given")


class _Version(argparse.Action):
    """Prints the version, and looks it up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from mendem.provenance import software_versions

        print(f"mendem {software_versions()['napari-mendem']}")
        parser.exit()


def build_parser() -> Parser:
    """The parser of all commands; what it returns has ``run``, a function of itself that gives the exit status."""
    from mendem.cli import align, appraise, batch, demo, fill_wedge, info, learn, preset, reconstruct, train

    parser = Parser(
        prog="mendem",
        description="Restore electron-microscopy images with diffusion models.",
        epilog="Each command explains itself: mendem COMMAND --help",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for task in TASKS.values():
        _add_task(commands.add_parser(task.name, help=task.summary, description=task.summary), task)
    for command in (align, reconstruct, fill_wedge, batch, preset, info, appraise, demo, train, learn):
        command.add_to(commands)
    return parser


def _add_task(parser: Parser, task: type[Task]) -> None:
    from mendem.cli import restore

    parser.add_argument(
        "input", metavar="IN", help="image to restore; its format is known by its first bytes or suffix"
    )
    parser.add_argument("output", metavar="OUT", help="where the result goes; the suffix gives the format")
    own = parser.add_argument_group("task")
    slots = {slot.name: slot for slot in task.inputs}
    hints = get_type_hints(task)
    for f in fields(task):
        slot = slots.pop(f.name, None)
        add_parameter(own, f, hints[f.name], None if slot is None else slot.help)
    for slot in slots.values():
        flag = f"--{slot.name.replace('_', '-')}"
        own.add_argument(flag, dest=f"slot_{slot.name}", metavar="FILE", help=_escaped(slot.help))

    common, advanced = parser.add_argument_group("result"), parser.add_argument_group("advanced")
    hints = get_type_hints(Options)
    for f in fields(Options):
        add_parameter(advanced if f.metadata["advanced"] else common, f, hints[f.name])
    common.add_argument("--spread", metavar="FILE", help="also write the standard deviation of the result here")
    common.add_argument(
        "--control",
        metavar="FILE",
        help="also restore images in which there is nothing to find, and write them here with what was made of them: "
        "the negative control",
    )
    common.add_argument(
        "--dtype",
        choices=("same", "float32"),
        help="pixel type of OUT: the input's own, rounded and clipped, or float32 (default float32, but same where "
        "measured pixels are kept)",
    )
    common.add_argument(
        "--ome-zarr", choices=("0.4", "0.5"), help="version of OME-Zarr for results that end in .zarr (default 0.5)"
    )
    common.add_argument(
        "--voxel-size",
        type=voxel_size,
        metavar="X[UNIT]",
        help="replaces what the file says: 5, 5nm, 13.1A or 1.2um, or one length for each axis as in 30,5,5nm "
        "(nm by default; default what the file says)",
    )
    common.add_argument(
        "--region",
        type=region,
        metavar="R0,R1,C0,C1",
        help="restore only rows R0 to R1 and columns C0 to C1 of each slice, ends not included (px; default all)",
    )
    common.add_argument(
        "--overwrite", action="store_true", help="replace OUT, the spread and the control where they exist"
    )
    common.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    advanced.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="compute on the workers of a dask.distributed cluster: the address of its scheduler, as in "
        "tcp://host:8786, or its scheduler file (default this machine)",
    )
    parser.set_defaults(run=restore.run, task=task)


def add_parameter(group: Any, f: Field, hint: Any, file_help: str | None = None) -> None:
    """An option for one declared field; left out, it leaves no trace in the result.

    Parameters
    ----------
    group
        A parser or one of its groups.
    f, hint
        Field made by `mendem.options.parameter`, and its resolved type.
    file_help
        What a file in its place is, where the parameter is an input slot too.
    """
    about = f.metadata
    flag = f"--{f.name.replace('_', '-')}"
    settings: dict[str, Any] = {"dest": f.name, "default": argparse.SUPPRESS}
    text = f"{about['help']}{f'; a file: {file_help}' if file_help else ''} ({_limits(f)})"
    kinds = set(get_args(hint) or (hint,)) - {NoneType}
    if kinds == {bool}:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=_escaped(text), **settings)
        return
    kind: Callable[[str], Any] = next(iter(kinds)) if len(kinds) == 1 and not file_help else number_or_text
    if about["choices"] and not file_help:
        group.add_argument(flag, type=kind, choices=about["choices"], help=_escaped(text), **settings)
        return
    words = [str(c) for c in about["choices"] or about["forms"]]
    words += (
        [] if words else [str(f.default)] if str in kinds and kinds & {int, float} else ["NAME"] if str in kinds else []
    )
    words += ["INT" if kinds & {int, float} == {int} else "FLOAT"] if kinds & {int, float} else []
    words += ["FILE"] if file_help else []
    group.add_argument(flag, type=kind, metavar="|".join(words), help=_escaped(text), **settings)


def number_or_text(text: str) -> float | str:
    """A number where the text is one."""
    try:
        return float(text)
    except ValueError:
        return text


def voxel_size(text: str) -> VoxelSize:
    """``5``, ``13.1A``, ``1.2um`` or ``30,5,5nm`` as a `VoxelSize` of one or several lengths."""
    match = re.fullmatch(r"\s*([-+\d.eE,\s]+?)\s*([^\W\d_]*)\s*", text)
    try:
        values = tuple(float(v) for v in match[1].split(",")) if match else ()
    except ValueError:
        values = ()
    unit = UNITS.get(match[2].lower()) if match else None
    if not values or unit is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a length; write for example 5nm, 13.1A or 1.2um")
    try:
        return VoxelSize(values, unit)
    except MendemError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def region(text: str) -> tuple[int, int, int, int]:
    """Four whole numbers, first and end row, first and end column."""
    try:
        first_row, end_row, first_column, end_column = (int(n) for n in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a region; write first row, end row, first column, end column, as in 0,512,256,768"
        ) from None
    return first_row, end_row, first_column, end_column


def _limits(f: Field) -> str:
    """Unit, range and default in words."""
    about, found = f.metadata, []
    if about["unit"]:
        found.append(about["unit"])
    low, high = about["low"], about["high"]
    if low is not None and high is not None and high < 2**31:
        found.append(f"{low} to {high}")
    elif low is not None:
        found.append(f"{low} or more")
    default = {True: "yes", False: "no"}[f.default] if isinstance(f.default, bool) else f.default
    return ", ".join([*found, f"default {default}"])


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
