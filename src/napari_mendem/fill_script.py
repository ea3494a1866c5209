"""A filled wedge as text that makes it again: Python, or a command line. No Qt."""

from __future__ import annotations

import shlex
from dataclasses import fields

from mendem.image import VoxelSize
from napari_mendem.fill_request import FillRequest
from napari_mendem.script import arguments, changed
from napari_mendem.tomogram_script import (
    command_of_series,
    option,
    python_of_series,
    stem_of,
    thickness_option,
    voxel_python,
)


def as_python(request: FillRequest, layer_name: str, tilts: str | None = None) -> str:
    """Python that computes the same; a series that is in no file is taken from the viewer."""
    settings, density = [], changed(request.density)
    if request.thickness is not None:
        thick = request.thickness
        settings.append(f"thickness={voxel_python(thick) if isinstance(thick, VoxelSize) else repr(thick)}")
    settings += [f"density=Density({arguments(density)})"] if density else []
    settings += [f"device={request.device!r}"] if request.device != "auto" else []
    own = arguments(changed(request.parameters))
    settings += [own] if own else []
    stem = stem_of(request.series)
    lines = python_of_series(request.series, layer_name, tilts, bool(density))
    lines += [f"result = mendem.fill_wedge({', '.join(['series', *settings])})"]
    lines += [f"mendem.write({f'{stem}_completed.mrc'!r}, result.completed.image)"]
    lines += [f"mendem.write({f'{stem}_filled.mrc'!r}, result.tomogram)"]
    return "\n".join(lines) + "\n"


def as_command(request: FillRequest, tilts: str | None = None) -> str:
    """The command line that computes the same.

    Raises
    ------
    MendemError
        A series that is in no file, or that was changed since.
    """
    stem = stem_of(request.series)
    parts = command_of_series(request.series, tilts, "fill-wedge", f"{stem}_completed.mrc")
    parts += ["--tomogram", f"{stem}_filled.mrc"]
    for declared in (request.parameters, request.density):
        differs = changed(declared)
        parts += [word for f in fields(declared) if f.name in differs for word in option(f.name, differs[f.name])]
    parts += thickness_option(request.thickness)
    parts += option("device", request.device) if request.device != "auto" else []
    return shlex.join(parts)
