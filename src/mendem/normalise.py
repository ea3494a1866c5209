"""Intensity normalisation. Frozen: priors are trained in these units.

``u = (x - centre) / scale`` where the centre is the median, and the scale is the standard deviation
of what lies between the 0.5th and the 99.5th percentile (so that hot pixels and outliers do not count), noise included.
The sign of the scale makes the skewness positive. Shift, scale or inversion of the intensities
therefore change nothing that the prior sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image

Array = TypeVar("Array")

#: Pixels that the statistics look at, at the most.
SAMPLE_PIXELS = 4_000_000
WINDOW = 256


@dataclass(frozen=True)
class Normalisation:
    """``u = (x - centre) / scale``; a negative scale inverts the contrast."""

    centre: float
    scale: float

    def apply(self, x: Array) -> Array:
        """Native intensities to normalised ones."""
        return (x - self.centre) / self.scale  # type: ignore[operator, return-value]

    def undo(self, u: Array) -> Array:
        """Normalised intensities to native ones."""
        return u * self.scale + self.centre  # type: ignore[operator, return-value]


def sample_pixels(image: Image) -> np.ndarray:
    """Finite pixels of evenly spread windows, float64, one dimension; at most about `SAMPLE_PIXELS`."""
    height, width = image.plane_shape
    planes = np.unique(np.linspace(0, image.plane_count - 1, min(image.plane_count, 8)).round().astype(int))
    per_plane = SAMPLE_PIXELS // len(planes)
    parts = []
    for plane in planes:
        if height * width <= per_plane:
            parts.append(image.read(int(plane)).ravel())
            continue
        side = max(1, int((per_plane / WINDOW**2) ** 0.5))
        for y in np.linspace(0, max(0, height - WINDOW), side).astype(int):
            for x in np.linspace(0, max(0, width - WINDOW), side).astype(int):
                parts.append(image.read(int(plane), slice(y, y + WINDOW), slice(x, x + WINDOW)).ravel())
    pixels = np.concatenate(parts).astype(np.float64)
    return pixels[np.isfinite(pixels)]


def estimate_normalisation(image: Image) -> Normalisation:
    """The normalisation of a whole image, the same for all its slices and blocks.

    An image without contrast (or without a finite pixel) gets scale 1.
    """
    pixels = sample_pixels(image)
    if pixels.size == 0:
        return Normalisation(0.0, 1.0)
    low, centre, high = np.percentile(pixels, [0.5, 50, 99.5])
    inner = pixels[(pixels >= low) & (pixels <= high)]
    largest = max(abs(float(low)), abs(float(high))) or 1.0  # divided out, so that squares neither overflow nor vanish
    inner = inner / largest
    spread = float(inner.std())
    if not spread > 1e-9:
        return Normalisation(float(centre), 1.0)
    skewness = float((((inner - inner.mean()) / spread) ** 3).mean())
    return Normalisation(float(centre), spread * largest if skewness >= 0 else -spread * largest)


def check_intensities(image: Image, norm: Normalisation) -> tuple[str, ...]:
    """Notes on intensities that float32 holds badly; `MendemError` where it does not hold them or none is finite."""
    where = f"{image.source}: " if image.source else ""
    high = abs(norm.centre) + 30 * abs(norm.scale)
    if high > 1e37 or abs(norm.scale) < 1e-34:
        raise MendemError(
            f"{where}intensities around {norm.centre:.3g} with a spread of {abs(norm.scale):.3g} are outside what can "
            "be computed with; multiply them by a constant first"
        )
    if norm == Normalisation(0.0, 1.0) and sample_pixels(image).size == 0:
        raise MendemError(f"{where}no pixel is a finite number; check how the image was written")
    step = float(np.spacing(np.float32(abs(norm.centre))))
    if step > 0.02 * abs(norm.scale) and abs(norm.scale) != 1:
        return (f"Around {norm.centre:.6g} the result, float32, has steps of {step:.2g}: subtract the offset first.",)
    return ()
