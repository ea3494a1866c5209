"""Between napari's layers and `mendem.Image`: pixels, voxel size, units, and how a result is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import NM_PER_UNIT, Image, VoxelSize

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from mendem.physics.section_grid import SectionGrid

#: Marks the layer of a live preview in its metadata.
PREVIEW = "mendem_preview"

#: Marks a layer that something is drawn in for a widget, such as the region, and that is nothing to restore.
TOOL = "mendem_tool"

#: Extent of the pixels of a layer that is drawn larger or smaller than it is, in its metadata:
#: ``{"values": one for each axis, "unit": of a length, or of a frequency}``.
SPACING = "mendem_spacing"


def layer_from_image(image: Image, **changes: Any) -> tuple[Any, dict[str, Any], str]:
    """The layer data tuple of an image: scale and units from its voxel size, its notes and provenance as metadata."""
    assert image.voxel_size is not None
    lengths = image.voxel_size.values
    kwargs = {
        "scale": tuple(1.0 if v is None else v for v in lengths),
        "units": tuple("pixel" if v is None else image.voxel_size.unit for v in lengths),
        "axis_labels": image.axes,
        "metadata": dict(image.metadata),
        "rgb": False,
        "multiscale": False,
        **_contrast(image),
        **changes,
    }
    return image.data, kwargs, "image"


def image_from_layer(layer: ImageLayer) -> Image:
    """The pixels of an image layer, lazily where they are lazy; level 0 of a multiscale layer.

    Raises
    ------
    MendemError
        For colours, complex numbers, and fewer than two dimensions.
    """
    if getattr(layer, "rgb", False):
        raise MendemError(f"{layer.name} is a colour image; split it (right click › Split RGB) and restore one channel")
    data = layer.data[0] if layer.multiscale else layer.data
    ndim = len(data.shape)
    axes = _axes(layer, ndim)
    voxel, metadata = _voxel_size(layer, axes) if ndim >= 2 else None, dict(layer.metadata)
    if "notes" in metadata and voxel is not None and voxel.known:  # the user has said what the file did not
        metadata["notes"] = [note for note in metadata["notes"] if not note.startswith("The voxel size is unknown: ")]
    return Image(
        data,
        axes,
        voxel,
        metadata,
        layer.source.path or layer.name,
    )


def unwrapped(viewer: Any) -> Any:
    """The viewer itself: napari hands docks a proxy, which gives the same layer as another object each time."""
    return getattr(viewer, "__wrapped__", viewer)


@dataclass(frozen=True)
class Raster:
    """Where some data lie among the pixels of a layer: pixel i at ``first + step * i``, along each axis."""

    first: tuple[float, ...]
    step: tuple[float, ...]

    @classmethod
    def of(cls, offset: Sequence[float], finer: float = 1.0) -> Raster:
        """Data that begin at ``offset``, with ``finer`` of their pixels along y and x of one of the layer's.

        Pixel i is then at ``offset + (i + 1/2) / finer - 1/2``.
        """
        edge = (1 / finer - 1) / 2
        leading = tuple(float(n) for n in offset[:-2])
        return cls((*leading, *(float(n) + edge for n in offset[-2:])), (*(1.0 for _ in leading), 1 / finer, 1 / finer))


def along_z(place: Raster, grid: SectionGrid, first: int = 0) -> Raster:
    """The same for planes of a volume in place of sections; ``first`` of them."""
    return Raster((grid.section_at(first), *place.first[1:]), (1 / grid.spacing, *place.step[1:]))


@dataclass(frozen=True)
class Look:
    """Where a layer lies and how it is shown, taken when a run starts: the layer may be gone when it ends."""

    name: str
    place: dict[str, Any]
    display: dict[str, Any]

    @classmethod
    def of(cls, layer: ImageLayer) -> Look:
        return cls(
            layer.name,
            {
                "scale": np.array(layer.scale),
                "translate": np.array(layer.translate),
                "rotate": np.array(layer.rotate),
                "shear": np.array(layer.shear),
                "affine": np.array(layer.affine.affine_matrix),
                "units": tuple(layer.units),
                "axis_labels": tuple(layer.axis_labels),
            },
            {
                "contrast_limits": tuple(layer.contrast_limits),
                "colormap": layer.colormap,
                "gamma": layer.gamma,
                "interpolation2d": layer.interpolation2d,
            },
        )

    def flat(self) -> Look:
        """The same for data that has rows and columns alone; rotation and shear are then in ``affine``."""
        from napari.utils.transforms import Affine

        own = {k: self.place[k] for k in ("scale", "translate", "rotate", "shear")}
        whole = Affine(ndim=len(self.place["scale"]), **own)
        linear = whole.linear_matrix[-2:, -2:]
        scale = np.linalg.norm(linear, axis=0)
        turn = np.eye(3)
        turn[:2, :2] = linear / scale
        place = {
            "scale": scale,
            "translate": np.linalg.solve(turn[:2, :2], whole.translate[-2:]),
            "rotate": np.eye(2),
            "shear": np.zeros(1),
            "affine": self.place["affine"][-3:, -3:] @ turn,
            "units": self.place["units"][-2:],
            "axis_labels": self.place["axis_labels"][-2:],
        }
        return Look(self.name, place, self.display)

    def at(self, raster: Raster) -> dict[str, Any]:
        """Layer arguments for data that lie at ``raster`` of this layer's pixels."""
        return {**self.place, "scale": self._scale(raster), "translate": self._translate(raster)}

    def stack_at(self, raster: Raster, axis: str) -> dict[str, Any]:
        """As `at`, with one more axis in front; everything that places the data is then in ``affine``."""
        from napari.utils.transforms import Affine

        ndim = len(self.place["scale"])
        own = {"scale": self._scale(raster), **{k: self.place[k] for k in ("rotate", "shear")}}
        inner = Affine(ndim=ndim, translate=self._translate(raster), **own).affine_matrix
        whole = np.eye(ndim + 2)
        whole[1:, 1:] = self.place["affine"] @ inner
        return {
            "affine": whole,
            "units": ("pixel", *self.place["units"]),
            "axis_labels": (axis, *self.place["axis_labels"]),
        }

    def _scale(self, raster: Raster) -> np.ndarray:
        return np.array(self.place["scale"], float) * raster.step

    def _translate(self, raster: Raster) -> np.ndarray:
        """Where the first pixel's centre lies: rotation, shear and scale act on the offset too."""
        from napari.utils.transforms import Affine

        own = {k: self.place[k] for k in ("scale", "translate", "rotate", "shear")}
        return np.asarray(Affine(ndim=len(raster.first), **own)(np.array(raster.first, float)))


