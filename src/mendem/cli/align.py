"""``mendem align``: shifts and tilt axis of a tilt series, as IMOD writes them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from mendem.errors import MendemError

if TYPE_CHECKING:
    from mendem.tomography.alignment import Alignment
    from mendem.tomography.tilt_series import TiltSeries


def add_to(commands: Any) -> None:
    """Declare the command."""
    from mendem.cli.tilts import add_series

    about = "Align a tilt series: find the shifts of its tilts and the tilt axis."
    parser = commands.add_parser("align", help=about, description=about)
    parser.add_argument("input", metavar="IN", help="stack with one slice for each tilt: MRC, TIFF, OME-Zarr")
    parser.add_argument("output", metavar="OUT.xf", help="where the alignment goes; its .tlt is written beside it")
    add_series(parser, density=False)
    group = parser.add_argument_group("alignment")
    group.add_argument(
        "--kind",
        choices=("auto", "isolated", "slab"),
        default="auto",
        help="the specimen: isolated between empty sides, or a slab that goes on beyond the view (default auto)",
    )
    group.add_argument(
        "--axis",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="find the tilt axis too, from the stated one (default yes)",
    )
    group.add_argument(
        "--again",
        action="store_true",
        help="refine a series that is aligned already; without it such a series is judged, and written as it is",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.xf and its .tlt where they exist")
    parser.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem align``; returns the exit status."""
    from mendem.cli import DONE
    from mendem.cli.progress import ProgressLine, interruptible
    from mendem.cli.report import duration, print_json
    from mendem.cli.tilts import read_series
    from mendem.errors import Cancelled
    from mendem.tomography.tilt_files import alignment_files, write_alignment

    if os.path.splitext(chosen.output)[1].lower() != ".xf":
        raise MendemError(f"{chosen.output} must end in .xf; the angles are written beside it as .tlt")
    series = read_series(chosen)
    written = list(alignment_files(chosen.output, series))
    for path in written:
        if os.path.exists(path) and not chosen.overwrite:
            raise MendemError(f"{path} exists; give another name, or --overwrite to replace it")

    from mendem.engine import Progress  # torch comes with it: after all that can be refused without
    from mendem.tomography.alignment import align

    begun = time.monotonic()
    with (
        interruptible("nothing is written") as cancel,
        ProgressLine(sys.stderr, unit="part") as progress,
    ):

        def check() -> None:
            if cancel.is_set():
                raise Cancelled

        alignment = align(
            series,
            kind=chosen.kind,
            axis=chosen.axis,
            again=chosen.again,
            check=check,
            progress=lambda part: progress(Progress(round(100 * part), 100, part, None)),
        )
    write_alignment(chosen.output, alignment.series, chosen.overwrite)
    seconds = round(time.monotonic() - begun, 3)
    if chosen.json:
        print_json({"output": written, "seconds": seconds, **found(series, alignment)})
        return DONE
    for line in lines(series, alignment):
        print(line)
    print(f"{' and '.join(written)} written after {duration(seconds)}")
    return DONE


def found(series: TiltSeries, alignment: Alignment) -> dict[str, Any]:
    """What was found, as JSON has it; lists have one entry for each tilt that is used, by rising angle."""
    checks, aligned = alignment.checks, alignment.series
    return {
        "moved": aligned is not series,
        "kind": "isolated" if checks.isolated else "slab",
        "axis_angle": aligned.axis_angle,
        "axis_angle_std": alignment.axis_std_deg,
        "axis_angle_stated": series.axis_angle,
        "thickness_px": alignment.depth_px,
        "tilts": list(checks.tilts),
        "angles": list(checks.angles),
        "shifts_px": [list(aligned.shifts[tilt]) for tilt in checks.tilts],
        "shifts_std_px": alignment.shift_std_px.tolist(),
        "agreement": checks.agreement.tolist(),
        "mass": None if checks.mass is None else checks.mass.tolist(),
        "off_centre_px": None if checks.off_centre is None else checks.off_centre.tolist(),
        "doubtful": list(checks.doubtful),
        "notes": list(aligned.notes),
    }


def lines(series: TiltSeries, alignment: Alignment) -> list[str]:
    """The same for a reader."""
    from mendem.cli.report import image_line

    aligned = alignment.series
    low, high = series.limits
    said = [f"{series.name}: {image_line(series.image)}", f"tilts: {len(series.used)} from {low:g}° to {high:g}°"]
    if aligned is series:
        said.append("aligned already, and left as it is; --again refines it")
    else:
        error = "" if alignment.axis_std_deg is None else f" ± {alignment.axis_std_deg:.2g}"
        said.append(f"tilt axis at {aligned.axis_angle:.2f}{error}° from y; {series.axis_angle:.2f}° was stated")
    return said + [f"note: {sentence}" for sentence in alignment.checks.sentences]
