"""What a run has done so far, kept beside its result, so that it can be killed at any moment and go on.

``<OUT>.mendem-run`` is a folder with what is computed and what was decided before the first block (``run.json`` and
``run.npz``), a line for each finished block (``blocks.jsonl``), and the arrays of those finished blocks that share rows
with unfinished ones. A line is written when the pixels that it tells of are on the disk.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.io.lock import Lock
from mendem.io.output import plain_words

SUFFIX = ".mendem-run"
#: Keeping what is finished takes at most about this share of the time: blocks that are fast are kept several at once,
COST = 0.02
#: or where arrays of so many bytes wait for it.
WAITING_BYTES = 128 << 20

_RUN, _ARRAYS, _LINES = "run.json", "run.npz", "blocks.jsonl"


@dataclass(frozen=True)
class Tally:
    """What adds up over blocks: evaluations of the prior, chi² as squares and their count, missing pixels."""

    evaluations: int = 0
    squares: float = 0.0
    count: float = 0.0
    missing: int = 0


def folder_of(target: str | os.PathLike) -> str:
    """Where the journal of a result lies."""
    return os.path.realpath(target) + SUFFIX


def unfinished(target: str | os.PathLike) -> bool:
    """Whether a run with this result was begun and has not ended."""
    return os.path.exists(os.path.join(folder_of(target), _RUN))


def goes_on_with(target: str | os.PathLike, name: str | os.PathLike) -> bool:
    """Whether a file is a partial result of the unfinished run with this target."""
    try:
        lines, _ = _lines_of(folder_of(target))
        return unfinished(target) and _is(name, next(x for x in reversed(lines) if "delivered" in x)["delivered"])
    except (OSError, StopIteration):
        return False


class Journal:
    """The journal of the result ``target``; a context manager that one process at a time holds.

    Left normally it removes its files, unless a partial result was delivered. Left by an exception it keeps them where
    a block is finished.

    Attributes
    ----------
    what
        What is computed, None where nothing was begun.
    done
        Tallies of the blocks that were finished when it was opened, by number.
    seconds, resumed
        How long these took, and how often the run went on.
    delivered
        Partial results that have the names of whole ones, and how they are known.
    durable
        Called before lines are written; brings the pixels to the disk.

    Raises
    ------
    MendemError
        Another process is at work on the same result, or its folder cannot be written.
    """

    what: dict[str, Any] | None
    done: dict[int, Tally]
    delivered: dict[str, list[int]]
    _decided: Any
    _kept: set[int]

    def __init__(self, target: str | os.PathLike) -> None:
        self.path = os.path.realpath(target)
        self.folder = folder_of(target)
        self.durable: Callable[[], None] = lambda: None
        self._pending: dict[int, tuple[Tally, np.ndarray | None, float]] = {}
        self._needed: Collection[int] = ()
        self._cost, self._committed = 0.0, time.monotonic()
        with plain_words(self.path):
            with suppress(FileExistsError):
                os.mkdir(self.folder)
            busy = f"{self.path} is being computed by another process; wait until it has ended, or give another name"
            self._lock = Lock(self._file("lock"), busy)
        self._forget()
        self._read()

    @property
    def empty(self) -> bool:
        """Whether no block is finished."""
        return not (self.done or self._added)

    def decided(self) -> tuple[Any, dict[str, np.ndarray]]:
        """What `begin` was given."""
        with np.load(self._file(_ARRAYS), allow_pickle=False) as arrays:
            return self._decided, dict(arrays)

    def begin(self, what: Mapping[str, Any], decided: Any, arrays: Mapping[str, np.ndarray]) -> None:
        """A new run; what was there is cleared."""
        with plain_words(self.path):
            with open(self._file(_ARRAYS), "wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
                _sync(file)
            self._replace(_RUN, json.dumps({"what": what, "decided": decided}, indent=1).encode())
        self.what = dict(what)

    def go_on(self) -> None:
        """The run that was found goes on."""
        self.resumed += 1
        self._append([{"resumed": self.resumed}])

    def clear(self, names: Collection[str | os.PathLike]) -> None:
        """Remove whatever is there, unfinished results of these names included."""
        results = {} if self.what is None else self.what["results"]
        with plain_words(self.path):
            for name in (_RUN, *os.listdir(self.folder)):  # first what makes it a journal
                if name != "lock":
                    with suppress(FileNotFoundError):
                        os.remove(self._file(name))
        for name in {*results.values(), *map(os.path.realpath, names)}:
            _remove_part(name)
        self._forget()

    def arrays(self, index: int) -> np.ndarray:
        """Those of a finished block that shares rows with unfinished ones, as they were added."""
        try:
            return np.load(self._file(f"{index}.npy"), allow_pickle=False)
        except (OSError, ValueError) as error:
            raise MendemError(
                f"{self.folder} is damaged ({error}), so that the run cannot go on; remove it to begin anew"
            ) from error

    def add(self, index: int, tally: Tally, arrays: np.ndarray, needed: Collection[int], seconds: float) -> None:
        """A block is finished.

        Parameters
        ----------
        index
            Its number.
        arrays
            Kept where the block is among ``needed``.
        needed
            All blocks, this one or others before, whose arrays must be kept from now on.
        seconds
            Since the run was begun, or went on.
        """
        self._pending[index] = tally, arrays, seconds
        self._needed = needed
        self._pending = {i: (t, a if i in needed else None, s) for i, (t, a, s) in self._pending.items()}
        waiting = sum(0 if a is None else a.nbytes for _, a, _ in self._pending.values())
        if time.monotonic() - self._committed >= self._cost / COST or waiting > WAITING_BYTES:
            self.commit()

    def commit(self) -> None:
        """Keep all that was added."""
        if not self._pending:
            return
        began = time.monotonic()
        with plain_words(self.path):
            for index, (_, arrays, _) in self._pending.items():
                if arrays is not None:
                    with open(self._file("new"), "wb") as file:
                        np.save(file, arrays)
                        _sync(file)
                    os.replace(self._file("new"), self._file(f"{index}.npy"))
                    self._kept.add(index)
        self.durable()
        self._append([{"block": i, **asdict(t), "seconds": self.seconds + s} for i, (t, _, s) in self._pending.items()])
        self._added += len(self._pending)
        self._pending.clear()
        for index in self._kept - set(self._needed):
            os.remove(self._file(f"{index}.npy"))
            self._kept.remove(index)
        self._committed = time.monotonic()
        self._cost = self._committed - began

    def deliver(self, parts: Mapping[str, str]) -> None:
        """A partial result takes the name of the whole one: results, and where they lie unfinished."""
        self.delivered = {os.path.realpath(name): _identity(part) for name, part in parts.items()}
        self._append([{"delivered": self.delivered}])
        self._partial = True

    def present(self) -> bool:
        """Whether all unfinished results of the run that was found are there, or partial ones that were delivered."""
        names = [] if self.what is None else self.what["results"].values()
        return bool(names) and all(os.path.lexists(f"{name}.part") or self.owns(name) for name in names)

    def take_back(self) -> None:
        """Let partial results be unfinished ones again."""
        for name in self.delivered:
            if not os.path.lexists(f"{name}.part") and self.owns(name):
                with plain_words(name):
                    os.rename(name, f"{name}.part")

    def owns(self, name: str | os.PathLike) -> bool:
        """Whether a file is a partial result of this run."""
        return _is(name, self.delivered)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if not self._partial if kind is None else self.empty:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()

    def _file(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _forget(self) -> None:
        self.what, self._decided = None, None
        self.done, self.delivered = {}, {}
        self.seconds, self.resumed, self._added = 0.0, 0, 0
        self._partial = False
        self._kept = set()

    def _read(self) -> None:
        """What the sessions before have left; a line that a killed one has not written to its end does not count."""
        try:
            with open(self._file(_RUN), "rb") as file:
                found = json.load(file)
            self.what, self._decided = found["what"], found["decided"]
        except (OSError, ValueError, KeyError):
            return
        with plain_words(self.path), open(self._file(_LINES), "ab") as file:
            lines, size = _lines_of(self.folder)
            file.truncate(size)
        for line in lines:
            if "block" in line:
                index, self.seconds = line.pop("block"), line.pop("seconds")
                self.done[index] = Tally(**line)
            self.resumed = line.get("resumed", self.resumed)
            self.delivered = line.get("delivered", self.delivered)
        self._kept = {int(name[:-4]) for name in os.listdir(self.folder) if name.endswith(".npy")}

    def _append(self, lines: Collection[Mapping[str, Any]]) -> None:
        with plain_words(self.path), open(self._file(_LINES), "ab") as file:
            file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            _sync(file)
            _sync_folder(self.folder)

    def _replace(self, name: str, content: bytes) -> None:
        with open(self._file("new"), "wb") as file:
            file.write(content)
            _sync(file)
        os.replace(self._file("new"), self._file(name))
        _sync_folder(self.folder)


def _lines_of(folder: str) -> tuple[list[dict[str, Any]], int]:
    """The lines that were written to their end, and how many bytes they take."""
    with open(os.path.join(folder, _LINES), "rb") as file:
        whole, end, _ = file.read().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()], len(whole) + len(end)


def _is(name: str | os.PathLike, delivered: Mapping[str, list[int]]) -> bool:
    place = os.path.realpath(name)
    return place in delivered and os.path.exists(place) and _identity(place) == delivered[place]


def _identity(path: str) -> list[int]:
    """What a file or folder keeps when it is moved on its disk."""
    status = os.stat(path)
    return [status.st_dev, status.st_ino]


def _remove_part(target: str) -> None:
    """Remove an unfinished result, if there is one that nobody writes."""
    part = f"{target}.part"
    if not os.path.lexists(part):
        return
    with plain_words(target):
        lock = Lock(f"{part}.lock", f"{part} is being written by another process; wait until it has ended")
        if os.path.isdir(part) and not os.path.islink(part):
            shutil.rmtree(part)
        else:
            os.remove(part)
        lock.release()


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(path: str) -> None:
    if os.name == "posix":  # elsewhere folders are not opened
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
