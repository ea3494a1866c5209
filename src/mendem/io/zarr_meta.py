"""OME-Zarr's metadata of multiscale images: axes, units, scales and translations, in and out.

Specification: https://ngff.openmicroscopy.org, versions 0.1 to 0.5 are read, 0.4 and 0.5 written.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mendem.errors import MendemError
from mendem.image import NM_PER_UNIT, SPATIAL_AXES, VoxelSize
from mendem.io.tiff_voxel import parse_unit

#: Version of OME-Zarr -> of zarr.
VERSIONS: dict[str, Literal[2, 3]] = {"0.4": 2, "0.5": 3}

OME_UNITS = {
    "nm": "nanometer",
    "angstrom": "angstrom",
    "um": "micrometer",
    "mm": "millimeter",
    "m": "meter",
    "pm": "picometer",
}

#: What versions before 0.4, which may not name the axes, mean by their number.
UNNAMED = "tczyx"


def load_json(path: str) -> dict[str, Any]:
    """A file of metadata; empty where there is none, `MendemError` where it is damaged."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise MendemError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise MendemError(f"{path} is damaged ({error}); copy the zarr again from its source") from error
    if not isinstance(found, dict):
        raise MendemError(f"{path} is damaged: it holds no JSON object; copy the zarr again from its source")
    return found


def save_json(path: str, content: dict[str, Any]) -> None:
    """Replace a file of metadata in one step."""
    temporary = f"{path}.{uuid.uuid4().hex[:8]}.partial"
    # JSON proper has no NaN; browsers refuse a file with one.
    content = json.loads(json.dumps(content), parse_constant=str)
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


@dataclass(frozen=True)
class Axis:
    """One axis of a stored array; ``length`` is of one step, in ``unit``, where both are known."""

    name: str
    kind: str
    unit: str | None


@dataclass(frozen=True)
class Multiscale:
    """One image of a group: its axes, and the path, scale and translation of each level in their order."""

    version: str
    name: str
    axes: tuple[Axis, ...]
    paths: tuple[str, ...]
    scales: tuple[tuple[float, ...] | None, ...]
    translations: tuple[tuple[float, ...], ...]


def parse(ome: dict[str, Any], where: str, ndim: int | None = None) -> Multiscale:
    """The first of the images in the metadata of a group at ``where``; `MendemError` where they make no sense.

    ``ndim`` is the number of axes of the arrays, for old versions that do not name them.
    """
    try:
        about = ome["multiscales"][0]
        paths = tuple(str(dataset["path"]) for dataset in about["datasets"])
        if not paths:
            raise ValueError("no levels")
        version = str(about.get("version") or ome.get("version") or "0.1")
        if "axes" in about:
            axes = tuple(_axis(axis) for axis in about["axes"])
        else:
            axes = tuple(_axis(name) for name in UNNAMED[-(ndim or 5) :])
        outer = _transform(about.get("coordinateTransformations", ()), len(axes))
        scales: list[tuple[float, ...] | None] = []
        translations = []
        for dataset in about["datasets"]:
            scale, translation, stated = _transform(dataset.get("coordinateTransformations", ()), len(axes))
            scales.append(tuple((scale * outer[0]).tolist()) if stated or outer[2] else None)
            translations.append(tuple((translation * outer[0] + outer[1]).tolist()))
        return Multiscale(version, str(about.get("name") or ""), axes, paths, tuple(scales), tuple(translations))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise MendemError(
            f"{where} has damaged OME-Zarr metadata ({what}); give the path of an array inside, such as {where}/0"
        ) from error


def _axis(stated: Any) -> Axis:
    if isinstance(stated, str):
        stated = {"name": stated}
    name = str(stated["name"]).lower()
    kind = {"t": "time", "c": "channel"}.get(name, "space" if name in SPATIAL_AXES else "")
    return Axis(name, str(stated.get("type") or kind), stated.get("unit"))


