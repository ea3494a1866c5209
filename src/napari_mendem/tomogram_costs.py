"""What a reconstruction will take, time and memory, before it starts. No Qt."""

from __future__ import annotations

from mendem.errors import MendemError
from napari_mendem.tomogram_request import TomogramRequest

#: Share of the free memory that a run may take.
LARGEST_SHARE = 0.8

#: Seconds for each unit of work, by method, device, and whether measured on a whole volume, reading included.
_pace: dict[tuple[str, str, bool], float] = {}


def bytes_of(request: TomogramRequest, to_file: bool = False) -> int:
    """Memory that a run takes beside its input: the volume, a band of aligned rows, and a block of slices."""
    from mendem.tomography.aligned import BAND_BYTES
    from mendem.tomography.slices import BLOCK_BYTES, STRIP

    depth, rows, width = request.shape
    volume = 4 * depth * rows * width
    strip = min(4 * depth * width * STRIP, BLOCK_BYTES, volume)
    return (0 if to_file else volume) + strip + min(BAND_BYTES, 4 * len(request.series.used) * rows * width)


def check_memory(needed: int, otherwise: str) -> None:
    """Refuse a run that would fill the memory with so many bytes; `MendemError` says that files would do, or what else.

    ``otherwise`` is the end of that sentence.
    """
    from mendem.device import available_bytes

    free = available_bytes("cpu")
    if needed > LARGEST_SHARE * free:
        raise MendemError(
            f"the result takes {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free: make it to a file, "
            f"{otherwise}"
        )


def seconds_of(request: TomogramRequest) -> float | None:
    """How long a run will take, from what was measured; None where nothing was."""
    for whole in (True, False):
        pace = _pace.get(_key(request, whole))
        if pace is not None:
            return pace * _work(request, request.shape[1])
    return None


def learn(request: TomogramRequest, rows: int, seconds: float, whole: bool) -> None:
    """Take over how long ``rows`` slices took: of a ``whole`` volume with reading, or alone, the fastest so far."""
    pace, known = seconds / _work(request, rows), _pace.get(_key(request, whole))
    _pace[_key(request, whole)] = pace if whole or known is None else min(pace, known)


def _key(request: TomogramRequest, whole: bool) -> tuple[str, str, bool]:
    return type(request.method).__name__, request.device, whole


def _work(request: TomogramRequest, rows: int) -> float:
    """What the time of a run is proportional to: pixels of slices, tilts and iterations."""
    depth, _, width = request.shape
    method = request.method
    turns = getattr(method, "iterations", 1) if method.iterative else 1
    return float(rows * depth * width * len(request.series.used) * turns)
