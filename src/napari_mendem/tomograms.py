"""Tomograms in the engine's thread: what is asked for, one slice live, and whole volumes. No Qt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import Cancelled, MendemError
from napari_mendem.tomogram_costs import learn
from napari_mendem.tomogram_request import TomogramRequest
from napari_mendem.workers import use_cpu_threads

if TYPE_CHECKING:
    from mendem.engine import Progress
    from mendem.tomogram import Tomogram
    from mendem.tomography.aligned import AlignedRows
    from mendem.tomography.slices import Method, Reconstruction

#: Bytes of aligned rows that a live slice waits for.
LIVE_BAND_BYTES = 2 << 20


class SliceSource:
    """Prepares single slices; what was read and measured for the last one is kept."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Let go of the data."""
        self._read: tuple[Any, tuple[Any, ...]] | None = None
        self._rows: AlignedRows | None = None
        self._noise: float | None = None
        self._lost: bool | None = None
        self._whole: Reconstruction | None = None

    def get(self, request: TomogramRequest, check: Callable[[], None]) -> Reconstruction:
        """The reconstruction whose slices are those of the whole volume; ``check`` may raise `Cancelled`."""
        from mendem.tomography.geometry import SliceGeometry
        from mendem.tomography.slices import Reconstruction

        data, read_by = request.series.image.data, request.read_by
        if self._rows is None or self._read is None or self._read[0] is not data or self._read[1] != read_by:
            self.forget()
            self._rows = self._aligned(request)
            self._read = data, read_by
        check()
        angles = tuple(request.series.true_angles[tilt] for tilt in request.series.used)
        depth, _, width = request.shape
        geometry = SliceGeometry(angles, (depth, width), width)
        wanted = Reconstruction(self._rows, geometry, request.method, request.device, request.surroundings)
        kept = self._whole
        same = (geometry, request.device, request.surroundings)
        if kept is None or (kept.geometry, kept.device, kept.surroundings) != same:
            kept = wanted
        self._whole = kept.with_method(self._measured(wanted))
        return self._whole

    def loses_most(self, request: TomogramRequest) -> bool:
        """Whether positivity would leave nothing of a dark specimen; after `get`."""
        from mendem.tomography.notes import below_zero

        if not getattr(request.method, "positive", False) or self._rows is None:
            return False
        if self._lost is None:
            self._lost = below_zero(self._rows)
        return self._lost

    def _aligned(self, request: TomogramRequest) -> AlignedRows:
        from mendem.tomography.aligned import AlignedRows

        series, density = request.series, request.density
        if len(series.used) < 2:
            raise MendemError(f"{series.name}: one tilt alone has no depth; a tomogram needs at least two")
        return AlignedRows(series, density, *density.levels(series), request.binning, LIVE_BAND_BYTES)

    def _measured(self, wanted: Reconstruction) -> Method:
        """The method with the noise of the whole series, measured once."""
        from mendem.tomography.tv import Tv

        if not isinstance(wanted.method, Tv) or wanted.method.noise:
            return wanted.method
        if self._noise is None:
            measured = wanted.measured_method
            assert isinstance(measured, Tv)
            self._noise = measured.noise
        return replace(wanted.method, noise=self._noise)


@dataclass(frozen=True)
class LiveSlice:
    """A slice (Z, X) of a row of the tomogram, so far."""

    pixels: np.ndarray
    row: int
    step: int
    final: bool
    notes: tuple[str, ...] = ()


class SliceJob:
    """One slice, better and better: ``frame`` is the best so far. A tomogram's row is that of ``raw_row``."""

    def __init__(self, request: TomogramRequest, raw_row: int, source: SliceSource, cpu_threads: int = 0) -> None:
        self.request, self.raw_row = request, raw_row
        self.cancelled = threading.Event()
        self.frame: LiveSlice | None = None
        self._source, self._cpu_threads = source, cpu_threads

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> SliceJob:
        """Compute; `MendemError` for what the user can mend."""
        from mendem.tomography.notes import MOST_IS_LOST

        try:
            self.check()
            use_cpu_threads(self._cpu_threads)
            whole = self._source.get(self.request, self.check)
            row = min(self.raw_row // self.request.binning, whole.rows.count - 1)
            whole.rows.read(row, row + 1)
            begun, step, pixels = time.monotonic(), 0, None
            for step, pixels in enumerate(whole.iterates(row, self.check), 1):
                self.frame = LiveSlice(pixels, row, step, False)
            seconds = time.monotonic() - begun
            assert pixels is not None
            self.frame = LiveSlice(pixels, row, step, True)
            learn(self.request, 1, seconds, whole=False)
            if self._source.loses_most(self.request):
                self.frame = replace(self.frame, notes=(MOST_IS_LOST,))
        except Cancelled:
            pass
        return self


class TomogramJob:
    """A whole tomogram, in memory or into a file.

    Attributes
    ----------
    volume
        (z, y, x), NaN where it is not finished; None before it begins, and of a file.
    done, changes
        Slices that are finished, and how often there were more.
    provenance
        None before the end, and where nothing was finished.
    """

    def __init__(self, request: TomogramRequest, target: str = "", cpu_threads: int = 0) -> None:
        self.request, self.target = request, target
        self.cancelled = threading.Event()
        self.progress: Progress | None = None
        self.volume: np.ndarray | None = None
        self.done = self.changes = 0
        self.provenance: dict[str, Any] | None = None
        self._cpu_threads = cpu_threads

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> TomogramJob:
        """Reconstruct; `MendemError` for what the user can mend. Cancelled, what is finished is kept."""
        try:
            self.check()
            use_cpu_threads(self._cpu_threads)
            begun = time.monotonic()
            if self.target:
                self._into_file()
            else:
                self._into_memory(begun)
        except Cancelled:
            return self
        if self.provenance is not None and not self.provenance["partial"]:
            learn(self.request, self.request.shape[1], time.monotonic() - begun, whole=True)
        return self

    def _set_progress(self, progress: Progress) -> None:
        self.progress = progress

    def _into_file(self) -> None:
        from mendem.tomogram import reconstruct_file

        request = self.request
        self.provenance = reconstruct_file(
            request.series,
            self.target,
            request.method,
            request.thickness,
            overwrite=True,  # the dialog has asked
            progress=self._set_progress,
            cancel=self.cancelled,
            **request.settings,
        )
        self.done = self.provenance["blocks"]["finished"]

    def _into_memory(self, begun: float) -> None:
        from mendem.tomogram import blocks_of, ended, prepare

        request = self.request
        tomogram: Tomogram = prepare(request.series, request.method, request.thickness, **request.settings)
        self.check()
        self.volume = np.full(tomogram.shape, np.nan, np.float32)
        try:
            for first, block in blocks_of(tomogram, 1, self._set_progress, self.check):
                self.volume[:, first : first + block.shape[1]] = block
                self.done = first + block.shape[1]
                self.changes += 1
        except Cancelled:
            if not self.done:
                raise
        self.provenance = ended(tomogram, begun, self.done)
