"""Which network, which questions and which targets make the better prior: small trainings of equal compute.

Each variant changes one thing in the recipe of ``models/em-small``, starts from scratch with the same seed, and trains
for the same CPU time on one core (not wall time: other work on the machine changes little). It is scored by
`mendem.training.validate` on held-out pictures, binned and as they are. A few minutes rank what learns fast, not what
is best in the end. Several frames at a time (neighbouring slices as further channels) are left out: the shipped network
reads one.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from benchmarks.process import ROOT, measured
from benchmarks.settings import Settings
from benchmarks.tables import signed, table

RECIPE = ROOT / "models" / "em-small" / "recipe.toml"
#: CPU minutes of each variant, and of a trial.
MINUTES, QUICK = 2.0, 1 / 6
#: Steps over which the learning rate comes up: the recipe's number is too many for so short a training.
WARM_UP = 50

#: What all are compared with, and the same from other random numbers: how far chance alone goes.
BASE, CHANCE = "base", "base, another seed"
#: What each variant changes: by table of the recipe.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    BASE: {},
    CHANCE: {"train": {"seed": 2}},
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
    for name, entries in changes.items():
        other.setdefault(name, {}).update(entries)
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


def measure(recipe: dict[str, Any], pack: str, folder: str, minutes: float) -> dict[str, Any]:
    """Train one variant from a pack, below an empty folder, and score it; called in a process of its own."""
    import torch

    from mendem.priors.network import UNet
    from mendem.training.pack import held_out_pictures
    from mendem.training.train import train
    from mendem.training.validate import validate

    run = Path(folder)
    shutil.rmtree(run, ignore_errors=True)
    progress = train(recipe, Path(pack), run, minutes, clock=time.process_time)
    network = UNet(**recipe["network"])
    network.load_state_dict(torch.load(run / "state.pt", weights_only=True)["average"])
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    scores = {kind: validate(network, held_out_pictures(Path(pack), kind)) for kind in ("binned", "raw")}
    shutil.rmtree(run)
    return {"steps": progress.step, "parameters": sum(p.numel() for p in network.parameters()), **scores}


def run(settings: Settings) -> dict:
    """Rows of all variants; each is kept in ``ablation-variants.json`` until all are there, and not measured again."""
    from mendem.training.recipe import load_recipe

    data, folder = settings.data / "train", settings.kept / "ablation"
    if not data.is_dir():
        return {"skipped": "the training data is not there"}
    minutes = QUICK if settings.quick else MINUTES
    results = settings.kept / "ablation-variants.json"
    recipe = load_recipe(RECIPE)
    recipes = {name: changed(recipe, changes) for name, changes in VARIANTS.items()}
    stamps = {name: _stamp(r, minutes) for name, r in recipes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    rows = json.loads(results.read_text()) if results.is_file() else {}
    rows = {name: row for name, row in rows.items() if row["stamp"] == stamps.get(name)}
    packs = {name: pack_of(r["data"].get("targets", "binned"), recipe, data, folder) for name, r in recipes.items()}

    writing = Lock()

    def one(name: str) -> None:
        place = folder / name.replace(" ", "-")
        call = "benchmarks.ablation:measure"
        row = measured(call, recipes[name], str(packs[name]), str(place), minutes, threads=1)
        settings.say(f"{name}: {row['steps']} steps, {row['binned']['psnr']:.2f} dB")
        with writing:
            rows[name] = {**row, "stamp": stamps[name]}
            part = results.with_suffix(".part")
            part.write_text(json.dumps(rows, indent=1))
            part.replace(results)

    with ThreadPoolExecutor(settings.jobs) as pool:
        try:
            for _ in pool.map(one, [name for name in VARIANTS if name not in rows]):
                pass
        except BaseException:  # Ctrl-C too: what waits is not begun
            pool.shutdown(cancel_futures=True)
            raise
    results.unlink()
    shutil.rmtree(folder)
    return {"minutes": minutes, "rows": [{"variant": name, **rows[name]} for name in VARIANTS]}


def _stamp(recipe: dict[str, Any], minutes: float) -> str:
    """What a kept result must have been measured with."""
    return hashlib.sha256(json.dumps([recipe, minutes], sort_keys=True).encode()).hexdigest()


def page(result: dict) -> list[str]:
    """The table, and how it is to be read."""
    rows = {r["variant"]: r for r in result["rows"]}
    base = rows[BASE]
    chance = rows[CHANCE]["binned"]["psnr"] - base["binned"]["psnr"]
    lines = [
        (
            name, f"{r['parameters'] / 1e6:.2f}", r["steps"], r["binned"]["psnr"],
            signed(r["binned"]["psnr"] - base["binned"]["psnr"]), f"{r['binned']['loss']:.3f}",
            f"{r['binned']['sampling']:.3f}", r["raw"]["psnr"],
        )
        for name, r in rows.items()
    ]  # fmt: skip
    head = ("variant", "parameters (million)", "steps", "validation (dB)", "− base", "loss", "sampling loss",
            "as recorded (dB)")  # fmt: skip
    return [
        "One thing changed at a time in the recipe of `em-small`, each network trained from scratch for "
        f"{result['minutes']:.3g} CPU minutes on one core and scored on held-out pictures, binned and as recorded. So "
        "short a training ranks what learns fast, which favours small networks, and not what is best in the end; "
        f"another seed alone moves the base by {signed(chance)} dB, and differences of that order say nothing.",
        table(head, lines),
    ]
