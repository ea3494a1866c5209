"""The planes of a volume that are learned from, and those that are held out: a bounded part of it, read once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mendem.image import Image
from mendem.normalise import Normalisation

#: Largest side of what is read of a plane at one place, and pixels that are read in all, at the most.
SIDE, MOST_PIXELS = 512, 16_000_000
#: One measured section in so many is held out; with twice as many, those beside them are not learned from either.
HELD_OUT = 8
#: Contrast, in normalised units, below which a plane is empty; and what brighter pixels are cut to.
EMPTY, BRIGHTEST = 1e-3, 30.0


@dataclass(frozen=True)
class Parts:
    """Parts of planes, all of one shape, by section and place.

    Attributes
    ----------
    pixels
        float32, normalised, NaN where nothing was measured.
    learned, held_out
        Keys; both are empty where there are fewer sections than `fewest`.
    """

    fewest: ClassVar[int] = 4

    pixels: dict[tuple[int, int], np.ndarray]
    learned: list[tuple[int, int]]
    held_out: list[tuple[int, int]]

    @property
    def count(self) -> int:
        """Pixels that are learned from."""
        return sum(self.pixels[key].size for key in self.learned)


def read_parts(image: Image, missing: Collection[int], norm: Normalisation, seed: int = 0) -> Parts:
    """Read neighbouring sections at evenly spread places of a volume (Z, Y, X), the middle ones where that is much."""
    height, width = (min(n, SIDE) for n in image.plane_shape)
    places = [(y, x) for y in _starts(image.plane_shape[0], height) for x in _starts(image.plane_shape[1], width)]
    sections = [z for z in range(image.plane_count) if z not in missing]
    most = max(1, MOST_PIXELS // (height * width))
    if len(places) * len(sections) > most:
        wanted = max(1, most // min(len(sections), 4 * HELD_OUT))
        chosen = np.random.default_rng(seed).permutation(len(places))[:wanted]
        places = [places[i] for i in sorted(chosen)]
        count = min(len(sections), most // len(places))
        first = (len(sections) - count) // 2
        sections = sections[first : first + count]
    pixels = {}
    for z in sections:
        for i, (y, x) in enumerate(places):
            native = image.read(z, slice(y, y + height), slice(x, x + width)).astype(np.float64)
            part = norm.apply(native).astype(np.float32)
            finite = np.isfinite(part)
            if finite.any() and np.ptp(part[finite]) > EMPTY:
                pixels[z, i] = np.where(finite, part.clip(-BRIGHTEST, BRIGHTEST), np.nan)
    measured = sorted({z for z, _ in pixels})
    if len(measured) < Parts.fewest:
        return Parts(pixels, [], [])
    count = max(1, len(measured) // HELD_OUT)
    first = (len(measured) - count) // 2
    gap = 1 if len(measured) >= 2 * HELD_OUT else 0
    apart = set(measured[first : first + count])
    near = set(measured[first - gap : first + count + gap])
    return Parts(pixels, [k for k in pixels if k[0] not in near], [k for k in pixels if k[0] in apart])


def _starts(length: int, side: int) -> list[int]:
    """Where pieces of a length begin that cover it evenly."""
    return [int(s) for s in np.linspace(0, length - side, -(-length // side))]
