"""The missing wedge in 2-D: slice, ray, central plane of Fourier space and image of a point as layers. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_mendem.wedge_layers import CURRENT, GENERATED, MEASURED, MISSING, Drawn, KeptLayers
from napari_mendem.wedge_page import Page
from napari_mendem.wedge_work import FINE, Answer

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer


#: Roles of the layers, from the lowest to the highest, by what the user switches on.
SLICE, FOURIER, TILT, POINT = ("slice",), ("spectrum", "wedge", "tilts", "generated"), ("tilt",), ("point",)
ALL = (*SLICE, *FOURIER, *POINT, *TILT)

#: Frequencies that are marked, in cycles per pixel.
RINGS = 0.25, 0.5
WORDS = {"string": "{words}", "size": 8, "color": "white", "anchor": "center"}


class FlatView:
    """Puts an `Answer` beside its tilt series.

    Parameters
    ----------
    kept
        The layers.
    """

    def __init__(self, kept: KeptLayers) -> None:
        self.kept = kept

    def show(self, answer: Answer, layer: ImageLayer, page: Page, roles: set[str], tilt: int, length: Length) -> None:
        """Show what belongs to ``roles`` and take the rest away; ``tilt`` is the one that is looked at."""
        question = answer.question
        along_y = page.axes == (0, 1)
        if along_y:
            roles = roles - {"slice"}
        self.kept.drop(*(set(ALL) - roles))
        name = layer.name
        if "slice" in roles:
            low, high = np.percentile(answer.pixels, [0.3, 99.7]) if answer.pixels.size else (0.0, 1.0)
            place = page.place(page.corner(False, True), np.full(2, page.pixel), ("z", "x"))
            pixels = page.image(answer.pixels)
            self.kept.put(
                "image",
                "slice",
                f"{name} · slice",
                pixels,
                place,
                contrast_limits=(low, high if high > low else low + 1),
            )
        if "spectrum" in roles:
            self._spectrum(answer, page, name, length)
        if "wedge" in roles:
            self._wedge(answer, page, name, length)
        if "tilts" in roles:
            self._tilts(answer, page, name)
        if "point" in roles:
            self._point(answer, page, name, length)
        if "tilt" in roles:
            drawn = self._ray(answer, page, tilt) if "slice" in roles else Drawn()
            if roles & set(FOURIER):
                drawn += self._line(question.series.true_angles[tilt], question.plane, page)
            if page.flat and layer.visible:
                drawn += _row(answer, layer, tilt, page)
            self.kept.put("shapes", "tilt", f"{name} · current tilt", drawn, page.drawing())

    def _spectrum(self, answer: Answer, page: Page, name: str, length: Length) -> None:
        if answer.spectrum is None:
            self.kept.drop("spectrum")
            return
        step = page.side / np.array(answer.spectrum.shape)
        axes = tuple(answer.question.plane.split(" "))
        place = page.place(page.corner(True, False), step, axes)
        spacing = page.spacing(length.per_pixel(answer.spectrum.shape))
        picture = page.image(answer.spectrum)
        limits = _limits(answer.spectrum)
        fresh = self.kept.get("spectrum") is None
        self.kept.put("image", "spectrum", f"{name} · power spectrum", picture, place, spacing, colormap="gray")
        shown = self.kept.get("spectrum")
        # Another source has another floor of noise.
        if shown is not None and (fresh or shown.metadata.get("of") != id(answer.question.tomogram)):
            shown.contrast_limits_range, shown.contrast_limits = (-6.0, 0.0), limits
            shown.metadata["of"] = id(answer.question.tomogram)

    def _wedge(self, answer: Answer, page: Page, name: str, length: Length) -> None:
        from mendem.tomography.wedge_shapes import plane_wedge, ring

        grid, drawn, width = _grid(), Drawn(), page.side / 400
        for outline in plane_wedge(answer.measured, answer.question.plane, grid):
            drawn += Drawn.area(self._in_fourier(outline, page), MISSING, width)
        for frequency in RINGS:
            drawn += Drawn.line(self._in_fourier(ring(frequency, grid), page), "#ffffff66", width)
            # Across the direction of the untilted beam, where lines of tilts are fewest.
            here = ring(frequency, grid)[[-19, -18]]
            drawn += Drawn.line(self._in_fourier(here, page), "#ffffff66", width, length.of(1 / frequency))
        self.kept.put("shapes", "wedge", f"{name} · missing wedge", drawn, page.drawing(), text=WORDS)

    def _tilts(self, answer: Answer, page: Page, name: str) -> None:
        """The lines that tilts measure; those of generated tilts are a layer of their own, in another colour."""
        self._lines("tilts", answer.measured, MEASURED, f"{name} · tilts in Fourier space", answer, page)
        if answer.generated:
            named = f"{name} · generated tilts in Fourier space"
            self._lines("generated", answer.generated, GENERATED, named, answer, page)
        else:
            self.kept.drop("generated")

    def _lines(self, role: str, angles: tuple[float, ...], colour: str, name: str, answer: Answer, page: Page) -> None:
        from mendem.tomography.wedge_shapes import plane_tilt

        ends = [
            self._in_fourier(plane_tilt(angle, answer.question.plane, _grid()), page) for angle in sorted(set(angles))
        ]
        self.kept.put(
            "vectors",
            role,
            name,
            np.array([[start, end - start] for start, end in ends]),
            page.drawing(),
            edge_color=colour,
            edge_width=page.side / 450,
            vector_style="line",
            opacity=0.45,
        )

    def _point(self, answer: Answer, page: Page, name: str, length: Length) -> None:
        count = len(answer.point)
        long = min(page.side, answer.pixels.shape[0] * page.pixel)
        place = page.place(page.corner(True, True), np.full(2, long / count), ("z", "x"))
        spacing = page.spacing(length.spacing(1 / FINE))
        picture = page.image(answer.point)
        label = f"{name} · point spread"
        self.kept.put("image", "point", label, picture, place, spacing, contrast_limits=(-0.2, 0.6), colormap="gray")

    def _line(self, angle: float, plane: str, page: Page) -> Drawn:
        from mendem.tomography.wedge_shapes import plane_tilt

        return Drawn.line(self._in_fourier(plane_tilt(angle, plane, _grid()), page), CURRENT, page.side / 110)

    def _ray(self, answer: Answer, page: Page, tilt: int) -> Drawn:
        """The ray through the middle of the slice."""
        from mendem.tomography.geometry import SliceGeometry

        angle, shape = answer.question.series.true_angles[tilt], (*answer.pixels.shape,)
        geometry = SliceGeometry((angle,), (shape[0], shape[1]), shape[1])
        ends = geometry.ray(0, geometry.origins[0])
        if ends is None:
            return Drawn()
        corner = page.corner(False, True) + page.pixel / 2
        return Drawn.line(page.points(corner + page.pixel * ends), CURRENT, page.side / 110)

    @staticmethod
    def _in_fourier(places: np.ndarray, page: Page) -> np.ndarray:
        """Vertices on `_grid` to those of the layer."""
        step = page.side / np.array(_grid())
        return page.points(page.corner(True, False) + (places + 0.5) * step)


class Length:
    """Lengths of a tilt series, in its unit.

    Parameters
    ----------
    pixel
        Extent of a pixel, None where it is unknown.
    unit
        Of ``pixel``.
    """

    def __init__(self, pixel: float | None, unit: str) -> None:
        self.pixel, self.unit = pixel, unit

    def of(self, pixels: float) -> str:
        """A length in words."""
        if self.pixel is None:
            return f"{pixels:.3g} px"
        return f"{pixels * self.pixel:.3g} {'Å' if self.unit == 'angstrom' else self.unit}"

    def spacing(self, pixels: float) -> dict:
        """Extent of a picture's pixel, for files."""
        values = (1.0, 1.0) if self.pixel is None else (pixels * self.pixel,) * 2
        return {"values": values, "unit": "pixel" if self.pixel is None else self.unit}

    def per_pixel(self, shape: tuple[int, ...]) -> dict:
        """Extent of a pixel of a spectrum."""
        return {
            "values": tuple(1 / (n * (self.pixel or 1.0)) for n in shape),
            "unit": f"1/{'pixel' if self.pixel is None else self.unit}",
        }


def _grid() -> tuple[int, int]:
    """Pixels of a spectrum of which lines and areas are drawn; even, so that 0 is at a pixel."""
    return 256, 256


def _row(answer: Answer, layer: ImageLayer, tilt: int, page: Page) -> Drawn:
    """Where the slice lies in the tilt that is shown: a line across the tilt axis, moved as the alignment says."""
    series, width = answer.question.series, answer.pixels.shape[1]
    rows = series.image.plane_shape[0 if abs(np.cos(np.radians(series.axis_angle))) >= np.sqrt(0.5) else 1]
    transform = series.transforms[tilt]
    y, half = answer.question.row - (rows - 1) / 2, (width - 1) / 2
    aligned = np.array([[y, -half], [y, half]])
    raw = np.linalg.solve(transform[:, :2], (aligned - transform[:, 2]).T).T
    raw += (np.array(series.image.plane_shape) - 1) / 2
    world = np.array([layer.data_to_world((tilt, *place))[-2:] for place in raw])
    return Drawn.line(world, CURRENT, page.side / 220)


def _limits(spectrum: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(spectrum, [2.0, 99.8])
    return (float(low), float(high)) if high > low else (-6.0, 0.0)
