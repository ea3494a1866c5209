"""The numbers of the Compare dock, computed from slices in a thread; the science is in `mendem.appraisal`. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import MendemError
from napari_mendem.compare.plane import Plane, Region, on_common_grid, overlap
from napari_mendem.layers import residual_limits, spread_limits

if TYPE_CHECKING:
    from mendem.appraisal.resolution import RingCorrelation

#: Larger parts are not taken in one go, pixels.
LARGEST = 1 << 26

#: Measurements are taken in at most so many pixels along a side: finding membranes takes long.
MEASURED = 2048

#: What the difference mode can show.
DIFFERENCES = ("difference", "spread", "difference ÷ spread")


@dataclass(frozen=True)
class Curve:
    """``y`` over ``x`` of one image; ``band`` is a standard deviation around it."""

    name: str
    x: np.ndarray
    y: np.ndarray
    band: np.ndarray | None = None


@dataclass(frozen=True)
class Picture:
    """What the difference mode lays over the images; ``text`` says it in numbers."""

    plane: Plane
    pixels: np.ndarray
    limits: tuple[float, float]
    colormap: str
    text: str


def line_profile(plane: Plane, line: np.ndarray, width: float, spread: Plane | None = None) -> Curve:
    """Intensities along a line, sampled at each pixel of the image itself.

    Parameters
    ----------
    line
        Start and end (2, 2) in the world, in the unit of the plane.
    width
        Averaged across the line, in the same unit.
    """
    y = _along(plane, line, width)
    length = float(np.linalg.norm(line[1] - line[0]))
    pixels = float(np.linalg.norm(np.diff(plane.to_pixel(line), axis=0)))
    x = np.arange(len(y)) * (length / pixels if pixels else 1.0)
    band = None
    if spread is not None:
        there = _along(spread, line, width)
        band = there if len(there) == len(y) else None
    return Curve(plane.name, x, y, band)


def _along(plane: Plane, line: np.ndarray, width: float) -> np.ndarray:
    from mendem.appraisal.line_profile import profile

    start, end = plane.to_pixel(line) - np.array(plane.region[::2])
    across = max(1, round(width / plane.pixel))
    return np.asarray(profile(plane.read(), tuple(start), tuple(end), across))


def power(a: Plane, b: Plane, region: Region | None) -> tuple[Curve, Curve]:
    """Radial power of the shared part of both, each on its own grid, in dB of the first one's largest density.

    It is a density, power times the area of a pixel, so that one image on two grids has one curve.
    """
    from mendem.appraisal.power_spectrum import decibels, radial_power

    found = []
    for plane in overlap(a, b, region):
        radial = radial_power(_pixels(plane), _square(plane))
        found.append((radial.frequency / plane.pixel, radial.power * plane.pixel**2))
    reference = float(found[0][1].max()) or 1.0
    first, second = (
        Curve(plane.name, f, decibels(density, reference)) for plane, (f, density) in zip((a, b), found, strict=True)
    )
    return first, second


def correlation_of_layers(a: Plane, b: Plane, region: Region | None) -> RingCorrelation:
    """FRC of two layers that the user says are independent halves."""
    from mendem.appraisal.resolution import fourier_ring_correlation

    coarse, one, other = _common(a, b, region)
    return fourier_ring_correlation(one, other, _square(coarse))


def correlation_of_frames(a: Plane, region: Region | None) -> RingCorrelation:
    """FRC between the means of the even and of the odd frames of a stack."""
    from mendem.appraisal.resolution import fourier_ring_correlation

    part = a if region is None else a.cropped(region)
    _allowed(part)
    top, bottom, left, right = part.region
    halves = []
    for first in (0, 1):
        total, count = np.zeros(part.shape), 0
        for frame in range(first, a.data.shape[0], 2):
            index = (frame, *a.index[1:])
            total += np.asarray(a.data[(*index, slice(top, bottom), slice(left, right))])
            count += 1
        halves.append(total / max(count, 1))
    return fourier_ring_correlation(*halves, _square(part))


def measurements(a: Plane, b: Plane, region: Region | None) -> list[Any]:
    """Rows of `mendem.appraisal.measurements.compare_measurements` on the common grid; of its `middle`."""
    from mendem.appraisal.measurements import compare_measurements

    coarse, before, after = on_common_grid(a, b, middle(a, b, region))
    return list(compare_measurements(before, after, _square(coarse)))


def middle(a: Plane, b: Plane, region: Region | None) -> Region:
    """At most `MEASURED` pixels of a side around the middle of what both share, in pixels of ``a``."""
    part, other = overlap(a, b, region)
    side = int(MEASURED * max(1.0, other.pixel / part.pixel))
    top, bottom, left, right = part.region
    y, x = (top + bottom) // 2, (left + right) // 2
    return max(top, y - side // 2), min(bottom, y + side // 2), max(left, x - side // 2), min(right, x + side // 2)


def difference(a: Plane, b: Plane, spread: Plane | None, what: str) -> Picture:
    """After minus before on the coarser grid, the spread, or the first over the second."""
    if what != "difference" and spread is None:
        raise MendemError(f"{b.name} has no spread layer: restore with 'spread' ticked")
    plane, before, after = _common(a, b)
    if what == "spread":
        assert spread is not None
        values = spread.read().astype(np.float32)
        return Picture(spread, values, spread_limits(values), "magma", f"median spread {_number(np.nanmedian(values))}")
    change = after - before
    if what == "difference ÷ spread":
        assert spread is not None
        plane, change, sigma = on_common_grid(plane.holding(change), spread)
        change = np.divide(change, sigma, out=np.full_like(change, np.nan), where=sigma > 0)
        share = 100 * np.nanmean(abs(change) > 2)
        text = f"{share:.1f} % of the pixels differ by more than twice the spread (red: darker, blue: brighter)"
        return Picture(plane, change, (-4.0, 4.0), "RdBu", text)
    low, high = residual_limits(change)
    mean, std = float(np.nanmean(change)), float(np.nanstd(change))
    mean = mean if abs(mean) > std / 1000 else 0.0  # what is less is rounding
    text = f"mean {_number(mean)}, standard deviation {_number(std)}, shown to ±{_number(high)}"
    return Picture(plane, change, (low, high), "gray", text)


def _common(a: Plane, b: Plane, region: Region | None = None) -> tuple[Plane, np.ndarray, np.ndarray]:
    for part in overlap(a, b, region):
        _allowed(part)
    return on_common_grid(a, b, region)


def _pixels(plane: Plane) -> np.ndarray:
    _allowed(plane)
    return plane.read().astype(np.float32)


def _allowed(plane: Plane) -> None:
    if plane.shape[0] * plane.shape[1] > LARGEST:
        height, width = plane.shape
        raise MendemError(f"{height} x {width} pixels are too many at once: take the part in view, or a smaller layer")


def _square(plane: Plane) -> float | None:
    """Edge of a pixel in nm; None where it is unknown. Frequencies need square pixels."""
    edges = np.linalg.norm(plane.matrix, axis=0)
    if abs(edges[0] / edges[1] - 1) > 0.01:
        shown = " x ".join(f"{edge:.4g}" for edge in edges)
        raise MendemError(f"the pixels of {plane.name} are not square ({shown} {plane.unit}): resample it first")
    return plane.pixel if plane.unit == "nm" else None


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "\u2212")
