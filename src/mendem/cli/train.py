"""``mendem train``: a prior from a recipe and a folder or a pack of pictures."""

from __future__ import annotations

import argparse
import json
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
#: The same for the network that reads the noise off an image: a recipe that has the table ``noise``.
NEEDED_FOR_NOISE = {
    "noise": ("widths", "hidden"),
    "data": ("shapes", "tissue", "phantoms"),
    "train": ("batch", "patch", "rate", "ema", "seed"),
    "judge": ("windows",),
}


def add_to(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "train",
        help="Train a prior from a recipe.",
        description="Train a prior, or go on with one: the state is saved every minute, and the same command continues "
        "an interrupted training. At the end the weights are written, use them with --prior FILE, and judged on "
        "pictures that no recipe reads. With --pack nothing is trained: all pictures are put into one file, for --data "
        "on another machine.",
    )
    parser.add_argument("recipe", metavar="RECIPE", type=Path, help="recipe.toml, as in models/em-small")
    parser.add_argument(
        "--data", metavar="PATH", type=Path, required=True, help="folder of pictures, or a pack of them"
    )
    parser.add_argument("--run", metavar="FOLDER", type=Path, dest="folder", help="state, log and weights")
    parser.add_argument("--pack", metavar="FILE", type=Path, help="write a pack (.npz) in place of training")
    parser.add_argument("--start", metavar="FILE", type=Path, help="weights of the same shape to begin with")
    parser.add_argument("--minutes", type=float, help="work in all (min; default what the recipe says)")
    parser.add_argument("--leg", type=float, help="stop after this much work for now (min; default: go to the end)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="(default auto)")
    parser.add_argument("--out", metavar="FILE", type=Path, help="weights (default RUN/weights.safetensors)")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem train``; returns the exit status."""
    from mendem.cli import DONE, INTERRUPTED

    recipe = checked_recipe(chosen.recipe)
    if not chosen.data.exists():
        raise MendemError(f"{chosen.data} is not there; give the folder of the training pictures, or a pack of them")
    if chosen.pack is not None:
        return _pack(recipe, chosen)
    if chosen.folder is None:
        raise MendemError("a training needs a folder for its state; give --run FOLDER")
    minutes = recipe["train"].get("minutes") if chosen.minutes is None else chosen.minutes
    leg = minutes if chosen.leg is None else chosen.leg
    for name, value in (("minutes", minutes), ("leg", leg)):
        if not isinstance(value, int | float) or not 0 < value < 1e6:
            raise MendemError(f"{name} is {value}, but must be a positive number; give --{name}")
    target = chosen.out or chosen.folder / "weights.safetensors"
    if target.suffix != ".safetensors":
        raise MendemError(f"{target}: weights are written as .safetensors; give such a name")
    if "noise" in recipe:
        return _train_noise(recipe, chosen, minutes)

    from mendem.device import choose_device
    from mendem.training.train import train

    device = choose_device(chosen.device)
    print(f"training on {device} for {minutes:g} min of work; log in {chosen.folder / 'log.jsonl'}", file=sys.stderr)
    try:
        train(recipe, chosen.data, chosen.folder, minutes, device, chosen.start, leg)
    except KeyboardInterrupt:
        print("mendem: interrupted; the same command goes on from the last saved minute", file=sys.stderr)
        return INTERRUPTED
    except (FileNotFoundError, IndexError) as error:
        raise _lacking(chosen.data, error) from error
    except TypeError as error:
        raise MendemError(f"{chosen.recipe} asks for what is not known here: {error}") from error
    _finish(recipe, chosen, target, device, minutes)
    return DONE


def _train_noise(recipe: dict[str, Any], chosen: argparse.Namespace, minutes: float) -> int:
    from mendem.cli import DONE
    from mendem.training.noise_reading import train

    try:
        errors = train(recipe, chosen.data, chosen.folder, minutes)
    except (FileNotFoundError, IndexError) as error:
        raise _lacking(chosen.data, error) from error
    for name, (level, rho_y, rho_x, line, gain) in errors.items():
        print(
            f"  {name:8} median errors: ln level {level:.3f}, correlation {rho_y:.3f} and {rho_x:.3f}, row offsets "
            f"{line:.3f}, gain {gain:.3f}",
            file=sys.stderr,
        )
    print(f"{chosen.folder / 'noise.safetensors'} written; put it into models/em-noise")
    return DONE


def _pack(recipe: dict[str, Any], chosen: argparse.Namespace) -> int:
    from mendem.cli import DONE
    from mendem.training.pack import make_pack

    if chosen.pack.suffix != ".npz":
        raise MendemError(f"{chosen.pack}: a pack is written as .npz; give such a name")
    if not chosen.data.is_dir():
        raise MendemError(f"{chosen.data} is not a folder; a pack is made from the folder of the training pictures")
    try:
        make_pack(recipe, chosen.data, chosen.pack)
    except (FileNotFoundError, IndexError) as error:
        raise _lacking(chosen.data, error) from error
    print(f"{chosen.pack} written, {chosen.pack.stat().st_size / 1e6:.1f} MB; use it with --data {chosen.pack}")
    return DONE


def _lacking(data: Path, error: Exception) -> MendemError:
    return MendemError(f"{data} lacks pictures that the recipe needs ({error}); see its card.md")


def _finish(recipe: dict[str, Any], chosen: argparse.Namespace, target: Path, device: str, minutes: float) -> None:
    """Write the weights, the small state that can travel, and the validation; one line about it to stdout.

    What takes a minute, the novelty reference and the calibration, is made when the training is at its end.
    """
    from mendem.priors.checkpoint import load
    from mendem.training.export import export
    from mendem.training.pack import held_out_pictures, training_sources
    from mendem.training.state import AVERAGE, save_current
    from mendem.training.validate import validate

    run: Path = chosen.folder
    log = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    export(recipe, run, run / AVERAGE)
    if log["minutes"] >= minutes:
        print("judging what it has learned; a minute or two", file=sys.stderr)
        export(recipe, run, target, training_sources(chosen.data, recipe["data"]), chosen.data)
    elif target != run / AVERAGE:
        export(recipe, run, target)
    save_current(recipe, run)
    words = f"step {log['step']}, {log['minutes']:.1f} min, loss {log['loss']:.3f}"
    if "patches per second" in log:
        words += f", {log['patches per second']:.0f} patches/s"
    try:
        pictures = held_out_pictures(chosen.data)
    except (FileNotFoundError, IndexError):
        pictures = []
    if pictures:
        scores = validate(load(target)[0].to(device), pictures, device)
        with open(run / "validation.jsonl", "a") as file:
            file.write(json.dumps({"step": log["step"], "minutes": log["minutes"], **scores}) + "\n")
        for kind, row in scores["kinds"].items():
            print(f"  {kind:24} {row['psnr']:6.2f} dB  loss {row['loss']:.3f}", file=sys.stderr)
        words += f"; validation {scores['psnr']:.2f} dB, loss {scores['loss']:.3f}, sampling {scores['sampling']:.3f}"
    print(f"{words}; {target} written, use it with --prior {target}")


def checked_recipe(path: Path) -> dict[str, Any]:
    """The recipe, with all that it must say; `MendemError` otherwise."""
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MendemError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MendemError(f"{path} is not a recipe: {error}") from error
    for table, keys in (NEEDED_FOR_NOISE if "noise" in recipe else NEEDED).items():
        missing = [key for key in keys if not isinstance(recipe.get(table), dict) or key not in recipe[table]]
        if missing:
            raise MendemError(f"{path} is not a whole recipe: the table [{table}] lacks {', '.join(missing)}")
    return recipe
