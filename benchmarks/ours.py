"""mendem as a user calls it: fully automatic unless said otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np

import mendem
from mendem import Restoration

BUDGETS = ("preview", "balanced", "best")


def restored(image: np.ndarray, budget: str = "balanced", prior: str = "em-small", **options: Any) -> Restoration:
    """The restoration of an array of unknown pixel size, noise estimated from it."""
    return mendem.restore(image, mendem.Denoise(), budget=budget, prior=prior, **options)


def pixels(restoration: Restoration) -> np.ndarray:
    """The restored image."""
    return np.asarray(restoration.image.data, np.float64)
