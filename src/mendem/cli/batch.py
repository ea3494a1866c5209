"""``mendem batch``: the same restoration of several files, one after the other."""

from __future__ import annotations

import argparse
import glob
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mendem.errors import MendemError

if TYPE_CHECKING:
    from mendem.batch import Item
    from mendem.presets import Preset


def add_to(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "batch",
        help="Restore several files with one preset.",
        description="Restore each file as a preset says. Results are called NAME-TASK and a suffix, as in "
        "cell-denoise.mrc. One that exists is skipped, so that a batch which was interrupted or killed goes on when it "
        "is started again; a file that fails does not stop the others.",
    )
    parser.add_argument(
        "preset",
        metavar="PRESET",
        help="a .toml file, or the name of one of your presets; they are saved in napari (Advanced, Save preset), or "
        "by mendem preset",
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="image to restore")
    parser.add_argument("--to", required=True, metavar="FOLDER", help="where the results go; made where it is missing")
    parser.add_argument(
        "--suffix",
        default="same",
        metavar="SUFFIX|same",
        help="format of the results: .tif, .mrc, .ome.zarr …, or same for that of each input, .tif where it cannot be "
        "written (default same)",
    )
    parser.add_argument("--overwrite", action="store_true", help="make results that exist again, and replace them")
    parser.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem batch PRESET IN… --to FOLDER``; returns the exit status."""
    from mendem.batch import FAILED, PARTIAL, WAITING, items_of, make_folder, restore_item, tally
    from mendem.cli import DONE, INTERRUPTED, explained
    from mendem.cli.progress import GOES_ON, ProgressLine, interruptible
    from mendem.presets import load, path_of

    path = path_of(chosen.preset)
    if not path.exists() and path.name != chosen.preset:
        raise MendemError(f"there is no preset {chosen.preset} in {path.parent}; give one of there, or a .toml file")
    preset = load(path)
    items = items_of(_expanded(chosen.inputs), chosen.to, preset.task.name, chosen.suffix)
    make_folder(chosen.to)
    _tell(f"{preset.words}")
    status = DONE
    with interruptible("keeping what is finished", GOES_ON) as cancel:
        for number, item in enumerate(items):
            about = f"file {number + 1} of {len(items)}, {item.source}: "
            with ProgressLine(sys.stderr, about) as progress:
                try:
                    items[number] = restore_item(
                        item, preset, overwrite=chosen.overwrite, progress=progress, cancel=cancel
                    )
                except Exception as error:
                    why, worse = explained(error)
                    items[number], status = replace(item, state=FAILED, why=why), max(status, worse)
            if cancel.is_set():
                break
            _tell(f"{about}{items[number].state}")
    interrupted = any(item.state in (PARTIAL, WAITING) for item in items)
    if chosen.json:
        _print_json(preset, path, items)
    else:
        print("\n".join([*_lines(items), tally([item.state for item in items])]))
        if interrupted:
            print("interrupted; start the same batch again to go on")
    return INTERRUPTED if interrupted else status


def _expanded(names: Sequence[str]) -> list[str]:
    """The files that wildcards stand for, where the shell has left them to us, as that of Windows does."""
    return [
        found for name in names for found in ([name] if os.path.exists(name) else sorted(glob.glob(name)) or [name])
    ]


def _lines(items: Sequence[Item]) -> list[str]:
    """One line for each file, and each thing that is to be known of them once."""
    from mendem.batch import SKIPPED
    from mendem.cli.report import duration

    lines, noted = [], dict[str, list[str]]()
    for item in items:
        said = f": {item.why}" if item.why else ""
        said += "; --overwrite to make it again" if item.state == SKIPPED else ""
        if item.seconds is not None:
            chi2 = "" if item.chi2 is None else f", chi² {item.chi2:.2f}"
            said = f" -> {item.target}, {duration(item.seconds)}{chi2}"
        lines.append(f"{item.state:8} {item.source}{said}")
        for note in item.notes:
            noted.setdefault(note, []).append(item.source)
    for note, sources in noted.items():
        more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
        lines.append(f"note: {sources[0]}{more}: {note}")
    return lines


def _print_json(preset: Preset, path: Any, items: Sequence[Item]) -> None:
    from dataclasses import asdict

    from mendem.batch import STATES
    from mendem.cli.report import print_json

    print_json(
        {
            "preset": str(path),
            "task": preset.task.name,
            "parameters": preset.task.parameters(),
            "options": asdict(preset.options),
            "files": [asdict(item) for item in items],
            "counts": {state: sum(item.state == state for item in items) for state in STATES},
        }
    )


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
