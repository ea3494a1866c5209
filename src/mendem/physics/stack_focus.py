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
#: Power below this share of the largest is hidden by rounding and interpolation.
FAINT = 1e-5
#: Shares of the power at the highest frequencies that may be noise which the lens does not blur.
NOISE_SHARES = (1.0, 0.3, 0.1, 0.01)
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
    power = power + FAINT * power[:, frequency >= LOWEST].max(1, keepdims=True)
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
    floor = _floor(reference)
    weight = frequency * (np.maximum(reference - floor, 0) / reference) ** 2 * (frequency >= LOWEST)
    weight /= max(float(weight.sum()), 1e-30)
    low = (frequency >= LOWEST) & (frequency < 0.1)
    passed = np.exp(np.minimum(-4 * np.pi**2 * SQUARES[:, None] * frequency**2, 20))
    best, found = np.inf, 0.0
    for share in NOISE_SHARES:
        noise = max(share * floor, FAINT * float(reference[frequency >= LOWEST].max()))
        ratio = np.log(np.maximum(reference - noise, 0) * passed + noise) - np.log(reference)
        seen = logs[i] - np.log(reference)
        level = (seen - ratio)[:, low].mean(1, keepdims=True)
        wrong = (seen - level - ratio) ** 2 @ weight
        if wrong.min() < best:
            best, found = float(wrong.min()), float(SQUARES[int(np.argmin(wrong))])
    return found
