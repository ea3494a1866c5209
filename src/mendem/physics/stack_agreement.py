"""Whether the parts of a section move and change together: a microtome moves all of it, a neurite only itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mendem.physics.stack_contrast import section_levels
from mendem.physics.stack_spectra import SpectraBuilder, first_shifts, section_shifts

#: Least correlation between what opposite quarters of the sections do from one to the next; and how many times its
#: standard error, where there are few sections.
AGREE, STANDARD_ERRORS = 0.25, 2.5
#: Quarters smaller than this, in reduced pixels, tell nothing; then nothing is contradicted.
SMALLEST = 16

Check = Callable[[], None]


def moves_agree(reduced: np.ndarray, at: np.ndarray, check: Check) -> bool:
    """Whether opposite quarters of sections (sections, rows, columns) are shifted alike from one to the next.

    ``at`` are the numbers of the sections.
    """

    def courses(quarter: np.ndarray) -> np.ndarray:
        builder = SpectraBuilder(len(quarter))
        for section in quarter:
            builder.add(section)
        spectra = builder.done(1)
        first, _ = first_shifts(spectra, at, check)
        return section_shifts(spectra, first, at, check)

    return _agree(reduced, courses)


def levels_agree(reduced: np.ndarray, shift: np.ndarray, at: np.ndarray, check: Check) -> bool:
    """Whether contrast and brightness of opposite quarters change alike; ``shift`` as of `section_levels`."""

    def courses(quarter: np.ndarray) -> np.ndarray:
        levels = section_levels(quarter, shift, at, check)
        return np.stack([levels.log_gain, levels.brightness / max(levels.spread, 1e-30)], 1)

    return _agree(reduced, courses)


def _agree(reduced: np.ndarray, courses: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Whether the second differences of the courses (sections, quantities) of opposite quarters are correlated."""
    height, width = reduced.shape[1] // 2, reduced.shape[2] // 2
    if min(height, width) < SMALLEST or len(reduced) < 4:
        return True
    top, bottom, left, right = slice(0, height), slice(-height, None), slice(0, width), slice(-width, None)
    found = []
    for one, other in (((top, left), (bottom, right)), ((top, right), (bottom, left))):
        pair = [np.diff(courses(reduced[:, *quarter]), 2, axis=0) for quarter in (one, other)]
        for a, b in zip(*(p.T for p in pair), strict=True):
            spread = float(np.sqrt((a**2).sum() * (b**2).sum()))
            found.append(float((a * b).sum()) / spread if spread else 0.0)
    samples = len(found) * (len(reduced) - 2)
    return float(np.mean(found)) > max(AGREE, STANDARD_ERRORS / np.sqrt(samples))
