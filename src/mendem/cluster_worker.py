"""What a worker of a cluster does: it says whether it can serve a run, and computes blocks.

Files that stay on disk travel by their names, all other pixels with the run.
"""

from __future__ import annotations

import io
import os
import pickle
import socket
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from mendem.errors import Cancelled, MendemError
from mendem.image import Image
from mendem.io import LazyArray, read
from mendem.io.lazy import file_stamp

if TYPE_CHECKING:
    from mendem.engine import Run
    from mendem.execution import Answer


class Unfit(Exception):
    """A worker cannot serve a run."""

    def __init__(self, worker: str, why: str) -> None:
        super().__init__(worker, why)
        self.worker, self.why = worker, why


@dataclass(frozen=True)
class File:
    """An image that stays on disk; ``stamp`` is its size and the time of its last change, empty for a folder."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    stamp: tuple[int, ...]

    def open(self) -> Any:
        """Its pixels, lazily; `MendemError` where it is not to be seen, or is another file."""
        found = read(self.path, lazy_above=0).data
        same = tuple(found.shape) == self.shape and str(found.dtype) == self.dtype
        if not same or _stamp(self.path) != self.stamp:
            raise MendemError(f"{self.path} is another file there")
        return found


@dataclass(frozen=True)
class Facts:
    """What a worker must have: this version of mendem, the prior, the files, and the device unless it is None."""

    version: str
    prior: str
    sha256: str
    files: tuple[File, ...]
    device: str | None = None
    dtype: str = "float32"
    tile: int | None = None


def files_of(run: Run) -> dict[int, File]:
    """The images of a run that stay on disk, by the identity of their arrays."""
    images = (run.given, *run.inputs.values())
    return {
        id(image.data): _file_of(image)
        for image in images
        if isinstance(image.data, LazyArray) and os.path.exists(image.source)
    }


def _file_of(image: Image) -> File:
    path = os.path.realpath(image.source)
    return File(path, image.shape, str(image.dtype), _stamp(path))


def _stamp(path: str) -> tuple[int, ...]:
    return () if os.path.isdir(path) else file_stamp(path)


def packed(run: Run) -> bytes:
    """A run without its prior, and without what stays on disk."""
    files = files_of(run)

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: Any) -> File | None:
            return files.get(id(thing))

    buffer = io.BytesIO()
    Pickler(buffer, protocol=5).dump(replace(run, prior=None))  # type: ignore[arg-type]
    return buffer.getvalue()


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, file: File) -> Any:
        return file.open()


def inspected(facts: Facts) -> dict[str, Any]:
    """The device and the arithmetic that this machine would choose, and why it cannot serve, if it cannot."""
    from mendem.device import choose_device, choose_dtype

    why, device = _unfit(facts), facts.device or "auto"
    if why:
        return {"why": why}
    device = choose_device(device)
    return {"why": "", "device": device, "dtype": str(choose_dtype(device)).removeprefix("torch.")}


def _unfit(facts: Facts) -> str:
    """Why this machine cannot serve, empty if it can."""
    from mendem.device import choose_device
    from mendem.priors.checkpoint import digest, find
    from mendem.provenance import software_versions

    host, version = socket.gethostname(), software_versions()["napari-mendem"]
    if version != facts.version:
        return f"{host} has version {version} of mendem and not {facts.version}; install the same everywhere"
    try:
        for file in facts.files:
            file.open()
        if digest(find(facts.prior)) != facts.sha256:
            return f"{host} has other weights of the prior {facts.prior}; install the same everywhere"
        choose_device(facts.device or "auto")
    except MendemError as error:
        return f"on {host}, {error}"
    return ""


_loading = Lock()


@lru_cache(maxsize=1)
def _loaded(token: str, payload: bytes, facts: Facts) -> Run:
    """The run of a payload; ``token`` is its name."""
    import torch
    from distributed import get_worker

    from mendem.priors.network_prior import load_prior

    if why := _unfit(facts):
        raise Unfit(get_worker().address, why)
    run = _Unpickler(io.BytesIO(payload)).load()
    assert facts.device is not None
    prior = load_prior(facts.prior, facts.device, getattr(torch, facts.dtype), facts.tile)
    return replace(run, prior=prior)


def block_answer(payload: bytes, token: str, facts: Facts, index: int) -> Answer:
    """One block, computed in a task of dask; `Cancelled` where nobody wants it any more."""
    from distributed import get_worker

    from mendem.execution import answers

    worker = get_worker()
    task = worker.state.tasks[worker.get_current_task()]

    def check() -> None:
        if task.state == "cancelled":
            raise Cancelled

    with _loading:
        run = _loaded(token, payload, facts)
    *_, (_, answer) = answers(run, run.blocks[index], check)
    return answer
