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
from napari_mendem.tilt_layers import TILTS, layer_of
from napari_mendem.tomogram_layers import SlicePreview, limits, show_middle, some, tomogram_layer

if TYPE_CHECKING:
    from napari.components import ViewerModel

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
        self.layer: ImageLayer | None = None
        self._changes = 0
        self._next = 0.0

    @property
    def removed(self) -> bool:
        """Whether the user has removed the growing result."""
        return self.layer is not None and self.layer not in self.viewer.layers

    def grow(self) -> None:
        """Show what has been computed since the last time."""
        job, now = self.job, time.monotonic()
        if job.changes == self._changes or job.volume is None or self.removed or now < self._next:
            return
        self._changes = job.changes
        if self.layer is None:
            self.layer = self._tomogram(job.volume)
        else:
            self.layer.refresh(thumbnail=False, extent=False)
        took = time.monotonic() - now
        self._next = now + max(REDRAW_EVERY, took / REDRAW_SHARE)

    def finish(self) -> None:
        """Everything that the job leaves behind; nothing where nothing was finished."""
        job, record = self.job, self.job.provenance
        if job.volume is None or record is None or self.removed:
            if self.layer is not None and not self.removed:
                self.viewer.layers.remove(self.layer)
            return
        if self.layer is None:
            self.layer = self._tomogram(job.volume)
        found = limits(some(job.volume))
        if found is not None:
            self.layer.contrast_limits = found
        self.layer.metadata = {"mendem": record, "notes": record["notes"]}
        self.layer.name = self._named("")
        if job.spread is not None:
            spread = self._add(job.spread, " spread", contrast_limits=spread_limits(job.spread), colormap="magma")
            spread.visible = False
            spread.metadata = {"mendem": {**record, "quantity": "standard deviation"}}
        if job.regions is not None:
            self._add_regions(job.regions, record)
        if job.completed is not None:
            self._add_completed()
        self.layer.refresh()
        self.viewer.layers.selection.active = self.layer

    def _named(self, what: str) -> str:
        record = self.job.provenance
        return f"{self._name} · {TITLE}{what}{' (partial)' if record is not None and record['partial'] else ''}"

    def _tomogram(self, volume: np.ndarray) -> ImageLayer:
        layer = self._add(volume, "", contrast_limits=limits(some(volume)) or (0.0, 1.0))
        layer.metadata = {"mendem": {}}
        under_drawn(self.viewer, layer)
        show_middle(self.viewer, layer)
        return layer

    def _add(self, volume: np.ndarray, what: str, **display: Any) -> ImageLayer:
        arguments = {**tomogram_layer(volume, self.job.request, self._source), **display}
        layer = ImageLayer(volume, name=self._named(what), **arguments)
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

    def _add_completed(self) -> None:
        """The completed series with its flags; measured tilts lie where a series in rising order has them."""
        job, completed = self.job, self.job.completed
        assert completed is not None and job.filling is not None and job.provenance is not None
        flags, angles = job.filling.completion.flags, completed.true_angles
        data, kwargs, _ = layer_of(completed, self._named(" tilts"))
        first = next(k for k, flag in enumerate(flags) if flag != GENERATED)
        step = float(self._source.scale[0])
        translate = (float(self._source.translate[0]) - first * step, *self._source.translate[-2:])
        metadata = {**kwargs["metadata"], "mendem": job.provenance}
        metadata[TILTS] = {**metadata[TILTS], "flags": flags}
        kwargs |= {
            "metadata": metadata,
            "translate": translate,
            "scale": (step, *self._source.scale[-2:]),
            "units": tuple(self._source.units),
            "contrast_limits": tuple(self._source.contrast_limits),
            "colormap": self._source.colormap,
            "visible": False,
        }
        layer = ImageLayer(data, **kwargs)
        self.viewer.add_layer(layer)
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
            visible=False,
            metadata={TOOL: True},
            **{key: kwargs[key] for key in ("scale", "translate", "units", "axis_labels")},
        )
        marks.editable = False
        self.viewer.add_layer(marks)


def _words(angles: tuple[float, ...], flags: tuple[str, ...]) -> list[str]:
    return [f"{angle:+.4g}° {flag}" for angle, flag in zip(angles, flags, strict=True)]