def _transform(steps: Any, ndim: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Scale and translation that a list of transformations amounts to, and whether a scale was among them."""
    scale, translation, stated = np.ones(ndim), np.zeros(ndim), False
    for step in steps:
        if step["type"] == "identity":
            continue
        if step["type"] not in ("scale", "translation") or step["type"] not in step:
            raise ValueError(f"the transformation {step['type']!r} is not understood")
        values = np.asarray(step[step["type"]], float)
        if values.shape != (ndim,) or not np.isfinite(values).all():
            raise ValueError(f"a {step['type']} needs {ndim} numbers")
        if step["type"] == "scale":
            scale, translation, stated = scale * values, translation * values, True
        else:
            translation = translation + values
    return scale, translation, stated


def voxel_size(
    axes: Sequence[Axis], scale: Sequence[float] | None, names: tuple[str, ...], notes: list[str]
) -> VoxelSize:
    """Lengths of the named axes in the unit of the last; what is not known is added to ``notes``."""
    if scale is None:
        notes.append("The voxel size is unknown: the metadata state none.")
        return VoxelSize.unknown(len(names))
    found: list[tuple[float, str] | None] = []
    for axis, step, name in zip(axes, scale, names, strict=True):
        unit = parse_unit(axis.unit) if axis.unit else None
        known = name in SPATIAL_AXES and unit is not None and abs(step) > 0
        found.append((abs(step) * unit[1], unit[0]) if known and unit else None)
    units = [known[1] for known in found if known]
    if not units:
        stated = " x ".join(f"{s:g}" for s, name in zip(scale, names, strict=True) if name in SPATIAL_AXES)
        notes.append(f"The voxel size is unknown: the metadata state a scale of {stated} without a unit of length.")
        return VoxelSize.unknown(len(names))
    if any(not known and name in SPATIAL_AXES for known, name in zip(found, names, strict=True)):
        notes.append("The voxel size is unknown along some axes: the metadata state no unit of length.")
    common = units[-1]
    return VoxelSize(tuple(known and known[0] * _per(known[1], common) for known in found), common)


def _per(unit: str, other: str) -> float:
    return 1.0 if unit == other else NM_PER_UNIT[unit] / NM_PER_UNIT[other]


def axis_letters(axes: tuple[str, ...], path: str) -> tuple[str, ...]:
    """OME-Zarr's names for the axes; `MendemError` where it has none for them."""
    leading, spatial = axes[:-2], axes[-2:]
    if leading and leading[-1] == "z":
        leading, spatial = leading[:-1], axes[-3:]
    letters: tuple[str, ...]
    if leading == ("channel",):
        letters = ("c",)
    else:
        letters = ("t", "c")[: len(leading)]
    if len(leading) > 2 or "z" in leading:
        raise MendemError(f"cannot write {path}: OME-Zarr does not hold the axes {', '.join(axes)}; write a .tif")
    return (*letters, *spatial)


def attributes(
    version: str,
    name: str,
    letters: tuple[str, ...],
    voxel: VoxelSize,
    origin: Sequence[float],
    factors: Sequence[Sequence[int]],
) -> dict[str, Any]:
    """Metadata of a group whose levels "0", "1", … are means over ``factors`` pixels of level 0.

    ``origin`` is where the centre of the first pixel of level 0 lies. The centre of a mean over k pixels lies
    (k - 1) / 2 pixels further.
    """
    kinds = {"t": "time", "c": "channel"}
    axes: list[dict[str, str]] = []
    for letter, length in zip(letters, voxel.values, strict=True):
        axes.append({"name": letter, "type": kinds.get(letter, "space")})
        if length is not None and letter in SPATIAL_AXES:
            axes[-1]["unit"] = OME_UNITS[voxel.unit]
    step = np.array([1.0 if v is None else float(v) for v in voxel.values])
    datasets = []
    for level, factor in enumerate(factors):
        scale = step * factor
        translation = np.asarray(origin, float) + step * (np.asarray(factor) - 1) / 2
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale.tolist()}]
        if translation.any():
            transforms.append({"type": "translation", "translation": translation.tolist()})
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    image = {"name": name, "axes": axes, "datasets": datasets, "type": "mean"}
    if version == "0.4":
        return {"multiscales": [{"version": version, **image}]}
    return {"ome": {"version": version, "multiscales": [image]}}
