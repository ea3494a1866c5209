"""``mendem learn``: a prior learns from the finely sampled planes of one volume, for `mendem isotropic --prior`."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from mendem.errors import MendemError
from mendem.options import Options
from mendem.tasks.isotropic import Isotropic

if TYPE_CHECKING:
    from mendem.training.own_volume import Learning

#: Options of a run that learning follows.
OPTIONS = ("prior", "device", "seed")


def add_to(commands: Any) -> None:
    """Declare the command."""
    from mendem.cli.arguments import add_parameter, voxel_size

    about = "Let the prior for volumes learn from the planes of a volume itself, for mendem isotropic --prior WEIGHTS."
    parser = commands.add_parser("learn", help=about, description=about)
    parser.add_argument("input", metavar="IN", help="volume of sections to learn from")
    parser.add_argument("weights", metavar="WEIGHTS", type=Path, help="where the weights go (.safetensors)")
    parser.add_argument(
        "--minutes", type=float, default=3.0, help="how long to learn (min, default 3); Ctrl-C ends it with what it has"
    )
    own = parser.add_argument_group("sections, as mendem isotropic will be told of them")
    hints = get_type_hints(Isotropic)
    for f in fields(Isotropic):
        if f.name != "keep":
            add_parameter(own, f, hints[f.name])
    advanced, hints = parser.add_argument_group("advanced"), get_type_hints(Options)
    for f in fields(Options):
        if f.name in OPTIONS:
            add_parameter(advanced, f, hints[f.name])
    parser.add_argument("--voxel-size", type=voxel_size, metavar="X[UNIT]", help="replaces what the file says")
    parser.add_argument("--overwrite", action="store_true", help="replace WEIGHTS where they exist")
    parser.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem learn``; returns the exit status."""
    from mendem.cli import DONE
    from mendem.cli.progress import ProgressLine, interruptible
    from mendem.cli.report import print_json
    from mendem.io import read

    if chosen.weights.suffix != ".safetensors":
        raise MendemError(f"{chosen.weights}: weights are written as .safetensors; give such a name")
    if os.path.exists(chosen.weights) and not chosen.overwrite:
        raise MendemError(f"{chosen.weights} exists; give another name, or --overwrite to replace it")
    if not 0 < chosen.minutes < 1e5:
        raise MendemError(f"--minutes is {chosen.minutes:g}, but must be a number above 0")
    task = Isotropic(**{f.name: getattr(chosen, f.name) for f in fields(Isotropic) if hasattr(chosen, f.name)})
    options = Options(**{name: getattr(chosen, name) for name in OPTIONS if hasattr(chosen, name)})
    image = read(chosen.input, chosen.voxel_size)

    from mendem.engine import Progress, prepare
    from mendem.training.own_advice import recommend
    from mendem.training.own_volume import LearnedPrior, learn_from, save_learned

    with interruptible("keeping what has been learned") as stop, ProgressLine(sys.stderr, "learning: ") as progress:
        prepared = prepare(image, task, options)
        known = (prepared.image, prepared.grid, prepared.plan.noise, prepared.plan.normalisation)
        advice = recommend(prepared.prior, *known, prepared.novelty)  # type: ignore[arg-type]
        if not chosen.json:
            print(f"{chosen.input}: {advice.sentence}", flush=True)

        def report(now: Learning) -> None:
            left = now.seconds * (1 - now.fraction) / now.fraction if now.fraction else None
            progress(Progress(0, 1, now.fraction, left))

        learned = learn_from(
            prepared.prior,  # type: ignore[arg-type]
            *known,  # type: ignore[arg-type]
            minutes=chosen.minutes,
            seed=options.seed,
            report=report,
            stop=stop.is_set,
        )
    gained = isinstance(learned, LearnedPrior)
    found = learned.facts["held out"] if isinstance(learned, LearnedPrior) else None
    if gained:
        save_learned(learned, chosen.weights)
    if chosen.json:
        print_json(
            {
                "weights": str(chosen.weights) if gained else None,
                "held_out": found,
                "recommendation": {"learn": advice.learn, "sentence": advice.sentence},
            }
        )
    elif found is not None:
        print(
            f"{chosen.weights} written: on planes it did not learn from, the error fell from {found['start']:.3g} to "
            f"{found['learned']:.3g} grey levels; use it with mendem isotropic --prior {chosen.weights}"
        )
    else:
        print("nothing was gained on planes it did not learn from: no weights are written, the shipped prior is better")
    return DONE
