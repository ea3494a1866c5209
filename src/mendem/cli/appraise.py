"""``mendem appraise``: what a restoration did to an image, and whether to believe it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from mendem.errors import MendemError

if TYPE_CHECKING:
    from mendem.appraisal.pair import Pair
    from mendem.image import Image

NO_SECOND_HALF = (
    "no resolution is given: a restoration and its own input are not independent; record the place twice and give "
    "--halves STACK or --second RESTORED2"
)


def add_to(commands: Any) -> None:
    """Declare the command."""
    from mendem.cli.arguments import voxel_size

    parser = commands.add_parser(
        "appraise",
        help="What a restoration did to an image, and whether to believe it.",
        description="Compare an image with what was made of it: mean, contrast, area, membrane width and power "
        "spectrum before and after, and whether what was taken away looks like noise. A resolution is given only where "
        "there are two independent halves of the data.",
    )
    parser.add_argument("raw", metavar="RAW", help="image as it was recorded")
    parser.add_argument("restored", metavar="RESTORED", help="what was made of it, by mendem or another program")
    parser.add_argument(
        "--second", metavar="RESTORED2", help="the same place restored from another recording: how far both agree"
    )
    parser.add_argument(
        "--halves",
        metavar="STACK",
        help="frames of one place, aligned first, or a volume: even and odd ones are restored apart and correlated",
    )
    parser.add_argument("--spread", metavar="FILE", help="standard deviation that was written with RESTORED")
    parser.add_argument(
        "--threshold", type=float, help="what counts as structure, in grey levels of RAW (default: Otsu's of RAW)"
    )
    parser.add_argument(
        "--dark",
        action=argparse.BooleanOptionalAction,
        help="structure is darker than the threshold, or brighter (default: the smaller part is structure)",
    )
    parser.add_argument("--plane", type=int, metavar="N", help="slice to look at, from 0 (default: the middle one)")
    parser.add_argument(
        "--voxel-size",
        type=voxel_size,
        metavar="X[UNIT]",
        help="of RAW and STACK, in place of what the files say: 5, 5nm, 13.1A or 30,5,5nm",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem appraise``; returns the exit status."""
    from mendem.appraisal.measurements import rows_of
    from mendem.appraisal.overview import overview
    from mendem.appraisal.pair import pair_up, record_of
    from mendem.cli import DONE
    from mendem.cli.report import print_json
    from mendem.io import read

    raw, restored = read(chosen.raw, chosen.voxel_size), read(chosen.restored)
    record = record_of(restored)
    _refuse_other_quantities(chosen.restored, record)
    pair = pair_up(raw, restored, chosen.plane)
    seen = overview(pair, record, chosen.threshold, chosen.dark)
    notes = [*_origin_notes(raw, record, chosen), *pair.notes]
    found: dict[str, Any] = {
        "raw": chosen.raw,
        "restored": chosen.restored,
        "pixel_nm": pair.pixel_nm,
        "factor": pair.factor,
        "measurements": [row._asdict() for row in rows_of(seen.before, seen.after)],
        "before": asdict(seen.before),
        "after": asdict(seen.after),
        "spectrum": [asdict(octave) for octave in seen.octaves],
        "chi2": seen.chi2,
        "chi2_counts_spread": record.get("chi2_counts_spread", True),
        "residual": [asdict(band) for band in seen.bands],
        "no_residual": seen.no_bands,
        "noise": seen.noise,
        "spread": _spread(chosen.spread, restored, pair),
        "second": _second(chosen.second, restored, pair),
        "halves": _halves(chosen, record),
        "notes": notes,
    }
    found["no_resolution"] = None if found["halves"] or found["second"] else NO_SECOND_HALF
    if chosen.json:
        print_json(found)
    else:
        from mendem.cli.appraise_lines import lines

        print("\n".join(lines(found)))
    return DONE


def _refuse_other_quantities(path: str, record: dict[str, Any]) -> None:
    if record.get("quantity"):
        raise MendemError(f"{path} is the {record['quantity']} of a result; give the result itself as RESTORED")


def _origin_notes(raw: Image, record: dict[str, Any], chosen: argparse.Namespace) -> list[str]:
    """Whether the restored image says that it was made of this raw one."""
    from mendem.provenance import pixel_hash

    if not record:
        return [f"{chosen.restored} has no record of how it was made."]
    notes = ["The restoration was interrupted: what it did not reach is left out."] if record.get("partial") else []
    origin = record["inputs"]["image"]
    if origin.get("sha256") not in (None, pixel_hash(raw)):
        notes.append(f"{chosen.restored} was made of {origin.get('source') or 'another image'}, not of {chosen.raw}.")
    return notes


