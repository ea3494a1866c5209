"""``mendem train``: a prior from a recipe and a folder or a pack of pictures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from mendem.errors import MendemError


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
    parser.add_argument("--overwrite", action="store_true", help="replace a pack or weights that exist")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem train``; returns the exit status."""
    from mendem.cli import DONE, INTERRUPTED
    from mendem.training.recipe import load_recipe

    recipe = load_recipe(chosen.recipe)
    if not chosen.data.exists():
        raise MendemError(f"{chosen.data} is not there; give the folder of the training pictures, or a pack of them")
    if chosen.pack is not None:
        return _pack(recipe, chosen)
    if chosen.folder is None:
        raise MendemError("a training needs a folder for its state; give --run FOLDER")
    if "blur" in recipe:
        return _train_blur(recipe, chosen)
    minutes = recipe["train"].get("minutes") if chosen.minutes is None else chosen.minutes
    leg = minutes if chosen.leg is None else chosen.leg
    for name, value in (("minutes", minutes), ("leg", leg)):
        if not isinstance(value, int | float) or not 0 < value < 1e6:
            raise MendemError(f"{name} is {value}, but must be a positive number; give --{name}")
    target = chosen.out or chosen.folder / "weights.safetensors"
    if target.suffix != ".safetensors":
        raise MendemError(f"{target}: weights are written as .safetensors; give such a name")
    if target.exists() and not chosen.overwrite and not _of_this_run(target, chosen.folder):
        raise MendemError(f"{target} exists; give another name, or --overwrite to replace it")

    from mendem.device import choose_device
    from mendem.training.train import train

    device = choose_device(chosen.device)
    print(f"training on {device} for {minutes:g} min of work; log in {chosen.folder / 'log.jsonl'}", file=sys.stderr)
    try:
        train(recipe, chosen.data, chosen.folder, minutes, device, chosen.start, leg)
        _finish(recipe, chosen, target, device, minutes)
    except KeyboardInterrupt:
        print("mendem: interrupted; the same command goes on from the last saved minute", file=sys.stderr)
        return INTERRUPTED
    except (FileNotFoundError, IndexError) as error:
        raise _lacking(chosen.data, error) from error
    return DONE


def _of_this_run(target: Path, run: Path) -> bool:
    """Whether the weights are what an earlier call for the same run wrote: they lie in it, or say the same."""
    from mendem.priors.checkpoint import read_facts
    from mendem.training.state import AVERAGE

    own = run / AVERAGE
    if target.resolve() == own.resolve():
        return True
    try:
        facts, written = read_facts(own), read_facts(target)
    except MendemError:
        return False
    return all(facts.get(key) == written.get(key) for key in ("network", "steps", "minutes", "loss", "recipe"))


def _train_blur(recipe: dict[str, Any], chosen: argparse.Namespace) -> int:
    from mendem.cli import DONE
    from mendem.training.blur_reading import train

    given = [name for name in ("minutes", "leg", "start", "out") if getattr(chosen, name) is not None]
    if given:
        raise MendemError(
            f"--{given[0]} is not for a recipe with a table [blur], which is trained in one go: leave it out"
        )
    try:
        errors = train(recipe, chosen.data, chosen.folder)
    except (FileNotFoundError, IndexError) as error:
        raise _lacking(chosen.data, error) from error
    for name, found in errors.items():
        print(
            f"  without {name:12} widths of it: {100 * found['mean']:+.0f} % on average, "
            f"{100 * found['rms']:.0f} % rms, {found['over said']:.2f} times what was said",
            file=sys.stderr,
        )
    print(f"{chosen.folder / 'blur.safetensors'} written; put it into models/em-blur")
    return DONE


def _pack(recipe: dict[str, Any], chosen: argparse.Namespace) -> int:
    from mendem.cli import DONE
    from mendem.training.pack import make_pack
    from mendem.training.tilts_pool import draw_pool, write_pool

    if chosen.pack.suffix != ".npz":
        raise MendemError(f"{chosen.pack}: a pack is written as .npz; give such a name")
    if chosen.pack.exists() and not chosen.overwrite:
        raise MendemError(f"{chosen.pack} exists; give another name, or --overwrite to replace it")
    if not chosen.data.is_dir():
        raise MendemError(f"{chosen.data} is not a folder; a pack is made from the folder of the training pictures")
    try:
        if "tilts" in recipe:
            write_pool(chosen.pack, draw_pool(recipe["data"]))
        else:
            make_pack(recipe, chosen.data, chosen.pack)
    except (FileNotFoundError, IndexError) as error:
        raise _lacking(chosen.data, error) from error
    print(f"{chosen.pack} written, {chosen.pack.stat().st_size / 1e6:.1f} MB; use it with --data {chosen.pack}")
    return DONE


