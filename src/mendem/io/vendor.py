"""Microscope makers' formats (Gatan DM3/DM4, EMD, FEI TIA), read by the optional package RosettaSciIO."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import NM_PER_UNIT, SPATIAL_AXES, Image, VoxelSize
from mendem.io.tiff_voxel import parse_unit

#: suffix -> module of RosettaSciIO
READERS = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".emd": "emd",
    ".ser": "tia",
    ".emi": "tia",
}
SUFFIXES = tuple(READERS)


def read(path: str) -> Image:
    """Read the first image of the file; large ones stay on disk as a dask array.

    ``metadata["vendor"]`` has what the microscope wrote. Without the package a `MendemError` says how to get it.
    """
    suffix = path[path.rfind(".") :].lower()
    try:
        reader = importlib.import_module(f"rsciio.{READERS[suffix]}").file_reader
    except ImportError as error:
        raise MendemError(
            f"reading {path} needs one more package; install it with: pip install 'napari-mendem[vendor]' "
            f"({error.name or error} is missing)"
        ) from error
    try:
        signals = reader(path, lazy=True)
    except Exception as error:
        # A damaged file can make the parser fail in any way.
        raise MendemError(f"{path} cannot be read as {suffix}: {error}; it may be damaged or truncated") from error
    images = [signal for signal in signals if signal["data"].ndim >= 2 and len(signal["axes"]) >= 2]
    if not images:
        raise MendemError(f"{path} has no image in it, only {len(signals)} other record(s)")
    notes = []
    if len(images) > 1:
        notes.append(f"The file holds {len(images)} images; the first was read.")
    return _image(images[0], path, notes)


def _image(signal: dict[str, Any], path: str, notes: list[str]) -> Image:
    data = signal["data"]
    if data.dtype.kind == "c":
        raise MendemError(f"{path} holds complex numbers; save the magnitude or the real part")
    if data.dtype.fields:
        raise MendemError(f"{path} is a colour image; save the channel that was measured as a grey image")
    described = sorted(signal["axes"], key=lambda axis: axis.get("index_in_array", 0))[-data.ndim :]
    steps = [_step(axis) for axis in described]
    units = [unit for _, unit in steps if unit]
    leading = ["z" if unit else "frame" for _, unit in steps[:-2]]
    axes = (*leading, "y", "x")
    unit = units[-1] if units else "nm"
    lengths: list[float | None] = []
    for axis, (length, own) in zip(axes, steps, strict=True):
        if axis not in SPATIAL_AXES or length is None or own is None:
            lengths.append(None)
        else:
            lengths.append(length * (1.0 if own == unit else NM_PER_UNIT[own] / NM_PER_UNIT[unit]))
    if not units:
        notes.append("The voxel size is unknown: the file states none.")
    metadata = {"vendor": signal.get("original_metadata", {}), "notes": notes}
    return Image(data, axes, VoxelSize(tuple(lengths), unit), metadata, path)


def _step(axis: dict[str, Any]) -> tuple[float | None, str | None]:
    """Length of one step along an axis with its unit; nothing for time, tilt and uncalibrated axes."""
    unit = parse_unit(axis.get("units") or "")
    scale = axis.get("scale")
    if unit is None or not isinstance(scale, int | float | np.number) or not np.isfinite(scale) or scale == 0:
        return None, None
    return abs(float(scale)) * unit[1], unit[0]
