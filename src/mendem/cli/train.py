"""``mendem train``: a prior from a recipe and a folder of pictures."""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Any

from mendem.errors import MendemError

#: What a recipe must say, by table.
NEEDED = {
    "network": ("widths", "blocks"),
    "data": ("shapes", "tissue"),
    "train": ("batch", "patch", "rate", "ema", "absent", "seed"),
    "coverage": ("pixel_nm", "modalities", "degradations"),
}


def add_to(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "train",
        help="Train a prior from a recipe.",
        description="Train a prior, or go on with one: the state is saved every minute, and the same command continues "
        "an interrupted training. At the end the weights are written; use them with --prior FILE.",
    )
    parser.add_argument("recipe", metavar="RECIPE", type=Path, help="recipe.toml, as in models/em-small")
    parser.add_argument("--data", metavar="FOLDER", type=Path, required=True, help="pictures to learn from")
    parser.add_argument("--run", metavar="FOLDER", type=Path, required=True, dest="folder", help="state and log")
    parser.add_argument("--minutes", type=float, help="work in all (min; default what the recipe says)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="(default auto)")
    parser.add_argument("--out", metavar="FILE", type=Path, help="weights (default RUN/weights.safetensors)")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem train``; returns the exit status."""
    from mendem.cli import DONE, INTERRUPTED

    recipe = checked_recipe(chosen.recipe)
    if not chosen.data.is_dir():
        raise MendemError(f"{chosen.data} is not a folder; give the folder of the training pictures")
    minutes = recipe["train"].get("minutes") if chosen.minutes is None else chosen.minutes
    if minutes is None or not 0 < minutes < 1e6:
        raise MendemError(f"minutes is {minutes}, but must be a positive number; give --minutes")
    target = chosen.out or chosen.folder / "weights.safetensors"
    if target.suffix != ".safetensors":
        raise MendemError(f"{target}: weights are written as .safetensors; give such a name")

    from mendem.device import choose_device
    from mendem.training.export import export
    from mendem.training.train import train

    device = choose_device(chosen.device)
    print(f"training on {device} for {minutes:g} min of work; log in {chosen.folder / 'log.jsonl'}", file=sys.stderr)
    try:
        train(recipe, chosen.data, chosen.folder, minutes, device)
    except KeyboardInterrupt:
        print("mendem: interrupted; the same command goes on from the last saved minute", file=sys.stderr)
        return INTERRUPTED
    except (FileNotFoundError, IndexError) as error:
        raise MendemError(f"{chosen.data} lacks pictures that the recipe needs ({error}); see its card.md") from error
    except TypeError as error:
        raise MendemError(f"{chosen.recipe} asks for what is not known here: {error}") from error
    export(recipe, chosen.folder, target)
    print(f"{target} written; use it with --prior {target}")
    return DONE


def checked_recipe(path: Path) -> dict[str, Any]:
    """The recipe, with all that it must say; `MendemError` otherwise."""
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MendemError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MendemError(f"{path} is not a recipe: {error}") from error
    for table, keys in NEEDED.items():
        missing = [key for key in keys if not isinstance(recipe.get(table), dict) or key not in recipe[table]]
        if missing:
            raise MendemError(f"{path} is not a whole recipe: the table [{table}] lacks {', '.join(missing)}")
    return recipe
