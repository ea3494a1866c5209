"""How the sections of a volume lie among the finer planes that are wanted. No torch: widgets ask it too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SectionGrid:
    """``count`` sections, ``spacing`` planes from one to the next, each the mean over ``width`` planes.

    Section i covers the planes from ``i * spacing`` to ``i * spacing + width``; where it is one plane thick, that is
    the nearest plane. The planes reach from the first to the last measured one: nothing is made up beyond.

    Attributes
    ----------
    count
        Sections of the stack, missing ones included.
    spacing, width
        In planes, not necessarily whole; 1 <= width <= spacing.
    missing
        Sections of which nothing was measured.
    """

    count: int
    spacing: float
    width: float
    missing: tuple[int, ...] = ()

    @property
    def height(self) -> int:
        """Planes of the result."""
        return round(self.start(self.count - 1) + self.width)

    @property
    def single(self) -> bool:
        """Whether a section is one plane of the result."""
        return self.width == 1

    def start(self, section: int) -> float:
        """Where a section begins, in planes."""
        start = section * self.spacing
        return float(round(start)) if self.single else start  # halves to the even plane: up and down in turn

    def section_at(self, plane: float) -> float:
        """Where a plane lies, in sections: a whole number in the middle of one."""
        return (plane - (self.width - 1) / 2) / self.spacing

    def measured(self, first: int, last: int) -> tuple[int, ...]:
        """The measured sections that lie whole between two planes."""
        low = max(0, int(first / self.spacing) - 1)
        high = min(self.count, int(last / self.spacing) + 2)
        absent = set(self.missing)
        tiny = 1e-6
        return tuple(
            i
            for i in range(low, high)
            if i not in absent and self.start(i) >= first - tiny and self.start(i) + self.width <= last + tiny
        )

    def mean(self, section: int, volume: np.ndarray) -> np.ndarray:
        """A section of a volume (planes, …) of the whole height."""
        start, stop = self.start(section), self.start(section) + self.width
        first, last = int(start), min(len(volume), int(np.ceil(stop - 1e-6)))
        rows = np.arange(first, last)
        share = np.minimum(rows + 1, stop) - np.maximum(rows, start)
        return np.tensordot((share / share.sum()).astype(volume.dtype), volume[first:last], 1)
