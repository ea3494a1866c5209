"""Noise from many small blocks: which are quiet, how strong the noise is in them, how it depends on the signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mendem.physics.noise_shape import BLOCK, KY, ODD, NoiseShape, cosine_matrix, fit_shape

_BLOCKS = 14000  # enough for 1 % on the level of white noise; more costs time only
_BINS = 8
FEWEST_BLOCKS = 120


@dataclass(frozen=True)
class Field:
    """A window in which to look for noise: pixels, where they are usable, and the signal that the noise may follow."""

    pixels: np.ndarray
    usable: np.ndarray
    signal: np.ndarray | None = None


@dataclass(frozen=True)
class BlockNoise:
    """Variance ``offset + gain * signal`` of one pixel, the shape of its spectrum, and a relative error of the std."""

    offset: float
    gain: float
    shape: NoiseShape
    relative_error: float
    signals: np.ndarray
    zero_blocks: float


def _windows(image: np.ndarray, stride: int) -> np.ndarray:
    view = np.lib.stride_tricks.sliding_window_view(image, (BLOCK, BLOCK))[::stride, ::stride]
    return view.reshape(-1, BLOCK, BLOCK)


def block_energies(fields: list[Field]) -> tuple[np.ndarray, np.ndarray]:
    """Squared cosine coefficients of usable blocks (n, 49) and their mean signal (n,).

    Blocks may overlap: that changes no expectation.
    """
    total = sum(f.pixels.size for f in fields)
    stride = int(np.clip(np.sqrt(total / _BLOCKS), 2, 16))
    d = cosine_matrix()[1:]
    energies, signals = [], []
    for f in fields:
        if min(f.pixels.shape) < BLOCK:
            continue
        usable = _windows(f.usable, stride).all((1, 2))
        blocks = _windows(f.pixels, stride)[usable]
        energies.append(np.square(d @ blocks @ d.T).reshape(-1, len(KY)))
        signals.append((_windows(f.signal, stride)[usable] if f.signal is not None else blocks).mean((1, 2)))
    if not energies:
        return np.zeros((0, len(KY))), np.zeros(0)
    return np.concatenate(energies), np.concatenate(signals)


def _levels(energies: np.ndarray, weights: np.ndarray, ranges: list[tuple[float, float]]) -> np.ndarray:
    """Mean energies (ranges, 49) of the blocks in each quantile range of weighted energy.

    A coefficient is measured in blocks that the coefficients of the *other* class chose. By the symmetry of the
    cosine transform stationary noise has no correlation between the classes, so choosing quiet blocks does not bias
    the noise low, while structure, which has energy in both, is still chosen against.
    """
    out = np.zeros((len(ranges), len(KY)))
    n = len(energies)
    for chosen_by in (ODD, ~ODD):
        order = np.argsort(energies[:, chosen_by] @ weights[chosen_by])
        for row, (low, high) in enumerate(ranges):
            part = order[int(low * n) : max(int(high * n), int(low * n) + min(n, 12))]
            out[row, ~chosen_by] = energies[np.ix_(part, ~chosen_by)].mean(0)
    return out


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Robust line y = offset + slope * x and the relative scatter; a slope within its error is shrunk towards 0.

    Structure that is left only adds, so points above the line weigh less than points below.
    """
    centre = x.mean()
    design = np.stack([np.ones(len(x)), x - centre], 1)
    # begin with the median of pairwise slopes (Theil 1950, Sen 1968), which a third of wrong points does not move
    i, j = np.triu_indices(len(x), 1)
    apart = np.abs(x[i] - x[j]) > 1e-9
    start = float(np.median(((y[i] - y[j]) / np.where(apart, x[i] - x[j], 1))[apart])) if apart.any() else 0.0
    coefficients = np.array([np.median(y - start * (x - centre)), start])
    for _ in range(8):
        fitted = np.maximum(design @ coefficients, 0.1 * np.median(y))
        relative = (y - fitted) / fitted
        scatter = max(0.03, 1.48 * np.median(np.abs(relative)))
        weight = np.sqrt(np.where(relative > 0, 0.6, 1.0) / (1 + (relative / (2 * scatter)) ** 2)) / fitted
        coefficients = np.linalg.lstsq(design * weight[:, None], y * weight, rcond=None)[0]
    level, slope = coefficients
    spread = np.sqrt(np.sum((x - centre) ** 2))
    t = slope * spread / (scatter * abs(level)) if level and spread else 0.0
    slope *= t * t / (4 + t * t)
    return float(level - slope * centre), float(slope), float(scatter)


