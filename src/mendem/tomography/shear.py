"""Projection as rows that are shifted and added up: the inner loop of the projector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: Sub-pixel positions of a row: rows are shifted by multiples of 1 / PHASES pixel.
PHASES = 8
#: Bytes gathered at a time: on the CPU what stays in its cache, on a GPU what keeps it busy.
GATHERED_BYTES = {"cpu": 1 << 20}
GATHERED_ON_GPU = 256 << 20


def overlap(distance: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Share of a pixel's shadow, ``pixel`` wide, that falls into a detector pixel (1 wide) at ``distance`` from it."""
    low, high = np.maximum(distance - pixel / 2, -0.5), np.minimum(distance + pixel / 2, 0.5)
    return np.clip(high - low, 0, None) / pixel


@dataclass(frozen=True)
class Lines:
    """Tilts that see (row, column) of an array at u = along * column + across * row + origin of the detector.

    Each field is an array with one number for each tilt; ``|along| >= |across|``.
    """

    along: np.ndarray
    across: np.ndarray
    origin: np.ndarray


class Shear:
    """Distance-driven projection (De Man and Basu 2004) of tilts within 45° of the columns, and its exact transpose.

    Every row is shifted until the ray is a column, in eighths of a pixel, and added up in a table of
    ``PHASES`` points a pixel; the table goes to the detector by the overlap of a pixel's shadow with each detector
    pixel. So a constant projects to a constant, and nothing but whole rows is moved in memory: the gathers and
    scatters of single pixels, which cost most, are gone.

    Parameters
    ----------
    lines
        The tilts.
    rows, columns
        Shape of the array that is projected.
    width
        Pixels of the detector.
    """

    def __init__(self, lines: Lines, rows: int, columns: int, width: int, device: torch.device) -> None:
        self.rows, self.columns, self.width, self.tilts = rows, columns, width, len(lines.along)
        self.device = device
        a, b, origin = lines.along, lines.across, lines.origin
        # Columns of the table, on which the ray at row 0 is at u = a * column + origin: those that the detector sees
        # and that the array reaches.
        reach = np.sort([(-0.5 - origin) / a, (width - 0.5 - origin) / a], axis=0) + [[-1.5], [1.5]]
        tilted = np.sort([0 * b, (rows - 1) * b / a], axis=0)
        first = np.floor(np.maximum(reach[0], tilted[0] - 1))
        last = np.ceil(np.minimum(reach[1], columns + tilted[1]))
        self.length = max(1, int((last - first).max()) + 1)
        fine = np.rint(PHASES * (np.arange(rows)[None, :] * (b / a)[:, None] - first[:, None])).astype(np.int64)
        # Row r begins at column `start` of phase `phase` of the table.
        self._start, self._phase = np.divmod(fine, PHASES)
        self._table_taps(a, origin, first)
        self._detector_taps(a, origin, first)
        self._row_places()

    def _table_taps(self, a: np.ndarray, origin: np.ndarray, first: np.ndarray) -> None:
        """For each point of the table the detector pixels that its pixel falls into: at most three."""
        columns = first[:, None] + np.arange(self.length)
        points = columns[:, None, :] + (np.arange(PHASES) / PHASES)[None, :, None]
        u = a[:, None, None] * points + origin[:, None, None]
        shadow = np.abs(a)[:, None, None, None]
        at = np.floor(u - (1 + np.abs(a)[:, None, None]) / 2)[..., None] + np.arange(1, 4)
        weight = overlap(u[..., None] - at, shadow) * ((at >= 0) & (at < self.width))
        at = np.clip(at, 0, self.width - 1) + (np.arange(self.tilts) * self.width)[:, None, None, None]
        self._to_table = self._index(at), self._weight(weight)

    def _detector_taps(self, a: np.ndarray, origin: np.ndarray, first: np.ndarray) -> None:
        """For each detector pixel the points of the table whose pixels fall into it."""
        u = np.arange(self.width)
        middle = ((u[None, :] - origin[:, None]) / a[:, None] - first[:, None]) * PHASES
        half = (1 + np.abs(a)) / (2 * np.abs(a)) * PHASES
        taps = int(np.ceil(2 * half.max())) + 1
        at = np.floor(middle - half[:, None])[..., None] + np.arange(taps)
        column, phase = np.divmod(at, PHASES)
        distance = a[:, None, None] * (first[:, None, None] + at / PHASES) + origin[:, None, None] - u[None, :, None]
        inside = (at >= 0) & (column < self.length)
        weight = overlap(distance, np.abs(a)[:, None, None]) * inside
        place = (np.arange(self.tilts)[:, None, None] * PHASES + phase) * self.length + column
        self._to_detector = self._index(np.where(inside, place, 0)), self._weight(weight)

    def _row_places(self) -> None:
        """Where the windows that are gathered begin, in the padded array and in the padded table."""
        row = self.length + self.columns  # an array row with the gap behind it
        before = np.clip(-self._start, -self.length, self.columns)
        self._in_array = self._index(self.length + np.arange(self.rows) * row + before)
        row = self.length + 2 * self.columns
        after = self.columns + np.clip(self._start, -self.columns, self.length)
        line = np.arange(self.tilts)[:, None] * PHASES + self._phase
        self._in_table = self._index((line * row + after).T)
        hot = self._phase[:, None, :] == np.arange(PHASES)[None, :, None]
        self._phases = self._weight(hot)

    def _index(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.int64)).to(self.device)

    def _weight(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.device)

    def project(self, array: Tensor) -> Tensor:
        """(N, rows, columns) to (N, tilts, width)."""
        n, gap = len(array), self.length
        flat = array.new_zeros((n, 2 * gap + self.rows * (self.columns + gap)))
        flat[:, gap : gap + self.rows * (self.columns + gap)].view(n, self.rows, -1)[..., : self.columns] = array
        table = array.new_empty((n, self.tilts, PHASES, gap))

        def add(image: int | slice, tilts: slice) -> None:
            gathered = _windows(flat[image], gap, self._in_array[tilts])
            table[image, tilts] = self._phases[tilts] @ gathered

        _in_pieces(add, n, self.tilts, self.rows * gap * 4, self.device)
        index, weight = self._to_detector
        return (table.view(n, -1)[:, index.view(-1)].view(n, *index.shape) * weight).sum(-1)

    def transpose(self, data: Tensor) -> Tensor:
        """(N, tilts, width) to (N, rows, columns)."""
        n, gap = len(data), self.columns
        index, weight = self._to_table
        table = data.new_zeros((n, self.tilts, PHASES, self.length + 2 * gap))
        table[..., gap : gap + self.length] = (
            data.reshape(n, -1)[:, index.view(-1)].view(n, *index.shape) * weight
        ).sum(-1)
        flat = table.view(n, -1)
        array = data.new_empty((n, self.rows, self.columns))

        def add(image: int | slice, rows: slice) -> None:
            array[image, rows] = _windows(flat[image], gap, self._in_table[rows]).sum(-2)

        _in_pieces(add, n, self.rows, self.tilts * gap * 4, self.device)
        return array


def _windows(flat: Tensor, length: int, begins: Tensor) -> Tensor:
    """The windows (…, A, B, length) of (…, pixels) that begin at ``begins`` (A, B)."""
    shape = (*flat.shape[:-1], flat.shape[-1] - length + 1, length)
    every = flat.as_strided(shape, (*flat.stride()[:-1], 1, 1))
    return every.index_select(-2, begins.view(-1)).view(*flat.shape[:-1], *begins.shape, length)


def _in_pieces(
    do: Callable[[int | slice, slice], None], images: int, parts: int, part_bytes: int, device: torch.device
) -> None:
    """Call ``do`` for parts of images, or for several whole images at once, as many as fit into what is gathered."""
    budget = GATHERED_BYTES.get(device.type, GATHERED_ON_GPU)
    whole = budget // (parts * part_bytes)
    if whole > 1:
        for first in range(0, images, whole):
            do(slice(first, first + whole), slice(None))
        return
    step = max(1, budget // part_bytes)
    for image in range(images):
        for first in range(0, parts, step):
            do(image, slice(first, first + step))
