"""Every section of a stack looked at once: a reduced copy, its spectrum, and how much of it is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mendem.image import Image
from mendem.physics.shifts import filled
from mendem.physics.stack_spectra import SectionSpectra, SpectraBuilder

#: Reduced copies have at most so many pixels a side, and all together so many pixels.
REDUCED, REDUCED_ALL = 512, 32_000_000
#: Sections are reduced to at most so many pixels a side before their spectra are taken.
FULL = 1024
#: Values beyond these percentiles, by their distance, are cut off before a spectrum is taken: folds, holes and dust
#: would outweigh all else.
TAILS = (1.0, 99.0)
#: Rings of the power spectrum from 0 to 0.5 cycles per pixel, and the pixels a side it is taken from.
POWER_RINGS, POWER_SIDE = 64, 512


@dataclass(frozen=True, eq=False)
class Survey:
    """What is kept of the sections.

    Attributes
    ----------
    reduced
        (sections, rows, columns) float32, means over ``factor`` x ``factor`` pixels.
    factor
        See ``reduced``.
    spectra
        Low frequencies of each section, for their shifts.
    power
        (sections, `POWER_RINGS`) mean power of the pixels by rings of frequency up to 0.5, for their focus.
    finite
        (sections,) share of the pixels that are finite.
    constant
        (sections,) bool, True where nearly all pixels have one value.
    """

    reduced: np.ndarray
    factor: int
    spectra: SectionSpectra
    power: np.ndarray
    finite: np.ndarray
    constant: np.ndarray

    def __len__(self) -> int:
        return len(self.reduced)


def survey(image: Image, check: Callable[[], None]) -> Survey:
    """Read each section of a stack (z, height, width) once and keep what the estimates need.

    About 1.2 MB a section for up to 60 sections, less for more: 300 MB at most.

    Parameters
    ----------
    check
        Called before each section; may raise to stop.
    """
    count, shape = image.plane_count, image.plane_shape
    side = int(np.clip(np.sqrt(REDUCED_ALL / count), 32, REDUCED))
    factor = max(1, -(-max(shape) // side))
    coarse = max(1, -(-max(shape) // FULL))
    builder = SpectraBuilder(count)
    reduced, power, finite, constant = [], [], np.ones(count), np.zeros(count, bool)
    for i in range(count):
        check()
        section = image.read(i)
        if section.dtype.kind == "f":
            finite[i] = float(np.isfinite(section).mean())
        section = filled(section)
        constant[i] = _constant(section)
        reduced.append(means(section, factor))
        fine = means(section, coarse)
        low, middle, high = np.percentile(fine[:: max(1, fine.shape[0] // 256), ::2], [TAILS[0], 50, TAILS[1]])
        builder.add(np.clip(fine, 2 * low - middle, 2 * high - middle))
        power.append(_power(section))
    return Survey(np.stack(reduced), factor, builder.done(coarse), np.stack(power), finite, constant)


def means(section: np.ndarray, factor: int) -> np.ndarray:
    """Means over ``factor`` x ``factor`` pixels, float32; what is left at the far edges is left out."""
    if factor == 1:
        return section.astype(np.float32)
    total = section.astype(np.float32)
    for axis in (0, 1):
        step = min(factor, section.shape[axis])
        length = section.shape[axis] // step * step
        along = [slice(None), slice(None)]
        parts = []
        for first in range(step):
            along[axis] = slice(first, length, step)
            parts.append(total[tuple(along)])
        total = sum(parts[1:], parts[0]) / np.float32(step)
    return total


def _constant(section: np.ndarray) -> bool:
    """Whether 98 % of a section has one value: empty, but for a scale bar or dead pixels."""
    some = section[:: max(1, section.shape[0] // 256), :: max(1, section.shape[1] // 256)]
    low, high = np.percentile(some, [1, 99])
    return bool(high - low <= 1e-6 * max(abs(float(low)), abs(float(high)), 1e-30))


def _power(section: np.ndarray) -> np.ndarray:
    """Mean power of the middle of a section by rings, of a window that ends softly."""
    from scipy import fft

    side = [min(n, POWER_SIDE) for n in section.shape]
    at = tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(section.shape, side, strict=True))
    cut = section[at]
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in cut.shape)).astype(np.float32)
    values = np.abs(fft.rfft2((cut - cut.mean()) * window)) ** 2 / float((window**2).sum())
    radius = np.hypot(fft.fftfreq(cut.shape[0])[:, None], fft.rfftfreq(cut.shape[1])[None])
    ring = (radius * 2 * POWER_RINGS).astype(int).ravel()
    inside = ring < POWER_RINGS
    inside &= ring > 0 if min(cut.shape) > 2 * POWER_RINGS else True
    total = np.bincount(ring[inside], values.ravel()[inside], POWER_RINGS)
    return total / np.maximum(np.bincount(ring[inside], minlength=POWER_RINGS), 1)
