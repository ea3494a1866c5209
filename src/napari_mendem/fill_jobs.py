"""Filling the wedge in the engine's thread: one slice live, and a whole series. No Qt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import Cancelled
from napari_mendem.fill_request import FillRequest
from napari_mendem.workers import use_cpu_threads

if TYPE_CHECKING:
    from mendem.engine import Progress
    from mendem.tomography.tilt_series import TiltSeries
    from mendem.wedge_filling.findings import Findings
    from mendem.wedge_filling.parameters import FillWedge
    from mendem.wedge_filling.pieces import Piece
    from mendem.wedge_filling.plan import WedgeFilling
    from mendem.wedge_filling.volume_road import VolumeRoad

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
        self._filling: VolumeRoad | None = None
        #: What was said of what the network learned from the series; empty where it has not.
        self.learned = ""

    def adapted(self, request: FillRequest) -> VolumeRoad | None:
        """What fills slices as the network learned to from this series; None where it has not, with these fields."""
        known = self._request
        if not self.learned or known is None or not known.same_but_estimate(request):
            return None
        return self._estimating(request)

    def adapt(self, request: FillRequest, filling: VolumeRoad) -> None:
        """Take over a filling whose network has learned from the series; its last note tells of it."""
        self._request, self._filling, self.learned = request, filling, filling.notes[-1]

    def get(self, request: FillRequest, check: Callable[[], None]) -> VolumeRoad:
        """What fills the slices that are those of the whole; ``check`` may raise `Cancelled`."""
        from mendem.tomography.aligned import AlignedRows
        from mendem.wedge_filling.prepare import prepare
        from mendem.wedge_filling.volume_road import VolumeRoad

        known, filling = self._request, self._filling
        if known is not None and known.same_but_estimate(request):
            return self._estimating(request)
        rows = None
        if known is not None and filling is not None and known.series.image.data is request.series.image.data:
            rows = filling.rows if known.read_by == request.read_by else None
        if rows is None:
            levels = request.density.levels(request.series)
            rows = AlignedRows(request.series, request.density, *levels, band_bytes=LIVE_BAND_BYTES)
        settings: dict[str, Any] = {"density": request.density, "device": request.device, "rows": rows}
        filling = prepare(request.series, request.parameters, request.thickness, check=check, **settings)
        assert isinstance(filling, VolumeRoad)
        self._request, self._filling, self.learned = request, filling, ""
        return filling

    def _estimating(self, request: FillRequest) -> VolumeRoad:
        """What is known of the series, with the estimate that is asked for now: nothing is measured again."""
        from mendem.wedge_filling.volume_road import estimating

        assert self._request is not None and self._filling is not None
        if not self._request.same(request):
            self._request, self._filling = request, estimating(self._filling, request.parameters)
        return self._filling


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
    stack
        The completed stack (tilt, y, x) as the tilt road generates it, 0 where it has not got to; None by the volume
        road, and before.
    completed
        The completed series with what of it was generated; None before the end, and where that is not whole.
    angles, flags
        Of its tilts.
    newest
        Which tilt of ``stack`` was generated last.
    changes
        How often there was more.
    provenance
        None before the end, and where nothing was finished.
    """

    def __init__(self, request: FillRequest, source: FillSource, cpu_threads: int = 0) -> None:
        self.request, self._source = request, source
        self.cancelled = threading.Event()
        self.progress: Progress | None = None
        self.filling: WedgeFilling | None = None
        self.volume: np.ndarray | None = None
        self.spread: np.ndarray | None = None
        self.stack: np.ndarray | None = None
        self.completed: TiltSeries | None = None
        self.angles: tuple[float, ...] = ()
        self.flags: tuple[str, ...] = ()
        self.newest = 0
        self.regions: np.ndarray | None = None
        self.changes = 0
        self.provenance: dict[str, Any] | None = None
        self._cpu_threads = cpu_threads

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> FillJob:
        """Fill; `MendemError` for what the user can mend. Cancelled, what is finished is kept."""
        from mendem.wedge_filling.findings import Findings

        begun = time.monotonic()
        try:
            self.check()
            use_cpu_threads(self._cpu_threads)
            filling = self._prepared()
        except Cancelled:
            return self
        found = Findings(filling)
        tilts = np.zeros((len(filling.completion.angles), *filling.shape[1:]), np.float32)
        with suppress(Cancelled):
            for piece in filling.pieces(self.check, self._set_progress):
                found.take(piece)
                self._take(piece, tilts, found)
                self.changes += 1
        if not found.nothing:
            self._end(found, tilts, begun)
        return self

    def _prepared(self) -> WedgeFilling:
        from mendem.wedge_filling.prepare import prepare

        request = self.request
        settings: dict[str, Any] = {"density": request.density, "device": request.device, "check": self.check}
        return self._with_what_was_learned(prepare(request.series, self._parameters, request.thickness, **settings))

    @property
    def _parameters(self) -> FillWedge:
        """Those of the request; what has learned from the series is not judged again."""
        chosen = self.request.parameters
        return chosen if self._source.adapted(self.request) is None else replace(chosen, filler="network")

    def _with_what_was_learned(self, filling: WedgeFilling) -> WedgeFilling:
        """The same with the network that has learned from the series, where one has."""
        learned = self._source.adapted(self.request)
        if learned is not None:
            parts = {"completion": filling.completion, "rows": filling.rows}
            filling = replace(learned, parameters=self.request.parameters, **parts)
        self.filling = filling
        return filling

    def _set_progress(self, progress: Progress) -> None:
        self.progress = progress

    def _take(self, piece: Piece, tilts: np.ndarray, found: Findings) -> None:
        from mendem.wedge_filling.pieces import FilledTilts

        assert self.filling is not None
        if isinstance(piece, FilledTilts):
            tilts[list(piece.which)] = piece.density
            self._stream(piece.which, tilts, found)
            return
        for name, part in (("volume", piece.mean), ("spread", piece.std)):
            if part is not None:
                if getattr(self, name) is None:
                    setattr(self, name, np.full(self.filling.shape, np.nan, np.float32))
                getattr(self, name)[:, piece.rows] = part
        if piece.tilts is not None:
            tilts[:, piece.rows] = piece.tilts

    def _stream(self, which: tuple[int, ...], tilts: np.ndarray, found: Findings) -> None:
        """Put new tilts into the stack of all, which has the measured ones from the start."""
        from mendem.tomography.missing_tilts import GENERATED

        assert self.filling is not None
        image, whole = self.request.series.image, self.filling.completion.tilts
        if self.stack is None:
            self.angles = tuple(tilt.angle for tilt in whole)
            stack = np.zeros((len(whole), *image.plane_shape), image.dtype.newbyteorder("="))
            for place, tilt in enumerate(whole):
                if tilt.flag != GENERATED:
                    stack[place] = image.read(tilt.source)
            self.stack = stack
        for place, tilt in enumerate(whole):
            if tilt.flag == GENERATED and tilt.source in which:
                self.stack[place] = found.raw(tilts[tilt.source], tilt.angle)
                self.newest = place

    def _end(self, found: Findings, tilts: np.ndarray, begun: float) -> None:
        if self.volume is not None:
            self.regions = found.regions()
        self.provenance = found.record(begun, tilts)
        if not found.partial or self.stack is not None:
            self.flags = found.completion.flags
            self.completed = found.completion.completed(found.stack(tilts))
