"""Filling the wedge in the engine's thread: one slice live, and a whole series. No Qt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import Cancelled
from napari_mendem.fill_request import FillRequest
from napari_mendem.workers import use_cpu_threads

if TYPE_CHECKING:
    from mendem.engine import Progress
    from mendem.tomography.tilt_series import TiltSeries
    from mendem.wedge_filling import WedgeFilling

#: Bytes of aligned rows that a live slice waits for.
LIVE_BAND_BYTES = 2 << 20
#: Rows between the slice before and the filled one below it, as part of their height.
GAP = 0.04


class FillSource:
    """Prepares single slices; what was read and measured for the last one is kept."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Let go of the data."""
        self._request: FillRequest | None = None
        self._filling: WedgeFilling | None = None

    def get(self, request: FillRequest, check: Callable[[], None]) -> WedgeFilling:
        """What fills the slices that are those of the whole; ``check`` may raise `Cancelled`."""
        from mendem.tomography.aligned import AlignedRows
        from mendem.wedge_filling import prepare

        known, filling = self._request, self._filling
        if known is None or filling is None or not known.same(request):
            rows = None
            if known is not None and filling is not None and known.series.image.data is request.series.image.data:
                rows = filling.rows if known.read_by == request.read_by else None
            if rows is None:
                levels = request.density.levels(request.series)
                rows = AlignedRows(request.series, request.density, *levels, band_bytes=LIVE_BAND_BYTES)
            settings: dict[str, Any] = {"density": request.density, "device": request.device, "rows": rows}
            filling = prepare(request.series, request.parameters, request.thickness, check=check, **settings)
            self._request, self._filling = request, filling
        return filling


@dataclass(frozen=True)
class FilledSlice:
    """A slice before and, below it, filled: (Z + gap + Z, X), NaN in the gap."""

    pixels: np.ndarray
    row: int
    step: int
    final: bool
    notes: tuple[str, ...] = ()


class FillSliceJob:
    """One slice, better and better: ``frame`` is the best so far."""

    def __init__(self, request: FillRequest, row: int, source: FillSource, cpu_threads: int = 0) -> None:
        self.request, self.row = request, row
        self.cancelled = threading.Event()
        self.frame: FilledSlice | None = None
        self._source, self._cpu_threads = source, cpu_threads

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> FillSliceJob:
        """Compute; `MendemError` for what the user can mend."""
        try:
            self.check()
            use_cpu_threads(self._cpu_threads)
            filling = self._source.get(self.request, self.check)
            row = min(self.row, filling.rows.count - 1)
            before = filling.back_projection(row)
            frame = self.frame = FilledSlice(_stacked(before, before * np.nan), row, 0, False)
            for step, (mean, _) in enumerate(filling.iterates(row, self.check), 1):
                frame = self.frame = FilledSlice(_stacked(before, mean), row, step, False)
            self.frame = FilledSlice(frame.pixels, row, frame.step, True, filling.notes)
        except Cancelled:
            pass
        return self


def _stacked(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    gap = np.full((max(1, round(GAP * len(before))), before.shape[1]), np.nan, np.float32)
    return np.concatenate([before, gap, after])


class FillJob:
    """A whole series.

    Attributes
    ----------
    filling
        None until it is prepared.
    volume, spread
        (z, y, x), NaN where they are not finished; None before, and the spread where there is none.
    completed
        The completed series; None until all slices are filled.
    done, changes
        Slices that are finished, and how often there were more.
    provenance
        None before the end, and where nothing was finished.
    """

    def __init__(self, request: FillRequest, cpu_threads: int = 0) -> None:
        self.request = request
        self.cancelled = threading.Event()
        self.progress: Progress | None = None
        self.filling: WedgeFilling | None = None
        self.volume: np.ndarray | None = None
        self.spread: np.ndarray | None = None
        self.completed: TiltSeries | None = None
        self.regions: np.ndarray | None = None
        self.done = self.changes = 0
        self.provenance: dict[str, Any] | None = None
        self._cpu_threads = cpu_threads

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> FillJob:
        """Fill; `MendemError` for what the user can mend. Cancelled, the slices that are finished are kept."""
        from mendem.wedge_filling import prepare

        request, begun = self.request, time.monotonic()
        try:
            self.check()
            use_cpu_threads(self._cpu_threads)
            settings: dict[str, Any] = {"density": request.density, "device": request.device, "check": self.check}
            filling = self.filling = prepare(request.series, request.parameters, request.thickness, **settings)
            self._fill(filling, begun)
        except Cancelled:
            pass
        return self

    def _set_progress(self, progress: Progress) -> None:
        self.progress = progress

    def _fill(self, filling: WedgeFilling, begun: float) -> None:
        from mendem.tomography.wedge_regions import wedge_regions
        from mendem.wedge_filled import Findings, completed_stack

        found, shape = Findings(filling), filling.shape
        tilts = np.zeros((len(filling.completion.angles), *shape[1:]), np.float32)
        self.volume = np.full(shape, np.nan, np.float32)
        try:
            for part in filling.filled_rows(self.check, self._set_progress):
                found.take(part)
                rows = slice(part.first, found.done)
                self.volume[:, rows], tilts[:, rows] = part.mean, part.tilts
                if part.std is not None:
                    if self.spread is None:
                        self.spread = np.full(shape, np.nan, np.float32)
                    self.spread[:, rows] = part.std
                self.done = found.done
                self.changes += 1
        except Cancelled:
            if not found.done:
                raise
        self.regions = wedge_regions(filling.geometry.angles_deg, filling.geometry.shape, shape[0])
        if self.done == shape[1]:
            self.completed = filling.completion.completed(completed_stack(filling, tilts))
        self.provenance = found.record(begun)
