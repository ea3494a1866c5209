"""What a weights file says: its network, what it covers, how it was trained."""

from __future__ import annotations

from math import exp, prod
from pathlib import Path
from typing import Any


def weights_file(name: str) -> Path | None:
    """The weights that a word on the command line means: a file, or a shipped prior by name; None where neither."""
    path = Path(name)
    if path.suffix == ".safetensors":
        return path
    if path.suffix or path.exists():  # before torch is loaded for nothing
        return None
    from mendem.priors.checkpoint import models_folder

    shipped = models_folder() / name / "weights.safetensors"
    return shipped if shipped.is_file() else None


def weights_record(path: Path) -> dict[str, Any]:
    """For JSON; `MendemError` where the file is not there, or not of this program."""
    from safetensors import safe_open

    from mendem.errors import MendemError
    from mendem.priors.checkpoint import CONDITIONING, digest, read_facts

    if not path.is_file():
        raise MendemError(f"{path}: no such file; check the name, or see the shipped priors with mendem info")
    facts = read_facts(path)
    with safe_open(path, framework="numpy") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]
    prior = "coverage" in facts
    return {
        "path": str(path),
        "kind": "prior" if prior else "helper network",
        "sha256": digest(path),
        "bytes": path.stat().st_size,
        "network": facts["network"],
        "parameters": sum(prod(shape) for shape in shapes),
        "conditioning": facts.get("conditioning"),
        "usable": not prior or facts.get("conditioning") == CONDITIONING,
        "coverage": facts.get("coverage"),
        "training": {key: facts.get(key) for key in ("steps", "minutes", "loss", "recipe")},
        "calibration": facts.get("calibration"),
        "tells_novelty": facts.get("familiar") is not None,
        "versions": facts.get("versions"),
    }


def weights_lines(record: dict[str, Any]) -> list[str]:
    """The same for people."""
    from mendem.cli.report import megabytes

    network = ", ".join(f"{name} {_words(value)}" for name, value in record["network"].items())
    lines = [
        f"{record['path']}: weights of a {record['kind']}, {record['parameters'] / 1e6:.2f} million parameters, "
        f"{megabytes(record['bytes'])}",
        f"  network: {network}",
    ]
    covered = record["coverage"]
    if covered:
        finest, coarsest = covered["pixel_nm"]
        lines.append(f"  trained on: {', '.join(covered['modalities'])}")
        lines.append(f"  pixels of {finest:g} to {coarsest:g} nm; {'; '.join(covered['degradations'])}")
    training = record["training"]
    units = {"steps": "{} steps", "minutes": "{:g} min", "loss": "last loss {:.3f}"}
    told = [words.format(training[key]) for key, words in units.items() if training[key] is not None]
    recipe = "with its recipe (--json)" if training["recipe"] else "the recipe is not recorded"
    lines.append(f"  training: {', '.join([*told, recipe])}")
    if covered:
        lines.append(f"  calibration of the spread: {_calibration(record['calibration'])}")
        lines.append(f"  novelty: {'told' if record['tells_novelty'] else 'not told: the statistics are missing'}")
    made = [f"{name} {version}" for name, version in (record["versions"] or {}).items()]
    if covered:
        made.append(f"version {record['conditioning']} of the network's inputs")
    lines.append(f"  made with: {', '.join(made) or 'not recorded'}")
    if not record["usable"]:
        lines.append("  NOT USABLE: made for another version of mendem; train it again")
    lines.append(f"  SHA-256 {record['sha256']}")
    return lines


def _words(value: Any) -> str:
    return "-".join(str(v) for v in value) if isinstance(value, list) else str(value)


def _calibration(stated: Any) -> str:
    """By what factors the predicted spread is corrected."""
    if not stated:
        return "none"
    parts = []
    for name, knots in stated.items():
        factors = [exp(factor) for _, factor in knots] or [1.0]
        parts.append(f"{min(factors):.2f} to {max(factors):.2f} times where {name}")
    return ", ".join(parts)
