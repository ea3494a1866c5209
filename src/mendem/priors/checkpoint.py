"""Weights on disk: safetensors in ``models/<name>/``, with what the program must know in the file's header."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

from mendem.errors import MendemError
from mendem.priors.network import UNet
from mendem.priors.prior import Coverage

#: Version of the network's inputs; a checkpoint of another version is refused.
CONDITIONING = 1
DEFAULT_PRIOR = "em-small"


def models_folder() -> Path:
    """Where the shipped priors are."""
    return Path(__file__).parent.parent / "models"


def find(name: str) -> Path:
    """The weights of a shipped prior, or of a path to a ``.safetensors`` file."""
    path = Path(name) if name.endswith(".safetensors") else models_folder() / name / "weights.safetensors"
    if path.is_file():
        return path
    shipped = sorted(p.parent.name for p in models_folder().glob("*/weights.safetensors"))
    raise MendemError(
        f"{name}: no such prior; use one of {', '.join(shipped) or '(none is installed)'} or a .safetensors file"
    )


def save(network: UNet, coverage: Coverage, path: Path, facts: dict[str, Any]) -> None:
    """Write float16 weights; ``facts`` (recipe, data, training) are kept in the header as JSON."""
    from safetensors.torch import save_file

    header = write_header(
        {
            "conditioning": CONDITIONING,
            "network": network.config,
            "coverage": {
                "pixel_nm": list(coverage.pixel_nm),
                "modalities": list(coverage.modalities),
                "degradations": list(coverage.degradations),
            },
            **facts,
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in network.state_dict().items()}, path, header
    )


def write_header(facts: dict[str, Any]) -> dict[str, str]:
    """What `read_header` reads, as safetensors keeps it."""
    return {"mendem": json.dumps(facts)}


def read_header(path: Path) -> dict[str, Any]:
    """What a checkpoint says about itself."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        facts = json.loads(header["mendem"])
        version, _, _ = facts["conditioning"], facts["network"], facts["coverage"]["pixel_nm"]
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise MendemError(
            f"{path}: not a mendem checkpoint; give a .safetensors file that `mendem train` has written"
        ) from error
    if version != CONDITIONING:
        raise MendemError(
            f"{path}: made for another version of mendem (conditioning {version}, not {CONDITIONING}); train it again"
        )
    return facts


def load(path: Path) -> tuple[UNet, dict[str, Any]]:
    """Network in float32 on the CPU, in evaluation mode, and the header's facts."""
    from safetensors.torch import load_file

    facts = read_header(path)
    try:
        network = UNet(**facts["network"])
        network.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise MendemError(f"{path}: the weights do not fit the network that its header describes") from error
    return network.eval().requires_grad_(False), facts


@cache
def digest(path: Path) -> str:
    """SHA-256 of the file, for the provenance."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
