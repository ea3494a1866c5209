"""Parameters that are declared once and shown three times: widget, command line, provenance."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from numbers import Integral
from typing import Any

from mendem.errors import MendemError


def parameter(
    default: Any,
    help: str,
    *,
    unit: str = "",
    choices: tuple[Any, ...] = (),
    forms: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    label: str = "",
    advanced: bool = False,
) -> Any:
    """A dataclass field with what a widget and a command-line option must know about it.

    ``forms`` are words and beginnings of words that a text may have, where it may be a file's name too.
    """
    about = {
        "help": help,
        "unit": unit,
        "choices": choices,
        "forms": forms,
        "low": low,
        "high": high,
        "label": label,
        "advanced": advanced,
    }
    return field(default=default, metadata=about)


def check_parameters(declared: Any) -> None:
    """Raise a `MendemError` for the first parameter of a dataclass that is outside its choices or range."""
    for f in fields(declared):
        value, about = getattr(declared, f.name), f.metadata
        if about.get("choices") and value not in about["choices"]:
            allowed = ", ".join(str(c) for c in about["choices"])
            raise MendemError(f"{f.name} is {value!r}, but must be one of {allowed}")
        if type(f.default) is int and (isinstance(value, bool) or not isinstance(value, Integral)):
            raise MendemError(f"{f.name} is {value!r}, but must be a whole number")
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        low, high, unit = about.get("low"), about.get("high"), about.get("unit")
        if not ((low is None or value >= low) and (high is None or value <= high)):
            least = "" if low is None else f" at least {low}"
            most = "" if high is None else f" at most {high}"
            raise MendemError(
                f"{f.name} is {value}, but must be{least}{' and' if least and most else ''}{most} {unit}".rstrip()
            )


@dataclass(frozen=True)
class Options:
    """How a restoration is computed, the same for every task."""

    estimate: str = parameter(
        "mean",
        "mean: the best guess, smooth where the data does not decide; sample: one plausible image",
        choices=("mean", "sample"),
        label="Result",
    )
    samples: int = parameter(
        0, "how many plausible images to draw for the spread; 0 takes the predicted spread", low=0, high=64
    )
    budget: str = parameter(
        "balanced", "how much computing is spent on each block", choices=("preview", "balanced", "best")
    )
    seed: int = parameter(0, "start of the random numbers of samples", low=0, high=2**63 - 1, advanced=True)
    device: str = parameter("auto", "where the network runs", choices=("auto", "cpu", "cuda", "mps"), advanced=True)
    prior: str = parameter(
        "auto", "name of a shipped prior, or a .safetensors file; auto takes the one for the task", advanced=True
    )
    resample: bool = parameter(
        True, "work at the prior's pixel size where the image is sampled far finer than it resolves", advanced=True
    )
    tile: int = parameter(
        0, "side of the tiles inside a block, for little memory; 0 chooses", unit="px", low=0, high=4096, advanced=True
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.estimate == "sample" and self.samples == 0:
            object.__setattr__(self, "samples", 1)
