"""Recipes: what a training is told in a TOML file, checked whole when it is read, so that no training fails for it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mendem.errors import MendemError
from mendem.priors.condition import DESCRIPTOR_LENGTH
from mendem.training.degrade import DegradeOptions
from mendem.training.noise_draws import NoiseOptions
from mendem.training.pool import TARGETS

#: Sides of patches are multiples of this, whatever the network: so large are blocks of pixels and steps of rows.
CELL = 8


@dataclass(frozen=True)
class Entry:
    """What a value must be, in words and as a test; whether a recipe may leave it out."""

    words: str
    holds: Callable[[Any], bool]
    optional: bool = False

    def or_absent(self) -> Entry:
        return Entry(self.words, self.holds, optional=True)


def _whole(low: int, high: int) -> Entry:
    return Entry(f"a whole number from {low} to {high}", lambda v: type(v) is int and low <= v <= high)


def _number(low: float, high: float) -> Entry:
    return Entry(f"a number from {low:g} to {high:g}", lambda v: _is_number(v) and low <= v <= high)


def _above(low: float, high: float) -> Entry:
    return Entry(f"a number above {low:g}, up to {high:g}", lambda v: _is_number(v) and low < v <= high)


def _range(high: float) -> Entry:
    """Two positive numbers that do not fall."""
    return Entry(
        f"a list of two numbers above 0 and up to {high:g}, the smaller first",
        lambda v: isinstance(v, list) and len(v) == 2 and all(map(_is_number, v)) and 0 < v[0] <= v[1] <= high,
    )


def _wholes(high: int) -> Entry:
    return Entry(
        f"a list of 1 to 5 whole numbers from 1 to {high}",
        lambda v: isinstance(v, list) and 1 <= len(v) <= 5 and all(type(n) is int and 1 <= n <= high for n in v),
    )


def _one_of(*choices: Any) -> Entry:
    return Entry(f"one of {', '.join(str(c) for c in choices)}", lambda v: v in choices and type(v) is type(choices[0]))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < float("inf")


TEXTS = Entry("a list of texts", lambda v: isinstance(v, list) and all(isinstance(text, str) for text in v))
FLAG = Entry("true or false", lambda v: isinstance(v, bool))

Table = dict[str, Entry]

DATA: Table = {
    "shapes": _whole(0, 100_000),
    "tissue": _whole(0, 100_000),
    "phantoms": _whole(0, 100_000).or_absent(),
    "targets": _one_of(*TARGETS).or_absent(),
}
#: What every training in steps is told.
STEPS: Table = {
    "minutes": _above(0, 1e6).or_absent(),
    "batch": _whole(1, 65536),
    "patch": _whole(16, 1024),
    "rate": _number(0, 1),
    "ema": _number(0, 0.999999),
    "seed": _whole(0, 2**31),
    "warm_up": _whole(1, 1_000_000).or_absent(),
    "compile": FLAG.or_absent(),
}
PRIOR: dict[str, Table] = {
    "network": {
        "widths": _wholes(2048),
        "blocks": _wholes(64),
        "descriptor": _one_of(DESCRIPTOR_LENGTH).or_absent(),
        "embedding": _whole(1, 4096).or_absent(),
        "fold": _one_of(1, 2, 4).or_absent(),
        "frames": _one_of(1).or_absent(),
    },
    "data": DATA,
    "train": {
        **STEPS,
        "group": _whole(1, 65536).or_absent(),
        "absent": _number(0, 1),
        "unconditional": _number(0, 1000).or_absent(),
        "weighting": _one_of("relative", "posterior", "signal").or_absent(),
    },
    "coverage": {"pixel_nm": _range(1e6), "modalities": TEXTS, "degradations": TEXTS},
}
#: A prior for volumes: what every prior is told, neighbouring planes, volumes to learn from, and the share of the draws
#: that are flat pictures.
SECTIONS: dict[str, Table] = {
    **PRIOR,
    "network": {**PRIOR["network"], "frames": _one_of(1, 3, 5, 7)},
    "data": {**DATA, "volumes": _whole(0, 10_000)},
    "train": {key: entry for key, entry in PRIOR["train"].items() if key != "unconditional"},
    "sections": {"flat": _number(0, 1)},
}
NOISE: dict[str, Table] = {
    "noise": {"widths": _wholes(2048), "hidden": _whole(1, 4096)},
    "data": DATA,
    "train": STEPS,
    "judge": {"windows": _whole(16, 1_000_000)},
}
BLUR: dict[str, Table] = {
    "blur": {"members": _whole(1, 64), "hidden": _whole(1, 4096)},
    "data": DATA,
    "train": {"windows": _whole(16, 1_000_000), "magnification": _range(8), "seed": _whole(0, 2**31)},
}
#: The tilt road; see `mendem.training.tilts_pool` and `mendem.training.tilts_stream`.
TILTS: dict[str, Table] = {
    "tilts": {"widths": _wholes(2048), "blocks": _wholes(64)},
    "data": {
        "side": _whole(32, 512),
        "rows": _whole(8, 512),
        **dict.fromkeys(("cells", "particles", "shapes", "slabs"), _whole(0, 100_000)),
    },
    "train": {**{key: entry for key, entry in STEPS.items() if key != "patch"}, "sampled": _number(0, 1)},
}
#: The volume road; see `mendem.training.wedge_spool`.
WEDGE: dict[str, Table] = {
    "wedge": {
        "widths": _wholes(2048),
        "blocks": _wholes(64),
        "embedding": _whole(1, 4096).or_absent(),
        "fold": _one_of(1, 2, 4).or_absent(),
    },
    "data": {"files": _whole(8, 1_000_000), "workers": _whole(0, 64)},
    "train": {key: entry for key, entry in STEPS.items() if key != "patch"},
}
#: Samples of the volume road; see `mendem.training.wedge_residual`.
RESIDUAL: dict[str, Table] = {"residual": WEDGE["wedge"], "data": WEDGE["data"], "train": WEDGE["train"]}
#: Shares of kinds of observation, which are compared with one another, and what else the table ``degrade`` holds.
DEGRADE: Table = {
    f.name: _range(100) if f.name == "less_noise" else _number(0, 1 if f.name == "hole" else 1000)
    for f in fields(DegradeOptions)
    if f.name != "draws"
}
DRAWS: Table = {
    f.name: _range(100) if isinstance(f.default, tuple) else _number(0, 5 if f.name.endswith("jitter") else 1)
    for f in fields(NoiseOptions)
}


def load_recipe(path: Path) -> dict[str, Any]:
    """The tables of a recipe; `MendemError` where it cannot be read or is not a whole and right one."""
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MendemError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MendemError(f"{path} is not a recipe: {error}") from error
    check_recipe(recipe, str(path))
    return recipe


def check_recipe(recipe: Mapping[str, Any], where: str) -> None:
    """`MendemError` with one sentence about what is wrong in a recipe, if anything is; ``where`` names it."""
    kinds = {"noise": NOISE, "blur": BLUR, "sections": SECTIONS, "tilts": TILTS, "wedge": WEDGE, "residual": RESIDUAL}
    tables = next((tables for name, tables in kinds.items() if name in recipe), PRIOR)
    allowed = [*tables, *(["degrade"] if tables is PRIOR else [])]
    if unknown := [name for name in recipe if name not in allowed]:
        raise MendemError(f"{where}: {unknown[0]!r} is no table of such a recipe; its tables are {', '.join(allowed)}")
    for name, entries in tables.items():
        _check_table(recipe.get(name, {}), entries, where, name)
    if tables is PRIOR:
        _check_degrade(recipe.get("degrade", {}), where)
    if tables in (PRIOR, SECTIONS):
        _check_prior(recipe, where)
    elif tables is TILTS:
        _check_tilts(recipe, where)
    elif tables in (WEDGE, RESIDUAL):
        name = "wedge" if tables is WEDGE else "residual"
        if len(recipe[name]["widths"]) != len(recipe[name]["blocks"]):
            raise MendemError(f"{where}: in the table [{name}], widths and blocks must be lists of the same length")
    elif tables is NOISE and (recipe["train"]["patch"] % 4 or recipe["train"]["patch"] < 64):
        raise MendemError(f"{where}: in the table [train], patch must be a multiple of 4, and 64 at least")


def _check_table(table: Any, entries: Table, where: str, name: str, partial: bool = False) -> None:
    if not isinstance(table, Mapping):
        raise MendemError(f"{where}: {name} is {table!r}, but must be a table [{name}]")
    if not partial and (missing := [key for key, e in entries.items() if not e.optional and key not in table]):
        raise MendemError(f"{where} is not a whole recipe: the table [{name}] lacks {', '.join(missing)}")
    for key, value in table.items():
        if key not in entries:
            raise MendemError(f"{where}: the table [{name}] has no entry {key!r}; it can have {', '.join(entries)}")
        if not entries[key].holds(value):
            raise MendemError(f"{where}: in the table [{name}], {key} is {value!r}, but must be {entries[key].words}")


def _check_degrade(table: Any, where: str) -> None:
    if isinstance(table, Mapping) and "draws" in table:
        _check_table(table["draws"], DRAWS, where, "degrade.draws", partial=True)
        table = {key: value for key, value in table.items() if key != "draws"}
    _check_table(table, DEGRADE, where, "degrade", partial=True)
    if not sum(DegradeOptions(**{k: v for k, v in table.items() if k not in ("less_noise", "hole")}).shares()):
        raise MendemError(f"{where}: in the table [degrade], all shares are 0, so that nothing would be observed")


def _check_prior(recipe: Mapping[str, Any], where: str) -> None:
    """What must fit together."""
    network, train = recipe["network"], recipe["train"]
    levels = len(network["widths"])
    if levels != len(network["blocks"]):
        raise MendemError(f"{where}: in the table [network], widths and blocks must be lists of the same length")
    cell = max(CELL, network.get("fold", 2) * 2 ** (levels - 1))
    if train["patch"] % cell:
        raise MendemError(
            f"{where}: in the table [train], patch is {train['patch']}, but must be a multiple of {cell} for this "
            "network"
        )


def _check_tilts(recipe: Mapping[str, Any], where: str) -> None:
    network, data = recipe["tilts"], recipe["data"]
    if len(network["widths"]) != len(network["blocks"]):
        raise MendemError(f"{where}: in the table [tilts], widths and blocks must be lists of the same length")
    cell = 2 ** len(network["widths"])
    if (
        data["side"] % cell
        or data["rows"] % cell
        or data["rows"] > data["side"]
        or not sum(data[kind] for kind in ("cells", "particles", "shapes", "slabs"))
    ):
        raise MendemError(
            f"{where}: in the table [data], side and rows must be multiples of {cell}, rows at most side, and some "
            "series must be wanted"
        )
