"""Weights on disk: safetensors in ``models/<name>/``, with what the program must know in the file's header."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from mendem.errors import MendemError
from mendem.priors.network import UNet
from mendem.priors.prior import Coverage

#: Version of the network's inputs; a checkpoint of another version is refused.
CONDITIONING = 1
DEFAULT_PRIOR = "em-small"

Network = TypeVar("Network", bound=nn.Module)


def models_folder() -> Path:
    """Where the shipped priors are."""
    return Path(__file__).parent.parent / "models"


def find(name: str, file: str = "weights.safetensors") -> Path:
    """The weights of a shipped prior, or of a path to a ``.safetensors`` file; other networks have another ``file``."""
    path = Path(name) if name.endswith(".safetensors") else models_folder() / name / file
    if path.is_file():
        return path
    shipped = sorted(p.parent.name for p in models_folder().glob(f"*/{file}"))
    raise MendemError(
        f"{name}: no such prior; use one of {', '.join(shipped) or '(none is installed)'} or a .safetensors file"
    )


def save(network: UNet, coverage: Coverage, path: Path, facts: dict[str, Any]) -> None:
    """Write the weights of a prior; ``facts`` (recipe, data, training) are kept in the header."""
    write(network, path, {"conditioning": CONDITIONING, "coverage": coverage.stated(), **facts})


def write(network: nn.Module, path: Path, facts: dict[str, Any]) -> None:
    """Write float16 weights of any network that states its ``config``; ``facts`` are kept in the header as JSON."""
    from safetensors.torch import save_file

    header = write_header({"network": network.config, **facts})
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in network.state_dict().items()}
    save_file(weights, path, header)


def write_header(facts: dict[str, Any]) -> dict[str, str]:
    """What `read_facts` reads, as safetensors keeps it."""
    return {"mendem": json.dumps(facts)}


def read_facts(path: Path) -> dict[str, Any]:
    """What a weights file of mendem says about itself, whatever network it holds: its ``network`` at the least."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        facts = json.loads(header["mendem"])
        if not isinstance(facts["network"], dict):
            raise TypeError("the network is not described")
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise MendemError(
            f"{path}: not a mendem checkpoint; give a .safetensors file that `mendem train` has written"
        ) from error
    return facts


def read_header(path: Path) -> dict[str, Any]:
    """What the weights of a prior say about themselves; refused where this version cannot use them."""
    facts = read_facts(path)
    if "coverage" not in facts:
        raise MendemError(f"{path}: not a mendem checkpoint of a prior, but of another network; give one of a prior")
    if (version := facts.get("conditioning")) != CONDITIONING:
        raise MendemError(
            f"{path}: made for another version of mendem (conditioning {version}, not {CONDITIONING}); train it again"
        )
    return facts


def load(path: Path) -> tuple[UNet, dict[str, Any]]:
    """The network of a prior, and the header's facts."""
    facts = read_header(path)
    return load_network(UNet, path), facts


def load_network(kind: Callable[..., Network], path: Path) -> Network:
    """The network of a weights file, of some kind: float32 on the CPU, in evaluation mode, not to be trained."""
    try:
        network = kind(**read_facts(path)["network"])
        load_weights(network, path)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise MendemError(f"{path}: the weights do not fit the network that its header describes") from error
    return network.eval().requires_grad_(False)


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill a network of the same shape as the file's; RuntimeError for another."""
    from safetensors.torch import load_file

    network.load_state_dict({k: v.float() for k, v in load_file(path).items()})


@cache
def digest(path: Path) -> str:
    """SHA-256 of the file, for the provenance."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
