"""Options that say which tilt series, and how density is made of it; the same for every command that takes one."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from typing import Any, get_type_hints

from mendem.image import VoxelSize
from mendem.tomography.density import Density
from mendem.tomography.tilt_series import TiltSeries


def add_series(parser: Any, density: bool = True) -> None:
    """Declare them; without ``density`` those that say which tilt series alone."""
    from mendem.cli.arguments import add_parameter, voxel_size

    series = parser.add_argument_group("tilt series; files of the same name beside IN are used without being given")
    series.add_argument(
        "--tilts", metavar="FILE", help="angles in degrees: .tlt, .rawtlt, .mdoc, .aln or text, one for each tilt"
    )
    series.add_argument("--alignment", metavar="FILE", help="IMOD's .xf or AreTomo's .aln")
    series.add_argument(
        "--exclude",
        type=tilts,
        default=(),
        metavar="TILTS",
        help="tilts that are not used, counted from 0 in the order of the stack (IMOD counts from 1), as in 0,5-7",
    )
    series.add_argument(
        "--axis-angle",
        type=float,
        metavar="FLOAT",
        help="direction of the tilt axis, counterclockwise from y (degrees)",
    )
    series.add_argument(
        "--offset", type=float, default=0.0, metavar="FLOAT", help="added to all angles (degrees, default 0)"
    )
    series.add_argument(
        "--voxel-size", type=voxel_size, metavar="X[UNIT]", help="pixel size of the tilts; replaces what the file says"
    )
    hints = get_type_hints(Density)
    for f in fields(Density) if density else ():
        add_parameter(series, f, hints[f.name])


def add_run(parser: Any, replaced: str) -> None:
    """Declare what commands that compute a tomogram have at their end; ``replaced`` is what overwriting replaces."""
    devices = ("auto", "cpu", "cuda", "mps")
    parser.add_argument("--device", choices=devices, default="auto", help="where it runs (default auto)")
    parser.add_argument("--overwrite", action="store_true", help=f"replace {replaced}")
    parser.add_argument("--json", action="store_true", help="print one JSON object to standard output")


def read_series(chosen: argparse.Namespace) -> TiltSeries:
    """The tilt series that the options name."""
    from mendem.tomography.tilt_files import read_tilt_series

    return read_tilt_series(
        chosen.input,
        chosen.tilts,
        chosen.alignment,
        chosen.exclude,
        chosen.axis_angle,
        chosen.offset,
        chosen.voxel_size,
    )


def read_density(chosen: argparse.Namespace) -> Density:
    """How density is made of its pixels."""
    return Density(**{f.name: getattr(chosen, f.name) for f in fields(Density) if hasattr(chosen, f.name)})


def interrupted(output: str, record: dict[str, Any]) -> str:
    """What is said of a run that was stopped, with its provenance."""
    done = record["blocks"]
    return (
        f"interrupted: {done['finished']} of {done['all']} slices finished; {output} is PARTIAL and marked so in its "
        "provenance"
    )


def tilts(text: str) -> tuple[int, ...]:
    """``0,5-7`` as (0, 5, 6, 7)."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise argparse.ArgumentTypeError(f"{text!r} are not tilts; write their numbers from 0, as in 0,5-7")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(found)


def thickness(text: str) -> int | VoxelSize:
    """``300`` and ``300px`` as a number of voxels, ``150nm`` as a length."""
    from mendem.cli.arguments import voxel_size

    if match := re.fullmatch(r"\s*(\d+)\s*(px)?\s*", text):
        return int(match[1])
    try:
        length = voxel_size(text)
    except argparse.ArgumentTypeError:
        length = None
    if length is None or len(length.values) != 1 or re.fullmatch(r"[\s\d.eE+-]+", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a thickness; write voxels as in 300, or a length as in 150nm"
        )
    return length
