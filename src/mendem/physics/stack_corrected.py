"""A stack with what was found in it undone, read part by part."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from mendem.image import Image
from mendem.physics.stack_report import StackReport

#: Pixels on either side that interpolation and sharpening look at; and from how far holes among them are filled.
REACH, FILL = 16, 24
#: Shifts within this of whole pixels are taken as whole.
WHOLE = 0.02
#: Sharpening amplifies no frequency by more than this.
MOST = 4.0
#: Side of the transform that kernels are made with.
_SIDE = 256


def corrected(
    image: Image,
    report: StackReport,
    *,
    align: bool = True,
    contrast: bool = True,
    focus: bool = True,
    repair: bool = True,
) -> Image:
    """The stack (z, y, x) with jitter, contrast changes and moderate blur undone, float32, read part by part.

    NaN where nothing was measured: missing sections, damaged places, what was shifted in from outside.

    Parameters
    ----------
    align, contrast, focus, repair
        What to undo; ``repair`` leaves out missing sections and damaged places.

    Returns
    -------
    The image itself where there is nothing to undo.
    """
    moved, rescaled, blurred = align and report.shifted, contrast and report.rescaled, focus and report.blurred
    if not (moved or rescaled or blurred or (repair and (report.missing or report.damage))):
        return image
    return image.with_data(CorrectedStack(image, report, align=moved, contrast=rescaled, focus=blurred, repair=repair))


class CorrectedStack:
    """Lazy array (z, y, x) float32 with NumPy basic slicing.

    A pixel has the same value, to rounding, whatever is read with it. There is no state but the arguments, so that
    threads may read at once, and the array can be pickled where the image can.
    """

    def __init__(
        self, image: Image, report: StackReport, *, align: bool, contrast: bool, focus: bool, repair: bool
    ) -> None:
        self.image, self.report = image, report
        self.align, self.contrast, self.focus, self.repair = align, contrast, focus, repair
        self.shape = image.shape
        self.dtype = np.dtype(np.float32)
        self.ndim = 3

    def __getitem__(self, key: Any) -> np.ndarray:
        key = key if isinstance(key, tuple) else (key,)
        if Ellipsis in key:
            at = key.index(Ellipsis)
            key = (*key[:at], *(slice(None),) * (self.ndim - len(key) + 1), *key[at + 1 :])
        key = (*key, *(slice(None),) * (self.ndim - len(key)))
        wanted = [_places(k, n) for k, n in zip(key, self.shape, strict=True)]
        out = np.empty(tuple(len(w) for w in wanted), np.float32)
        if out.size:
            rows, columns = (range(min(w), max(w) + 1) for w in wanted[1:])
            pick = np.ix_(*(np.array(w) - r.start for w, r in zip(wanted[1:], (rows, columns), strict=True)))
            for i, section in enumerate(wanted[0]):
                out[i] = self._read(section, rows, columns)[pick]
        return out[tuple(0 if not isinstance(k, slice) else slice(None) for k in key)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def _read(self, i: int, rows: range, columns: range) -> np.ndarray:
        """Part of one section, corrected."""
        report = self.report
        if self.repair and i in report.missing:
            return np.full((len(rows), len(columns)), np.nan, np.float32)
        shift = report.shift[i] if self.align else (0.0, 0.0)
        blur = report.blur_px[i] if self.focus else 0.0
        whole = [int(np.rint(s)) for s in shift]
        rest = tuple(round(s - w, 4) if abs(s - w) > WHOLE else 0.0 for s, w in zip(shift, whole, strict=True))
        reach = REACH if blur or any(rest) else 0
        values, known = self._window(i, rows, columns, whole, reach)
        if reach:
            values = _convolved(values, _kernel(rest, blur, report.noise_to_signal))
        values = values[reach : reach + len(rows), reach : reach + len(columns)]
        return np.where(known, values, np.float32(np.nan))

    def _window(
        self, i: int, rows: range, columns: range, whole: list[int], reach: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rescaled pixels with a margin of ``reach``, the edges continued; and which of those without it are known."""
        shape = self.image.plane_shape
        damage = self.report.damage.get(i) if self.repair else None
        wide = reach + (FILL if reach and (damage is not None or self.image.dtype.kind == "f") else 0)
        places = [np.arange(r.start - wide, r.stop + wide) + w for r, w in zip((rows, columns), whole, strict=True)]
        inside = [np.clip(p, 0, n - 1) for p, n in zip(places, shape, strict=True)]
        cut = tuple(slice(int(p[0]), int(p[-1]) + 1) for p in inside)
        section = self.image.read(i, *cut)
        good = np.isfinite(section)
        if damage is not None:
            good &= ~damage.read(*cut)
        if self.contrast:
            section = (section.astype(np.float64) - self.report.offset[i]) / self.report.gain[i]
        values = _filled(section, good)
        pick = [p - c.start for p, c in zip(inside, cut, strict=True)]
        values = values[np.ix_(*(p[wide - reach : len(p) - wide + reach] for p in pick))]
        known = good[np.ix_(*(p[wide : len(p) - wide] for p in pick))]
        for axis, (p, n) in enumerate(zip(places, shape, strict=True)):
            beyond = ((p < 0) | (p >= n))[wide : len(p) - wide]
            known[(beyond,) if axis == 0 else (slice(None), beyond)] = False
        return values, known


