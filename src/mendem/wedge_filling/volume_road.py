"""The volume road: each slice across the tilt axis is filled, and missing tilts are projections of what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mendem.engine import Progress
from mendem.errors import MendemError
from mendem.priors.wedge_filler import WedgeFiller
from mendem.priors.wedge_samples import SampledFiller, Sampler, load_sampler
from mendem.tomography.filler import Filled, Filler
from mendem.tomography.geometry import SliceGeometry
from mendem.wedge_filling.parameters import FillWedge
from mendem.wedge_filling.pieces import FilledRows
from mendem.wedge_filling.plan import WedgeFilling
from mendem.wedge_filling.rows import around, windows

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.tomography.projector import Projector

#: Bytes of slices that are filled together.
BATCH_BYTES = {"cpu": 8 << 20}
BATCH_ON_GPU = 64 << 20

SAMPLED = (
    "One of many plausible specimens was drawn: another seed draws another, and what they do not share is not known. "
    "Its error is larger than that of the mean."
)
NO_SAMPLE = "Total variation has no samples: what is shown is its one answer."


@dataclass(frozen=True)
class VolumeRoad(WedgeFilling):
    """Slices by a ``filler``, which is ready for the series; the missing tilts agree with one another for free.

    With a ``sampler``, which needs the network for a filler, they are a sample: what the network says is its mean.
    """

    filler: Filler
    sampler: Sampler | None = None

    @property
    def made_by(self) -> str:
        return self.filler.name

    def pieces(
        self, check: Callable[[], None] = lambda: None, progress: Callable[[Progress], None] = lambda _: None
    ) -> Iterator[FilledRows]:
        """All slices, in blocks of consecutive ones. Nothing depends on how the volume is cut."""
        depth, width = self._wide[0].shape
        step = max(1, BATCH_BYTES.get(self.device, BATCH_ON_GPU) // (depth * width * 4))
        begun, count = time.monotonic(), self.rows.count
        for first, sinograms in windows(self.rows, self.filler.halo, step):
            spent = time.monotonic() - begun
            progress(Progress(first, count, first / count, spent * (count - first) / first if first else None))
            yield self._rows(first, sinograms, check)
        progress(Progress(count, count, 1.0, 0.0))

    def iterates(
        self, row: int, check: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Mean and standard deviation, float32 (Z, X), of one slice, better and better."""
        if not 0 <= row < self.rows.count:
            raise MendemError(f"there is no slice {row}; the tilt series has {self.rows.count}, from 0")
        inner = self._wide[1]
        for filled in self._fill(row, around(self.rows, row, self.filler.halo), check):
            std = None if filled.std is None else filled.std[0, :, inner].cpu().numpy().copy()
            yield filled.mean[0, :, inner].cpu().numpy().copy(), std

    @cached_property
    def _wide(self) -> tuple[SliceGeometry, slice]:
        """The geometry in which slices are filled, and where the tomogram lies in it."""
        return (self.geometry, slice(0, self.geometry.shape[1])) if self.isolated else self.geometry.widened()

    @cached_property
    def _projectors(self) -> tuple[Projector, Projector]:
        """To the measured tilts, and to the missing ones."""
        from mendem.tomography.projector import Projector

        wide = self._wide[0]
        missing = replace(wide, angles_deg=self.completion.angles, shifts=())
        return Projector(wide, self.device), Projector(missing, self.device)

    def _rows(self, first: int, sinograms: np.ndarray, check: Callable[[], None]) -> FilledRows:
        import torch

        for filled in self._fill(first, sinograms, check):
            last = filled
        inner, (measured, missing) = self._wide[1], self._projectors
        own = torch.from_numpy(sinograms[self.filler.halo : len(sinograms) - self.filler.halo]).to(self.device)
        with torch.inference_mode():
            return FilledRows(
                first,
                _across(last.mean[..., inner]),
                None if last.std is None else _across(last.std[..., inner]),
                _across(missing.forward(last.mean)),
                float((measured.forward(last.mean) - own).square().sum()),
                float(own.square().sum()),
            )

    def _fill(self, first: int, sinograms: np.ndarray, check: Callable[[], None]) -> Iterator[Filled]:
        """The filler's answers for slices from row ``first``.

        Gradients are off within its steps alone, not in who looks at them.
        """
        import torch

        check()
        data = torch.from_numpy(sinograms).to(self.device)
        filler: Filler | SampledFiller = self.filler
        if self.sampler is not None:
            assert isinstance(filler, WedgeFiller)
            filler = SampledFiller(filler, self.sampler, first)
        answers = iter(filler.fill(data, self._wide[0], check))
        while True:
            with torch.inference_mode():
                answer = next(answers, None)
            if answer is None:
                return
            yield answer


def estimating(filling: VolumeRoad, parameters: FillWedge) -> VolumeRoad:
    """A filling that is ready, with the estimate that parameters ask for: the mean, or a sample of their seed.

    Where total variation took the place of the network, there are no samples: a note says so.
    """
    network = isinstance(filling.filler, WedgeFiller)
    drawn = parameters.estimate == "sample"
    sampler = load_sampler(parameters.seed, device=filling.device) if drawn and network else None
    found = {name: value for name, value in filling.found.items() if name != "sample"}
    notes = tuple(note for note in filling.notes if note not in (SAMPLED, NO_SAMPLE))
    if sampler is not None:
        found["sample"] = sampler.record
    if drawn:
        notes = (*notes, SAMPLED if network else NO_SAMPLE)
    return replace(filling, parameters=parameters, sampler=sampler, found=found, notes=notes)


def _across(slices: Tensor) -> np.ndarray:
    """(rows, …, X) as (…, rows, X) in memory."""
    return slices.transpose(0, 1).cpu().numpy()
