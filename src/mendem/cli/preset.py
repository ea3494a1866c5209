"""``mendem preset``: from a result to a preset that makes others like it."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "preset",
        help="Write the preset that a result was made with, for mendem batch.",
        description="Write the task, parameters and options that a result of mendem was made with as a preset.",
    )
    parser.add_argument("result", metavar="RESULT", help="an image that mendem has written")
    parser.add_argument(
        "preset", metavar="PRESET", help="a .toml file to write, or a name under which your own presets are kept"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace PRESET where it exists")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem preset RESULT PRESET``; returns the exit status."""
    from mendem.cli import DONE
    from mendem.presets import of_result, path_of

    preset, path = of_result(chosen.result), path_of(chosen.preset)
    preset.save(path, chosen.overwrite)
    print(f"{path} written; {preset.words}")
    for note in preset.notes:
        print(f"note: {note}")
    return DONE
