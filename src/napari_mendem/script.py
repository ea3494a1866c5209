"""A restoration as text that makes it again: Python, or a command line."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from napari_mendem.marks import Marks
from napari_mendem.workers import Request


def as_python(request: Request, layer_name: str = "", input_names: Mapping[str, str] | None = None) -> str:
    """Python that computes the same array as ``result.image.data``.

    An image that is not in a file is taken from the viewer, for napari's console.

    Parameters
    ----------
    layer_name, input_names
        Of the layers that the image and the inputs (by slot) are; where left out, their sources.
    """
    known = file_of(request.image)
    name = layer_name or request.image.source
    named = {slot: (input_names or {}).get(slot, image.source) for slot, image in request.inputs.items()}
    inputs = {slot: _input_as_python(image, named[slot], name) for slot, image in request.inputs.items()}
    lines = ["import mendem"]
    if known is None or any(text.startswith("image_from_layer") for text in inputs.values()):
        lines += ["from napari_mendem.layers import image_from_layer"]
    if any(text.startswith("marks_of") for text in inputs.values()):
        lines += ["from napari_mendem.marks import marks_of"]
    if known is None:
        lines += ["", f"image = image_from_layer(viewer.layers[{name!r}])"]
    else:
        voxel = stated_voxel_size(request.image, known)
        stated = "" if voxel is None else f", mendem.VoxelSize({_numbers(voxel.values)}, {voxel.unit!r})"
        lines += ["", f"image = mendem.read({os.fspath(request.image.source)!r}{stated})"]
    task = f"mendem.{type(request.task).__name__}({arguments(changed(request.task))})"
    options = changed(request.options)
    if request.region is not None:
        options["region"] = tuple(request.region)
    given = f"inputs={{{', '.join(f'{name!r}: {text}' for name, text in inputs.items())}}}"
    if request.planes is None:
        call = ["image", task, *(f"{k}={v!r}" for k, v in options.items()), *([given] if inputs else [])]
        lines += [f"result = mendem.restore({', '.join(call)})"]
    else:
        lines.insert(1, "from mendem.engine import prepare\nfrom mendem.restoration import collect")
        region = options.pop("region", None)
        call = ["image", task, f"mendem.Options({arguments(options)})", f"planes={request.planes!r}"]
        call += [] if region is None else [f"region={region!r}"]
        call += [given] if inputs else []
        lines += [f"result = collect(prepare({', '.join(call)}))"]
    lines += [f"mendem.write({_result_name(request)!r}, result.image)"]
    return "\n".join(lines) + "\n"


def as_command(request: Request) -> str:
    """The command line that computes the same.

    Raises
    ------
    MendemError
        Where a command line cannot: an image without a file, single slices, inputs from layers.
    """
    known = file_of(request.image)
    if known is None:
        raise MendemError(
            f"{request.image.source} is not in a file that mendem can read: "
            "save the layer, open that file, and copy again"
        )
    if request.planes is not None:
        raise MendemError("a command restores all slices: choose all slices, or copy as Python")
    parts = ["mendem", request.task.name, os.path.abspath(request.image.source), _result_name(request)]
    voxel = stated_voxel_size(request.image, known)
    if voxel is not None:
        parts += ["--voxel-size", voxel_text(voxel)]
    for name, image in request.inputs.items():
        if file_of(image) is None:
            raise MendemError(
                f"{image.source} is a layer and in no file: copy as Python; or save it as .tif, choose a word in its "
                f"place, copy the command, and add --{name} FILE to it"
            )
        parts += [f"--{name.replace('_', '-')}", os.path.abspath(image.source)]
    for declared in (request.task, request.options):
        for name, value in changed(declared).items():
            if name in request.inputs:
                continue
            flag = name.replace("_", "-")
            parts += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", _plain(value)]
    if request.region is not None:
        parts += ["--region", ",".join(str(n) for n in request.region)]
    return shlex.join(parts)


def _input_as_python(image: Image, name: str, on: str) -> str:
    """What fills a slot; marks are those of the layer ``name`` on the layer ``on``."""
    if isinstance(image.data, Marks):
        return f"marks_of(viewer.layers[{name!r}], viewer.layers[{on!r}])"
    if file_of(image) is None:
        return f"image_from_layer(viewer.layers[{name!r}])"
    return f"mendem.read({os.fspath(image.source)!r})"


def file_of(image: Image) -> Image | None:
    """The file that an image came from, opened without its pixels; None where there is none of that shape and type."""
    from mendem.io import read

    if not os.path.exists(image.source):
        return None
    try:
        found = read(image.source, lazy_above=0)
    except MendemError:
        return None
    same = found.shape == image.shape and found.dtype == image.dtype.newbyteorder("=")
    return found if same else None


def voxel_text(voxel: VoxelSize) -> str:
    """A voxel size for the command line: one length with its unit, or all with commas where they differ."""
    unit = voxel.unit if voxel.unit != "m" else "nm"
    lengths = [v for v in (voxel.values if unit == voxel.unit else voxel.nm) if v is not None]
    if lengths and np.allclose(lengths, lengths[0], rtol=1e-9):
        lengths = lengths[:1]
    return ",".join(f"{v:.10g}" for v in lengths) + unit


def stated_voxel_size(image: Image, known: Image) -> VoxelSize | None:
    """The voxel size that has to be said because the file says another."""
    assert image.voxel_size is not None and known.voxel_size is not None
    for mine, theirs in zip(image.voxel_size.nm, known.voxel_size.nm, strict=True):
        if (mine is None) != (theirs is None) or (mine is not None and abs(mine - theirs) > 1e-9 * mine):
            return image.voxel_size if image.voxel_size.known else None
    return None


def changed(declared: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not at their defaults."""
    values = {f.name: getattr(declared, f.name) for f in fields(declared)}
    return {f.name: values[f.name] for f in fields(declared) if values[f.name] != f.default}


def arguments(values: dict[str, Any]) -> str:
    """As keywords of a call."""
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _numbers(values: tuple[float | None, ...]) -> str:
    return repr(tuple(v if v is None else float(v) for v in values))


def _plain(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _result_name(request: Request) -> str:
    stem, suffix = os.path.splitext(os.path.basename(request.image.source))
    if suffix.lower() not in (".mrc", ".mrcs", ".map", ".rec", ".st", ".ali", ".tif", ".tiff", ".zarr"):
        suffix = ".tif"
    return f"{stem.replace(' ', '_')}_{request.task.name}{suffix}"
