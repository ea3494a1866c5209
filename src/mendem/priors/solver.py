"""How a sample is drawn from a denoiser: noise levels, and the steps between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor


def noise_levels(start: float, end: float, steps: int) -> list[float]:
    """Falling noise levels, ``steps`` of them, spaced as in EDM (Karras et al. 2022, equation 5, rho = 7)."""
    ramp = np.linspace(0, 1, steps)
    return [float(s) for s in (start ** (1 / 7) + ramp * (end ** (1 / 7) - start ** (1 / 7))) ** 7]


def chain(predict: Callable[[Tensor, float], Tensor], start: Tensor, levels: list[float]) -> Iterator[Tensor]:
    """The second-order multistep solver DPM-Solver++(2M) (Lu et al. 2022) for ``x_t = x0 + sigma * noise``.

    Yields the predicted clean image after each level; the last one is the sample.
    """
    x, last, last_ratio = start, None, 1.0
    for i, sigma in enumerate(levels):
        clean = predict(x, sigma)
        yield clean
        if i + 1 == len(levels):
            return
        ratio = float(np.log(sigma / levels[i + 1]))
        ahead = clean if last is None else clean + (clean - last) * ratio / (2 * last_ratio)
        x = ahead + (levels[i + 1] / sigma) * (x - ahead)
        last, last_ratio = clean, ratio