def noise_of_blocks(fields: list[Field], quiet: float = 0.1) -> BlockNoise | None:
    """Noise in windows of one image.

    The quietest blocks hold noise and some structure; the difference between ordinary and quiet blocks is structure
    alone, so its spectrum tells how much of the quiet spectrum is structure (`fit_shape`). Choosing quiet blocks
    follows the idea of Ponomarenko et al. (2007) and Pyatykh et al. (2013); the unbiased choice by the other half of
    the coefficients and the two-component spectrum are this project's.

    Parameters
    ----------
    fields
        Windows with values of order 1 (see `estimate_noise`).
    quiet
        Fraction of the blocks that counts as quiet.

    Returns
    -------
    BlockNoise or None
        None where fewer than `FEWEST_BLOCKS` blocks are usable.
    """
    energies, signal = block_energies(fields)
    if len(energies) < FEWEST_BLOCKS:
        return None
    scale = energies.mean()
    constant = energies.sum(1) <= 1e-12 * max(scale, 1e-300) * len(KY)
    zero_blocks = float(constant.mean())
    if zero_blocks > 0.5:
        return BlockNoise(0.0, 0.0, _no_shape(), 1.0, signal, zero_blocks)
    energies, signal = energies[~constant] + 1e-7 * scale, signal[~constant]
    if len(energies) < FEWEST_BLOCKS:
        return None
    members = [m for m in np.array_split(np.argsort(signal, kind="stable"), min(_BINS, len(signal) // 60)) if len(m)]
    centres = np.array([np.median(signal[m]) for m in members])
    weights, relative = np.ones(len(KY)), np.ones(len(signal))
    steps = 4
    for step in range(steps):
        low, mid = _levels(energies / relative[:, None], weights, [(0.0, quiet), (0.35, 0.65)])
        structure = np.maximum(mid - low, 1e-6 * low)
        shape = fit_shape(low, structure, thorough=step == steps - 1)
        noise = shape.variances
        # the likelihood-ratio statistic for "structure is present"
        weights = structure / (noise * (noise + structure))
        factors = []
        for m in members:
            here = _levels(energies[m], weights, [(0.0, 1.5 * quiet)])[0]
            factors.append(_scale_of_noise(here, shape, low))
        levels = np.array(factors)
        offset, gain, scatter = _line(centres, levels) if len(members) > 2 else (float(np.median(levels)), 0.0, 0.1)
        relative = np.maximum(offset + gain * signal, 0.15 * np.median(factors))
    # The last term is a rule of thumb; benchmarks/noise.py prints how this error compares with the true one.
    split = 0.2 * shape.structure_share
    error = np.sqrt(0.02**2 + (scatter / 2) ** 2 / len(members) + shape.log_spread**2 + split**2)
    return BlockNoise(offset * shape.total, gain * shape.total, shape, float(error), signal, zero_blocks)


def _scale_of_noise(quiet: np.ndarray, shape: NoiseShape, pooled: np.ndarray) -> float:
    """Factor a of ``quiet = a * noise + b * structure``, relative to the quiet blocks of all signals (``pooled``).

    Where noise and structure look alike only a + b is measured, so both are weakly pulled to one value.
    """
    from scipy.optimize import nnls

    pull, likely = 2.0, float(np.median(quiet / pooled))
    size = quiet + shape.negligible * likely
    design = np.stack([shape.variances / size, shape.structure / size], 1)
    design = np.vstack([design, np.eye(2) * pull / likely])
    a = float(nnls(design, np.concatenate([quiet / size, [pull, pull]]))[0][0])
    return max(a, 0.05 * likely)


def _no_shape() -> NoiseShape:
    return NoiseShape(0.0, (0.0, 0.0), np.zeros(len(KY)), np.ones((9, 9)), np.zeros(len(KY)), 0.0, 0.0, 0.0)
