"""Moving an image by a fraction of a pixel without changing its noise."""

from __future__ import annotations

import numpy as np

#: Pixels over which the far edge is led over to the near one, so that the Fourier transform sees no step.
_BLEND = 16


def fourier_shift(image: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    """The image (height, width) whose content has moved by ``shift`` (y, x) pixels; float32.

    A change of phase alone, so that the power of noise and the correlation of its pixels stay as they are (the Nyquist
    frequency apart). What comes in at an edge is made up: leave away as many pixels as were shifted.
    """
    from scipy import fft

    frame = np.asarray(image, np.float32)
    height, width = frame.shape
    for axis in (0, 1):
        if shift[axis]:
            frame = _led_over(frame, axis)
    size = tuple(fft.next_fast_len(n, True) for n in frame.shape)
    if size != frame.shape:
        frame = np.pad(frame, [(0, a - b) for a, b in zip(size, frame.shape, strict=True)], mode="wrap")
    f_y, f_x = (f.astype(np.float32) for f in (fft.fftfreq(size[0])[:, None], fft.rfftfreq(size[1])[None]))
    phase = np.exp(-2j * np.pi * f_y * shift[0]) * np.exp(-2j * np.pi * f_x * shift[1])
    moved = fft.irfft2(fft.rfft2(frame) * phase.astype(np.complex64), size)
    return moved[:height, :width]


def sampled_at(frame: np.ndarray, drift: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A frame (height, width) brought back by its drift: ``frame[p + drift]`` at each pixel p.

    Returns
    -------
    values : (height, width) float32, 0 where the frame does not reach
    known : (height, width) bool; pixels that are not finite, and their neighbours where they were interpolated, are not
    """
    from scipy import ndimage

    frame = np.asarray(frame, np.float32)
    whole = [int(np.rint(d)) for d in drift]
    rest = [float(d - w) if abs(d - w) > 1e-3 else 0.0 for d, w in zip(drift, whole, strict=True)]
    good = np.isfinite(frame)
    if not good.all():
        frame = filled(frame)
    if any(rest):
        frame = fourier_shift(frame, (-rest[0], -rest[1]))
        if not good.all():
            good = ndimage.binary_erosion(good, np.ones((5, 5)), border_value=1)
        else:
            good = np.ones(frame.shape, bool)
        for axis, r in enumerate(rest):  # beyond the last pixel nothing was measured
            edge: list = [slice(None), slice(None)]
            edge[axis] = slice(-1, None) if r > 0 else slice(0, 1) if r < 0 else slice(0, 0)
            good[tuple(edge)] = False
    values, known = np.zeros_like(frame), np.zeros(frame.shape, bool)
    to, of = zip(*(_overlap(w, n) for w, n in zip(whole, frame.shape, strict=True)), strict=True)
    values[to], known[to] = frame[of], good[of]
    values[~known] = 0
    return values, known


def filled(frame: np.ndarray) -> np.ndarray:
    """A frame whose pixels that are not finite have the mean of those around, float32."""
    from scipy import ndimage

    good = np.isfinite(frame)
    if good.all():
        return np.asarray(frame, np.float32)
    if not good.any():
        return np.zeros(frame.shape, np.float32)
    inside = np.where(good, frame, 0).astype(np.float64)
    near, share = ndimage.gaussian_filter(inside, 2.0), ndimage.gaussian_filter(good.astype(np.float64), 2.0)
    around = np.where(share > 1e-3, near / np.maximum(share, 1e-3), inside.sum() / good.sum())
    return np.where(good, frame, around).astype(np.float32)


def _overlap(shift: int, length: int) -> tuple[slice, slice]:
    """Where ``out[i] = in[i + shift]`` is inside both."""
    shift = max(-length, min(length, shift))
    return slice(max(0, -shift), length - max(0, shift)), slice(max(0, shift), length - max(0, -shift))


def _led_over(frame: np.ndarray, axis: int) -> np.ndarray:
    """More pixels behind the last along ``axis``: its mirror image fades into that of the first."""
    frame = np.moveaxis(frame, axis, 0)
    count = min(_BLEND, len(frame))
    share = ((np.arange(count, dtype=np.float32) + 0.5) / count)[:, None]
    more = (1 - share) * frame[::-1][:count] + share * frame[:count][::-1]
    return np.moveaxis(np.concatenate([frame, more]), 0, axis)
