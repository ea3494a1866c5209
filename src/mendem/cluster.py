"""The blocks of a run on the workers of a dask.distributed cluster.

The client decides, blends, writes and keeps the journal; a worker computes one block after the other, and reads what it
needs from files that it sees under the same names.
"""

from __future__ import annotations

import logging
import os
import queue
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mendem.cluster_worker import Facts, Unfit, block_answer, files_of, inspected, packed
from mendem.engine import Run
from mendem.errors import MendemError
from mendem.execution import Answer
from mendem.priors.checkpoint import digest, find
from mendem.provenance import software_versions

#: Seconds to find the scheduler, and without any worker until the run is given up.
CONNECT, NOBODY = 15.0, 600.0
#: Seconds between two looks at who is there.
LOOK = 2.0
#: Blocks of slices that come out of order are held, up to about this many bytes.
HELD_BYTES = 1 << 30
#: Devices, the best first.
DEVICES = ("cuda", "mps", "cpu")

_log = logging.getLogger("distributed")


class Cluster:
    """A connection to a scheduler; a context manager.

    Parameters
    ----------
    address
        As ``tcp://host:8786``, or the file that ``dask scheduler --scheduler-file`` writes.

    Attributes
    ----------
    notes
        Sentences about workers that are left out.

    Raises
    ------
    MendemError
        No scheduler answers, or dask.distributed is not installed.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise MendemError(
                "many machines need one more package: pip install 'napari-mendem[cluster]'; or leave the scheduler out"
            ) from error
        self.address, self.notes = address, list[str]()
        self._refused: dict[str, str] = {}
        where: dict[str, Any] = {"scheduler_file": address} if os.path.isfile(address) else {"address": address}
        self._level = _log.level
        _log.setLevel(logging.CRITICAL)  # what goes wrong is said once, by us
        try:
            self.client = Client(**where, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            _log.setLevel(self._level)
            raise MendemError(
                f"no dask scheduler answers at {address}; start one with 'dask scheduler', and give its address or its "
                "scheduler file"
            ) from error

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: Any) -> None:
        try:
            self.client.close(timeout=5)
        finally:
            _log.setLevel(self._level)

    def taken(self, run: Run, begun: bool, check: Callable[[], None]) -> Run:
        """The run as workers compute it: all of them on one kind of device, and in the same arithmetic.

        ``auto`` is the best device that any of them has; workers without it are left out. A run that was ``begun``
        before keeps what it had.
        """
        self._wait(check)
        prior: Any = run.prior
        device = run.device if begun else run.options.device
        name = os.path.realpath(prior.name) if prior.name.endswith(".safetensors") else prior.name
        version = software_versions()["napari-mendem"]
        facts = Facts(version, name, digest(find(name)), tuple(files_of(run).values()), tile=prior.tile)
        facts = replace(facts, device=None if device == "auto" else device)
        said = self.client.run(inspected, facts, on_error="return")
        for address, found in said.items():
            if isinstance(found, Exception):
                self.refuse(address, f"mendem does not work there ({type(found).__name__}: {found})")
            elif found["why"]:
                self.refuse(address, found["why"])
        fit = {address: found for address, found in said.items() if address not in self._refused}
        if fit and device == "auto":
            device = min((found["device"] for found in fit.values()), key=DEVICES.index)
            for address in [a for a, found in fit.items() if found["device"] != device]:
                self.refuse(address, f"it has no {device}, as others have")
                del fit[address]
        if not fit:
            raise self.nobody_fits()
        if not begun:
            import torch

            dtypes = {found["dtype"] for found in fit.values()}
            prior.dtype = getattr(torch, dtypes.pop() if len(dtypes) == 1 else "float32")
        prior.device = device
        self.facts = replace(facts, device=device, dtype=str(prior.dtype).removeprefix("torch."))
        return replace(run, device=device)

    def source(
        self, run: Run, wanted: Sequence[int], tell: Callable[[float, Answer], None], check: Callable[[], None]
    ) -> Iterator[tuple[int, Answer]]:
        """The blocks as they are finished, a `mendem.execution.Source`."""
        work = _Work(self, run)
        try:
            yield from work.results(list(wanted), check)
        except (OSError, CancelledError) as error:  # of the connection
            raise self.gone() from error
        finally:
            work.stop()

    def workers(self) -> dict[str, int]:
        """Addresses of the workers that can serve, and their threads."""
        found = self.client.scheduler_info(n_workers=-1)["workers"]
        return {address: about["nthreads"] for address, about in found.items() if address not in self._refused}

    def refuse(self, address: str, why: str) -> None:
        """Ask this worker for nothing, from now on."""
        if address not in self._refused:
            self._refused[address] = why
            self.notes.append(f"Worker {address} is left out: {why}.")

    @property
    def only_some(self) -> bool:
        """Whether there are workers that are not to be asked."""
        return bool(self._refused)

    def nobody(self) -> MendemError:
        """There has been no worker for long."""
        return MendemError(
            f"{self.address} has had no worker for {NOBODY / 60:.0f} minutes; start some with 'dask worker', and give "
            "the same command again: finished blocks are kept"
        )

    def nobody_fits(self) -> MendemError:
        """All workers were refused."""
        return MendemError(f"no worker of {self.address} can serve: {'; '.join(dict.fromkeys(self._refused.values()))}")

    def gone(self) -> MendemError:
        """The connection is lost."""
        return MendemError(
            f"the scheduler {self.address} went away; start it again, and give the same command: finished blocks are "
            "kept"
        )

    def _wait(self, check: Callable[[], None]) -> None:
        until = time.monotonic() + NOBODY
        while not self.client.scheduler_info(n_workers=-1)["workers"]:
            check()
            if time.monotonic() > until:
                raise self.nobody()
            time.sleep(0.5)


@dataclass(frozen=True)
class _Asked:
    """A block that some worker is asked for: any, or one of ``only``."""

    index: int
    future: Any
    only: frozenset[str]


class _Work:
    """What is asked of the workers."""

    def __init__(self, cluster: Cluster, run: Run) -> None:
        self.cluster, self.client, self.blocks = cluster, cluster.client, run.blocks
        self.payload, self.token = packed(run), uuid.uuid4().hex
        self.sent: Any = None  # the payload, with the workers
        self.asked: dict[str, _Asked] = {}
        self.ended = queue.SimpleQueue[Any]()
        size = 4 * len(run.channels) * max(int(np.prod(block.shape)) for block in self.blocks)
        self.held = HELD_BYTES // size if run.grid is None else len(self.blocks)

    def results(self, left: list[int], check: Callable[[], None]) -> Iterator[tuple[int, Answer]]:
        """Numbers and answers of the blocks ``left``, of which few are asked for at a time."""
        left.reverse()
        looked, seen, workers = -np.inf, time.monotonic(), dict[str, int]()
        while left or self.asked:
            check()
            now = time.monotonic()
            if now - looked > LOOK:
                looked, workers = now, self.cluster.workers()
                seen = now if workers else seen
                if now - seen > NOBODY:
                    raise self.cluster.nobody()
                left += self.given_up(workers)
            threads = sum(workers.values())
            oldest = min([asked.index for asked in self.asked.values()] + left[-1:])
            reach = max(self.held, threads + 1)
            while left and len(self.asked) < 2 * threads and left[-1] - oldest < reach:
                self.ask(left.pop(), list(workers))
            try:
                asked = self.asked.pop(self.ended.get(timeout=0.1), None)
            except queue.Empty:
                continue
            if asked is None:
                continue
            answer = self.answer_of(asked)
            if answer is None:
                left.append(asked.index)
                looked = -np.inf
            else:
                yield asked.index, answer

    def ask(self, index: int, workers: list[str]) -> None:
        """Ask for a block."""
        only = workers if self.cluster.only_some else None
        if self.sent is None:
            self.sent = self.client.scatter(self.payload, workers=only, broadcast=True, hash=False)
        key = f"mendem-{index}-{uuid.uuid4().hex}"
        future = self.client.submit(
            block_answer, self.sent, self.token, self.cluster.facts, index, key=key, workers=only, pure=False
        )
        self.asked[key] = _Asked(index, future, frozenset(only or ()))
        future.add_done_callback(lambda ended: self.ended.put(ended.key))

    def given_up(self, workers: dict[str, int]) -> list[int]:
        """The blocks of which all workers that were asked are gone."""
        lost = [key for key, asked in self.asked.items() if asked.only and not asked.only & set(workers)]
        gone = [self.asked.pop(key) for key in lost]
        self.client.cancel([asked.future for asked in gone], force=True)
        return [asked.index for asked in gone]

    def answer_of(self, asked: _Asked) -> Answer | None:
        """The answer that has come, None where the block must be asked for again."""
        from distributed import KilledWorker

        try:
            return asked.future.result()
        except Unfit as error:
            self.cluster.refuse(error.worker, error.why)
            if not self.cluster.workers():
                raise self.cluster.nobody_fits() from error
            return None
        except KilledWorker as error:
            raise MendemError(
                f"block {asked.index + 1} of {len(self.blocks)} ended the workers that computed it, one after the "
                "other; give workers more memory, and give the same command again: finished blocks are kept"
            ) from error
        except CancelledError:
            if self.client.status != "running":
                raise
            self.sent = None  # all workers that had the payload are lost
            return None
        except (MendemError, OSError):
            raise
        except Exception as error:
            raise MendemError(
                f"a worker failed ({type(error).__name__}: {error}); finished blocks are kept, and the same command "
                "goes on"
            ) from error

    def stop(self) -> None:
        """Nothing more is wanted."""
        if self.client.status == "running":
            self.client.cancel([asked.future for asked in self.asked.values()], force=True)
        self.asked.clear()
        self.sent = None
