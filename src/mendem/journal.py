"""What a run has done so far, kept beside its result, so that it can be killed at any moment and go on.

``<OUT>.mendem-run`` is a folder with what is computed and what was decided before the first block (``run.json`` and
``run.npz``), a line for each finished block (``blocks.jsonl``), and the arrays of those finished blocks that share rows
with unfinished ones.

Lines are written at once, which is enough where a process is killed. Bringing them, and before them the pixels that
they tell of, to the disk takes longer and is done now and then; a line says so. After a crash of the system, or on
another machine, only lines before the last such line count.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.io.lines import Lines, boot, replace_file, sync_file
from mendem.io.lock import Lock
from mendem.io.output import plain_words, remove_part
from mendem.pace import Pace

SUFFIX = ".mendem-run"
#: Finished blocks are kept as soon as arrays of so many bytes wait for it, however fast the blocks are.
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
        lines = Lines(os.path.join(folder_of(target), _LINES)).read()
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
        Brings the pixels that were put so far to the disk.

    Raises
    ------
    MendemError
        Another process is at work on the same result, or its folder cannot be written.
    """

    what: dict[str, Any] | None
    done: dict[int, Tally]
    delivered: dict[str, int]
    _decided: Any
    _added: int
    _secured: int
    _kept: set[int]
    _fresh: set[int]

    def __init__(self, target: str | os.PathLike) -> None:
        self.path = os.path.realpath(target)
        self.folder = folder_of(target)
        self.durable: Callable[[], None] = lambda: None
        self._pending: dict[int, tuple[Tally, np.ndarray | None, float]] = {}
        self._needed: Collection[int] = ()
        self._writing, self._securing = Pace(), Pace()
        self._lines = Lines(self._file(_LINES))
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
                sync_file(file)
            self._lines.append([{"resumed": 0, "boot": boot()}])
            replace_file(self._file(_RUN), json.dumps({"what": what, "decided": decided}, indent=1).encode())
        self.what = dict(what)

    def go_on(self) -> None:
        """The run that was found goes on."""
        self.resumed += 1
        if hasattr(os, "sync"):
            os.sync()  # what a process that was killed had put
        with plain_words(self.path):
            self._lines.append([{"durable": len(self.done)}, {"resumed": self.resumed, "boot": boot()}], sync=True)

    def clear(self, names: Collection[str | os.PathLike]) -> None:
        """Remove whatever is there, unfinished results of these names included."""
        results = {} if self.what is None else self.what["results"]
        with plain_words(self.path):
            for name in (_RUN, *os.listdir(self.folder)):  # first what makes it a journal
                if name != "lock":
                    with suppress(FileNotFoundError):
                        os.remove(self._file(name))
        for name in {*results.values(), *map(os.path.realpath, names)}:
            remove_part(name)
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
        if self._writing.due or waiting > WAITING_BYTES:
            self._write()
        if self._securing.due:
            self.commit()

    def commit(self) -> None:
        """Bring all that was added to the disk."""
        self._write()
        if self._added == self._secured:
            return
        with self._securing.step(), plain_words(self.path):
            self.durable()
            for index in self._fresh:
                with open(self._file(f"{index}.npy"), "r+b") as file:
                    os.fsync(file.fileno())
            self._fresh.clear()
            self._lines.append([{"durable": len(self.done) + self._added}], sync=True)
            self._secured = self._added
            for index in self._kept - set(self._needed):
                os.remove(self._file(f"{index}.npy"))
                self._kept.remove(index)

    def _write(self) -> None:
        """Lines for all that was added."""
        if not self._pending:
            return
        with self._writing.step(), plain_words(self.path):
            for index, (_, arrays, _) in self._pending.items():
                if arrays is not None:
                    np.save(self._file("new.npy"), arrays)
                    os.replace(self._file("new.npy"), self._file(f"{index}.npy"))
                    self._kept.add(index)
                    self._fresh.add(index)
            self._lines.append(
                [{"block": i, **asdict(t), "seconds": self.seconds + s} for i, (t, _, s) in self._pending.items()]
            )
        self._added += len(self._pending)
        self._pending.clear()

    def deliver(self, parts: Mapping[str, str]) -> None:
        """A partial result takes the name of the whole one: results, and where they lie unfinished."""
        self.delivered = {os.path.realpath(name): _identity(part) for name, part in parts.items()}
        with plain_words(self.path):
            self._lines.append([{"delivered": self.delivered}], sync=True)
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
        self.seconds, self.resumed = 0.0, 0
        self._added, self._secured = 0, 0
        self._partial = False
        self._kept, self._fresh = set(), set()

    def _read(self) -> None:
        """What the sessions before have left; a line that a killed one has not written to its end does not count."""
        try:
            with open(self._file(_RUN), "rb") as file:
                found = json.load(file)
            self.what, self._decided = found["what"], found["decided"]
        except (OSError, ValueError, KeyError):
            return
        with plain_words(self.path):
            lines = self._lines.read()
            boots = [line["boot"] for line in lines if "boot" in line]
            if not (boots and boots[-1] and boots[-1] == boot()):  # what was written last may be lost
                while lines and "block" in lines[-1]:
                    lines.pop()
            self._lines.cut(len(lines))
        for line in lines:
            if "block" in line:
                index, self.seconds = line.pop("block"), line.pop("seconds")
                self.done[index] = Tally(**line)
            self.resumed = line.get("resumed", self.resumed)
            self.delivered = line.get("delivered", self.delivered)
        names = [name.removesuffix(".npy") for name in os.listdir(self.folder) if name.endswith(".npy")]
        self._kept = {int(name) for name in names if name.isdigit()}


def _is(name: str | os.PathLike, delivered: Mapping[str, int]) -> bool:
    place = os.path.realpath(name)
    return place in delivered and os.path.exists(place) and _identity(place) == delivered[place]


def _identity(path: str) -> int:
    """What a file or folder keeps when it is moved on its disk."""
    return os.stat(path).st_ino
