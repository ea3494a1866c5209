"""Shape, axes and voxel size of a result, known before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass

from mendem.blocks import Region
from mendem.image import Image, VoxelSize
from mendem.tasks.base import Task


@dataclass(frozen=True)
class Outcome:
    """What a result will be like.

    Attributes
    ----------
    shape, axes, voxel_size
        As of an `Image`.
    sections
        How many sections a volume is made of; 0 where slices are restored one by one.
    """

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    voxel_size: VoxelSize
    sections: int = 0


def outcome(
    image: Image, task: Task, region: Region, planes: tuple[int, ...] | None = None, scale: int | None = None
) -> Outcome:
    """Of a region (in pixels of the image) of all slices, or of some, which then are a stack.

    ``scale`` replaces the task's own: 1 is the grid of the data.
    """
    leading, axes = image.shape[:-2], image.axes[:-2]
    assert image.voxel_size is not None
    lengths = image.voxel_size.values
    before = lengths[:-2]
    if task.merges:
        leading, axes, before = (), (), ()
    elif planes is not None and len(planes) != image.plane_count:
        leading, axes = (len(planes),), ("frame",)
        before = before[-1:] or (None,)
    grid = task.grid(image)
    if grid is not None and scale is None:
        leading, axes = (grid.height,), ("z",)
        before = (None if before[-1] is None else before[-1] / grid.spacing,)
    k = scale or task.scale
    shape = (*leading, k * (region[1] - region[0]), k * (region[3] - region[2]))
    finer = tuple(None if v is None else v / k for v in lengths[-2:])
    voxel_size = VoxelSize((*before, *finer), image.voxel_size.unit)
    return Outcome(shape, (*axes, "y", "x"), voxel_size, 0 if grid is None else grid.count)
