"""Tilt series as napari layers: what is known of the tilts travels in ``layer.metadata["tilts"]``. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mendem.errors import MendemError
from mendem.tomography.tilt_series import TiltSeries
from napari_mendem.layers import image_from_layer, layer_from_image

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

    from mendem.image import Image

LayerData = tuple[Any, dict[str, Any], str]

#: Where a layer keeps its tilts.
TILTS = "tilts"

#: Ends of the names of volumes, beside which there often are the angles of the series that they were made of.
RECONSTRUCTIONS = (".rec", ".map", "_rec.mrc")

#: Keys of ``layer.metadata["tilts"]`` and the fields of `TiltSeries` that they are.
FIELDS = {
    "angles_deg": "angles",
    "axis_angle_deg": "axis_angle",
    "offset_deg": "offset",
    "excluded": "excluded",
    "shifts_px": "shifts",
    "order": "order",
    "dose_e_per_A2": "dose",
    "distortions": "distortions",
    "x_tilts_deg": "x_tilts",
    "aligned": "aligned",
    "generated": "generated",
    "notes": "notes",
}


def is_tilt_series(layer: Layer) -> bool:
    """Whether a layer is an image stack that carries tilt angles; nothing is read."""
    from napari.layers import Image as ImageLayer

    tilts = layer.metadata.get(TILTS)
    return isinstance(layer, ImageLayer) and layer.ndim == 3 and isinstance(tilts, dict) and "angles_deg" in tilts


def series_of(layer: Layer) -> TiltSeries:
    """The tilt series that a layer is, its pixels lazily where they are lazy.

    Raises
    ------
    MendemError
        A layer without tilt angles, or with tilts that do not fit its stack.
    """
    if not is_tilt_series(layer):
        raise MendemError(
            f"{layer.name} has no tilt angles: choose the file of its angles, or open the stack with a .tlt, .rawtlt "
            "or .mdoc of the same name beside it"
        )
    from mendem.tomography.tilt_files import as_tilts

    return from_metadata(as_tilts(image_from_layer(layer), None), layer.metadata[TILTS], layer.name)


def from_metadata(image: Image, tilts: dict[str, Any], name: str) -> TiltSeries:
    """The tilt series of a stack (axes tilt, y, x) and what ``metadata["tilts"]`` says; ``name`` is for messages."""
    known = {field: tilts[key] for key, field in FIELDS.items() if tilts.get(key) is not None}
    try:
        return TiltSeries(image, **known)
    except (TypeError, ValueError) as error:
        raise MendemError(f'metadata["tilts"] of {name} cannot be read ({error}); open the stack again') from error


def tilts_metadata(series: TiltSeries) -> dict[str, Any]:
    """What ``layer.metadata["tilts"]`` holds: plain numbers, tuples and strings; what is unknown is left out."""
    values = {key: getattr(series, field) for key, field in FIELDS.items()}
    return {key: value for key, value in values.items() if value is not None}


def layer_of(series: TiltSeries, name: str = "", **changes: Any) -> LayerData:
    """The layer data tuple of a tilt series; without a name napari gives it that of the file."""
    metadata = {**series.image.metadata, TILTS: tilts_metadata(series)}
    named = {"name": name} if name else {}
    data, kwargs, kind = layer_from_image(series.image, metadata=metadata, **named, **changes)
    return data, {**kwargs, "units": one_unit(kwargs["units"])}, kind


def one_unit(units: tuple[str, ...]) -> tuple[str, ...]:
    """The unit of y for the tilts too: beside a tomogram, napari shows no lengths where the first axes differ."""
    return units[-2], *units[1:]


def take_angles(layer: ImageLayer, path: str) -> None:
    """Make a stack a tilt series, with the angles in a file, and with an alignment that lies beside the stack.

    Raises
    ------
    MendemError
        A file that cannot be read, or that is not of this stack.
    """
    from mendem.tomography.tilt_files import gather_tilts

    series = gather_tilts(image_from_layer(layer), path)
    unit = tuple(str(unit) for unit in layer.units)
    layer.axis_labels = series.image.axes
    layer.scale = (1.0, *layer.scale[1:])
    layer.units = one_unit(unit)
    layer.metadata = {**layer.metadata, TILTS: {**tilts_metadata(series), "file": path}}


def opened(image: Image) -> LayerData:
    """The layer of a file that was opened: a tilt series where its angles lie beside it or in its header.

    Angles that belong to another stack are a notification, and the stack opens without them.
    """
    from napari.utils.notifications import show_warning

    from mendem.tomography.tilt_files import NoAngles, gather_tilts

    if len(image.shape) == 3 and image.shape[0] > 1 and not image.source.lower().endswith(RECONSTRUCTIONS):
        try:
            series = gather_tilts(image)
        except NoAngles:
            pass
        except MendemError as error:
            show_warning(f"Opened without tilt angles: {error}")
        else:
            return layer_of(series)
    return layer_from_image(image)