def _spread(path: str | None, restored: Image, pair: Pair) -> dict[str, Any] | None:
    """Size of the spread beside the contrast of the result."""
    import numpy as np

    from mendem.io import read

    if path is None:
        return None
    spread = read(path)
    if spread.shape != restored.shape:
        raise MendemError(f"{path} has the shape {spread.shape}, the result {restored.shape}; give its own spread")
    values = spread.read(pair.plane, pair.rows, pair.columns).astype(np.float64)
    known = np.isfinite(values) & np.isfinite(pair.fine)
    if not known.any() or (values[known] < 0).any():
        raise MendemError(f"{path} holds no standard deviation; give the file that --spread wrote with the result")
    rms, contrast = float(np.sqrt(np.mean(values[known] ** 2))), float(pair.fine[known].std())
    return {"rms": rms, "of_contrast": 100 * rms / contrast if contrast else None}


def _second(path: str | None, restored: Image, pair: Pair) -> dict[str, Any] | None:
    """How far two restorations of one place agree; refused where they were made of the same data."""
    import numpy as np

    from mendem.appraisal.pair import record_of
    from mendem.appraisal.resolution import fourier_ring_correlation
    from mendem.io import read

    if path is None:
        return None
    other = read(path)
    _refuse_other_quantities(path, record_of(other))
    if other.shape != restored.shape:
        raise MendemError(f"{path} has the shape {other.shape}, {restored.source} {restored.shape}; give equal ones")
    origins = [record_of(i).get("inputs", {}).get("image", {}).get("sha256") for i in (restored, other)]
    picture = other.read(pair.plane, pair.rows, pair.columns).astype(np.float64)
    if (origins[0] is not None and origins[0] == origins[1]) or np.array_equal(picture, pair.fine, equal_nan=True):
        raise MendemError(
            f"{path} and {restored.source} were made of the same recording: their agreement says nothing; restore a "
            "second recording of the same place"
        )
    ring = fourier_ring_correlation(pair.fine, picture, pair.fine_nm)
    return {"restored2": path, "traced": None not in origins, **_ring(ring)}


def _halves(chosen: argparse.Namespace, record: dict[str, Any]) -> dict[str, Any] | None:
    """Half-data validation with the task and the options of the restored image."""
    if chosen.halves is None:
        return None
    from mendem.appraisal.half_data import half_data_validation
    from mendem.cli.progress import ProgressLine, interruptible
    from mendem.io import read

    stack = read(chosen.halves, chosen.voxel_size)
    task, options = _task_and_options(record, chosen.restored)
    from mendem.restoration import restore  # torch comes with it

    with interruptible("nothing is kept of half a comparison") as cancel, ProgressLine(sys.stderr) as progress:
        found = half_data_validation(stack, task, options, progress=progress, cancel=cancel, restore=restore)
    return {
        "stack": chosen.halves,
        "task": task.name,
        "raw": _ring(found.ring),
        "restored": _ring(found.restored),
        "note": found.note,
    }


def _task_and_options(record: dict[str, Any], path: str) -> tuple[Any, Any]:
    """As recorded; Denoise where there is no record. What the record holds in files cannot be made again here."""
    from mendem.options import Options
    from mendem.tasks import TASKS, Denoise

    if not record:
        return Denoise(), Options()
    name = record["task"].get("name")
    files = set(record.get("inputs", {})) - {"image", "noise"}
    if name not in TASKS or files:
        why = f"its {', '.join(sorted(files))} came from a file" if files else f"the task {name!r} is not known here"
        raise MendemError(f"cannot restore halves as {path} was: {why}; use mendem.appraisal.half_data in Python")
    known = {f.name for f in fields(Options)} - {"device", "tile"}
    try:
        options = Options(**{k: v for k, v in record.get("options", {}).items() if k in known})
        return TASKS[name](**record["task"].get("parameters", {})), replace(options, samples=0, estimate="mean")
    except TypeError as error:
        raise MendemError(f"the record of {path} is damaged ({error}); restore it again") from error


def _ring(ring: Any) -> dict[str, Any]:
    from mendem.appraisal.resolution import THRESHOLDS

    return {
        "words": ring.words(),
        "unit": "px" if ring.pixel_nm is None else "nm",
        "period": {name: ring.resolution(name) for name in THRESHOLDS},
        "frequency": ring.frequency,
        "correlation": ring.correlation,
        "count": ring.count,
    }
