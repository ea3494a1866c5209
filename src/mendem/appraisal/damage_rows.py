"""Bands of rows whose brightness jumps against their neighbours over a long stretch, as charging leaves them."""

from __future__ import annotations

import numpy as np

#: Pixels along the fast scan direction that are taken together, and the step from one stretch to the next.
STRETCH, STEP = 48, 12
#: A jump is this many times what rows usually differ by, and this share of the picture's range; it ends at fewer.
JUMP, JUMP_SHARE, END = 8.0, 0.06, 3.0
#: Neighbouring steps may be this share of a jump: an edge in the specimen is not as sharp as one between two scans.
SHARP = 0.4
#: Shortest jump in pixels, and share of the width; most rows of a band; how alike its two jumps are in size.
SHORTEST, SHORTEST_SHARE, TALLEST, ALIKE = 96, 0.15, 24, 2.5


def charged_rows(x: np.ndarray) -> np.ndarray:
    """Where the rows of a slice are charged, (height, width) bool; ``x`` is finite, floating point.

    A band begins with a jump from one row to the next, the same over a long stretch along x, and ends with the opposite
    jump below. What changes once and stays is no band: it may be the specimen.
    """
    height, width = x.shape
    marked = np.zeros(x.shape, bool)
    if height < 32 or width < 2 * SHORTEST:
        return marked
    jumps, usual = _jumps(x)
    low, high = np.percentile(x, [1, 99])
    least = np.maximum(JUMP * usual, JUMP_SHARE * (high - low))
    bands = _runs(jumps, least, usual, max(SHORTEST, SHORTEST_SHARE * width))
    for i, (row, first, last, size) in enumerate(bands):
        for other, begin, end, opposite in bands[i + 1 :]:
            if other - row > TALLEST:
                break
            shared = min(last, end) - max(first, begin)
            alike = -ALIKE < opposite / size < -1 / ALIKE
            if alike and shared > 0.6 * max(last - first, end - begin):
                marked[row + 1 : other + 1, min(first, begin) : max(last, end)] = True
                break
    return marked


def _jumps(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median step from each row to the next over each stretch (height - 1, stretches), and what is usual for each."""
    steps = np.diff(x, axis=0)
    view = np.lib.stride_tricks.sliding_window_view(steps, STRETCH, axis=1)[:, ::STEP]
    jumps = np.median(view, axis=2)
    usual = 1.4826 * np.median(np.abs(jumps - np.median(jumps, axis=0)), axis=0)
    return jumps, np.maximum(usual, 1e-9 * max(float(np.abs(x).max()), 1e-30))


def _runs(
    jumps: np.ndarray, least: np.ndarray, usual: np.ndarray, shortest: float
) -> list[tuple[int, int, int, float]]:
    """Sharp long jumps: row above, first and last pixel, mean size."""
    strong = np.abs(jumps) > least
    found = []
    for row in np.flatnonzero(strong.sum(1) * STEP > 0.5 * shortest):
        sign = np.sign(jumps[row, strong[row]].sum())
        going = sign * jumps[row] > END * usual
        for first, last in _stretches(going):
            inside = slice(first, last)
            if STEP * (last - first - 1) + STRETCH < shortest or strong[row, inside].sum() < 0.3 * (last - first):
                continue
            size = float(np.median(jumps[row, inside]))
            beside = [float(np.median(jumps[r, inside])) for r in (row - 1, row + 1) if 0 <= r < len(jumps)]
            # A band of a single row has the opposite jump right below or above.
            if all(b * np.sign(size) < SHARP * abs(size) for b in beside):
                found.append((int(row), first * STEP, (last - 1) * STEP + STRETCH, size))
    return found


def _stretches(going: np.ndarray) -> list[tuple[int, int]]:
    """Begin and end of each run of true values."""
    edges = np.flatnonzero(np.diff(np.r_[False, going, False].astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
