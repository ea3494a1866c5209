"""Axes of a plot: round ticks, their labels, and the way from values to pixels. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Axis:
    """Values from ``low`` to ``high`` (low < high) on a line of pixels."""

    low: float
    high: float

    @classmethod
    def around(cls, values: list[np.ndarray], margin: float = 0.0) -> Axis:
        """All finite values, with a margin as a share of their range."""
        finite = np.concatenate([np.asarray(v, float)[np.isfinite(v)] for v in values] or [np.zeros(0)])
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        if not high > low:
            low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
        extra = margin * (high - low)
        return cls(low - extra, high + extra)

    def position(self, values: np.ndarray | float, start: float, end: float) -> np.ndarray:
        """Pixels of values where ``low`` is at ``start`` and ``high`` at ``end``."""
        return start + (np.asarray(values, float) - self.low) / (self.high - self.low) * (end - start)

    def value(self, pixel: float, start: float, end: float) -> float:
        return self.low + (pixel - start) / (end - start) * (self.high - self.low)

    def ticks(self, most: int) -> tuple[list[float], list[str]]:
        """At most about ``most`` round values within the axis, and how they are written."""
        span = self.high - self.low
        rough = span / max(most, 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        values = [i * step for i in range(first, last + 1)]
        return values, [written(v, step) for v in values]


def written(value: float, step: float) -> str:
    """A tick's label with as many digits as its step needs, and a true minus sign."""
    if abs(value) < step * 1e-6:
        return "0"
    if abs(value) >= 1e5 or step < 1e-4:
        text = f"{value:.3g}"
        return text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-").replace("-", "\u2212")
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{decimals}f}".replace("-", "\u2212")
