"""What a microscopist measures in an image, before and after a restoration: mean, contrast, area, membrane width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mendem.appraisal.membranes import Ridges, find_ridges, ridge_width
from mendem.errors import MendemError


@dataclass(frozen=True)
class Measurements:
    """What was measured in one image; intensities in its own units, pixels without a value left out.

    Attributes
    ----------
    mean, std
        Of the intensities.
    threshold, dark
        What counts as structure: what is darker than the threshold where ``dark``, brighter where not.
    area
        Its share of the image in %.
    area_nm2
        The same in nm²; None where the pixel size is unknown.
    width, width_spread, width_count
        Median full width at half maximum of long thin lines, half of the interquartile range, and the number of places;
        in nm, or in pixels where the pixel size is unknown; None where there are none.
    width_reason
        Why there is no width; empty where there is one.
    pixel_nm
        Edge of the square pixels, None where it is unknown.
    """

    mean: float
    std: float
    threshold: float
    dark: bool
    area: float
    area_nm2: float | None
    width: float | None
    width_spread: float | None
    width_count: int
    width_reason: str
    pixel_nm: float | None


class Row(NamedTuple):
    """One measurement before and after, and its change in % of what it was; None where it could not be measured."""

    name: str
    unit: str
    before: float | None
    after: float | None
    change: float | None


def otsu_threshold(x: np.ndarray, bins: int = 256) -> float:
    """The threshold that parts the finite intensities into two classes of least variance within (Otsu 1979).

    The middle of the last histogram bin of the lower class; the value itself for an image of one value.
    """
    values = _finite(x)
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low
    counts, edges = np.histogram(values, bins, (low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    sums = np.cumsum(counts * centres)
    mean_below, mean_above = sums[:-1] / below, (sums[-1] - sums[:-1]) / (values.size - below)
    between = below * (values.size - below) * (mean_above - mean_below) ** 2
    return float(centres[int(np.argmax(between))])


def measure(
    x: np.ndarray,
    pixel_nm: float | None = None,
    threshold: float | None = None,
    dark: bool | None = None,
    ridges: Ridges | None = None,
) -> Measurements:
    """Measure an image.

    Parameters
    ----------
    x
        (height, width).
    pixel_nm
        Edge of the square pixels.
    threshold
        Parts structure from background; Otsu's of this image when left out. To compare two images give both the one
        of the raw image, or use `compare_measurements`.
    dark
        Whether structure is dark; when left out, the smaller of the two parts is structure.
    ridges
        Where to measure the widths, from `mendem.appraisal.membranes.find_ridges`; found in this image when left out.
    """
    x = np.asarray(x)
    if x.ndim != 2:
        raise MendemError(f"measurements need a single image of two dimensions, this has shape {x.shape}")
    values = _finite(x)
    if threshold is None:
        threshold = otsu_threshold(x)
    if not np.isfinite(threshold):
        raise MendemError(f"the threshold is {threshold}, but must be a number in the units of the image")
    below = float(np.mean(values <= threshold))
    if dark is None:
        dark = below < 0.5
    share = below if dark else 1 - below
    width = ridge_width(x, find_ridges(x, dark) if ridges is None else ridges, dark)
    scale = pixel_nm or 1.0
    return Measurements(
        mean=float(values.mean()),
        std=float(values.std()),
        threshold=float(threshold),
        dark=bool(dark),
        area=100 * share,
        area_nm2=None if pixel_nm is None else share * values.size * pixel_nm**2,
        width=None if width.median is None else width.median * scale,
        width_spread=None if width.spread is None else width.spread * scale,
        width_count=width.number,
        width_reason=width.reason,
        pixel_nm=pixel_nm,
    )


def measure_both(
    before: np.ndarray,
    after: np.ndarray,
    pixel_nm: float | None = None,
    threshold: float | None = None,
    dark: bool | None = None,
) -> tuple[Measurements, Measurements]:
    """The same measurements in two images of one shape: same pixels, same threshold, lines at the same places.

    Threshold, polarity and the places of lines are those of ``before``, so that nothing is measured that only the
    restoration shows.
    """
    before, after = np.asarray(before), np.asarray(after)
    if before.shape != after.shape:
        raise MendemError(
            f"the images differ in shape, {before.shape} and {after.shape}; bring them to one grid, or to one region"
        )
    both = np.isfinite(before) & np.isfinite(after)
    if not both.all():
        before, after = (np.where(both, u, np.nan) for u in (before, after))
    first = measure(before, pixel_nm, threshold, dark, None)
    ridges = find_ridges(before, first.dark)
    return first, measure(after, pixel_nm, first.threshold, first.dark, ridges)


def compare_measurements(
    before: np.ndarray,
    after: np.ndarray,
    pixel_nm: float | None = None,
    threshold: float | None = None,
    dark: bool | None = None,
) -> list[Row]:
    """Rows of a table: what `measure_both` finds, and the change of each in %."""
    return rows_of(*measure_both(before, after, pixel_nm, threshold, dark))


def rows_of(first: Measurements, second: Measurements) -> list[Row]:
    """Rows of a table of two measurements."""
    side, length = ("below" if first.dark else "above"), ("px" if first.pixel_nm is None else "nm")
    area = f"area {side} {first.threshold:.4g}"
    pairs = [
        ("mean", "", first.mean, second.mean),
        ("standard deviation", "", first.std, second.std),
        (area, "%", first.area, second.area),
        (area, "nm²", first.area_nm2, second.area_nm2),
        ("membrane width", length, first.width, second.width),
    ]
    return [Row(*p, _change(p[2], p[3])) for p in pairs if p[1] != "nm²" or p[2] is not None]


def _change(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None or before == 0 else 100 * (after - before) / abs(before)


def _finite(x: np.ndarray) -> np.ndarray:
    """The finite values, float64, one dimension; `MendemError` where there is none."""
    values = np.asarray(x, np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        raise MendemError("no pixel of the image has a value; choose a region that was measured")
    return values
