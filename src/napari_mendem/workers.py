"""The engine in a thread of its own. No Qt: the widgets poll a job from the GUI thread.

All work of the plugin goes through one thread, since it shares one processor or GPU. A job is told to stop by
its ``cancelled`` event, which the engine checks many times within an evaluation of the network.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import Cancelled
from mendem.image import Image
from mendem.options import Options
from mendem.tasks.base import Task
from napari_mendem import costs
from napari_mendem.costs import Outputs

if TYPE_CHECKING:
    from mendem.blocks import Block
    from mendem.engine import Progress, Region, Run, Summary
    from mendem.execution import Answer

#: Share of the free memory that a result may take; a larger one is kept in a temporary file.
MEMORY_SHARE = 0.4


def _load_torch_library() -> None:
    """Load torch's shared library without Python's lock.

    ``import torch`` holds the lock for the whole load, which would freeze the window; a foreign function call does not.
    """
    import ctypes
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("torch")
    if sys.platform != "linux" or spec is None or spec.origin is None or "torch" in sys.modules:
        return
    folder = Path(spec.origin).parent / "lib"
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    for name in ("libc10.so", "libtorch_cpu.so", "libtorch_python.so"):
        dlopen(os.fsencode(folder / name), os.RTLD_LAZY)


_executor: ThreadPoolExecutor | None = None


def submit(work: Callable[[], Any]) -> Future:
    """Do something in the engine thread, after what is already waiting there."""
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(1, "mendem", initializer=_load_torch_library)
    return _executor.submit(work)


def warm_up() -> None:
    """Load the libraries in the engine thread, once: they take longer than a first preview."""
    if "mendem.engine" not in sys.modules:
        submit(lambda: __import__("mendem.engine") and __import__("mendem.priors.network_prior"))


def use_cpu_threads(count: int) -> None:
    """Set how many threads torch uses, from the engine thread; 0 leaves it as it is."""
    if count:
        import torch

        torch.set_num_threads(count)


@dataclass(frozen=True)
class Request:
    """All that decides a result."""

    image: Image
    task: Task
    options: Options = Options()
    inputs: Mapping[str, Image] = field(default_factory=dict)
    region: Region | None = None
    planes: tuple[int, ...] | None = None

    @property
    def prepared_by(self) -> tuple[Any, ...]:
        """What `mendem.engine.prepare` looks at, in a form that can be compared."""
        o = self.options
        inputs = [(name, id(image.data)) for name, image in sorted(self.inputs.items())]
        return self.image.axes, self.image.voxel_size, self.task, o.device, o.prior, o.resample, o.tile, inputs


class Preparations:
    """The last prepared runs: noise and normalisation are those of a whole image, and serve every region of it."""

    def __init__(self, keep: int = 2) -> None:
        self._kept: list[tuple[Any, tuple[Any, ...], Run, bool]] = []
        self._keep = keep

    def get(self, request: Request, check: Callable[[], None] = lambda: None, roughly: bool = False) -> Run:
        """The prepared run; computed where it is not known yet.

        Parameters
        ----------
        check
            May raise `Cancelled`.
        roughly
            Whether the noise will do that was found while other places were marked: a stroke of the brush is then
            followed sooner.
        """
        from mendem.engine import prepare

        data, key = request.image.data, request.prepared_by
        kept = [(k, r, rough) for d, k, r, rough in self._kept if d is data]
        run = next((r for k, r, rough in kept if k == key and (roughly or not rough)), None)
        if run is None:
            sure = [r for _, r, rough in kept if not rough]
            earlier = (sure or [r for _, r, _ in kept] or [None])[-1]
            run = prepare(
                request.image,
                request.task,
                request.options,
                request.inputs,
                earlier=earlier,
                roughly=roughly,
                check=check,
            )
            rough = roughly and run.plan.image is not None and earlier is not None
            self._kept = [*self._kept, (data, key, run, rough)]
            # A run that others were measured by stays: strokes come and go.
            while len(self._kept) > self._keep:
                self._kept.pop(next((i for i, entry in enumerate(self._kept[:-1]) if entry[3]), 0))
        height, width = request.image.plane_shape
        planes = range((run.plan.image or request.image).plane_count)
        return replace(
            run,
            given=request.image,
            image=run.plan.image or request.image,
            options=request.options,
            region=request.region or (0, height, 0, width),
            planes=tuple(planes) if request.planes is None else request.planes,
        )

    def forget(self) -> None:
        """Let go of the images."""
        self._kept = []


class RestoreJob:
    """One restoration: `work` runs it, in any thread; everything else may be read meanwhile from another.

    Attributes
    ----------
    result, std, residual, samples
        Arrays (planes, rows, columns), with a leading axis of samples for the last; they fill up as
        rows are finished. None where not asked for, and before the run is prepared. The residual has the image's grid,
        the others that of the result.
    rows, changes
        How many rows of the result have been handed over, and how often it has changed.
    provenance, summary
        None before the end.
    """

    def __init__(self, request: Request, outputs: Outputs, preparations: Preparations, cpu_threads: int = 0) -> None:
        self.request, self.outputs = request, outputs
        self.cancelled = threading.Event()
        self.run: Run | None = None
        self.progress: Progress | None = None
        self.rows = self.changes = 0
        self.result: np.ndarray | None = None
        self.std: np.ndarray | None = None
        self.residual: np.ndarray | None = None
        self.samples: np.ndarray | None = None
        self.on_disk = False
        self.summary: Summary | None = None
        self.provenance: dict[str, Any] | None = None
        self._preparations, self._cpu_threads = preparations, cpu_threads
        self._begun: Block | None = None

    def cancel(self) -> None:
        """Ask to stop; what is finished is kept."""
        self.cancelled.set()

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> RestoreJob:
        """Prepare and restore. Raises `MendemError` for what the user can mend."""
        from mendem.execution import execute
        from mendem.provenance import provenance

        try:
            self.check()
            use_cpu_threads(self._cpu_threads)
            run = self._preparations.get(self.request, self.check)
            self.check()
        except Cancelled:
            return self
        self._allocate(run)
        self.run = run
        if run.grid is None:
            summary = execute(run, self._put, self._set_progress, self.check)
        else:
            summary = execute(run, self._put, self._set_progress, self.check, self._sketching)
            self._end_volume(run)
        costs.remember_speed(run, summary)
        if self.on_disk:
            summary.notes.append("The result is kept in a temporary file until napari closes: save it.")
        self.provenance = provenance(run, summary)
        self.summary = summary
        return self

    def _set_progress(self, progress: Progress) -> None:
        self.progress = progress

    def _allocate(self, run: Run) -> None:
        from mendem.device import available_bytes

        shape = (run.result_planes, *run.shape)
        count = run.options.samples if self.outputs.samples else 0
        needed = costs.bytes_of(replace(run, memory_bytes=0), self.outputs)
        self.on_disk = needed > MEMORY_SHARE * available_bytes("cpu")
        self.result = self._new(shape, run.dtype.newbyteorder("="))
        self.std = self._new(shape) if self.outputs.spread else None
        on_data = (len(run.planes), *(n // run.scale for n in run.shape))
        self.residual = self._new(on_data) if self.outputs.residual else None
        self.samples = self._new((count, *shape)) if count else None

    def _new(self, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
        """Not a number everywhere (0 for integers); in a file that goes when the array goes, where memory is short."""
        nothing = _nothing(dtype)
        if not self.on_disk:
            return np.full(shape, nothing, dtype)
        file = tempfile.NamedTemporaryFile(prefix="mendem-", suffix=".dat", delete=False)
        file.close()
        array = np.memmap(file.name, dtype, "w+", shape=shape)
        weakref.finalize(array, _remove, file.name)
        for plane in array.reshape(-1, *shape[-2:]):
            for top in range(0, shape[-2], 1024):
                plane[top : top + 1024] = nothing
        return array

    def _put(self, block: Block, part: np.ndarray) -> None:
        from mendem.measured import part_in_dtype, residual_rows

        run = self.run
        assert run is not None and self.result is not None
        place = run.places(block), slice(*block.rows), slice(*block.columns)
        result = part[run.wanted]
        if self.residual is not None and run.grid is None:
            measured = slice(block.rows[0] // run.scale, block.rows[1] // run.scale)
            self.residual[place[0].start, measured] = residual_rows(run, block.plane, block.rows[0], part[:, 0])
        if self.std is not None:
            self.std[place] = part[1]
        if self.samples is not None:
            self.samples[:, *place] = part[2 : 2 + run.options.samples]
        self.result[place] = part_in_dtype(run, block, result, run.dtype)
        self._begun = None
        self.changes += 1
        if np.isfinite(result).any():
            self.rows += result.shape[1]

    def _sketching(
        self, run: Run, wanted: Sequence[int], tell: Callable[[float, Answer], None], check: Callable[[], None]
    ) -> Iterator[tuple[int, Answer]]:
        """The blocks of a volume, one after the other; the result shows what there is of the one in work."""
        from mendem.execution import here
        from mendem.measured import to_dtype

        blocks = run.blocks
        for index in wanted:
            block = blocks[index]

            def told(share: float, answer: Answer, block: Block = block) -> None:
                tell(share, answer)
                assert self.result is not None
                self._begun = block
                now = answer.arrays[0]
                self.result[_box(block)] = now if run.dtype == now.dtype else to_dtype(now, run.dtype)
                self.changes += 1

            yield from here(run, [index], told, check)

    def _end_volume(self, run: Run) -> None:
        """Take away what was not finished, and compare with what was measured."""
        from mendem.measured import section_residual

        assert self.result is not None
        if self._begun is not None:
            self.result[_box(self._begun)] = _nothing(run.dtype)
        if self.residual is not None:
            section_residual(run, self.result, self.residual)


def _box(block: Block) -> tuple[slice, slice, slice]:
    return slice(*block.planes), slice(*block.rows), slice(*block.columns)


def _nothing(dtype: Any) -> float:
    """What stands where nothing was restored."""
    return np.nan if np.dtype(dtype).kind == "f" else 0


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
