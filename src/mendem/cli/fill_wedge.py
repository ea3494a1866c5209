"""``mendem fill-wedge``: a tilt series with its missing tilts, and the filled tomogram."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_type_hints

from mendem.cli.progress import ProgressLine, interruptible
from mendem.errors import MendemError

if TYPE_CHECKING:
    from threading import Event

    from mendem.wedge_filling.plan import WedgeFilling

#: Minutes of learning at most.
LONGEST = 600.0


def add_to(commands: Any) -> None:
    """Declare the command."""
    from mendem.cli.arguments import add_parameter
    from mendem.cli.tilts import add_run, add_series, thickness
    from mendem.wedge_filling.parameters import FillWedge

    about = "Fill the missing wedge of a tilt series: the tilts that could not be taken, and the tomogram."
    parser = commands.add_parser("fill-wedge", help=about, description=about)
    parser.add_argument("input", metavar="IN", help="stack with one slice for each tilt: MRC, TIFF, OME-Zarr")
    parser.add_argument(
        "output",
        metavar="OUT",
        help="where the completed stack goes, measured tilts bit for bit; beside it OUT's .tlt, .tilts.json (which "
        "tilts were measured) and, for aligned series, .xf",
    )
    add_series(parser)
    filling = parser.add_argument_group("filling")
    hints = get_type_hints(FillWedge)
    for f in fields(FillWedge):
        add_parameter(filling, f, hints[f.name])
    filling.add_argument(
        "--thickness",
        type=thickness,
        metavar="N[UNIT]",
        help="of the specimen along z, in pixels or as a length: 300, 300px, 150nm (default as thick as the tilts are "
        "wide)",
    )
    filling.add_argument(
        "--adapt",
        type=float,
        metavar="MINUTES",
        help="let the network learn from this series first, for so long at most; what it learned is taken where it "
        "foresees hidden tilts better",
    )
    results = parser.add_argument_group("more results")
    results.add_argument("--tomogram", metavar="FILE", help="also write the filled tomogram here")
    results.add_argument("--spread", metavar="FILE", help="also write its standard deviation here")
    results.add_argument(
        "--mask",
        metavar="FILE",
        help="also write which part of its centred spectrum was measured (1), generated (2) or both (3) here",
    )
    add_run(parser, "results where they exist")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem fill-wedge``; returns the exit status."""
    from mendem.cli import DONE, INTERRUPTED
    from mendem.cli.report import duration, print_json
    from mendem.cli.tilts import interrupted, read_density, read_series
    from mendem.wedge_filling.parameters import FillWedge

    given = {f.name: getattr(chosen, f.name) for f in fields(FillWedge) if hasattr(chosen, f.name)}
    FillWedge(**given)
    if chosen.adapt is not None and not 0 < chosen.adapt <= LONGEST:
        raise MendemError(f"--adapt is {chosen.adapt:g} minutes, but must be above 0 and at most {LONGEST:g}")
    density, series = read_density(chosen), read_series(chosen)

    from mendem.wedge_filling.to_files import WedgeFiles, fill_wedge_file  # torch: after what can be refused without

    files = WedgeFiles(chosen.output, chosen.tomogram, chosen.spread, chosen.mask)
    said: list[WedgeFilling] = []
    with (
        interruptible("keeping the slices that are finished") as cancel,
        ProgressLine(sys.stderr, unit="slice") as progress,
    ):

        def started(filling: WedgeFilling) -> None:
            said.append(filling)
            if not chosen.json:
                _introduce(filling)

        record = fill_wedge_file(
            series,
            files,
            chosen.thickness,
            density=density,
            device=chosen.device,
            overwrite=chosen.overwrite,
            progress=progress,
            cancel=cancel,
            started=started,
            changed=lambda filling: filling if chosen.adapt is None else _adapted(filling, chosen.adapt, cancel),
            **given,
        )
    (filling,) = said
    energy = record["energy_in_wedge"]
    if chosen.json:
        print_json(
            {
                "output": chosen.output,
                "tilts": filling.completion.record(),
                "filler": filling.made_by,
                "specimen": record["found"]["specimen"],
                "energy_in_wedge": energy,
                "residual": record["residual"],
                "partial": record["partial"],
                "seconds": record["seconds"],
                "notes": record["notes"],
                "provenance": record,
            }
        )
    elif record["partial"]:
        print(interrupted(chosen.output, record))
    else:
        before, after = energy["back_projection"]["missing"], energy["filled"]["missing"]
        for note in record["notes"]:
            if note not in filling.notes:
                print(f"note: {note}")
        print(f"energy in the wedge: {before:.3f} of back-projection, {after:.3f} filled")
        print(f"{chosen.output} written after {duration(record['seconds'])}")
    return INTERRUPTED if record["partial"] else DONE


def _adapted(filling: WedgeFilling, minutes: float, cancel: Event) -> WedgeFilling:
    """The filling with what its network learned from the series, where that is better."""
    from mendem.engine import Progress
    from mendem.restoration import cancel_check
    from mendem.training.wedge_adapt import adapt, adapted

    check, learned = cancel_check(cancel), None
    with ProgressLine(sys.stderr, "learning: ", "step") as progress:
        for learned in adapt(filling, 60 * minutes, check=check):
            left = 60 * minutes - learned.seconds
            steps = round(learned.step / max(learned.fraction, 1e-3))
            progress(Progress(learned.step, steps, learned.fraction, left))
    if learned is None:
        said = f"Nothing was learned from this series: {minutes:g} minutes were over before the first step."
        return replace(filling, notes=(*filling.notes, said))
    return adapted(filling, learned, check)


def _introduce(filling: WedgeFilling) -> None:
    """What was decided before the work begins, on standard output."""
    from mendem.cli.report import image_line

    series, count = filling.series, Counter(filling.completion.flags)
    low, high = series.limits
    out = f", {count['excluded']} excluded" if count["excluded"] else ""
    new = filling.completion.angles
    below, above = sum(angle < low for angle in new), sum(angle > high for angle in new)
    between = len(new) - below - above
    parts = [f"{below} below {low:g}°", f"{above} above {high:g}°", *([f"{between} between"] if between else [])]
    axis = f"tilt axis {series.axis_angle:.2f}° from y"
    print(f"{series.name}: {image_line(series.image)}")
    print(f"tilts: {count['measured']} measured from {low:g}° to {high:g}°{out}; {axis}")
    print(f"to be generated: {', '.join(parts)}")
    depth, rows, width = filling.shape
    print(f"{filling.made_by} on {filling.device}: zyx {depth} x {rows} x {width}, {filling.voxel_size}")
    for note in filling.notes:
        print(f"note: {note}")
    sys.stdout.flush()
