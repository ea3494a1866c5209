"""The same field of view of a raw image and of what was made of it, on one grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mendem.appraisal.grid import common_grid
from mendem.appraisal.half_data import square_pixel_nm
from mendem.errors import MendemError
from mendem.image import Image

#: Of larger images the middle is looked at, in pixels of the coarser grid.
SIDE = 2048


@dataclass(frozen=True)
class Pair:
    """The same field of view before and after, float64.

    Attributes
    ----------
    before, after
        (height, width) on the coarser of the two grids.
    fine
        The restored one on its own grid.
    rows, columns
        Where ``fine`` lies in the restored file, and ``plane`` the slice of it.
    pixel_nm, fine_nm
        Pixel sizes of the two grids; None where unknown.
    factor
        How many times finer the restored file is; negative where the raw one is.
    notes
        What had to be decided.
    """

    before: np.ndarray
    after: np.ndarray
    fine: np.ndarray
    rows: slice
    columns: slice
    plane: int
    pixel_nm: float | None
    fine_nm: float | None
    factor: int
    notes: tuple[str, ...]


def record_of(image: Image) -> dict[str, Any]:
    """The provenance of a restored image; empty where it has none that can be used."""
    record = image.metadata.get("mendem")
    if not isinstance(record, dict):
        return {}
    inputs = record.get("inputs")
    image_used = inputs.get("image") if isinstance(inputs, dict) else None
    return record if isinstance(record.get("task"), dict) and isinstance(image_used, dict) else {}


def pair_up(raw: Image, restored: Image, plane: int | None = None) -> Pair:
    """The same part of both, by their shapes and by what the restored one says about itself.

    Parameters
    ----------
    plane
        Slice of the restored image, from 0; the middle one when left out.
    """
    record, notes = record_of(restored), []
    number = restored.plane_count // 2 if plane is None else plane
    if not 0 <= number < restored.plane_count:
        raise MendemError(f"{_name(restored)} has no slice {plane}; give a number from 0 to {restored.plane_count - 1}")
    if restored.plane_count > 1:
        notes.append(f"Slice {number} (from 0) of {restored.plane_count} was looked at.")
    region = _region(record, raw, restored)
    (height, width), (fine_height, fine_width) = (region[1] - region[0], region[3] - region[2]), restored.plane_shape
    factor = _factor((height, width), (fine_height, fine_width), raw, restored)
    k_raw, k_fine = max(1, -factor), max(1, factor)
    # The middle, in whole pixels of the coarser grid.
    spans = []
    for length in (height // k_raw, width // k_raw):
        first = max(0, (length - SIDE) // 2)
        spans.append((first, first + min(SIDE, length)))
    if max(height, width) // k_raw > SIDE:
        notes.append(f"Of this large image the middle was looked at, at most {SIDE} pixels a side.")
    rows, columns = (slice(k_fine * a, k_fine * b) for a, b in spans)
    in_raw = [slice(o + k_raw * a, o + k_raw * b) for o, (a, b) in zip((region[0], region[2]), spans, strict=True)]
    before, said = _raw_plane(raw, restored, number, record, in_raw)
    notes += said
    fine = restored.read(number, rows, columns).astype(np.float64)
    before, after, _ = common_grid(before, fine)
    if factor != 1:
        whose = "restored" if factor > 1 else "raw"
        notes.append(
            f"The {whose} image has {abs(factor)} times finer pixels: its means over {abs(factor)} x {abs(factor)} "
            "pixels were compared."
        )
    nm, fine_nm, said = _pixel_sizes(raw, restored, factor)
    return Pair(before, after, fine, rows, columns, number, nm, fine_nm, factor, (*notes, *said))


def _region(record: dict[str, Any], raw: Image, restored: Image) -> tuple[int, int, int, int]:
    """Rows and columns of the raw image that were restored."""
    height, width = raw.plane_shape
    region = record.get("region")
    if isinstance(region, list) and len(region) == 4 and all(isinstance(n, int) for n in region):
        top, bottom, left, right = region
        k = restored.plane_shape[0] / max(1, bottom - top)
        same = k == int(k) and restored.plane_shape == (int(k) * (bottom - top), int(k) * (right - left))
        if same and 0 <= top < bottom <= height and 0 <= left < right <= width:
            return top, bottom, left, right
    return 0, height, 0, width


def _factor(size: tuple[int, int], fine: tuple[int, int], raw: Image, restored: Image) -> int:
    """How many times finer the restored image is, negative where the raw one is; `MendemError` where it is neither."""
    for a, b, sign in ((size, fine, 1), (fine, size, -1)):
        k = b[0] // a[0]
        if k >= 1 and b == (k * a[0], k * a[1]):
            return sign * k if k > 1 else 1
    raise MendemError(
        f"{_name(raw)} has {raw.plane_shape[0]} x {raw.plane_shape[1]} pixels and {_name(restored)} "
        f"{restored.plane_shape[0]} x {restored.plane_shape[1]}, which is no whole multiple; give an image and what "
        "was made of it"
    )


def _raw_plane(
    raw: Image, restored: Image, number: int, record: dict[str, Any], part: list[slice]
) -> tuple[np.ndarray, list[str]]:
    """What was measured for a slice of the restored image; repeated frames of a single result are averaged."""
    rows, columns = part
    planes = record.get("planes")
    first, last = planes if isinstance(planes, list) and len(planes) == 2 else (0, raw.plane_count - 1)
    if raw.plane_count == restored.plane_count:
        return raw.read(number, rows, columns).astype(np.float64), []
    if restored.plane_count == 1 and raw.axes[0] == "frame":
        total = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
        for plane in range(raw.plane_count):
            total += raw.read(plane, rows, columns)
        return total / raw.plane_count, [f"The raw image is the mean of its {raw.plane_count} frames, as they are."]
    if last - first + 1 == restored.plane_count and 0 <= first + number < raw.plane_count:
        return raw.read(first + number, rows, columns).astype(np.float64), []
    raise MendemError(
        f"{_name(raw)} and {_name(restored)} differ in their number of slices, {raw.plane_count} and "
        f"{restored.plane_count}; give an image and what was made of it"
    )


def _pixel_sizes(raw: Image, restored: Image, factor: int) -> tuple[float | None, float | None, list[str]]:
    """Of the coarser grid and of the restored image, in nm; the raw image's counts where both say one."""
    notes = []
    mine, theirs = square_pixel_nm(raw), square_pixel_nm(restored)
    finer = factor if factor > 0 else 1 / -factor
    if mine is not None and theirs is not None and abs(theirs * finer / mine - 1) > 0.01:
        notes.append(
            f"The raw image has pixels of {mine:.4g} nm, the restored one of {theirs:.4g} nm: the first counts."
        )
    if mine is None:
        mine = None if theirs is None else theirs * finer
    if mine is None:
        notes.append("The pixel size is unknown, or not the same along y and x: lengths are in pixels.")
        return None, None, notes
    return mine * max(1, -factor), mine / finer, notes


def _name(image: Image) -> str:
    return image.source or "the image"
