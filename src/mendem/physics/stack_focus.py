"""How much blurrier a section is than those around it, from the ratio of their power spectra."""

from __future__ import annotations

import numpy as np

#: Sections on either side that a section is compared with.
AROUND = 3
#: Blurs looked at, squares of the Gaussian sigma in pixels; negative for sections sharper than their neighbours.
SQUARES = np.concatenate([-np.arange(0.1, 2.01, 0.1)[::-1], np.arange(0, 8, 0.1), np.arange(8, 64.1, 1)])
#: A section is blurred where this sigma is passed, pixels, and where its square is so many times as far from 0 as is
#: usual in the stack.
LEAST, STANDS_OUT = 1.0, 6.0
#: Log ratios of power below this are as good as nothing: rounding and interpolation hide what is left.
FAINT = -5.0
#: Power at the highest frequencies is noise.
NOISE_RINGS = 0.15
#: Rings below this frequency, cycles per pixel, tell of what is in the section rather than of its focus.
LOWEST = 0.02


def section_blur(power: np.ndarray) -> np.ndarray:
    """Gaussian sigma in pixels (sections,) by which each section is blurrier than those around it; 0 for most.

    The spectrum of a blurred section is ``gain (S exp(-4 pi² sigma² f²) + N)`` where that of its neighbours is
    ``S + N``: noise comes after the lens.

    Parameters
    ----------
    power
        (sections, rings) mean power by rings of frequency from 0 to 0.5 cycles per pixel.
    """
    count, rings = power.shape
    if count < 2 * AROUND:
        return np.zeros(count)
    frequency = (np.arange(rings) + 0.5) / (2 * rings)
    logs = np.log(np.maximum(power, 1e-30))
    squares = np.array([_square(logs, i, frequency) for i in range(count)])
    usual = 1.4826 * float(np.median(np.abs(squares - np.median(squares))))
    blurred = (squares > LEAST**2) & (squares - np.median(squares) > STANDS_OUT * usual)
    return np.where(blurred, np.sqrt(np.maximum(squares, 0)), 0.0)


def noise_to_signal(power: np.ndarray) -> np.ndarray:
    """Power of noise over that of structure (rings,) in a typical section."""
    typical = np.median(power, 0)
    noise = _floor(typical)
    return noise / np.maximum(typical - noise, 1e-6 * typical + 1e-30)


def _floor(power: np.ndarray) -> float:
    """Power of the noise: the lowest of the highest rings, smoothed."""
    last = max(3, int(NOISE_RINGS * len(power)))
    return float(np.mean(np.sort(power[-2 * last :])[:last]))


def _square(logs: np.ndarray, i: int, frequency: np.ndarray) -> float:
    """Square of the sigma by which section i is blurrier than those around it, pixels²."""
    near = [k for k in range(max(0, i - AROUND), min(len(logs), i + AROUND + 1)) if k != i]
    reference = np.exp(np.median(logs[near], 0))
    noise = _floor(reference)
    signal = np.maximum(reference - noise, 0)
    weight = frequency * (signal / reference) ** 2 * (frequency >= LOWEST)
    weight /= max(float(weight.sum()), 1e-30)
    blurred = np.log(signal * np.exp(np.minimum(-4 * np.pi**2 * SQUARES[:, None] * frequency**2, 20)) + noise)
    low = (frequency >= LOWEST) & (frequency < 0.1)
    level = float(np.mean((logs[i] - np.log(reference))[low]))
    wrong = np.maximum(logs[i] - level - np.log(reference), FAINT) - np.maximum(blurred - np.log(reference), FAINT)
    wrong -= (wrong @ weight)[:, None]
    return float(SQUARES[int(np.argmin((wrong**2) @ weight))])
