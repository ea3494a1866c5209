"""Reading OME-Zarr and plain zarr arrays, of zarr versions 2 and 3, from folders."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import Any

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.io import record
from mendem.io.output import is_zarr
from mendem.io.zarr_array import ZarrArray
from mendem.io.zarr_meta import Axis, Multiscale, load_json, parse, voxel_size

SUFFIXES = (".zarr",)

NAMES = {"t": "frame", "c": "channel", "z": "z", "y": "y", "x": "x"}

#: How many folders above a level its image is looked for.
DEPTH = 3


def read(path: str) -> Image:
    """Open the finest level of the first image below ``path``, or the level or array that ``path`` itself is.

    Pixels stay on disk (`ZarrArray`). ``metadata["zarr"]`` has the version, the name and the place of the image.
    """
    path = os.path.normpath(path)
    if not _is_array(path):
        found = _find_image(path)
        return _level(found, 0) if isinstance(found, _Place) else _plain(path, *found)
    place = _image_above(path)
    if place is None:
        return _plain(path, ZarrArray(path), [])
    number = place.multiscale.paths.index(_relative(path, place.group))
    image = _level(place, number)
    if number:
        last = len(place.multiscale.paths) - 1
        image.metadata["notes"].append(f"This is level {number} of 0 to {last}; level 0 is the finest.")
    return replace(image, source=path)


def read_levels(path: str) -> list[Image]:
    """All levels of what `read` would open, the finest first; a level itself, and a plain array, have one."""
    path = os.path.normpath(path)
    place = None if _is_array(path) else _find_image(path)
    if not isinstance(place, _Place):
        return [read(path)]
    return [_level(place, number) for number in range(len(place.multiscale.paths))]


@dataclass(frozen=True)
class _Place:
    """An image: its group's folder and attributes, and what to tell about the way there."""

    group: str
    attributes: dict[str, Any]
    multiscale: Multiscale
    notes: tuple[str, ...]


def _is_array(path: str) -> bool:
    if os.path.exists(os.path.join(path, "zarr.json")):
        return load_json(os.path.join(path, "zarr.json")).get("node_type") == "array"
    return os.path.exists(os.path.join(path, ".zarray"))


def _attributes(group: str) -> dict[str, Any]:
    """Attributes of a group; those of OME-Zarr 0.5 stand under "ome", older ones beside the others."""
    if os.path.exists(os.path.join(group, "zarr.json")):
        found = load_json(os.path.join(group, "zarr.json")).get("attributes") or {}
    else:
        found = load_json(os.path.join(group, ".zattrs"))
    return found if isinstance(found, dict) else {}


def _ome(attributes: dict[str, Any]) -> dict[str, Any]:
    found = attributes.get("ome", attributes)
    return found if isinstance(found, dict) else {}


def _find_image(path: str, notes: tuple[str, ...] = ()) -> _Place | tuple[ZarrArray, list[str]]:
    """The first image in a group, or in a plate, a well or a bioformats2raw collection; else its only array."""
    attributes = _attributes(path)
    ome = _ome(attributes)
    if "multiscales" in ome:
        images = ome["multiscales"]
        if isinstance(images, list) and len(images) > 1:
            notes += (f"The group holds {len(images)} images; the first was read.",)
        return _Place(path, attributes, _multiscale(path, ome), notes)
    try:
        inside, many = _first_inside(path, ome)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise MendemError(f"{path} has damaged OME-Zarr metadata; give the path of an image inside") from error
    if inside is None:
        return _only_array(path)
    place = os.path.join(path, *inside.split("/"))
    if not is_zarr(place):
        raise MendemError(f"{path} lists {inside}, which is not there; copy it again from its source")
    if many:
        notes += (f"The zarr holds {many}; {inside} was read. Give the path of another, such as {place}, to read it.",)
    return _find_image(place, notes)


def _first_inside(path: str, ome: dict[str, Any]) -> tuple[str | None, str]:
    """Path of the first image that a collection lists, and what it holds where that is more than one."""
    if "plate" in ome:
        wells = ome["plate"]["wells"]
        return str(wells[0]["path"]), f"a plate of {len(wells)} wells"
    if "well" in ome:
        fields = ome["well"]["images"]
        return str(fields[0]["path"]), f"{len(fields)} fields of a well" if len(fields) > 1 else ""
    if "bioformats2raw.layout" in ome:
        series = _ome(_attributes(os.path.join(path, "OME"))).get("series")
        if series is None:
            series = sorted((n for n in os.listdir(path) if n.isdigit()), key=int) or ["0"]
        return str(series[0]), f"{len(series)} images" if len(series) > 1 else ""
    return None, ""