def _filled(section: np.ndarray, good: np.ndarray) -> np.ndarray:
    """float32, with the nearest good pixel in place of one that is not: the same in any window that holds that one."""
    from scipy import ndimage

    values = section.astype(np.float32)
    if good.all():
        return values
    if not good.any():
        return np.zeros_like(values)
    nearest = ndimage.distance_transform_edt(~good, return_distances=False, return_indices=True)
    return values[tuple(nearest)]


def _places(key: Any, length: int) -> range:
    """Places that a slice or an integer stands for."""
    if isinstance(key, slice):
        return range(length)[key]
    place = range(length)[int(key)]
    return range(place, place + 1)


@functools.lru_cache(maxsize=256)
def _kernel(rest: tuple[float, float], blur: float, noise_to_signal: tuple[float, ...]) -> np.ndarray:
    """Kernel that brings contents back by ``rest`` pixels and sharpens by ``blur``, (2 `REACH` + 1,) a side, sum 1.

    A change of phase alone keeps the noise as it is. Sharpening is ``(T S + N) / (T² S + N)`` for a blur ``T``, a
    structure of power ``S`` and noise of power ``N``: the inverse where structure is much stronger, 1 where noise is.
    """
    f_y, f_x = np.fft.fftfreq(_SIDE)[:, None], np.fft.fftfreq(_SIDE)[None]
    gain = np.exp(2j * np.pi * (f_y * rest[0] + f_x * rest[1]))
    if blur:
        radius = np.hypot(f_y, f_x)
        passed = np.exp(-2 * np.pi**2 * blur**2 * radius**2)
        steps = (np.arange(len(noise_to_signal)) + 0.5) / (2 * max(len(noise_to_signal), 1))
        noise = np.interp(radius, steps, noise_to_signal) if noise_to_signal else np.full(radius.shape, 1e-2)
        gain = gain * np.clip((passed + noise) / (passed**2 + noise), 1, MOST)
    kernel = np.fft.ifft2(gain).real
    place = np.arange(-REACH, REACH + 1)
    tapers = [np.cos(np.pi * np.clip((place + r) / (REACH + 1.5), -1, 1) / 2) for r in rest]
    kernel = kernel[np.ix_(place, place)] * np.outer(*tapers)
    return (kernel / kernel.sum()).astype(np.float32)


def _convolved(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    from scipy.signal import oaconvolve

    base = np.float32(np.median(values))
    return oaconvolve(values - base, kernel, mode="same").astype(np.float32) + base
