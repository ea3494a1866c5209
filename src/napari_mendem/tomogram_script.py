"""A reconstruction as text that makes it again: Python, or a command line. No Qt."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, fields
from typing import Any

from mendem.errors import MendemError
from mendem.image import VoxelSize
from mendem.tomography.tilt_series import TiltSeries
from napari_mendem.script import arguments, changed, file_of, stated_voxel_size, voxel_text
from napari_mendem.tilt_layers import tilts_metadata
from napari_mendem.tomogram_request import TomogramRequest


@dataclass(frozen=True)
class SeriesFile:
    """How a tilt series is read from its file so that it is the one of the layer."""

    path: str
    tilts: str | None = None
    exclude: tuple[int, ...] = ()
    axis_angle: float | None = None
    offset: float = 0.0
    voxel_size: VoxelSize | None = None


def file_of_series(series: TiltSeries, tilts: str | None = None) -> SeriesFile | None:
    """The file and the options that give a series; None where it is in none, or was changed in another way.

    ``tilts`` is the file that its angles were chosen from.
    """
    from mendem.tomography.tilt_files import gather_tilts

    image = file_of(series.image)
    if image is None:
        return None
    try:
        plain = gather_tilts(image, tilts)
        extra = tuple(tilt for tilt in series.excluded if tilt not in plain.excluded)
        axis = None if abs(series.axis_angle - plain.axis_angle) < 1e-9 else series.axis_angle
        found = gather_tilts(image, tilts, None, extra, axis, series.offset)
    except MendemError:
        return None
    mine, theirs = ({**tilts_metadata(one), "notes": ()} for one in (series, found))
    if mine != theirs:
        return None
    stated = stated_voxel_size(series.image, found.image)
    return SeriesFile(os.path.abspath(series.image.source), tilts, extra, axis, series.offset, stated)


def as_python(request: TomogramRequest, layer_name: str, tilts: str | None = None) -> str:
    """Python that computes the same volume; a series that is in no file is taken from the viewer."""
    settings = _settings(request)
    lines = python_of_series(request.series, layer_name, tilts, "density" in settings)
    method = f"mendem.{type(request.method).__name__}({arguments(changed(request.method))})"
    call = ["series", method, *(f"{name}={text}" for name, text in settings.items())]
    lines += [f"tomogram = mendem.reconstruct({', '.join(call)})"]
    lines += [f"mendem.write({_result_name(request)!r}, tomogram)"]
    return "\n".join(lines) + "\n"


def python_of_series(series: TiltSeries, layer_name: str, tilts: str | None, density: bool) -> list[str]:
    """Lines of Python that import what is needed and read a series; from the viewer where it is in no file."""
    known = file_of_series(series, tilts)
    lines = ["import mendem", *(["from mendem.tomography.density import Density"] if density else [])]
    if known is None:
        lines += ["from napari_mendem.tilt_layers import series_of"]
        read = f"series_of(viewer.layers[{layer_name!r}])"
    else:
        given = {f.name: getattr(known, f.name) for f in fields(known)[1:] if getattr(known, f.name) != f.default}
        voxel = given.pop("voxel_size", None)
        words = [f"{name}={value!r}" for name, value in given.items()]
        words += [] if voxel is None else [f"voxel_size={voxel_python(voxel)}"]
        read = f"mendem.read_tilt_series({', '.join([repr(known.path), *words])})"
    return [*lines, "", f"series = {read}"]


def command_of_series(series: TiltSeries, tilts: str | None, command: str, result: str) -> list[str]:
    """Words of a command line that name a series and where the result goes.

    Raises
    ------
    MendemError
        A series that is in no file, or that was changed since.
    """
    known = file_of_series(series, tilts)
    if known is None:
        raise MendemError(
            f"{series.name} is not in a file with these tilts: save the stack and its alignment under one "
            "name, open it, and copy again; or copy as Python"
        )
    parts = ["mendem", command, known.path, result]
    parts += [] if known.tilts is None else ["--tilts", os.path.abspath(known.tilts)]
    parts += ["--exclude", ",".join(map(str, known.exclude))] if known.exclude else []
    parts += [] if known.axis_angle is None else [f"--axis-angle={known.axis_angle:.10g}"]
    parts += [f"--offset={known.offset:.10g}"] if known.offset else []
    parts += [] if known.voxel_size is None else ["--voxel-size", voxel_text(known.voxel_size)]
    return parts


def as_command(request: TomogramRequest, tilts: str | None = None) -> str:
    """The command line that computes the same.

    Raises
    ------
    MendemError
        A series that is in no file, or that was changed since.
    """
    parts = command_of_series(request.series, tilts, "reconstruct", _result_name(request))
    name = type(request.method).__name__.lower()
    parts += [] if name == "wbp" else ["--method", name]
    for declared in (request.method, request.density):
        for field, value in changed(declared).items():
            parts += option(field, value)
    parts += thickness_option(request.thickness)
    parts += option("binning", request.binning) if request.binning != 1 else []
    parts += [] if request.surroundings else ["--no-surroundings"]
    parts += option("device", request.device) if request.device != "auto" else []
    return shlex.join(parts)


def thickness_option(thickness: int | VoxelSize | None) -> list[str]:
    """Words of a command line that say how thick a tomogram is."""
    if thickness is None:
        return []
    return ["--thickness", voxel_text(thickness) if isinstance(thickness, VoxelSize) else str(thickness)]


def _settings(request: TomogramRequest) -> dict[str, str]:
    """The keywords of `mendem.reconstruct` that are not at their defaults, as text."""
    found = {}
    if isinstance(request.thickness, VoxelSize):
        found["thickness"] = voxel_python(request.thickness)
    elif request.thickness is not None:
        found["thickness"] = repr(request.thickness)
    density = changed(request.density)
    if density:
        found["density"] = f"Density({arguments(density)})"
    plain = {"binning": 1, "surroundings": True, "device": "auto"}
    return found | {name: repr(getattr(request, name)) for name, v in plain.items() if getattr(request, name) != v}


def voxel_python(size: VoxelSize) -> str:
    """A voxel size in Python."""
    return f"mendem.VoxelSize({tuple(v if v is None else float(v) for v in size.values)!r}, {size.unit!r})"


def option(name: str, value: Any) -> list[str]:
    """An option of a command with its value."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{flag}"]
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return [f"--{flag}={text}"] if text.startswith("-") else [f"--{flag}", text]


def _result_name(request: TomogramRequest) -> str:
    return f"{stem_of(request.series)}_reconstruct.mrc"


def stem_of(series: TiltSeries) -> str:
    """What the names of results of a series begin with."""
    return os.path.splitext(os.path.basename(series.image.source.rstrip("/")))[0].replace(" ", "_")
