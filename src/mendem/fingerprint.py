"""What a run computes, in few plain values, and in words how another run differs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mendem.blocks import Region
from mendem.image import Image
from mendem.io import LazyArray
from mendem.options import Options
from mendem.provenance import pixel_hash, software_versions
from mendem.tasks.base import Task


def fingerprint(
    image: Image,
    task: Task,
    options: Options,
    inputs: Mapping[str, Image],
    region: Region,
    dtype: str,
    ome_zarr: str | None,
    results: Mapping[str, str | os.PathLike],
) -> dict[str, Any]:
    """All that decides what a run computes, as JSON values.

    Parameters
    ----------
    dtype, ome_zarr
        Pixel type of the result, and version of OME-Zarr.
    results
        The files that are written, by what they hold.
    """
    from mendem.priors.checkpoint import digest, find

    about = {
        "version": software_versions()["napari-mendem"],
        "task": task.name,
        "parameters": task.parameters(),
        "options": asdict(options),
        "inputs": {"image": _image(image), **{name: _image(given) for name, given in inputs.items()}},
        "region": list(region),
        "prior": digest(find(task.prior if options.prior == "auto" else options.prior)),
        "dtype": dtype,
        "ome_zarr": ome_zarr,
        "results": {name: os.path.realpath(path) for name, path in results.items()},
    }
    return json.loads(json.dumps(about))


def difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """How the run that was found differs from the one that is wanted, in words; empty if it does not."""
    if found["version"] != wanted["version"]:
        return f"it was begun with version {found['version']} of mendem, and this is {wanted['version']}"
    if found["task"] != wanted["task"]:
        return f"it was begun to {found['task']}, not to {wanted['task']}"
    for group in ("parameters", "options"):
        for name, value in wanted[group].items():
            if found[group].get(name) != value:
                return f"{name} was {found[group].get(name)} and is {value}"
    for name in {**found["inputs"], **wanted["inputs"]}:
        if found["inputs"].get(name) != wanted["inputs"].get(name):
            return f"the {name} is another, or has changed since"
    for name, words in (
        ("region", "region"),
        ("prior", "prior"),
        ("dtype", "pixel type"),
        ("ome_zarr", "version of OME-Zarr"),
    ):
        if found[name] != wanted[name]:
            values = "" if name == "prior" else f" ({found[name]}, not {wanted[name]})"
            return f"the {words} is another{values}"
    if found["results"] != wanted["results"]:
        return "it was to write other files: " + (", ".join(sorted(found["results"].values())))
    return ""


def _image(image: Image) -> dict[str, Any]:
    """Files that stay on disk by size and time of their last change, pixels in memory by their hash."""
    assert image.voxel_size is not None
    about = {
        "shape": list(image.shape),
        "axes": list(image.axes),
        "dtype": str(image.dtype),
        "voxel_size": [list(image.voxel_size.values), image.voxel_size.unit],
    }
    if isinstance(image.data, LazyArray) and os.path.exists(image.source):
        return {**about, "files": _stamp(image.source)}
    return {**about, "sha256": pixel_hash(image)}


def _stamp(path: str) -> list[int]:
    """How many files there are, their bytes, and the last change of one of them in nanoseconds."""
    files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    status = [os.stat(file) for file in files or [path]]
    return [len(status), sum(s.st_size for s in status), max(s.st_mtime_ns for s in status)]
