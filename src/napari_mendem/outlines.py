"""Shapes of a Shapes layer on the pixel grid of an image. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Shapes

#: Corners of an ellipse.
CORNERS = 180


@dataclass(frozen=True)
class Outline:
    """One shape in pixels of an image.

    Attributes
    ----------
    points
        (N, 2) rows and columns: the corners of an area, or what a line goes through.
    half_width
        Of a line; None for an area.
    index
        The slice that it lies in, empty where it lies in all.
    """

    points: np.ndarray
    half_width: float | None
    index: tuple[int, ...] = ()


def outlines_of(shapes: Shapes, placement: np.ndarray) -> list[Outline]:
    """The shapes of a layer as they are now.

    Parameters
    ----------
    placement
        (axes of the layer, axes of the image + 1): where pixels of the image lie in the layer's data. The layer's axes
        are the image's last ones.
    """
    ndim = len(placement)
    lead = placement.shape[1] - 1 - ndim
    square, offset = placement[:, lead:-1], placement[:, -1]
    stretch = abs(np.linalg.det(square[-2:, -2:])) ** 0.5  # pixels of the layer in one of the image
    found = []
    for corners, kind, width in zip(shapes.data, shapes.shape_type, shapes.edge_width, strict=True):
        there = np.linalg.solve(square, (np.asarray(corners, float) - offset).T).T
        # Rounded, so that a corner on a pixel's centre marks it whatever the arithmetic of the transforms left over.
        points, index = np.round(there[:, -2:], 6), tuple(int(i) for i in np.round(there[0, :-2]))
        line = kind in ("line", "path")
        if kind == "ellipse":
            points = _ellipse(points)
        found.append(Outline(points, max(width / stretch / 2, 0.5) if line else None, index))
    return found


def filled(outlines: list[Outline], shape: tuple[int, int]) -> np.ndarray:
    """Pixels (height, width) whose centre lies in one of the areas, or within the width of one of the lines."""
    from skimage.draw import polygon

    covered = np.zeros(shape, bool)
    for outline in outlines:
        if outline.half_width is None:
            covered[polygon(*outline.points.T, shape)] = True
            continue
        for start, end in zip(outline.points[:-1], outline.points[1:], strict=True):
            _draw(covered, start, end, outline.half_width)
    return covered


def _ellipse(corners: np.ndarray) -> np.ndarray:
    """Points of the ellipse that touches the middles of a parallelogram's four sides."""
    middle, across, down = corners.mean(axis=0), (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)[:, None]
    return middle + np.cos(angle) * across + np.sin(angle) * down


def _draw(covered: np.ndarray, start: np.ndarray, end: np.ndarray, half_width: float) -> None:
    """Mark the pixels whose centre is within ``half_width`` of a stretch."""
    low = np.maximum(np.floor(np.minimum(start, end) - half_width), 0).astype(int)
    high = np.minimum(np.ceil(np.maximum(start, end) + half_width) + 1, covered.shape).astype(int)
    if (low >= high).any():
        return
    along = end - start
    rows, columns = np.mgrid[low[0] : high[0], low[1] : high[1]]
    length = float(along @ along)
    share = ((rows - start[0]) * along[0] + (columns - start[1]) * along[1]) / length if length else np.zeros(1)
    share = np.clip(share, 0, 1)
    distance = np.hypot(rows - start[0] - share * along[0], columns - start[1] - share * along[1])
    covered[low[0] : high[0], low[1] : high[1]] |= distance <= half_width
