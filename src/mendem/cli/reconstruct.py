"""``mendem reconstruct``: a tomogram from a tilt series."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import Field, fields
from typing import TYPE_CHECKING, Any, get_type_hints

from mendem.errors import MendemError
from mendem.tomography.sirt import Sirt
from mendem.tomography.tv import Tv
from mendem.tomography.wbp import Wbp

if TYPE_CHECKING:
    from mendem.tomogram import Tomogram

METHODS: dict[str, type[Wbp] | type[Sirt] | type[Tv]] = {"wbp": Wbp, "sirt": Sirt, "tv": Tv}


def add_to(commands: Any) -> None:
    """Declare the command."""
    from mendem.cli.arguments import add_parameter
    from mendem.cli.tilts import add_run, add_series, thickness

    about = "Reconstruct a tomogram from a tilt series."
    parser = commands.add_parser("reconstruct", help=about, description=about)
    parser.add_argument("input", metavar="IN", help="stack with one slice for each tilt: MRC, TIFF, OME-Zarr")
    parser.add_argument("output", metavar="OUT", help="where the tomogram goes; the suffix gives the format")
    add_series(parser)
    result = parser.add_argument_group("tomogram")
    result.add_argument("--method", choices=METHODS, default="wbp", help="how it is reconstructed (default wbp)")
    result.add_argument(
        "--thickness",
        type=thickness,
        metavar="N[UNIT]",
        help="along z, in voxels of OUT or as a length: 300, 300px, 150nm (default as thick as the tilts are wide)",
    )
    result.add_argument(
        "--binning", type=int, default=1, metavar="INT", help="average so many pixels along each side first (default 1)"
    )
    result.add_argument(
        "--surroundings",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="sirt and tv: reconstruct what tilts see of a slab beyond the view too, and cut it off; an isolated "
        "object can do without, faster (default yes)",
    )
    for name, method in METHODS.items():
        group = parser.add_argument_group(f"--method {name}")
        hints = get_type_hints(method)
        for f in fields(method):
            if len(_holders(f.name)) == 1:
                add_parameter(group, f, hints[f.name])
    shared = parser.add_argument_group("of several methods")
    for f in {f.name: f for method in METHODS.values() for f in fields(method)}.values():
        if len(_holders(f.name)) > 1:
            _add_shared(shared, f)
    add_run(parser, "OUT where it exists")
    parser.add_argument("--ome-zarr", choices=("0.4", "0.5"), help="version of OME-Zarr for .zarr (default 0.5)")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem reconstruct``; returns the exit status."""
    from mendem.cli import DONE, INTERRUPTED
    from mendem.cli.progress import ProgressLine, interruptible
    from mendem.cli.report import duration, print_json
    from mendem.cli.tilts import interrupted, read_density, read_series
    from mendem.io.output import is_zarr

    method = _method(chosen)
    density = read_density(chosen)
    if not chosen.overwrite and (os.path.isfile(chosen.output) or is_zarr(chosen.output)):
        raise MendemError(f"{chosen.output} exists; give another name, or --overwrite to replace it")
    series = read_series(chosen)

    from mendem.tomogram import reconstruct_file  # torch comes with it: after all that can be refused without

    said: list[Tomogram] = []
    with (
        interruptible("keeping the slices that are finished") as cancel,
        ProgressLine(sys.stderr, unit="slice") as progress,
    ):

        def started(tomogram: Tomogram) -> None:
            said.append(tomogram)
            if not chosen.json:
                _introduce(tomogram)

        record = reconstruct_file(
            series,
            chosen.output,
            method,
            chosen.thickness,
            density=density,
            binning=chosen.binning,
            surroundings=chosen.surroundings,
            device=chosen.device,
            overwrite=chosen.overwrite,
            ome_zarr=chosen.ome_zarr,
            progress=progress,
            cancel=cancel,
            started=started,
        )
    if chosen.json:
        (tomogram,) = said
        print_json(
            {
                "output": chosen.output,
                "shape": tomogram.shape,
                "voxel_size": tomogram.voxel_size.values,
                "unit": tomogram.voxel_size.unit if tomogram.voxel_size.known else None,
                "partial": record["partial"],
                "seconds": record["seconds"],
                "notes": record["notes"],
                "provenance": record,
            }
        )
    elif record["partial"]:
        print(interrupted(chosen.output, record))
    else:
        print(f"{chosen.output} written after {duration(record['seconds'])}")
    return INTERRUPTED if record["partial"] else DONE


def _introduce(tomogram: Tomogram) -> None:
    """What was decided before the work begins, on standard output."""
    from mendem.cli.report import image_line

    series = tomogram.series
    low, high = series.limits
    out = f", {len(series.excluded)} excluded" if series.excluded else ""
    print(f"{series.name}: {image_line(series.image)}")
    print(f"tilts: {len(series.used)} from {low:g}° to {high:g}°{out}; tilt axis at {series.axis_angle:.2f}° from y")
    depth, rows, width = tomogram.shape
    method = tomogram.record["task"]["parameters"]["method"]
    print(f"{method} on {tomogram.record['device']}: zyx {depth} x {rows} x {width}, {tomogram.voxel_size}")
    for note in tomogram.notes:
        print(f"note: {note}")
    sys.stdout.flush()


def _method(chosen: argparse.Namespace) -> Wbp | Sirt | Tv:
    """The method with its parameters; those of other methods are refused."""
    own = {f.name for f in fields(METHODS[chosen.method])}
    for name in {f.name for method in METHODS.values() for f in fields(method)} - own:
        if hasattr(chosen, name):
            raise MendemError(
                f"--{name.replace('_', '-')} is an option of {' and '.join(_holders(name))}, not of {chosen.method}; "
                "leave it out or choose another --method"
            )
    return METHODS[chosen.method](**{name: getattr(chosen, name) for name in own if hasattr(chosen, name)})


def _holders(name: str) -> list[str]:
    """The methods that have a parameter of this name."""
    return [key for key, method in METHODS.items() if any(f.name == name for f in fields(method))]


def _add_shared(group: Any, f: Field) -> None:
    """One option for what several methods call by one name, with what it means and its default in each."""
    said = []
    for key in _holders(f.name):
        (own,) = (other for other in fields(METHODS[key]) if other.name == f.name)
        default = {True: "yes", False: "no"}[own.default] if isinstance(own.default, bool) else own.default
        said.append(f"{key}: {own.metadata['help']} (default {default})")
    settings: dict[str, Any] = {"dest": f.name, "default": argparse.SUPPRESS, "help": "; ".join(said)}
    flag = f"--{f.name.replace('_', '-')}"
    if isinstance(f.default, bool):
        group.add_argument(flag, action=argparse.BooleanOptionalAction, **settings)
    else:
        group.add_argument(flag, type=type(f.default), metavar=type(f.default).__name__.upper(), **settings)
