"""Which layers belong together: a restoration, its input, its spread, and whether two may be halves. No Qt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from napari.layers import Image as ImageLayer

from napari_mendem.layers import PREVIEW

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

#: What is said instead of a number where there is nothing to correlate.
NO_HALF = (
    "There is no second half: both images come from the same measurement, so no resolution is claimed. "
    "Choose frames, or two layers that were measured apart."
)
SAME_INPUT = (
    "There is no second half: {0} and {1} come from the same measurement and share its noise, "
    "so no resolution is claimed."
)


def record_of(layer: Layer | None) -> dict[str, Any]:
    """The provenance of a restoration's main layer; empty for every other layer."""
    record = {} if layer is None else layer.metadata.get("mendem") or {}
    return record if isinstance(record, dict) and "quantity" not in record else {}


def is_restoration(layer: Layer | None) -> bool:
    return isinstance(layer, ImageLayer) and bool(record_of(layer)) and not layer.metadata.get(PREVIEW)


def input_of(viewer: ViewerModel, layer: Layer) -> ImageLayer | None:
    """The layer ``X`` of a restoration ``X · Task``."""
    name = layer.name.rpartition(" · ")[0]
    found = viewer.layers[name] if name and name in viewer.layers else None
    return found if isinstance(found, ImageLayer) else None


def spread_of(viewer: ViewerModel, layer: Layer | None) -> ImageLayer | None:
    """The layer with the standard deviation of a restoration."""
    record = record_of(layer)
    if not record or layer is None:
        return None
    wanted = {**record, "quantity": "standard deviation"}
    for other in viewer.layers:
        if isinstance(other, ImageLayer) and other.metadata.get("mendem") == wanted:
            return other
    # The name decides where the record was changed, as by saving and reading.
    other = viewer.layers[f"{layer.name} spread"] if f"{layer.name} spread" in viewer.layers else None
    return other if isinstance(other, ImageLayer) else None


def why_no_halves(a: ImageLayer, b: ImageLayer) -> str:
    """Why two layers cannot be independent halves; "" where nothing speaks against it."""
    if a is b or set(_measured(a)) & set(_measured(b)):
        return SAME_INPUT.format(a.name, b.name)
    return ""


def _measured(layer: ImageLayer) -> list[str]:
    """Names that stand for what a layer was measured from: its own, or the hash and the name of its first input."""
    record = record_of(layer)
    if not record:
        return [_plain(layer.name)]
    while record.get("previous"):
        record = record["previous"]
    image = record.get("inputs", {}).get("image", {})
    return [str(v) for v in (image.get("sha256"), _plain(layer.name.partition(" · ")[0])) if v]


def _plain(name: str) -> str:
    """Without the number that napari adds to a name that is taken."""
    return re.sub(r" \[\d+\]$", "", name)
