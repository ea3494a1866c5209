"""The missing wedge in 3-D: its surface and the plane of a tilt over the power spectrum, beside the tomogram. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_mendem.wedge_flat import Length
from napari_mendem.wedge_layers import CURRENT, MISSING, KeptLayers, Place
from napari_mendem.wedge_page import edges
from napari_mendem.wedge_work import Answer

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

#: Roles of the layers, from the lowest to the highest.
FOURIER, TILT = ("volume", "surface"), ("plane",)
ALL = (*FOURIER, *TILT)
GAP = 0.15
AXES = ("kz", "ky", "kx")
#: Pixels along each axis on which surfaces are drawn; even, so that 0 is at a pixel.
GRID = 256
#: How a spectrum is shown: the faces of a block.
BLOCK = {"rendering": "translucent", "interpolation3d": "nearest", "blending": "translucent"}


class SolidView:
    """Puts an `Answer` beside a tomogram, in the same scene: the camera turns both together.

    Of a power spectrum, which is the same at k and -k, the half ky <= 0 is shown: the plane kz, kx lies open.

    Parameters
    ----------
    kept
        The layers.
    """

    def __init__(self, kept: KeptLayers) -> None:
        self.kept = kept

    def show(
        self,
        answer: Answer,
        layer: ImageLayer,
        tomogram: ImageLayer | None,
        roles: set[str],
        tilt: int,
        length: Length,
    ) -> None:
        """Show what belongs to ``roles`` and take the rest away."""
        from mendem.tomography.wedge_shapes import tilt_plane

        self.kept.drop(*(set(ALL) - roles))
        series = answer.question.series
        corner, side = _cube(layer, tomogram)
        unit = str(layer.units[-1])
        if "volume" in roles and answer.volume is not None:
            half = answer.volume[:, : answer.volume.shape[1] // 2 + 1]
            shape = np.array(answer.volume.shape)
            flat = shape == 1
            step = side / np.where(flat, shape.max(), shape)
            first = corner + np.where(flat, side / 2, step / 2)
            place = Place(tuple(step), tuple(first), (unit,) * 3, AXES)
            low, high = np.percentile(half, [2.0, 99.8])
            self.kept.put(
                "image",
                "volume",
                f"{layer.name} · power spectrum 3-D",
                half,
                place,
                length.per_pixel(answer.volume.shape),
                contrast_limits=(low, high if high > low else low + 1),
                colormap="gray",
                **BLOCK,
            )
        step = side / GRID
        drawing = Place((step,) * 3, tuple(corner + step / 2), (unit,) * 3, AXES)
        if "surface" in roles:
            vertices, faces = _wedge(answer.measured)
            self._surface("surface", f"{layer.name} · missing wedge 3-D", vertices, faces, drawing, MISSING, 0.4)
        if "plane" in roles:
            corners = _halved(tilt_plane(series.true_angles[tilt], (GRID,) * 3))
            faces = np.array([[0, 1, 2], [0, 2, 3]])
            self._surface("plane", f"{layer.name} · current tilt 3-D", corners, faces, drawing, CURRENT, 0.45)

    def _surface(
        self, role: str, name: str, vertices: np.ndarray, faces: np.ndarray, place: Place, colour: str, opacity: float
    ) -> None:
        if not len(faces):
            self.kept.drop(role)
            return
        from napari.utils import Colormap

        data = vertices, faces, np.ones(len(vertices))
        look = Colormap([colour, colour], name=f"mendem {colour}")
        self.kept.put(
            "surface",
            role,
            name,
            data,
            place,
            colormap=look,
            contrast_limits=(0, 1),
            opacity=opacity,
            shading="none",
            blending="translucent_no_depth",
        )


def _halved(vertices: np.ndarray) -> np.ndarray:
    """What reaches over all ky, up to 0 alone; a little further, or the plane of the spectrum would hide its end."""
    return vertices * (1.0, 0.5, 1.0) + (0.0, 1.0, 0.0)


def _wedge(angles: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of the missing wedge for ky <= 0, closed at ky = 0."""
    from mendem.tomography.wedge_shapes import wedge_polygons, wedge_surface

    vertices, faces = wedge_surface(angles, (GRID,) * 3)
    parts, ends, first = [_halved(vertices)], [faces], len(vertices)
    for outline in wedge_polygons(angles, (GRID, GRID)):
        parts.append(_halved(np.insert(outline, 1, GRID - 1.0, axis=1)))
        fan = np.arange(1, len(outline) - 1)
        ends.append(first + np.stack([np.zeros_like(fan), fan, fan + 1], axis=1))
        first += len(outline)
    return np.concatenate(parts), np.concatenate(ends)


def _cube(layer: ImageLayer, tomogram: ImageLayer | None) -> tuple[np.ndarray, float]:
    """First corner, and side, of Fourier space: to the right of the tomogram, or where the tilts are, without one."""
    if tomogram is None:
        box = edges(layer)
        side = float(np.ptp(box[:, 1:], axis=0).max())
        return np.array([-side / 2, *box.mean(0)[1:] - side / 2]), side
    low, high = edges(tomogram)
    side = float((high - low).max())
    middle = (low + high) / 2 - side / 2
    return np.array([middle[0], middle[1], high[2] + GAP * side]), side
