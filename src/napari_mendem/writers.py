"""npe2 writer: MRC, TIFF and OME-Zarr, with voxel size, data type and provenance; beside tilts, their angles."""

from __future__ import annotations

from typing import Any

import numpy as np


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one image layer; its scale and units become the voxel size. Returns the files that belong to it.

    Beside a tilt series lies what makes it the same series again (`mendem.tomography.tilt_beside`).

    Raises
    ------
    MendemError
        With what is wrong and what to do: colours, a data type that the format does not hold, a file beside a tilt
        series that says something else.
    """
    from napari.layers import Image as ImageLayer

    from mendem.io import write
    from mendem.tomography.tilt_beside import check_beside, write_beside
    from napari_mendem.layers import image_from_layer
    from napari_mendem.tilt_layers import is_tilt_series, series_of

    taken = ("scale", "units", "affine", "axis_labels", "metadata", "name", "rgb", "multiscale")
    kwargs = {k: attributes[k] for k in taken if attributes.get(k) is not None}
    # The layer is never drawn: fixed limits keep napari from looking for them in all the pixels.
    layer = ImageLayer(data, contrast_limits=(0, 1), **kwargs)
    image = image_from_layer(layer)
    if image.dtype == np.float64 and not path.lower().endswith(".zarr"):
        image = image.with_data(_AsFloat32(image.data))
    if not is_tilt_series(layer):
        write(path, image, overwrite=True)
        return [path]
    series = series_of(layer)
    check_beside(path, series)
    write(path, image, overwrite=True)
    return [path, *write_beside(path, series)]


class _AsFloat32:
    """Double precision seen as single, slice by slice: neither MRC nor ImageJ knows more."""

    dtype = np.dtype(np.float32)

    def __init__(self, data: Any) -> None:
        self.data, self.shape, self.ndim = data, data.shape, len(data.shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.asarray(self.data[key]).astype(np.float32)
