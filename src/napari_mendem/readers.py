"""npe2 readers: MRC, TIFF, OME-Zarr and vendors' files, with voxel size, units and axis names."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

PathOrPaths = str | Sequence[str]
LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[LayerData]] | None:
    """The reader for a path or for several, or None where one is not ours; a folder is ours when it is a zarr."""
    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(_is_ours(p) for p in paths) else None


def read(path: PathOrPaths) -> list[LayerData]:
    """One layer for each file; large ones stay on disk, and an OME-Zarr of several levels is a multiscale layer.

    A stack whose tilt angles lie beside it, or in its header, is a tilt series (`napari_mendem.tilt_layers`).

    What cannot be read is a notification, and the other files still open.
    """
    from napari.utils.notifications import show_error

    from mendem.errors import MendemError

    layers = []
    for one in [path] if isinstance(path, str) else path:
        try:
            layers.append(_layer(one))
        except MendemError as error:
            show_error(str(error))
    # npe2's way to say that the file was ours and that there is nothing to show.
    return layers or [(None,)]  # type: ignore[list-item]


def _is_ours(path: str) -> bool:
    from mendem.io import SUFFIXES
    from mendem.io.output import is_zarr

    return is_zarr(path) if os.path.isdir(path) else path.lower().endswith(SUFFIXES.readable)


def _layer(path: str) -> LayerData:
    from mendem.io import read as read_image
    from mendem.io import read_levels
    from napari_mendem.layers import layer_from_image
    from napari_mendem.tilt_layers import opened

    if not os.path.isdir(path):
        return opened(read_image(path))
    levels = read_levels(path)
    image = levels[0] if len(levels) > 1 else read_image(path)
    data, kwargs, kind = layer_from_image(image)
    if "zarr" in image.metadata:
        kwargs["translate"] = tuple(image.metadata["zarr"]["translation"])
    if len(levels) == 1:
        return data, kwargs, kind
    return [level.data for level in levels], {**kwargs, "multiscale": True}, kind
