"""Alignments in the engine's thread, and what a layer keeps of them. No Qt."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mendem.errors import Cancelled, MendemError
from mendem.tomography.tilt_series import TiltSeries
from napari_mendem.aligned_tilts import AlignedTilts
from napari_mendem.layers import PREVIEW
from napari_mendem.results import under_drawn
from napari_mendem.tilt_layers import FIELDS, TILTS, tilts_metadata

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from mendem.engine import Progress
    from mendem.tomography.alignment import Alignment

#: What the tilts were stated to be before an alignment was accepted, in ``layer.metadata["tilts"]``.
STATED = "stated"


@dataclass(frozen=True)
class AlignRequest:
    """What is to be aligned, and how; parameters as of `mendem.tomography.alignment.align`."""

    series: TiltSeries
    kind: str = "auto"
    axis: bool = True
    again: bool = False


class AlignJob:
    """One alignment; ``alignment`` is None before the end, and where it was cancelled."""

    def __init__(self, request: AlignRequest) -> None:
        self.request = request
        self.cancelled = threading.Event()
        self.progress: Progress | None = None
        self.alignment: Alignment | None = None

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> AlignJob:
        """Align; `MendemError` for what the user can mend. Cancelled, nothing is kept."""
        from mendem.tomography.alignment import align

        request = self.request
        try:
            self.check()
            self.alignment = align(
                request.series,
                kind=request.kind,
                axis=request.axis,
                again=request.again,
                check=self.check,
                progress=self._set_progress,
            )
        except Cancelled:
            pass
        return self

    def _set_progress(self, fraction: float) -> None:
        from mendem.engine import Progress

        # How many steps are left is not known.
        self.progress = Progress(round(100 * fraction), 100, fraction, None)


def accept(layer: ImageLayer, series: TiltSeries) -> None:
    """Give a layer the alignment of ``series``; what was stated before is kept for `undo`."""
    now = layer.metadata[TILTS]
    stated = now.get(STATED, {key: value for key, value in now.items() if key != STATED})
    others = {key: value for key, value in now.items() if key not in FIELDS}
    layer.metadata = {**layer.metadata, TILTS: {**others, **tilts_metadata(series), STATED: stated}}


def can_undo(layer: ImageLayer) -> bool:
    """Whether an alignment was accepted that can be taken back."""
    return STATED in layer.metadata.get(TILTS, {})


def undo(layer: ImageLayer) -> None:
    """Give a layer back what was stated of its tilts before any alignment was accepted."""
    if not can_undo(layer):
        raise MendemError(f"no alignment of {layer.name} was accepted; there is nothing to undo")
    layer.metadata = {**layer.metadata, TILTS: dict(layer.metadata[TILTS][STATED])}


class AlignedPreview:
    """The tilts as an alignment has them, in a layer above the raw ones; each is made when it is looked at."""

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.layer: ImageLayer | None = None

    def show(self, series: TiltSeries, source: ImageLayer) -> None:
        """Show a series in place of what was shown before."""
        self.remove()
        if source not in self.viewer.layers:
            return
        selected, active = set(self.viewer.layers.selection), self.viewer.layers.selection.active
        self.layer = self.viewer.add_image(
            AlignedTilts(series),
            name=f"{source.name} · aligned preview",
            metadata={PREVIEW: True},
            rgb=False,
            multiscale=False,
            scale=tuple(source.scale),
            translate=self._translate(series, source),
            units=tuple(str(unit) for unit in source.units),
            axis_labels=tuple(source.axis_labels),
            contrast_limits=tuple(source.contrast_limits),
            colormap=source.colormap,
            gamma=source.gamma,
        )
        under_drawn(self.viewer, self.layer)
        self.viewer.layers.selection = selected
        self.viewer.layers.selection.active = active

    def remove(self) -> None:
        """Take the layer away."""
        layer, self.layer = self.layer, None
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    @staticmethod
    def _translate(series: TiltSeries, source: ImageLayer) -> tuple[float, ...]:
        """Middles coincide, also where rows and columns have changed places."""
        shape: Any = AlignedTilts(series).shape
        moved = [(n - m) / 2 * s for n, m, s in zip(source.data.shape[1:], shape[1:], source.scale[1:], strict=True)]
        place = source.translate
        return float(place[0]), float(place[1] + moved[0]), float(place[2] + moved[1])
