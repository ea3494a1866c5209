"""The live preview of a volume: the plane along z that is on the screen, restored from its middle outwards. No Qt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np

from napari_mendem import costs
from napari_mendem.layers import Raster, along_z

if TYPE_CHECKING:
    from mendem.blocks import Block
    from mendem.engine import Run
    from mendem.physics.section_grid import SectionGrid
    from napari_mendem.viewport import SideView

#: The first part is planned to take no longer than this, seconds; it is at least so many pixels wide.
FIRST_PART = 0.4
LEAST = 64

#: Pixels per second that are assumed before any was measured.
ASSUMED_SPEED = {"cpu": 2.5e5, "mps": 5e6, "cuda": 3e7}

#: Largest part of a plane that is previewed, pixels along an axis: the middle of a larger view.
LARGEST = 2048


@dataclass(frozen=True)
class PlaneFrame:
    """An answer for the layer: ``pixels`` (planes, rows, columns), one of them a single one, NaN where nothing is yet.

    ``raster`` is where they lie among the pixels of the image; ``stage`` says how good the answer is, in words.
    """

    pixels: np.ndarray
    raster: Raster
    stage: str
    final: bool


def plane_frames(run: Run, view: SideView, check: Callable[[], None]) -> Iterator[PlaneFrame]:
    """The plane that is seen, from planes of its own direction alone, the middle of the view first.

    The run's result is the mean over both directions, which would take all planes of the other. Where the budget is
    more than a preview's, the whole view is answered quickly first.
    """
    from mendem.volumes import BUDGETS

    grid = run.grid
    assert grid is not None
    across = _middle(*view.across)
    planes = planes_of(grid, *view.sections)
    plain = replace(run.options, estimate="mean", samples=0)
    shown = (across[1] - across[0], 1) if view.direction == "yz" else (1, across[1] - across[0])
    canvas = np.full((planes[1] - planes[0], *shown), np.nan, np.float32)
    corner = (0, across[0], view.position) if view.direction == "yz" else (0, view.position, across[0])
    raster = along_z(Raster.of(corner), grid, planes[0])
    height, width = run.image.plane_shape
    # Which part of the image the user chose for a run does not matter here.
    whole = replace(run, region=(0, height, 0, width))
    quick = replace(whole, options=replace(plain, budget="preview"))
    better = BUDGETS[run.options.budget].turns > BUDGETS["preview"].turns
    passes = [quick, replace(whole, options=plain)] if better else [quick]
    for number, one in enumerate(passes):
        parts = parts_of(one, view, planes, across)
        for i, part in enumerate(parts):
            box = _box(view, planes, part)
            place = slice(part[0] - across[0], part[1] - across[0])
            target = canvas[:, place] if view.direction == "yz" else canvas[:, :, place]
            target[:] = _restored(one, box, view.direction, check)
            last = number + 1 == len(passes) and i + 1 == len(parts)
            yield PlaneFrame(canvas.copy(), raster, "" if last else "refining", last)


def planes_of(grid: SectionGrid, first: int, stop: int) -> tuple[int, int]:
    """Start and end of the planes that lie in some sections: at most `LARGEST`, the middle ones."""
    middle = (grid.width - 1) / 2  # of a section, in planes
    low = ceil((first - 0.5) * grid.spacing + middle)
    high = floor((stop - 0.5) * grid.spacing + middle) + 1
    low, high = max(0, min(low, grid.height - 1)), min(grid.height, high)
    return _middle(low, max(high, low + 1))


def parts_of(run: Run, view: SideView, planes: tuple[int, int], across: tuple[int, int]) -> list[tuple[int, int]]:
    """``across`` cut into parts, the one in its middle first, which takes about `FIRST_PART`."""
    speed = costs.speed_of(run, thin=True) or ASSUMED_SPEED.get(run.device, ASSUMED_SPEED["cpu"])
    wide = across[1] - across[0]
    while wide > LEAST:
        pixels = costs.pixels_of_box(run, _box(view, planes, (across[0], across[0] + wide)), (view.direction,))
        if pixels / speed <= FIRST_PART:
            break
        wide = max(LEAST, wide // 2)
    middle = (across[0] + across[1]) // 2
    start = max(across[0], middle - wide // 2)
    # Each part is computed with a margin, so that the others had better be wider.
    edges = sorted(
        {across[0], across[1], *range(start, across[0], -2 * wide), *range(start + wide, across[1], 2 * wide)}
    )
    parts = list(zip(edges[:-1], edges[1:], strict=True))
    return sorted(parts, key=lambda p: abs(p[0] + p[1] - across[0] - across[1]))


def _restored(run: Run, box: Block, direction: str, check: Callable[[], None]) -> np.ndarray:
    """The mean of a thin box, in the image's units."""
    from mendem.volumes import BUDGETS, volume_estimates

    started = time.monotonic()
    for estimate in volume_estimates(run, box, check, (direction,)):
        mean = estimate.mean
    asked = BUDGETS[run.options.budget].turns * costs.pixels_of_box(run, box, (direction,))
    costs.measured_speed(run, asked, time.monotonic() - started, thin=True)
    return mean


def _box(view: SideView, planes: tuple[int, int], part: tuple[int, int]) -> Block:
    from mendem.blocks import Block

    thin = view.position, view.position + 1
    return Block(planes, thin, part) if view.direction == "xz" else Block(planes, part, thin)


def _middle(start: int, stop: int) -> tuple[int, int]:
    over = max(0, stop - start - LARGEST)
    return start + over // 2, stop - (over - over // 2)
