"""npe2 readers: MRC, TIFF and vendors' files, with voxel size, units and axis names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

PathOrPaths = str | Sequence[str]
LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[LayerData]] | None:
    """The reader for a path or for several, or None where a suffix is not ours."""
    from mendem.io import SUFFIXES

    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(p.lower().endswith(SUFFIXES.readable) for p in paths) else None


def read(path: PathOrPaths) -> list[LayerData]:
    """One layer for each file; large ones stay on disk.

    What cannot be read is a notification, and the other files still open.
    """
    from napari.utils.notifications import show_error

    from mendem.errors import MendemError
    from mendem.io import read as read_image
    from napari_mendem.layers import layer_from_image

    layers = []
    for one in [path] if isinstance(path, str) else path:
        try:
            layers.append(layer_from_image(read_image(one)))
        except MendemError as error:
            show_error(str(error))
    # npe2's way to say that the file was ours and that there is nothing to show.
    return layers or [(None,)]  # type: ignore[list-item]
