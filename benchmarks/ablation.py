"""Which network, which questions and which targets make the better prior: small trainings of equal compute.

    python -m benchmarks.ablation [--data FOLDER] [--minutes 6] [--only base,"shallow 1-1-2"] [--out FILE.json]

Each variant changes one thing in the recipe of ``models/em-small``, starts from scratch with the same seed, and trains
for the same CPU time of this process (not wall time: other work on the machine changes nothing). It is scored by
`mendem.training.validate` on held-out pictures, binned and as they are. Each result is written as soon as it is there,
and what the file holds already is not measured again. A few minutes rank what learns fast, not what is best in the end.
Several frames at a time (neighbouring slices as further channels) are left out: the shipped network reads one.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.process import ROOT
from benchmarks.settings import Settings

RECIPE = ROOT / "models" / "em-small" / "recipe.toml"
#: CPU minutes of each variant, and of a trial.
MINUTES, QUICK = 6.0, 1 / 3
#: Steps over which the learning rate comes up: the recipe's number is too many for so short a training.
WARM_UP = 50

#: What each variant changes: by table of the recipe.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "base": {},
    "narrow 32-64-128": {"network": {"widths": [32, 64, 128]}},
    "wide 64-128-256": {"network": {"widths": [64, 128, 256]}},
    "shallow 1-1-2": {"network": {"blocks": [1, 1, 2]}},
    "deep 3-3-4": {"network": {"blocks": [3, 3, 4]}},
    "x_t absent in 50 %": {"train": {"absent": 0.5}},
    "x_t absent in 90 %": {"train": {"absent": 0.9}},
    "loss in signal units": {"train": {"weighting": "signal"}},
    "loss in posterior units": {"train": {"weighting": "posterior"}},
    "raw targets": {"data": {"targets": "raw"}},
    "means of neighbours as targets": {"data": {"targets": "neighbours"}},
    "raw targets, noise above theirs only": {
        "data": {"targets": "raw"},
        "degrade": {"draws": {"level": [0.25, 2.5]}, "less_noise": [0.25, 0.5]},
    },
}


def changed(recipe: dict[str, Any], changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A copy of a recipe with other entries in some tables."""
    other = copy.deepcopy(recipe)
    other["train"]["warm_up"] = WARM_UP
    for table, entries in changes.items():
        other.setdefault(table, {}).update(entries)
    return other


def pack_of(targets: str, recipe: dict[str, Any], data: Path, folder: Path) -> Path:
    """The pack with these targets, made where it is absent; the synthetic pictures are drawn once for all."""
    from mendem.training.pack import make_pack, read_pack, write_pack
    from mendem.training.pool import public_sources

    path = folder / f"pack-{targets}.npz"
    if path.is_file():
        return path
    if targets == "binned":
        make_pack(changed(recipe, {"data": {"targets": targets}}), data, path)
        return path
    train, validation = read_pack(pack_of("binned", recipe, data, folder))
    real = public_sources(data, "train", targets)
    drawn = [s for s in train if s.name not in {r.name for r in real}]
    write_pack(path, real + drawn, validation)
    return path


def measure(recipe: dict[str, Any], data: Path, folder: Path, name: str, minutes: float) -> dict[str, Any]:
    """Train one variant and score it."""
    import torch

    from mendem.priors.network import UNet
    from mendem.training.pack import held_out_pictures
    from mendem.training.train import train
    from mendem.training.validate import validate

    pack = pack_of(recipe["data"].get("targets", "binned"), recipe, data, folder)
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    progress = train(recipe, pack, run, minutes, clock=time.process_time)
    network = UNet(**recipe["network"])
    network.load_state_dict(torch.load(run / "state.pt", weights_only=True)["average"])
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    start = time.process_time()
    scores = {kind: validate(network, held_out_pictures(pack, kind)) for kind in ("binned", "raw")}
    seconds = time.process_time() - start
    shutil.rmtree(run)
    return {
        "variant": name,
        "CPU minutes": minutes,
        "steps": progress.step,
        "parameters": sum(p.numel() for p in network.parameters()),
        "validation CPU seconds": seconds,
        **scores,
    }


def ablation(
    data: Path, folder: Path, results: Path, minutes: float, names: list[str], say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Results of the variants, those from the file ``results`` included; the rest is measured and added to it."""
    from mendem.training.train import load_recipe

    folder.mkdir(parents=True, exist_ok=True)
    rows = json.loads(results.read_text()) if results.is_file() else []
    for name in names:
        if any(r["variant"] == name and r["CPU minutes"] == minutes for r in rows):
            continue
        row = measure(changed(load_recipe(RECIPE), VARIANTS[name]), data, folder, name, minutes)
        rows.append(row)
        part = results.with_suffix(".part")
        part.write_text(json.dumps(rows, indent=1))
        part.replace(results)
        say(
            f"{name}: {row['steps']} steps, binned {row['binned']['psnr']:.2f} dB (loss {row['binned']['loss']:.3f}, "
            f"sampling {row['binned']['sampling']:.3f}), raw {row['raw']['psnr']:.2f} dB"
        )
    return [r for r in rows if r["CPU minutes"] == minutes]


def run(settings: Settings) -> dict:
    """Rows of all variants, kept in ``ablation-variants.json`` until they are complete."""
    data = settings.data / "train"
    if not data.is_dir():
        return {"skipped": "the training data is not there"}
    minutes = QUICK if settings.quick else MINUTES
    results = settings.kept / "ablation-variants.json"
    rows = ablation(data, settings.kept / "ablation", results, minutes, list(VARIANTS), settings.say)
    return {"minutes": minutes, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder with train")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="CPU minutes of each variant")
    parser.add_argument("--only", help=f"of {', '.join(VARIANTS)}")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "ablation.json", help="results")
    given = parser.parse_args()
    names = given.only.split(",") if given.only else list(VARIANTS)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    ablation(given.data / "train", given.out.with_suffix(""), given.out, given.minutes, names, say)
    print(given.out)


if __name__ == "__main__":
    main()
