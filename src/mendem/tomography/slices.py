"""Reconstruction of a tilt series slice by slice: one of them live, or all of them in blocks from disk to disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from mendem.device import choose_device
from mendem.errors import MendemError
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.tv import Tv, projection_noise

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.tomography.projector import Projector

#: Slices of which the noise is measured.
NOISE_SLICES = 16
#: Bytes of finished slices in one block.
BLOCK_BYTES = 128 << 20
#: Slices that are finished and written together, at least; what an interrupted run loses at most.
STRIP = 32
#: Bytes of slices that are computed together: on the CPU little more than its cache, on a GPU what keeps it busy.
BATCH_BYTES = {"cpu": 4 << 20}
BATCH_ON_GPU = 64 << 20


class Method(Protocol):
    """A way to reconstruct: `Wbp`, `Sirt`, `Tv`. ``iterative`` if it looks for slices that explain the projections."""

    iterative: ClassVar[bool]

    def iterates(self, projector: Projector, sinograms: Tensor, check: Callable[[], None]) -> Iterator[Tensor]:
        """Slices (…, Z, X) of sinograms (…, tilts, width), better and better, each independent of the others."""


class Sinograms(Protocol):
    """Where the data of slices comes from: `Rows`, or `mendem.tomography.aligned.AlignedRows`."""

    @property
    def count(self) -> int:
        """How many slices there are."""

    def read(self, first: int, last: int) -> np.ndarray:
        """Sinograms of the slices from ``first`` to before ``last``: float32 (slices, tilts, width)."""


@dataclass(frozen=True)
class Rows:
    """Sinograms of an aligned stack, whose tilt axis runs along y, read when they are wanted.

    Parameters
    ----------
    stack
        (tilt, y, x): an array, or anything with a shape that can be sliced.
    tilts
        Which tilts, in the order of the angles; all when left out.
    """

    stack: Any
    tilts: tuple[int, ...] | None = None

    @property
    def count(self) -> int:
        """How many slices there are."""
        return int(self.stack.shape[1])

    def read(self, first: int, last: int) -> np.ndarray:
        """Sinograms of the slices from ``first`` to before ``last``: float32 (slices, tilts, width)."""
        tilts = range(self.stack.shape[0]) if self.tilts is None else self.tilts
        rows = np.empty((last - first, len(tilts), self.stack.shape[2]), np.float32)
        for i, tilt in enumerate(tilts):
            rows[:, i] = self.stack[tilt, first:last, :]
            if not np.isfinite(rows[:, i]).all():
                raise MendemError(
                    f"tilt {tilt} has pixels that are not finite numbers, in rows {first} to {last - 1}; exclude it or "
                    "fill them first"
                )
        return rows


@dataclass(frozen=True)
class Reconstruction:
    """What is to be computed: a method, its geometry and its data.

    Parameters
    ----------
    rows
        Where sinograms come from: `Rows`, or anything with its ``count`` and ``read``.
    geometry
        Of the tilts that ``rows`` gives, for slices of the thickness and width that are wanted.
    method
        `Wbp`, `Sirt` or `Tv`.
    device
        "auto", "cpu", "cuda" or "mps".
    surroundings
        Iterative methods reconstruct what the tilted detector sees of a slab beyond the field of view too
        (`SliceGeometry.widened`), and it is cut off. Without it, it piles up inside; an isolated object that lies in
        the slice at all tilts can do without, two to three times as fast.
    """

    rows: Sinograms
    geometry: SliceGeometry
    method: Method
    device: str = "auto"
    surroundings: bool = True

    @cached_property
    def _projector(self) -> tuple[Projector, slice]:
        from mendem.tomography.projector import Projector

        geometry, inner = self.geometry, slice(0, self.geometry.shape[1])
        if self._extends(self.method):
            geometry, inner = geometry.widened()
        return Projector(geometry, choose_device(self.device)), inner

    @cached_property
    def measured_method(self) -> Method:
        """The method with its noise measured, on the whole series: no slice is smoothed more than another."""
        if not isinstance(self.method, Tv) or self.method.noise:
            return self.method
        chosen = np.unique(np.linspace(0, self.rows.count - 1, NOISE_SLICES).round().astype(int)).tolist()
        noise = projection_noise(np.concatenate([self.rows.read(row, row + 1) for row in chosen]))
        return replace(self.method, noise=noise)

    def _extends(self, method: Method) -> bool:
        return self.surroundings and method.iterative

    def with_method(self, method: Method) -> Reconstruction:
        """The same with another method; what was prepared for the geometry is kept."""
        other = replace(self, method=method)
        if "_projector" in self.__dict__ and self._extends(method) == self._extends(self.method):
            other.__dict__["_projector"] = self._projector
        return other

    def iterates(self, row: int, check: Callable[[], None] = lambda: None) -> Iterator[np.ndarray]:
        """Slice number ``row``, float32 (Z, X), better and better: the last one is that of the whole volume."""
        if not 0 <= row < self.rows.count:
            raise MendemError(f"there is no slice {row}; the tilt series has {self.rows.count}, from 0")
        for slices in self._iterates(self.rows.read(row, row + 1), check):
            yield slices[0].cpu().numpy().copy()

    def slice(self, row: int, check: Callable[[], None] = lambda: None) -> np.ndarray:
        """Slice number ``row``, float32 (Z, X)."""
        *_, last = self.iterates(row, check)
        return last

    def blocks(
        self, multiple: int = 1, check: Callable[[], None] = lambda: None, first: int = 0, last: int | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """The volume in blocks of consecutive slices: the first row, and float32 (Z, rows, X).

        Blocks begin at multiples of ``multiple`` (the chunks of a file) where that many rows fit into 128 MB. Nothing
        depends on how the volume is cut. ``first`` and ``last`` choose a range of rows.
        """
        depth, width = self.geometry.shape
        last = self.rows.count if last is None else last
        count = max(1, BLOCK_BYTES // (depth * width * 4))
        count = count // multiple * multiple or count
        for begin in range(first - first % count, last, count):
            start, end = max(begin, first), min(begin + count, last)
            block = np.empty((depth, end - start, width), np.float32)
            step = self._batch()
            for row in range(start, end, step):
                stop = min(row + step, end)
                for slices in self._iterates(self.rows.read(row, stop), check):
                    done = slices
                block[:, row - start : stop - start] = done.transpose(0, 1).cpu().numpy()
            yield start, block

    def _batch(self) -> int:
        """How many slices are computed together."""
        projector, _ = self._projector
        depth, width = projector.geometry.shape
        budget = BATCH_BYTES.get(projector.device.type, BATCH_ON_GPU)
        return max(1, budget // (max(depth, len(projector.geometry.angles_deg)) * width * 4))

    def _iterates(self, sinograms: np.ndarray, check: Callable[[], None]) -> Iterator[Tensor]:
        import torch

        projector, inner = self._projector
        expected = (len(self.geometry.angles_deg), self.geometry.width)
        if sinograms.shape[1:] != expected:
            raise MendemError(
                f"the tilt series gives {sinograms.shape[1]} tilts of {sinograms.shape[2]} pixels, but the geometry is "
                f"for {expected[0]} of {expected[1]}; give one angle for each tilt that is used"
            )
        with torch.inference_mode():
            data = torch.from_numpy(sinograms).to(projector.device)
            for slices in self.measured_method.iterates(projector, data, check):
                yield slices[..., inner]
