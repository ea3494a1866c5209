"""What was found in a stack of sections: where each lies, how bright, how sharp, and what of it counts as measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class DamagedArea:
    """Damaged pixels of one section, on a coarse grid.

    Attributes
    ----------
    cells
        (rows, columns) bool; a cell stands for ``step`` x ``step`` pixels, the last ones for what is left too.
    step
        Pixels along the side of a cell.
    shape
        Height and width of the section.
    """

    cells: np.ndarray
    step: int
    shape: tuple[int, int]

    @property
    def share(self) -> float:
        """Share of the section that is damaged, 0 to 1."""
        return float(self.cells.mean())

    def read(self, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """Mask (rows, columns) bool, True where damaged."""
        y, x = (np.arange(n)[s] // self.step for n, s in zip(self.shape, (rows, columns), strict=True))
        return self.cells[np.ix_(np.minimum(y, self.cells.shape[0] - 1), np.minimum(x, self.cells.shape[1] - 1))]


@dataclass(frozen=True, eq=False)
class StackReport:
    """What is wrong with the sections of a stack, one entry for each section in their order.

    Attributes
    ----------
    shift
        (y, x) in pixels: what lies at p in the corrected stack lies at p + shift in the section.
    gain, offset
        A section is ``offset + gain * corrected``; 1 and 0 where nothing is to be corrected.
    blur_px
        Gaussian sigma in pixels by which a section is blurrier than those around it; 0 for none.
    missing
        Sections that are to be treated as not measured, in order.
    reasons
        Why, in words, one for each of ``missing``.
    damage
        Damaged places of sections, by section.
    gap_after
        Sections after which at least one more seems to have been lost; a proposal, nothing is inserted.
    noise_to_signal
        Power of noise over that of structure at evenly spaced frequencies from 0 to 0.5 cycles per pixel: what
        sharpening has to reckon with.
    notes
        Sentences for the user.
    """

    shift: tuple[tuple[float, float], ...]
    gain: tuple[float, ...]
    offset: tuple[float, ...]
    blur_px: tuple[float, ...]
    missing: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    damage: Mapping[int, DamagedArea] = field(default_factory=dict)
    gap_after: tuple[int, ...] = ()
    noise_to_signal: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.shift)

    @classmethod
    def untouched(cls, count: int, notes: tuple[str, ...] = ()) -> StackReport:
        """Nothing is wrong with any of ``count`` sections."""
        return cls(((0.0, 0.0),) * count, (1.0,) * count, (0.0,) * count, (0.0,) * count, notes=notes)

    @property
    def shifted(self) -> bool:
        """Whether any section is to be moved."""
        return any(y or x for y, x in self.shift)

    @property
    def rescaled(self) -> bool:
        """Whether brightness or contrast of any section is to be changed."""
        return any(g != 1 for g in self.gain) or any(self.offset)

    @property
    def blurred(self) -> bool:
        """Whether any section that counts is blurrier than those around it."""
        return any(b for i, b in enumerate(self.blur_px) if i not in self.missing)

    @property
    def clean(self) -> bool:
        """Whether the stack is to be used exactly as it is."""
        return not (self.shifted or self.rescaled or self.blurred or self.missing or self.damage)


def stated(report: StackReport) -> dict[str, Any]:
    """The report as plain JSON values; of damaged places their share of the section."""
    return {
        "shift_px": [[round(s, 3) for s in pair] for pair in report.shift],
        "gain": [round(g, 4) for g in report.gain],
        "offset": [float(f"{o:.5g}") for o in report.offset],
        "blur_px": [round(b, 2) for b in report.blur_px],
        "missing": list(report.missing),
        "reasons": list(report.reasons),
        "damaged_share": {str(i): round(place.share, 4) for i, place in report.damage.items()},
        "gap_after": list(report.gap_after),
    }


def listed(sections: list[int]) -> str:
    """Section numbers in words: "section 3", "sections 3, 4 and 7", the longest with a count of those left out."""
    some = [str(i) for i in sections[:8]]
    if len(sections) > 8:
        some.append(f"{len(sections) - 8} more")
    words = some[0] if len(some) == 1 else ", ".join(some[:-1]) + f" and {some[-1]}"
    return f"section{'s' if len(sections) > 1 else ''} {words}"
