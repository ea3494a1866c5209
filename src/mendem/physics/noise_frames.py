"""Noise from several looks at the same thing: repeated frames, neighbouring slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image
from mendem.physics.noise import NoiseModel
from mendem.physics.noise_windows import noise_of_windows

_PAIRS = 6
_QUIET = 0.4  # most blocks of a difference hold nothing but noise


def phase_shift(reference: np.ndarray, moved: np.ndarray) -> tuple[float, float]:
    """Shift (y, x) in pixels, to a fraction of a pixel, that brings ``moved`` onto ``reference``.

    Phase correlation of windowed images whose spectrum is damped above 1/8 cycle per pixel (where noise rules),
    the peak refined by a parabola (Kuglin and Hines 1975).
    """
    window = np.hanning(reference.shape[0])[:, None] * np.hanning(reference.shape[1])
    a, b = (np.fft.rfft2((i - i.mean()) * window) for i in (reference, moved))
    f_y, f_x = np.fft.fftfreq(reference.shape[0])[:, None], np.fft.rfftfreq(reference.shape[1])[None]
    cross = a * b.conj()
    cross *= np.exp(-(f_y**2 + f_x**2) / (2 * 0.08**2)) / (np.abs(cross) + 1e-6 * np.abs(cross).max() + 1e-300)
    peak = np.fft.irfft2(cross, reference.shape)
    at = np.unravel_index(np.argmax(peak), peak.shape)
    shift = []
    for axis, n in enumerate(peak.shape):
        index = list(at)
        three = []
        for step in (-1, 0, 1):
            index[axis] = (at[axis] + step) % n
            three.append(peak[tuple(index)])
        curve = three[0] - 2 * three[1] + three[2]
        fine = 0.5 * (three[0] - three[2]) / curve if curve < 0 else 0.0
        whole = at[axis] if at[axis] <= n // 2 else at[axis] - n
        shift.append(float(whole + fine))
    return shift[0], shift[1]


def fourier_shift(image: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    """Move an image by a fraction of a pixel; a change of phase alone, so the power of noise is kept."""
    f_y, f_x = np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1])[None]
    phase = np.exp(-2j * np.pi * (f_y * shift[0] + f_x * shift[1]))
    return np.fft.irfft2(np.fft.rfft2(image) * phase, image.shape)


def noise_from_repeats(frames: Image | np.ndarray | Sequence[Any]) -> NoiseModel:
    """Noise from frames of one area, taken one after the other.

    Successive frames are brought onto each other by phase correlation, drifts of brightness and contrast are fitted,
    and the blocks of half their squared difference are read as in `estimate_noise`, over the local mean of both: what
    distortion leaves at edges is told from noise as structure.

    Parameters
    ----------
    frames
        (frames, y, x), or a sequence of equal (y, x) arrays; at least two.

    Raises
    ------
    MendemError
        If there are fewer than two frames, or their shapes differ.
    """
    frames = _stack(frames, "repeats", 2)
    differences, means = [], []
    for i in np.unique(np.linspace(0, len(frames) - 2, min(_PAIRS, len(frames) - 1)).round().astype(int)):
        a, b = (_filled(frames[j]) for j in (i, i + 1))
        shift = phase_shift(a, b) if min(a.shape) >= 16 else (0.0, 0.0)
        edge = [int(np.ceil(abs(s))) + 4 if abs(s) > 1e-3 else 0 for s in shift]
        if max(abs(s) / n for s, n in zip(shift, a.shape, strict=True)) > 0.25:
            shift, edge = (0.0, 0.0), [0, 0]
        b = fourier_shift(b, shift) if any(edge) else b
        inner = tuple(slice(e, n - e) for e, n in zip(edge, a.shape, strict=True))
        a, b = a[inner], _matched(b[inner], a[inner])
        differences.append((a - b) / np.sqrt(2))
        means.append((a + b) / 2)
    return noise_of_windows(differences, None, means, _QUIET, "repeated frames")


def noise_from_neighbours(volume: Image | np.ndarray) -> NoiseModel:
    """Noise from the slices of a volume that is finely sampled along its first axis.

    A slice less the mean of its two neighbours holds 3/2 of the noise variance and the curvature of the tissue along
    z, which is told from noise as structure, block by block (`estimate_noise`). Noise that neighbouring slices share
    is not seen.

    Parameters
    ----------
    volume
        (z, y, x), at least three slices.

    Raises
    ------
    MendemError
        If there are fewer than three slices.
    """
    slices = _stack(volume, "neighbouring slices", 3)
    differences, means = [], []
    for i in np.unique(np.linspace(1, len(slices) - 2, min(_PAIRS, len(slices) - 2)).round().astype(int)):
        below, here, above = (_filled(slices[j]) for j in (i - 1, i, i + 1))
        differences.append((here - (below + above) / 2) / np.sqrt(1.5))
        means.append((below + here + above) / 3)
    return noise_of_windows(differences, None, means, _QUIET, "neighbouring slices")


def _stack(frames: Any, what: str, fewest: int) -> list[np.ndarray]:
    if isinstance(frames, Image):
        found = [frames.read(i) for i in _spread(frames.plane_count, fewest)]
    elif hasattr(frames, "shape"):
        image = Image(frames)
        found = [image.read(i) for i in _spread(image.plane_count, fewest)]
    else:
        found = [np.asarray(f) for f in frames]
    if len(found) < fewest:
        raise MendemError(f"noise from {what} needs at least {fewest} images of one area, this is {len(found)}")
    if any(f.shape != found[0].shape or f.ndim != 2 for f in found):
        raise MendemError(f"noise from {what} needs images of one shape, these have {sorted({f.shape for f in found})}")
    return [f[:1024, :1024] for f in found]


def _spread(count: int, group: int) -> list[int]:
    """All slices of a short stack, else runs of neighbours from its middle."""
    most = _PAIRS + group
    start = max(0, (count - most) // 2)
    return list(range(start, min(count, start + most)))


def _filled(frame: np.ndarray) -> np.ndarray:
    frame = np.asarray(frame, dtype=np.float64)
    good = np.isfinite(frame)
    return frame if good.all() else np.where(good, frame, np.median(frame[good]) if good.any() else 0.0)


def _matched(b: np.ndarray, a: np.ndarray) -> np.ndarray:
    """``b`` with the brightness and contrast of ``a``.

    The ratio of standard deviations of smoothed frames, not a regression, which noise would flatten.
    """
    from scipy.ndimage import uniform_filter

    smooth_a, smooth_b = (uniform_filter(i, 9) for i in (a, b))
    contrast = smooth_a.std() / smooth_b.std() if smooth_b.std() > 0 else 1.0
    contrast = contrast if 0.5 < contrast < 2 else 1.0
    return (b - b.mean()) * contrast + a.mean()
