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
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.io.lock import Lock
from mendem.io.output import plain_words

SUFFIX = ".mendem-run"
#: Writing lines takes at most about this share of the time, and so does bringing everything to the disk: where blocks
#: are fast, several are kept at once,
COST = 0.01
#: or as soon as arrays of so many bytes wait for it.
WAITING_BYTES = 128 << 20

_RUN, _ARRAYS, _LINES = "run.json", "run.npz", "blocks.jsonl"


@dataclass(frozen=True)
class Tally:
    """What adds up over blocks: evaluations of the prior, chi² as squares and their count, missing pixels."""

    evaluations: int = 0
    squares: float = 0.0
    count: float = 0.0
    missing: int = 0


class _Pace:
    """What is done again and again, but takes no more than `COST` of the time."""

    def __init__(self) -> None:
        self._cost, self._ended = 0.0, time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._ended >= self._cost / COST

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around what takes time."""
        began = time.monotonic()
        yield
        self._ended = time.monotonic()
        self._cost = self._ended - began


def folder_of(target: str | os.PathLike) -> str:
    """Where the journal of a result lies."""
    return os.path.realpath(target) + SUFFIX


def unfinished(target: str | os.PathLike) -> bool:
    """Whether a run with this result was begun and has not ended."""
    return os.path.exists(os.path.join(folder_of(target), _RUN))


def goes_on_with(target: str | os.PathLike, name: str | os.PathLike) -> bool:
    """Whether a file is a partial result of the unfinished run with this target."""
    try:
        lines = _lines_of(folder_of(target))
        return unfinished(target) and _is(name, next(x for x, _ in reversed(lines) if "delivered" in x)["delivered"])
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
    delivered: dict[str, list[int]]
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
        self._writing, self._securing = _Pace(), _Pace()
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
            self._append([{"resumed": 0, "boot": _boot()}])
            self._replace(_RUN, json.dumps({"what": what, "decided": decided}, indent=1).encode())
        self.what = dict(what)

    def go_on(self) -> None:
        """The run that was found goes on."""
        self.resumed += 1
        if hasattr(os, "sync"):
            os.sync()  # what a process that was killed had put
        self._append([{"durable": len(self.done)}, {"resumed": self.resumed, "boot": _boot()}], sync=True)

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
            self._append([{"durable": len(self.done) + self._added}], sync=True)
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
            self._append(
                [{"block": i, **asdict(t), "seconds": self.seconds + s} for i, (t, _, s) in self._pending.items()]
            )
        self._added += len(self._pending)
        self._pending.clear()

    def deliver(self, parts: Mapping[str, str]) -> None:
        """A partial result takes the name of the whole one: results, and where they lie unfinished."""
        self.delivered = {os.path.realpath(name): _identity(part) for name, part in parts.items()}
        self._append([{"delivered": self.delivered}], sync=True)
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
            lines = _lines_of(self.folder)
            boots = [line["boot"] for line, _ in lines if "boot" in line]
            if not (boots and boots[-1] and boots[-1] == _boot()):  # what was written last may be lost
                while lines and "block" in lines[-1][0]:
                    lines.pop()
            os.truncate(self._file(_LINES), lines[-1][1] if lines else 0)
        for line, _ in lines:
            if "block" in line:
                index, self.seconds = line.pop("block"), line.pop("seconds")
                self.done[index] = Tally(**line)
            self.resumed = line.get("resumed", self.resumed)
            self.delivered = line.get("delivered", self.delivered)
        names = [name.removesuffix(".npy") for name in os.listdir(self.folder) if name.endswith(".npy")]
        self._kept = {int(name) for name in names if name.isdigit()}

    def _append(self, lines: Collection[Mapping[str, Any]], sync: bool = False) -> None:
        with plain_words(self.path), open(self._file(_LINES), "ab") as file:
            file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            if sync:
                _sync(file)
                _sync_folder(self.folder)

    def _replace(self, name: str, content: bytes) -> None:
        with open(self._file("new"), "wb") as file:
            file.write(content)
            _sync(file)
        os.replace(self._file("new"), self._file(name))
        _sync_folder(self.folder)


def _lines_of(folder: str) -> list[tuple[dict[str, Any], int]]:
    """The lines that were written to their end, and where each ends, in bytes."""
    with open(os.path.join(folder, _LINES), "rb") as file:
        whole = [line for line in file.read().splitlines(True) if line.endswith(b"\n")]
    ends = np.cumsum([len(line) for line in whole]).tolist()
    return [(json.loads(line), end) for line, end in zip(whole, ends, strict=True)]


def _boot() -> str:
    """What this start of this machine is called; empty where that is unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


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
