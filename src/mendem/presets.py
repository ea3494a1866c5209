"""Presets: a task with its parameters and options, and nothing about an image, under a name in a small TOML file."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from mendem.errors import MendemError
from mendem.io import read
from mendem.io.output import PartFile, plain_words
from mendem.options import Options
from mendem.tasks import TASKS, Task

SUFFIX = ".toml"

#: A file of more bytes is no preset, and is not read.
LARGEST = 64 << 10

#: What a TOML value has to be, in words, by the type that is declared.
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: 'a text in "quotes"'}


@dataclass(frozen=True)
class Preset:
    """What is done to an image, and how it is computed.

    ``notes`` are sentences on what the preset does not hold of what it was made from.
    """

    task: Task
    options: Options = Options()
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The task's title, and what differs from its defaults: ``Denoise: noise 4.5, budget best``."""
        declared = ((f, getattr(d, f.name)) for d in (self.task, self.options) for f in fields(d))
        said = [f"{f.name.replace('_', ' ')} {_word(value)}" for f, value in declared if value != f.default]
        return f"{self.task.title}: {', '.join(said) or 'all as by default'}"

    def makes(self, record: Mapping[str, Any]) -> bool:
        """Whether a provenance is that of a result of this preset, finished or not."""
        try:
            made = from_provenance(record)
        except MendemError:
            return False
        return set(record["inputs"]) == {"image"} and (made.task, made.options) == (self.task, self.options)

    def text(self) -> str:
        """The preset as TOML."""
        lines = [f"task = {_toml(self.task.name)}"]
        for title, declared in (("parameters", self.task), ("options", self.options)):
            lines += ["", f"[{title}]"]
            lines += [f"{f.name} = {_toml(getattr(declared, f.name))}" for f in fields(declared)]
        return "\n".join(lines) + "\n"

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> None:
        """Write the preset; its folder is made where it is the user's own. `MendemError` where that is not possible."""
        path = Path(path)
        with plain_words(str(path)):
            if path.parent == folder():
                path.parent.mkdir(parents=True, exist_ok=True)
            content = self.text().encode()
            part = PartFile(str(path), len(content), overwrite)
            try:
                Path(part.path).write_bytes(content)
            except OSError:
                part.discard()
                raise
            part.commit()


def load(path: str | os.PathLike) -> Preset:
    """Read a preset.

    Raises
    ------
    MendemError
        There is none, or it holds what no task knows, or a value that is not allowed.
    """
    path = Path(path)
    no_preset = f"{path} is not a preset"
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise MendemError(f"{no_preset}, for which it is too large; give a {SUFFIX} file")
        found = tomllib.loads(content.decode())
    except FileNotFoundError as error:
        raise MendemError(f"{path} does not exist; check the name") from error
    except OSError as error:
        raise MendemError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise MendemError(f"{no_preset}: it is not text; give a {SUFFIX} file") from error
    except tomllib.TOMLDecodeError as error:
        raise MendemError(f"{no_preset}, or damaged: {error}; correct it, or save it again") from error
    return _checked(found, str(path))


def from_provenance(record: Mapping[str, Any], source: str = "") -> Preset:
    """The preset that a result was made with, from its provenance.

    Parameters
    ----------
    source
        What is said to have it, in errors.

    Raises
    ------
    MendemError
        It is no provenance, or of a task or parameter that is not known here.
    """
    where = source or "the record"
    try:
        found = {
            "task": record["task"]["name"],
            "parameters": dict(record["task"]["parameters"]),
            "options": dict(record["options"]),
        }
        slots = sorted(set(record["inputs"]) - {"image"})
    except (KeyError, TypeError, ValueError) as error:
        raise MendemError(f"{where} does not say how it was made; give a result of mendem") from error
    preset = _checked(found, where)
    notes = [left_out(name) for name in slots]
    if isinstance(record.get("previous"), Mapping):
        notes.append("The result was made in several steps; the preset is the last one.")
    return Preset(preset.task, preset.options, tuple(notes))


def of_result(path: str | os.PathLike) -> Preset:
    """The preset that a file was made with; `MendemError` where mendem did not make it."""
    image = read(path, lazy_above=0)
    return from_provenance(image.metadata.get("mendem") or {}, os.fspath(path))


def left_out(slot: str) -> str:
    """The sentence on an image that filled an input slot of the task."""
    return f"The {slot} was an image of its own, which a preset does not hold."


def folder() -> Path:
    """Where the user's own presets are, whether it exists or not."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "mendem" / "presets"


def saved() -> list[Path]:
    """The user's own presets, by name."""
    return sorted(folder().glob(f"*{SUFFIX}"), key=lambda path: path.stem.casefold())


def path_of(name: str) -> Path:
    """The file of a preset that is given as one (``x.toml``, ``lab/x.toml``), or by the name of one of the user's."""
    if name.endswith(SUFFIX) or os.path.basename(name) != name:
        return Path(name)
    return folder() / f"{name}{SUFFIX}"


def _checked(found: Mapping[str, Any], where: str) -> Preset:
    """The preset of a table as it was read; `MendemError` for the first thing in it that is wrong."""
    _refuse_unknown(found, ("task", "parameters", "options"), where)
    name = found.get("task")
    if not isinstance(name, str) or name not in TASKS:
        said = "names no task" if name is None else f"is for the task {_toml(name)}, which does not exist"
        raise MendemError(f"{where} {said}; write task = and one of {', '.join(TASKS)}")
    made: dict[str, Any] = {}
    for title, declared in (("parameters", TASKS[name]), ("options", Options)):
        values = found.get(title, {})
        if not isinstance(values, Mapping):
            raise MendemError(f"{where}: {title} is {_toml(values)}, but must be a table; write [{title}] above it")
        _refuse_unknown(values, [f.name for f in fields(declared)], f"{where}, [{title}]")
        hints = get_type_hints(declared)
        for key, value in values.items():
            _check_kind(key, value, hints[key], where)
        try:
            made[title] = declared(**values)
        except MendemError as error:
            raise MendemError(f"{where}: {error}") from error
    return Preset(made["parameters"], made["options"])


def _refuse_unknown(found: Mapping[str, Any], known: Collection[str], where: str) -> None:
    for key in found:
        if key not in known:
            raise MendemError(f"{where}: {key!r} is unknown; known here: {', '.join(known)}")


def _check_kind(key: str, value: Any, hint: Any, where: str) -> None:
    kinds = set(get_args(hint) or (hint,)) - {NoneType}
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = type(value) in kinds or (number and float in kinds)
    if not fits:
        wanted = " or ".join(words for kind, words in KINDS.items() if kind in kinds)
        raise MendemError(f"{where}: {key} is {_toml(value)}, but must be {wanted}")


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(float(value) if isinstance(value, float) else int(value))
    return json.dumps(value, ensure_ascii=False, default=str).replace("\x7f", "\\u007f")


def _word(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value}"
