"""Several files in turn with one preset: where each result goes, and what became of each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING, Any

from mendem.errors import Cancelled, MendemError
from mendem.image import Image
from mendem.io import SUFFIXES, read
from mendem.io.output import is_zarr
from mendem.presets import Preset

if TYPE_CHECKING:
    from mendem.engine import Progress

#: The suffix that stands for the input's own, and what replaces one that cannot be written.
SAME, FALLBACK = "same", ".tif"

#: What can become of a file. Partial: it was interrupted, and what was finished of it is kept and marked.
STATES = DONE, SKIPPED, PARTIAL, FAILED, WAITING = "done", "skipped", "partial", "failed", "waiting"


@dataclass(frozen=True)
class Item:
    """One file of a batch, and what became of it.

    Attributes
    ----------
    source, target
        Files.
    state
        One of `STATES`.
    why
        A sentence, where it was skipped or failed.
    seconds, chi2, notes
        Of the restoration, where there was one.
    """

    source: str
    target: str
    state: str = WAITING
    why: str = ""
    seconds: float | None = None
    chi2: float | None = None
    notes: tuple[str, ...] = ()


def split_suffix(path: str) -> tuple[str, str]:
    """Name without folder and suffix, and the suffix: (``cell``, ``.ome.zarr``) for ``raw/cell.ome.zarr``."""
    name = os.path.basename(path.rstrip("/\\"))
    known = [s for s in SUFFIXES.readable if name.lower().endswith(s) and len(s) < len(name)]
    suffix = name[-len(max(known, key=len)) :] if known else ""
    stem = name.removesuffix(suffix)
    if suffix and stem.lower().endswith(".ome") and len(stem) > len(".ome"):
        stem, suffix = stem[: -len(".ome")], stem[-len(".ome") :] + suffix
    return stem, suffix


def result_name(stem: str, suffix: str, task_name: str, wanted: str = SAME) -> str:
    """``cell-denoise.mrc``: the name of a result in a folder.

    Parameters
    ----------
    stem, suffix
        Of the input, as `split_suffix` gives them.
    wanted
        The suffix of the result; `SAME` takes the input's, without its compression, or `FALLBACK` where that cannot be
        written.
    """
    if wanted == SAME:
        plain = suffix.lower().removesuffix(".gz").removesuffix(".bz2")
        wanted = suffix[: len(plain)] if plain.endswith(SUFFIXES.writable) else FALLBACK
    return f"{stem}-{task_name}{wanted}"


def check_suffix(wanted: str) -> str:
    """A suffix that results may have; `MendemError` for another."""
    if wanted == SAME or (wanted.startswith(".") and wanted.lower().endswith(SUFFIXES.writable)):
        return wanted
    raise MendemError(
        f"results cannot have the suffix {wanted!r}; give {SAME}, or one of {', '.join(SUFFIXES.writable)}"
    )


def items_of(sources: Sequence[str], folder: str, task_name: str, wanted: str = SAME) -> list[Item]:
    """Each file with the name of its result.

    Raises
    ------
    MendemError
        Two results would have one name (or names that some disks do not tell apart), or one would replace an input.
    """
    check_suffix(wanted)
    inputs = {os.path.realpath(source) for source in sources}
    taken: dict[str, str] = {}
    items = []
    for source in sources:
        target = os.path.join(folder, result_name(*split_suffix(source), task_name, wanted))
        if os.path.realpath(target) in inputs:
            raise MendemError(
                f"{target} would be the result of {source} and is an input too; leave it out, or give another folder"
            )
        other = taken.get(target.casefold())
        if other == source:
            raise MendemError(f"{source} is given twice; give it once")
        if other is not None:
            raise MendemError(
                f"{other} and {source} would both become {target}; give them in two batches, or rename one"
            )
        taken[target.casefold()] = source
        items.append(Item(source, target))
    return items


def restore_item(
    item: Item,
    preset: Preset,
    *,
    image: Image | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
    cancel: Event | None = None,
) -> Item:
    """Restore one file; returns what became of it.

    A result that exists is skipped, so that a batch which was stopped or killed goes on when it is started again; one
    that is marked as partial is made anew.

    Parameters
    ----------
    image
        What is restored in place of the file ``item.source``.
    progress, cancel
        As for `mendem.restore_file`.

    Raises
    ------
    MendemError
        And whatever else a restoration raises; nothing is left behind then.
    """
    began, unfinished = time.monotonic(), False
    if os.path.exists(item.target) and not overwrite:
        before = _record_of(item.target)
        unfinished = bool(before.get("partial"))
        if not unfinished:
            other = "" if preset.makes(before) else ", and was not made with this preset"
            return replace(item, state=SKIPPED, why=f"{item.target} exists{other}")
    from mendem.streaming import restore_file

    try:
        record, summary = restore_file(
            read(item.source) if image is None else image,
            item.target,
            preset.task,
            options=preset.options,
            overwrite=overwrite or unfinished,
            progress=progress,
            cancel=cancel,
        )
    except Cancelled:
        return replace(item, state=WAITING)
    return replace(
        item,
        state=PARTIAL if summary.partial else DONE,
        seconds=round(time.monotonic() - began, 3),
        chi2=summary.chi2,
        notes=tuple(record["notes"]),
    )


def make_folder(folder: str) -> None:
    """Make the folder of the results where it is missing; `MendemError` where that is not possible."""
    if is_zarr(folder):
        raise MendemError(f"{folder} is a zarr, in which no results can lie; give another folder")
    try:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError as error:
        raise MendemError(f"{folder} is a file; give a folder for the results") from error
    except OSError as error:
        raise MendemError(f"cannot make the folder {folder} ({error.strerror or error}); give another one") from error


def tally(states: Sequence[str], what: str = "file") -> str:
    """``5 files: 3 done, 1 skipped, 1 failed``, of the `STATES` of ``what``."""
    counted = ", ".join(f"{states.count(s)} {s}" for s in STATES if s in states)
    return f"{len(states)} {what}{'' if len(states) == 1 else 's'}: {counted}"


def _record_of(path: str) -> dict[str, Any]:
    """The provenance of a file; empty where it has none."""
    try:
        return read(path, lazy_above=0).metadata.get("mendem") or {}
    except MendemError:
        return {}
