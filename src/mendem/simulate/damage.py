"""What goes wrong with a specimen or its recording, put into a clean or a real picture: tears, folds, charging."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def tear(picture: np.ndarray, seed: int, level: float | None = None, share: float = 0.02) -> np.ndarray:
    """Where a rough-edged hole lies that is longer than wide, (height, width) bool; filled with ``level`` in place.

    Parameters
    ----------
    picture
        (height, width), floating point; changed in place.
    level
        What an empty place looks like; above all of the picture when left out.
    share
        Share of the picture's pixels, about.
    """
    rng = np.random.default_rng([seed, 1])
    height, width = picture.shape
    y, x = np.mgrid[:height, :width]
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(2, 5)
    cy, cx = rng.uniform(0.2, 0.8) * height, rng.uniform(0.2, 0.8) * width
    along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    size = np.sqrt(share * height * width / np.pi)
    rough = 0.35 * _smooth(rng, picture.shape, 12) + 0.15 * _smooth(rng, picture.shape, 3)
    where = (along / stretch**0.5) ** 2 + (across * stretch**0.5) ** 2 < (size * (1 + rough)) ** 2
    low, high = np.percentile(picture, [1, 99])
    picture[where] = high + 0.25 * (high - low) if level is None else level
    return where


def fold(picture: np.ndarray, seed: int, width_px: float = 14.0, darkening: float = 0.75) -> np.ndarray:
    """Where a dark band runs from edge to edge, (height, width) bool; the picture is darkened there in place.

    In a fold the section lies two or three times over itself: less passes, and structures overlap.

    Parameters
    ----------
    darkening
        How far towards black, 0 to 1; black lies a fifth of the range below the first percentile.
    """
    rng = np.random.default_rng([seed, 2])
    height, width = picture.shape
    turned = rng.uniform() < 0.5
    y, x = np.mgrid[:height, :width] if not turned else np.mgrid[:height, :width][::-1]
    across, along = (height, width) if not turned else (width, height)
    slope, bend = rng.uniform(-0.4, 0.4), rng.uniform(-0.1, 0.1) * across
    middle = rng.uniform(0.3, 0.7) * across + slope * (x - along / 2) + bend * np.sin(np.pi * x / along)
    distance = np.abs(y - middle) - width_px / 2 * (1 + 0.15 * np.sin(7 * x / along))
    strength = darkening / (1 + np.exp(distance / 1.2))
    low, high = np.percentile(picture, [1, 99])
    overlaid = (picture + np.roll(picture, 17, 0)) / 2
    picture += strength * ((low - 0.2 * (high - low)) + 0.15 * (overlaid - overlaid.mean()) - picture)
    return strength > 0.5 * darkening


def charging(picture: np.ndarray, seed: int, bands: int = 2, height_px: int = 5, strength: float = 0.5) -> np.ndarray:
    """Where bands of rows are off by more than a fifth of their jump, (height, width) bool; added in place.

    The beam runs along x: a band begins with a jump and decays, as charge leaks away.

    Parameters
    ----------
    height_px
        Rows of a band, at most.
    strength
        Jump over the range of the picture, up or down.
    """
    rng = np.random.default_rng([seed, 3])
    height, width = picture.shape
    low, high = np.percentile(picture, [1, 99])
    where = np.zeros(picture.shape, bool)
    for _ in range(bands):
        rows = int(rng.integers(1, height_px + 1))
        top, left = int(rng.integers(2, height - rows - 2)), int(rng.uniform(0, 0.4) * width)
        tail = np.exp(-np.arange(width - left) / (rng.uniform(0.25, 0.8) * width))
        sign = 1 if rng.uniform() < 0.6 else -1
        picture[top : top + rows, left:] += sign * strength * (high - low) * tail
        where[top : top + rows, left:] |= tail > 0.2
    return where


def _smooth(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Smooth noise of unit variance."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape), scale)
    return field / field.std()
