"""From windows of pixels to a `NoiseModel`: scale, leave out, measure by blocks, and fall back where that fails."""

from __future__ import annotations

import numpy as np

from mendem.physics.noise import NoiseModel
from mendem.physics.noise_blocks import BlockNoise, Field, noise_of_blocks
from mendem.physics.noise_lines import row_offset_std
from mendem.physics.noise_pixels import quantisation_step, unusable_pixels

SMALLEST = 32  # pixels along the shorter side, below which blocks are too few


def noise_of_windows(
    windows: list[np.ndarray],
    dtype: np.dtype | None = None,
    signals: list[np.ndarray] | None = None,
    quiet: float = 0.1,
    what: str = "one image",
) -> NoiseModel:
    """Noise of windows of one image, as a `NoiseModel` in its units.

    Parameters
    ----------
    windows
        Arrays (rows, columns), as floating-point numbers.
    dtype
        Native type of the pixels, whose ends mean saturation; None for computed values.
    signals
        What the variance follows, where that is not the window itself (windows are then differences around 0).
    quiet
        Fraction of the blocks that counts as quiet.
    what
        For ``method``.
    """
    finite = [w[np.isfinite(w)] for w in windows]
    values = np.concatenate(finite) if finite else np.zeros(0)
    if values.size == 0 or values.min() == values.max():
        return NoiseModel(0.0, method="constant image: no noise to see" if values.size else "no finite pixel")
    if signals is not None:
        values = np.concatenate([s.ravel() for s in signals] + [values])
    centre = float(np.median(values))
    low, high = np.percentile(values, [1, 99])
    scale = float(high - low) if high > low else float(values.std())
    step = quantisation_step(values) / scale if signals is None else 0.0
    zero = centre if signals is None else 0.0
    fields, lines = [], []
    for i, w in enumerate(windows):
        bad = unusable_pixels(w, dtype)
        pixels = np.where(bad, 0.0, (w - zero) / scale)
        signal = None if signals is None else (signals[i] - centre) / scale
        fields.append(Field(pixels, ~bad, signal))
        lines.append(row_offset_std(pixels))
    line = float(np.median(lines))
    found = None
    if max(min(w.shape) for w in windows) >= SMALLEST:
        found = noise_of_blocks(fields, quiet)
    if found is None:
        model = _plain(fields, step)
    elif found.zero_blocks > 0.5:
        model = NoiseModel(step**2 / 12, method="noise below quantisation: the variance of rounding")
    else:
        if signals is None and _blurred_signal_needed(found):
            found = noise_of_blocks([_with_wide_signal(f) for f in fields], quiet) or found
        model = _model(found, line, step, f"quiet blocks of {what}")
    return model.affine(-centre / scale, 1 / scale)


def _blurred_signal_needed(found: BlockNoise) -> bool:
    """Whether the mean of a block is too noisy to stand for the signal (errors in variables would flatten the gain)."""
    mean_error = found.shape.total * found.shape.spectrum[0, 0] / 64
    return bool(mean_error > 0.1 * found.signals.var())


def _with_wide_signal(field: Field) -> Field:
    from scipy.ndimage import uniform_filter

    return Field(field.pixels, field.usable, uniform_filter(field.pixels, 25))


def _model(found: BlockNoise, line: float, step: float, method: str) -> NoiseModel:
    typical = found.offset + found.gain * float(np.median(found.signals))
    ends = [found.offset + found.gain * float(v) for v in np.quantile(found.signals, [0.01, 0.99])]
    floor = max(step**2 / 12, 0.1 * typical, 0.7 * min(ends))
    grid = found.shape.spectrum
    return NoiseModel(
        offset=found.offset + line**2,
        gain=found.gain,
        floor=floor + line**2,
        correlation=(round(found.shape.correlation[0], 6), round(found.shape.correlation[1], 6)),
        scan_line=line,
        relative_error=round(found.relative_error, 4),
        method=method,
        spectrum=None if found.relative_error > 0.3 else tuple(tuple(float(v) for v in row) for row in grid),
    )


def _plain(fields: list[Field], step: float) -> NoiseModel:
    """MAD of mixed second differences, which planes and straight axis-parallel edges do not enter (Immerkaer 1996)."""
    parts = []
    for f in fields:
        p = np.where(f.usable, f.pixels, np.nan)
        if min(p.shape) >= 3:
            d = p[:-2] - 2 * p[1:-1] + p[2:]
            parts.append(((d[:, :-2] - 2 * d[:, 1:-1] + d[:, 2:]) / 6).ravel())
        else:
            flat = p.ravel()
            parts.append(np.diff(flat) / np.sqrt(2))
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    variance = (1.4826 * float(np.median(np.abs(values)))) ** 2 if values.size else 0.0
    error = float(np.sqrt(1.36 / max(values.size / 9, 1)))
    method = "plain robust estimate that takes the noise for white: too few usable pixels"
    return NoiseModel(max(variance, step**2 / 12), floor=step**2 / 12, relative_error=round(error, 4), method=method)


def residual_noise(residuals: list[np.ndarray], bad: list[np.ndarray], what: str) -> NoiseModel:
    """Noise of residuals that hold nothing else: variance, correlation and spectrum straight from the pixels."""
    good = np.concatenate([r[~b] for r, b in zip(residuals, bad, strict=True)])
    if good.size < 2 or good.std() == 0:
        return NoiseModel(0.0, method=f"{what}: constant, no noise to see")
    line = float(np.median([row_offset_std(r) for r in residuals]))
    total = float(np.mean(good**2))
    lag = []
    for axis in (0, 1):
        parts = []
        for r, b in zip(residuals, bad, strict=True):
            ahead, behind = (np.take(r, np.arange(*s), axis) for s in ((1, r.shape[axis]), (0, r.shape[axis] - 1)))
            ok = ~np.take(b, np.arange(1, r.shape[axis]), axis) & ~np.take(b, np.arange(r.shape[axis] - 1), axis)
            parts.append((ahead * behind)[ok])
        products = np.concatenate(parts)
        lag.append(float(products.mean()) if products.size else 0.0)
    # a row offset correlates pixels along x but is told apart
    rest = max(total - line**2, 1e-3 * total)
    correlation = (lag[0] / rest, (lag[1] - line**2) / rest)
    independent = good.size * max(0.02, np.prod([(1 - abs(c)) / (1 + abs(c)) for c in np.clip(correlation, -0.9, 0.9)]))
    return NoiseModel(
        offset=total,
        floor=0.1 * total,
        correlation=(float(np.clip(correlation[0], -1, 1)), float(np.clip(correlation[1], -1, 1))),
        scan_line=line,
        relative_error=round(float(np.sqrt(0.5 / independent)), 4),
        method=what,
    )