def spread_limits(std: np.ndarray) -> tuple[float, float]:
    """Contrast limits for a standard deviation: from 0 to what 99.5 % of the pixels that have one stay under."""
    seen = thinned(std)
    seen = seen[seen > 0]  # where everything else was measured, the few pixels that were not decide
    return 0.0, float(np.percentile(seen, 99.5)) if seen.size else 1.0


def residual_limits(residual: np.ndarray) -> tuple[float, float]:
    """Symmetric contrast limits that 99 % of the pixels stay within."""
    seen = thinned(residual)
    high = float(np.percentile(abs(seen), 99)) if seen.size else 1.0
    return (-high, high) if high > 0 else (-1.0, 1.0)


def thinned(values: np.ndarray, count: int = 1_000_000) -> np.ndarray:
    """About ``count`` finite values of an array, evenly spread."""
    step = max(1, int((values.shape[-1] * values.shape[-2] / count) ** 0.5))
    planes = values.reshape(-1, *values.shape[-2:])
    some = planes[:: max(1, len(planes) // 4), ::step, ::step]
    return some[np.isfinite(some)]


def _contrast(image: Image) -> dict[str, Any]:
    """Contrast limits that a few hot pixels do not decide; 8-bit images keep napari's 0 to 255."""
    if image.dtype.kind == "b" or image.dtype == np.uint8:
        return {}
    height, width = image.plane_shape
    step_y, step_x = max(1, height // 512), max(1, width // 512)
    planes = {0, image.plane_count // 2, image.plane_count - 1}
    # A strided read of a file still reads every row, and of a chunked volume every chunk with all its planes.
    if image.dtype.itemsize * height * width > (64 << 20 if getattr(image.data, "chunks", None) is None else 4 << 20):
        middle = slice(height // 2 - 256, height // 2 + 256), slice(width // 2 - 256, width // 2 + 256)
        parts = [image.read(p, *middle).ravel() for p in planes]
    else:
        parts = [image.read(p)[::step_y, ::step_x].ravel() for p in planes]
    pixels = np.concatenate(parts).astype(np.float64)
    pixels = pixels[np.isfinite(pixels)]
    low, high = np.percentile(pixels, [0.1, 99.9]) if pixels.size else (0.0, 0.0)
    return {"contrast_limits": (float(low), float(high))} if high > low else {}


def _axes(layer: ImageLayer, ndim: int) -> tuple[str, ...]:
    """The layer's own names for the leading axes where the user or a reader gave any."""
    labels = tuple(layer.axis_labels)
    if ndim < 3 or len(labels) != ndim or not all(label.isidentifier() for label in labels):
        return ()
    return (*labels[:-2], "y", "x")


def _voxel_size(layer: ImageLayer, axes: tuple[str, ...]) -> VoxelSize:
    """Lengths of the axes whose unit is one; None for pixels, for tilts, and for everything else."""
    import pint

    stated = layer.metadata.get(SPACING)
    if stated is not None:
        if stated["unit"] not in NM_PER_UNIT:
            return VoxelSize((None,) * layer.ndim)
        return VoxelSize(tuple(stated["values"]), stated["unit"])
    registry = pint.get_application_registry()
    stretch = np.linalg.norm(np.asarray(layer.affine.affine_matrix)[:-1, :-1], axis=0)
    known = {str(registry.Unit(name)): name for name in NM_PER_UNIT}
    lengths = [
        None
        if str(unit) == "pixel" or not unit.is_compatible_with("nm") or axis == "tilt"
        else (abs(float(s)) * float(a), unit)
        for s, a, unit, axis in zip(layer.scale, stretch, layer.units, axes or ("",) * len(stretch), strict=True)
    ]
    units = {str(v[1]) for v in lengths if v}
    if len(units) == 1 and units <= set(known):
        return VoxelSize(tuple(v and v[0] for v in lengths), known[units.pop()])
    return VoxelSize(tuple(v and float(registry.Quantity(*v).to("nm").magnitude) for v in lengths), "nm")
