"""What filling a wedge shows in the viewer: the live slice, the growing tomogram, and the results. No Qt."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Points

from mendem.tomography.missing_tilts import EXCLUDED, GENERATED, MEASURED
from napari_mendem.layers import TOOL, spread_limits
from napari_mendem.results import REDRAW_EVERY, REDRAW_SHARE, under_drawn
from napari_mendem.tilt_layers import TILTS, tilts_metadata
from napari_mendem.tomogram_layers import SlicePreview, limits, show_middle, some, tomogram_layer

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from mendem.tomography.tilt_series import TiltSeries
    from napari_mendem.fill_jobs import FillJob

#: Of the names of results: ``<input> · fill wedge``.
TITLE = "fill wedge"

#: What a region of Fourier space, and a tilt, is shown in: colours that the colour-blind tell apart (Okabe and Ito).
REGION_COLOURS = {1: "#56B4E9", 2: "#E69F00", 3: "#CC79A7"}
TILT_COLOURS = {MEASURED: "#56B4E9", GENERATED: "#E69F00", EXCLUDED: "#999999"}


class FillPreview(SlicePreview):
    """The live slice: before, and filled below it."""

    title = TITLE


class FilledLayers:
    """The results of a job in the viewer: the tomogram as it grows, and all of them when it is done."""

    def __init__(self, viewer: ViewerModel, job: FillJob, source: ImageLayer) -> None:
        self.viewer, self.job = viewer, job
        self._name, self._source = source.name, source
        self._tomogram: ImageLayer | None = None
        self._stack: ImageLayer | None = None
        self._changes = 0
        self._next = 0.0

    @property
    def removed(self) -> bool:
        """Whether the user has removed a growing result."""
        return any(layer not in self.viewer.layers for layer in self._growing)

    def grow(self) -> None:
        """Show what has been computed since the last time: by the tilt road, each tilt as it comes."""
        job, now = self.job, time.monotonic()
        if job.changes == self._changes or self.removed or now < self._next:
            return
        self._changes = job.changes
        if job.stack is not None and self._stack is None:
            self._stack = self._add_tilts(job.stack, job.angles)
        if job.volume is not None and self._tomogram is None:
            self._tomogram = self._add_tomogram(job.volume)
        elif job.volume is None and self._stack is not None:
            step, first = self._stack.scale[0], self._stack.translate[0]
            self.viewer.dims.set_point(self.viewer.dims.ndim - 3, float(first + job.newest * step))
        for layer in self._growing:
            layer.refresh(thumbnail=False, extent=False)
        took = time.monotonic() - now
        self._next = now + max(REDRAW_EVERY, took / REDRAW_SHARE)

    def finish(self) -> None:
        """Everything that the job leaves behind; nothing where nothing was finished."""
        job, record = self.job, self.job.provenance
        if self.removed:
            return
        if self._stack is not None:  # its tilts may not all be there
            self.viewer.layers.remove(self._stack)
            self._stack = None
        if record is None:
            for layer in self._growing:
                self.viewer.layers.remove(layer)
            return
        if job.completed is not None:
            self._finish_tilts(job.completed, record)
        if job.volume is not None:
            self._finish_tomogram(job.volume, record)

    def _finish_tomogram(self, volume: np.ndarray, record: dict[str, Any]) -> None:
        layer = self._tomogram = self._tomogram or self._add_tomogram(volume)
        found = limits(some(volume))
        if found is not None:
            layer.contrast_limits = found
        layer.metadata = {"mendem": {**record, "quantity": "density"}, "notes": record["notes"]}
        layer.name = self._named("")
        if self.job.spread is not None:
            spread = self._add(self.job.spread, " spread", contrast_limits=spread_limits(some(self.job.spread)))
            spread.visible, spread.colormap = False, "magma"
            spread.metadata = {"mendem": {**record, "quantity": "standard deviation"}}
        if self.job.regions is not None:
            self._add_regions(self.job.regions, record)
        layer.refresh()
        self.viewer.layers.selection.active = layer

    @property
    def _growing(self) -> list[ImageLayer]:
        return [layer for layer in (self._stack, self._tomogram) if layer is not None]

    def _named(self, what: str) -> str:
        record = self.job.provenance
        return f"{self._name} · {TITLE}{what}{' (partial)' if record is not None and record['partial'] else ''}"

    def _add_tomogram(self, volume: np.ndarray) -> ImageLayer:
        layer = self._add(volume, "", contrast_limits=limits(some(volume)) or (0.0, 1.0))
        layer.metadata = {"mendem": {}}
        under_drawn(self.viewer, layer)
        show_middle(self.viewer, layer)
        return layer

    def _add(self, volume: np.ndarray, what: str, **display: Any) -> ImageLayer:
        arguments = {**tomogram_layer(volume, self.job.request, self._source), **display}
        layer = ImageLayer(volume, name=self._named(what), **arguments)  # pixels may be left on disk
        self.viewer.add_layer(layer)
        return layer

    def _add_regions(self, regions: np.ndarray, record: dict[str, Any]) -> None:
        """Which frequencies of the tomogram were measured: a hidden Labels layer, frequency 0 in its middle."""
        from napari.utils.colormaps import DirectLabelColormap

        from mendem.tomography.wedge import over_volume
        from mendem.tomography.wedge_regions import NAMES

        assert self.job.volume is not None
        whole = over_volume(regions, self.job.volume.shape[1])
        place = tomogram_layer(self.job.volume, self.job.request, self._source)
        layer = Labels(
            whole,
            name=self._named(" Fourier mask"),
            visible=False,
            opacity=0.5,
            features={"index": list(NAMES), "region": list(NAMES.values())},
            colormap=DirectLabelColormap(color_dict={None: "transparent", **REGION_COLOURS}),
            metadata={"mendem": {**record, "quantity": "regions of the centred spectrum", "labels": NAMES}},
            **{key: place[key] for key in ("scale", "translate", "units", "axis_labels")},
        )
        layer.editable = False
        self.viewer.add_layer(layer)

    def _add_tilts(self, stack: np.ndarray, angles: tuple[float, ...], **display: Any) -> ImageLayer:
        """A completed stack; measured tilts lie where a series in rising order has them."""
        source = self._source
        first = sum(angle < self.job.request.series.limits[0] for angle in angles)
        step = float(source.scale[0])
        layer = ImageLayer(
            stack,
            name=self._named(" tilts"),
            translate=(float(source.translate[0]) - first * step, *source.translate[-2:]),
            scale=tuple(source.scale),
            units=tuple(source.units),
            axis_labels=tuple(source.axis_labels),
            contrast_limits=tuple(source.contrast_limits),
            colormap=source.colormap,
            rgb=False,
            multiscale=False,
            **display,
        )
        layer.metadata = {"mendem": {}}
        self.viewer.add_layer(layer)
        return layer

    def _finish_tilts(self, completed: TiltSeries, record: dict[str, Any]) -> None:
        """The completed series, and on each of its tilts what it is."""
        flags, angles, road = self.job.flags, completed.true_angles, self.job.request.parameters.road
        layer = self._add_tilts(completed.image.data, angles, visible=road == "tilts")
        layer.metadata = {**completed.image.metadata, TILTS: tilts_metadata(completed), "mendem": record}
        marks = Points(
            np.stack([np.arange(len(flags)), np.zeros(len(flags)), np.zeros(len(flags))], axis=1),
            name=self._named(" flags"),
            features={"angle": list(angles), "flag": list(flags), "words": _words(angles, flags)},
            text={
                "string": "{words}",
                "anchor": "upper_left",
                "size": 12,
                "color": [TILT_COLOURS[flag] for flag in flags],
            },
            size=0.01,
            face_color="transparent",
            border_color="transparent",
            visible=layer.visible,
            metadata={TOOL: True},
            scale=layer.scale,
            translate=layer.translate,
            units=layer.units,
            axis_labels=layer.axis_labels,
        )
        marks.editable = False
        self.viewer.add_layer(marks)


def _words(angles: tuple[float, ...], flags: tuple[str, ...]) -> list[str]:
    return [f"{angle:+.4g}° {flag}" for angle, flag in zip(angles, flags, strict=True)]
