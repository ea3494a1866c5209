"""How large a tomogram and its voxels are."""

from __future__ import annotations

from mendem.errors import MendemError
from mendem.image import VoxelSize
from mendem.tomography.tilt_series import TiltSeries

#: Height and width of pixels may differ by this part before they count as not square.
SQUARE = 0.01


def voxel_size_of(series: TiltSeries, binning: int) -> VoxelSize:
    """Of the tomogram, the same along z, y and x; `MendemError` where the pixels of the tilts are not square."""
    size = series.image.voxel_size
    assert size is not None
    _, high, wide = size.values
    if high is None or wide is None:
        length = high or wide
    elif abs(high - wide) > SQUARE * wide:
        raise MendemError(
            f"{series.name} has pixels of {high:g} x {wide:g} {size.unit}, and a tomogram needs square ones; state "
            "their size (--voxel-size)"
        )
    else:
        length = wide
    return VoxelSize((None if length is None else length * binning,) * 3, size.unit)


def depth_of(thickness: int | VoxelSize | None, voxel_size: VoxelSize, width: int, name: str) -> int:
    """Voxels along z of a thickness in voxels or as a length; ``width`` where it is not given.

    ``name`` is the tilt series' for messages: `MendemError` for a length of unknown voxels, or less than one voxel.
    """
    if thickness is None:
        return width
    if isinstance(thickness, VoxelSize):
        length, voxel = thickness.nm[0], voxel_size.nm[0]
        if voxel is None or length is None:
            raise MendemError(
                f"{name} has no pixel size: give the thickness in pixels, or the pixel size (--voxel-size)"
            )
        thickness = round(length / voxel)
    if thickness < 1:
        raise MendemError(f"the thickness is {thickness} pixels, but must be at least 1")
    return int(thickness)