def _only_array(path: str) -> tuple[ZarrArray, list[str]]:
    try:
        inside = sorted(name for name in os.listdir(path) if _is_array(os.path.join(path, name)))
    except OSError as error:
        raise MendemError(f"cannot read {path}: {error.strerror or error}") from error
    if not inside:
        raise MendemError(f"{path} has no image in it: the group has neither OME-Zarr metadata nor an array")
    more = f" of {len(inside)} arrays" if len(inside) > 1 else ""
    return ZarrArray(os.path.join(path, inside[0])), [
        f"The group has no OME-Zarr metadata; {inside[0]}{more} was read."
    ]


def _image_above(path: str) -> _Place | None:
    """The image of which an array is a level."""
    group = path
    for _ in range(DEPTH):
        group = os.path.dirname(group)
        if not is_zarr(group or "."):
            continue
        attributes = _attributes(group)
        ome = _ome(attributes)
        if "multiscales" not in ome:
            continue
        multiscale = _multiscale(group, ome)
        if _relative(path, group) in multiscale.paths:
            return _Place(group, attributes, multiscale, ())
    return None


def _multiscale(group: str, ome: dict[str, Any]) -> Multiscale:
    found = parse(ome, group)
    # Versions before 0.4 may leave the axes out: then their number decides.
    ndim = len(ZarrArray(_array_path(group, found.paths[0])).shape)
    if len(found.axes) != ndim:
        found = parse(ome, group, ndim)
    if len(found.axes) != ndim:
        raise MendemError(
            f"{group} has damaged OME-Zarr metadata: {len(found.axes)} axes for {ndim} dimensions; "
            f"give the path of an array inside, such as {_array_path(group, found.paths[0])}"
        )
    return found


def _relative(path: str, group: str) -> str:
    return os.path.relpath(path, group or ".").replace(os.sep, "/")


def _array_path(group: str, inside: str) -> str:
    return os.path.join(group, *inside.split("/"))


def _level(place: _Place, number: int) -> Image:
    about, notes = place.multiscale, list(place.notes)
    data = ZarrArray(_array_path(place.group, about.paths[number]))
    finest = ZarrArray(_array_path(place.group, about.paths[0])) if number else data
    if len(data.shape) != len(finest.shape):
        raise MendemError(f"{place.group}: level {about.paths[number]} has another number of axes than level 0")
    text = json.dumps(place.attributes.get("mendem"))
    planes = 1
    for n in finest.shape[:-2]:
        planes *= n
    own = record.unpack(text, (planes, *finest.shape[-2:])) if len(finest.shape) > 1 else {}
    if own and own["shape"] == finest.shape:
        axes, kept = own["axes"], list(range(len(finest.shape)))
    else:
        own = {}
        axes, kept = _names(about.axes, finest.shape, notes)
        data = ZarrArray(data.path, tuple(axis for axis in range(len(data.shape)) if axis not in kept))
    scale = about.scales[number]
    scale = None if scale is None else tuple(scale[axis] for axis in kept)
    voxel = voxel_size([about.axes[axis] for axis in kept], scale, axes, notes)
    if number == 0:
        voxel = record.agreed_voxel_size(own, voxel)
        if own:
            notes = [note for note in notes if not (voxel.known and "voxel size" in note)]
    metadata = {
        "zarr": {
            "version": about.version,
            "name": about.name,
            "shape": list(data.shape),
            "unit": voxel.unit,
            "translation": _in_unit(about.translations[number], about.scales[number], kept, voxel),
        },
        "notes": notes,
    }
    if own.get("provenance") is not None:
        metadata["mendem"] = own["provenance"]
    return Image(data, axes, voxel, metadata, place.group)


def _in_unit(
    translation: tuple[float, ...], scale: tuple[float, ...] | None, kept: list[int], voxel: VoxelSize
) -> list[float]:
    """Where the first pixel's centre lies, in the unit of the voxel size; 0 along axes without a length."""
    if scale is None:
        return [0.0] * len(kept)
    lengths = zip(kept, voxel.values, strict=True)
    return [translation[axis] * v / abs(scale[axis]) if v and scale[axis] else 0.0 for axis, v in lengths]


def _names(axes: tuple[Axis, ...], shape: tuple[int, ...], notes: list[str]) -> tuple[tuple[str, ...], list[int]]:
    """Our names for the axes that are kept, and which they are: without those of length 1 that are no space."""
    last = len(axes) - 2
    kept = [i for i, axis in enumerate(axes) if i >= last or axis.kind == "space" or shape[i] > 1]
    names = [NAMES.get(axes[i].name, "frame") for i in kept]
    stored = [axes[i].name for i in kept]
    wanted = [*names[:-2], "y", "x"]
    if len(kept) > 2 and (axes[kept[-3]].kind == "space"):
        wanted[-3] = "z"
    if names != wanted:
        notes.append(f"The axes are stored as {', '.join(stored)}; they were read as {', '.join(wanted)}.")
    return tuple(wanted), kept


def _plain(source: str, data: ZarrArray, notes: list[str]) -> Image:
    notes = [*notes, "The voxel size is unknown: the array has no OME-Zarr metadata."]
    return Image(data, (), VoxelSize.unknown(len(data.shape)), {"notes": notes}, source)