def _lacking(data: Path, error: Exception) -> MendemError:
    return MendemError(f"{data} lacks pictures that the recipe needs ({error}); see its card.md")


def _finish(recipe: dict[str, Any], chosen: argparse.Namespace, target: Path, device: str, minutes: float) -> None:
    """Write the weights, the small state that can travel, and the validation; one line about it to stdout.

    What takes a minute or more is made when the training is at its end.
    """
    from mendem.training.export import export, last_logged, save_current
    from mendem.training.lessons import lesson_of
    from mendem.training.state import AVERAGE

    run: Path = chosen.folder
    log = last_logged(run)
    facts = export(recipe, run, run / AVERAGE)
    if log["minutes"] >= minutes:
        print("judging what it has learned; a minute or more", file=sys.stderr)
        facts = export(recipe, run, target, lesson_of(recipe).sources(chosen.data, recipe), chosen.data)
    elif target != run / AVERAGE:
        export(recipe, run, target)
    save_current(recipe, run)
    words = f"step {log['step']}, {log['minutes']:.1f} min, loss {log['loss']:.3f}"
    if "patches per second" in log:
        words += f", {log['patches per second']:.0f} patches/s"
    if "noise" in recipe:
        _say_errors(facts.get("errors", {}))
        use = "put it into models/em-noise as noise.safetensors"
    elif "tilts" in recipe:
        use = "put it into models/wedge-tilts as tilts.safetensors"
    elif "wedge" in recipe:
        _say_wedge(facts.get("held out", {}))
        use = "put it into models/wedge-volume as wedge.safetensors"
    elif "residual" in recipe:
        _say_wedge(facts.get("held out", {}))
        use = "put it into models/wedge-samples as samples.safetensors"
    else:
        if "sections" not in recipe:  # what is judged there are single pictures
            words += _validation(chosen.data, run, target, device, log)
        use = f"use it with --prior {target}"
    print(f"{words}; {target} written, {use}")


def _validation(data: Path, run: Path, target: Path, device: str, log: dict[str, Any]) -> str:
    """Judge a prior on pictures that no recipe reads, where there are any: a table to stderr, and words."""
    from mendem.priors.checkpoint import load
    from mendem.training.pack import held_out_pictures
    from mendem.training.validate import validate

    try:
        pictures = held_out_pictures(data)
    except (FileNotFoundError, IndexError):
        pictures = []
    if not pictures:
        return ""
    scores = validate(load(target)[0].to(device), pictures, device)
    with open(run / "validation.jsonl", "a") as file:
        file.write(json.dumps({"step": log["step"], "minutes": log["minutes"], **scores}) + "\n")
    for kind, row in scores["kinds"].items():
        print(f"  {kind:24} {row['psnr']:6.2f} dB  loss {row['loss']:.3f}", file=sys.stderr)
    return f"; validation {scores['psnr']:.2f} dB, loss {scores['loss']:.3f}, sampling {scores['sampling']:.3f}"


def _say_errors(errors: dict[str, list[float]]) -> None:
    """What the first estimate, the reading and the judge are off by, to stderr."""
    for name, (level, rho_y, rho_x, line, gain) in errors.items():
        print(
            f"  {name:8} median errors: ln level {level:.3f}, correlation {rho_y:.3f} and {rho_x:.3f}, row offsets "
            f"{line:.3f}, gain {gain:.3f}",
            file=sys.stderr,
        )


def _say_wedge(table: dict[str, dict[str, float]]) -> None:
    """Errors in the wedge of specimens that no training reads, to stderr."""
    for case, row in table.items():
        words = ", ".join(f"{name} {value:.2f}" for name, value in row.items())
        print(f"  {case:34} {words}", file=sys.stderr)
