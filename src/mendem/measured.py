"""What was measured comes back as it was: in finished rows of a result, and in any pixel type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mendem.blocks import Block
    from mendem.engine import Run


def put_back(run: Run, plane: int, first: int, arrays: np.ndarray) -> None:
    """Correct finished rows, in place, where the data leave nothing open.

    Where single pixels were measured, and are kept or have no noise, they come back with a spread of 0; where means
    were measured without noise, the means of the result are made theirs. Blending of blocks is to rounding only.

    Parameters
    ----------
    first
        Row of the result's region that is the first of ``arrays``.
    arrays
        (channels, rows, width) in the order of ``run.channels``; NaN where a cancelled run left nothing.
    """
    plan, rows = run.plan, arrays.shape[1]
    if not (plan.keep or plan.noise.absent) or plan.margin or not rows:
        return
    data = measured_rows(run, plane, first, rows).astype(np.float64)
    known = np.isfinite(data)
    pictures = [i for i, name in enumerate(run.channels) if name == "mean" or name.startswith("sample")]
    if run.scale == 1:
        known &= ~np.isnan(arrays[0])
        arrays[1][known] = 0
        for i in pictures:
            arrays[i][known] = data[known]
        return
    k = run.scale
    for i in pictures:
        blocks = arrays[i].reshape(rows // k, k, -1, k)
        wrong = np.where(known, data - blocks.mean((1, 3), dtype=np.float64), 0.0)
        blocks += wrong[:, None, :, None].astype(np.float32)


def measured_rows(run: Run, plane: int, first: int, rows: int) -> np.ndarray:
    """What was measured for rows of the result, region's columns only, in the type of the image that is restored."""
    top, _, left, right = run.region
    k = run.scale
    return run.image.read(plane, slice(top + first // k, top + (first + rows) // k), slice(left, right))


def fitted_rows(run: Run, arrays: np.ndarray) -> np.ndarray:
    """What would have been measured of the result, on the image's grid; from finished rows of all channels."""
    if run.plan.pointwise:
        return arrays[run.wanted]
    k = run.scale
    rows, columns = arrays.shape[-2:]
    repeated = arrays[run.channels.index("fitted")]
    return repeated.reshape(*repeated.shape[:-2], rows // k, k, columns // k, k).mean((-3, -1))


def residual_rows(run: Run, plane: int, first: int, arrays: np.ndarray) -> np.ndarray:
    """What was measured less what would have been measured of the result: rows of the image's grid, float32."""
    with np.errstate(over="ignore"):
        return measured_rows(run, plane, first, arrays.shape[1]).astype(np.float32) - fitted_rows(run, arrays)


def in_dtype(run: Run, plane: int, first: int, result: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Rows of the result, float32, in another pixel type; pixels that are kept are exact in the input's own type."""
    converted = to_dtype(result, dtype)
    if run.plan.keep and dtype != np.float32:
        known = np.isfinite(measured_rows(run, plane, first, len(result))) & np.isfinite(result)
        top, _, left, right = run.region
        given = run.given.read(plane, slice(top + first, top + first + len(result)), slice(left, right))
        converted[known] = given[known].astype(dtype)  # the image with gaps is of floats, which round large integers
    return converted


def part_in_dtype(run: Run, block: Block, result: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A finished part (planes, rows, columns) of the result in another pixel type, as `in_dtype`."""
    if run.grid is not None:
        return volume_in_dtype(run, block, result, dtype)
    return in_dtype(run, block.plane, block.rows[0], result[0], dtype)[None]


def volume_in_dtype(run: Run, block: Block, result: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A part of a volume in another pixel type; sections that are kept are exact in the input's own type."""
    converted = to_dtype(result, dtype)
    assert run.grid is not None
    if run.plan.keep:
        top, left = run.region[0], run.region[2]
        rows, columns = ((a + first, b + first) for (a, b), first in ((block.rows, top), (block.columns, left)))
        for section in run.grid.measured(*block.planes):
            plane = int(run.grid.start(section)) - block.planes[0]
            seen = run.image.read(section, slice(*rows), slice(*columns))
            given = run.given.read(section, slice(*rows), slice(*columns))
            same = np.isfinite(result[plane]) & (seen == given)  # a corrected section is no longer what was given
            converted[plane][same] = given[same].astype(dtype)
    return converted


def section_residual(run: Run, result: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """What was measured less the sections of a finished volume (planes, rows, columns): (sections, rows, columns).

    Into ``out`` where that is given; sections that were not measured are left as they are there, and are NaN elsewhere.
    """
    assert run.grid is not None
    top, bottom, left, right = run.region
    residual = np.full((run.grid.count, *result.shape[1:]), np.nan, np.float32) if out is None else out
    for section in run.grid.measured(0, run.grid.height):
        seen = run.image.read(section, slice(top, bottom), slice(left, right)).astype(np.float32)
        residual[section] = seen - run.grid.mean(section, result)
    return residual


def to_dtype(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float values in another real dtype: rounded and clipped for integers; NaN (not reached) becomes 0 there."""
    if dtype.kind == "b":
        return values > 0.5
    if dtype.kind == "f":
        limit = np.finfo(dtype).max
        return np.clip(values, -limit, limit).astype(dtype) if dtype.itemsize < 4 else values.astype(dtype)
    about = np.iinfo(dtype)
    # The largest 64-bit integers are no floats: the next smaller float is the limit there.
    high = about.max if dtype.itemsize < 8 else np.nextafter(float(about.max), 0)
    return np.clip(np.rint(np.nan_to_num(values.astype(np.float64))), about.min, high).astype(dtype)
