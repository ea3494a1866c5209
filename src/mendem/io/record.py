"""What mendem adds to the files that it writes: one JSON record with what the format itself may not hold.

The record has the exact axes, shape, dtype and voxel size, and the provenance. The format's own fields stay the
authority, since other programs may change them: a record that contradicts them is not believed.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import VoxelSize


def pack(
    axes: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: np.dtype,
    voxel_size: VoxelSize,
    provenance: dict[str, Any] | None,
    size: int | None = None,
) -> bytes:
    """The record as ASCII, filled with spaces up to ``size`` bytes; `MendemError` where that is too small."""
    record = {
        "mendem": 1,
        "axes": list(axes),
        "shape": list(shape),
        "dtype": np.dtype(dtype).name,
        "voxel_size": list(voxel_size.values),
        "unit": voxel_size.unit,
    }
    if provenance is not None:
        record["provenance"] = provenance
    text = json.dumps(record, default=_plain).encode("ascii")
    if size is not None and len(text) > size:
        raise MendemError(f"the provenance grew to {len(text)} bytes, the file has room for {size}; keep it shorter")
    return text.ljust(size or len(text))


def unpack(text: bytes | str | None, shape: tuple[int, ...]) -> dict[str, Any]:
    """The record as a dict with tuples and a `VoxelSize`; empty where there is none or it is not about this shape.

    ``shape`` is that of the stored planes, (planes, rows, columns).
    """
    try:
        record = json.loads(text or "")
        if record["mendem"] != 1:
            return {}
        found = tuple(int(n) for n in record["shape"])
        if len(found) < 2 or found[-2:] != shape[-2:] or np.prod(found[:-2], dtype=object) != shape[0]:
            return {}
        axes = tuple(str(axis) for axis in record["axes"])
        lengths = tuple(None if v is None else float(v) for v in record["voxel_size"])
        if len(axes) != len(found) or len(lengths) != len(found):
            return {}
        return {
            "axes": axes,
            "shape": found,
            "dtype": np.dtype(str(record["dtype"])),
            "voxel_size": VoxelSize(lengths, str(record["unit"])),
            "provenance": record.get("provenance"),
        }
    except (ValueError, KeyError, TypeError, OverflowError):
        return {}


def agreed_voxel_size(record: dict[str, Any], public: VoxelSize) -> VoxelSize:
    """The exact voxel size of the record, unless the file's own fields say another.

    Where the file's own fields are silent (a length that its format has no place for) the record is believed.
    """
    exact = record.get("voxel_size")
    if exact is None or len(exact.values) != len(public.values):
        return public
    for mine, theirs in zip(exact.nm, public.nm, strict=True):
        if theirs is not None and (mine is None or abs(mine - theirs) > 1e-5 * theirs):
            return public
    return exact


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)
