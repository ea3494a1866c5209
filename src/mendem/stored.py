"""What mendem decided, as plain JSON and arrays: exactly, and back again without executing anything.

Unlike a pickle, such a file can be read by people, and harms nobody who reads one that a stranger wrote: objects are
made of classes of mendem alone, and none of their code runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

import numpy as np


class Unstorable(TypeError):
    """A value of a kind that is not stored."""


def stored(value: Any, known: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    """JSON for a value; its arrays are added to ``arrays``.

    Parameters
    ----------
    value
        Plain values, tuples, lists, dictionaries, arrays, and objects of mendem that consist of such.
    known
        Objects that `restored` will be given again, by name.

    Raises
    ------
    Unstorable
        For anything else.
    """
    for name, thing in known.items():
        if value is thing and not isinstance(value, bool | int | float | str | None):
            return {"known": name}
    if value is None or isinstance(value, bool | str) or type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.generic | np.ndarray):
        if value.dtype.hasobject:
            raise Unstorable(f"an array of {value.dtype}")
        name = next((n for n, a in arrays.items() if a is value), f"a{len(arrays)}")
        arrays[name] = value if isinstance(value, np.ndarray) else np.asarray(value)
        return {"scalar" if isinstance(value, np.generic) else "array": name}
    if isinstance(value, np.dtype):
        return {"dtype": value.str}
    if type(value) is list:
        return [stored(v, known, arrays) for v in value]
    if type(value) is tuple:
        return {"tuple": [stored(v, known, arrays) for v in value]}
    if type(value) is dict:
        return {"dict": [[stored(k, known, arrays), stored(v, known, arrays)] for k, v in value.items()]}
    kind = type(value)
    if not kind.__module__.startswith("mendem.") or isinstance(value, type) or not hasattr(value, "__dict__"):
        raise Unstorable(f"a {kind.__module__}.{kind.__qualname__}")
    state = {f.name: getattr(value, f.name) for f in fields(value)} if is_dataclass(value) else value.__getstate__()
    return {
        "object": f"{kind.__module__}:{kind.__qualname__}",
        "state": {name: stored(v, known, arrays) for name, v in (state or {}).items()},
    }


def restored(plain: Any, known: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    """The inverse of `stored`; ValueError for what it did not make."""
    if isinstance(plain, list):
        return [restored(v, known, arrays) for v in plain]
    if not isinstance(plain, dict):
        return plain
    match plain:
        case {"known": name}:
            return known[name]
        case {"float": text}:
            return float(text)
        case {"array": name}:
            return arrays[name]
        case {"scalar": name}:
            return arrays[name][()]
        case {"dtype": text}:
            return np.dtype(text)
        case {"tuple": values}:
            return tuple(restored(v, known, arrays) for v in values)
        case {"dict": pairs}:
            return {restored(k, known, arrays): restored(v, known, arrays) for k, v in pairs}
        case {"object": where, "state": state}:
            kind = _class(where)
            made: Any = object.__new__(kind)
            made.__dict__.update({name: restored(v, known, arrays) for name, v in state.items()})
            return made
    raise ValueError(f"{plain!r} was not stored by mendem")


def _class(where: str) -> type:
    """A class of mendem by module and name."""
    module, _, name = where.partition(":")
    if not module.startswith("mendem."):
        raise ValueError(f"{where} is no class of mendem")
    found = getattr(import_module(module), name, None)
    if not isinstance(found, type) or found.__module__ != module:
        raise ValueError(f"{where} is no class of mendem")
    return found
