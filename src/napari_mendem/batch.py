"""The images of a batch, layers and files, and the work that each of them is. No Qt."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Protocol

from napari.layers import Image as ImageLayer

from mendem.batch import DONE, PARTIAL, SKIPPED, WAITING, Item, restore_item, split_suffix
from mendem.errors import MendemError
from mendem.presets import Preset
from napari_mendem.costs import Outputs
from napari_mendem.layers import Look, image_from_layer, layer_from_image
from napari_mendem.results import ResultLayers
from napari_mendem.workers import Preparations, Request, RestoreJob, use_cpu_threads

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from mendem.engine import Progress
    from mendem.image import Image


@dataclass(eq=False)
class Entry:
    """One image of a batch: a layer, or the path of a file; and what became of it.

    ``state`` is one of `mendem.batch.STATES`, and ``why`` a sentence on it where there is one.
    """

    source: ImageLayer | str
    state: str = WAITING
    why: str = ""

    @property
    def name(self) -> str:
        """How it is shown: the layer's name, or the file's without its folder."""
        return os.path.basename(self.source.rstrip("/\\")) if isinstance(self.source, str) else self.source.name

    @property
    def as_file(self) -> str:
        """What a file of it would be called, from which the name of its result is made."""
        if isinstance(self.source, str):
            return self.source
        stem, own = split_suffix(re.sub(r"[^\w.\- ()\[\]]+", "_", self.source.name))
        return stem + (own or split_suffix(self.source.source.path or "")[1])


class BatchJob(Protocol):
    """The work that one image is: ``work`` runs in the engine thread, the others in that of the GUI.

    Attributes
    ----------
    cancelled
        Set to stop; what is finished is kept.
    progress
        How far it is.
    """

    cancelled: Event

    @property
    def progress(self) -> Progress | None: ...

    def work(self) -> None:
        """Restore the image; raises what is to be said."""

    def grow(self) -> None:
        """Show what has been finished since the last time."""

    def finish(self) -> tuple[str, str]:
        """Show everything; the state of the image, and a sentence on it or nothing."""


class FileJob:
    """An image into a file."""

    def __init__(self, entry: Entry, item: Item, preset: Preset, overwrite: bool, cpu_threads: int) -> None:
        self.cancelled = Event()
        self.progress: Progress | None = None
        self._image = None if isinstance(entry.source, str) else image_from_layer(entry.source)
        self._item, self._preset, self._overwrite, self._cpu_threads = item, preset, overwrite, cpu_threads

    def work(self) -> None:
        use_cpu_threads(self._cpu_threads)
        self._item = restore_item(
            self._item,
            self._preset,
            image=self._image,
            overwrite=self._overwrite,
            progress=self._set_progress,
            cancel=self.cancelled,
        )

    def grow(self) -> None:
        pass

    def finish(self) -> tuple[str, str]:
        return self._item.state, short(self._item.why, self._item.target)

    def _set_progress(self, progress: Progress) -> None:
        self.progress = progress


class LayerJob:
    """An image into a new layer of the viewer."""

    def __init__(self, entry: Entry, viewer: ViewerModel, preset: Preset, cpu_threads: int) -> None:
        self.cancelled = Event()
        self._source, self._viewer, self._preset, self._cpu_threads = entry.source, viewer, preset, cpu_threads
        self._job: RestoreJob | None = None
        self._results: ResultLayers | None = None
        layer = entry.source
        self._given = None if isinstance(layer, str) else (image_from_layer(layer), Look.of(layer))

    @property
    def progress(self) -> Progress | None:
        return None if self._job is None else self._job.progress

    def work(self) -> None:
        image, look = self._given or _opened(str(self._source))
        request = Request(image, self._preset.task, self._preset.options)
        job = RestoreJob(request, Outputs(spread=False), Preparations(), self._cpu_threads)
        job.cancelled = self.cancelled
        self._results = ResultLayers(self._viewer, job, look, self._preset.task.title)
        self._job = job
        job.work()

    def grow(self) -> None:
        if self._results is None:
            return
        if self._results.removed:
            self.cancelled.set()
        else:
            self._results.grow()

    def finish(self) -> tuple[str, str]:
        job, results = self._job, self._results
        if job is None or results is None or job.summary is None:
            return WAITING, ""
        if results.removed:
            return SKIPPED, "the growing result was removed"
        results.finish()
        if not job.rows:
            return WAITING, ""
        return (PARTIAL if job.summary.partial else DONE), ""


def _opened(path: str) -> tuple[Image, Look]:
    """A file, and how it would look as a layer."""
    from mendem.io import read

    image = read(path)
    data, kwargs, _ = layer_from_image(image)
    return image, Look.of(ImageLayer(data, name=split_suffix(path)[0], **kwargs))


def short(sentence: str, *paths: str) -> str:
    """A sentence with the files in it called by their names, without their folders."""
    for path in paths:
        sentence = sentence.replace(path, os.path.basename(path.rstrip("/\\")))
    return sentence


def chosen_layers(viewer: ViewerModel) -> list[ImageLayer]:
    """The selected image layers, from bottom to top; `MendemError` where there are none."""
    from napari_mendem.layers import PREVIEW, TOOL

    found = [
        layer
        for layer in viewer.layers
        if layer in viewer.layers.selection
        and isinstance(layer, ImageLayer)
        and not (layer.metadata.get(PREVIEW) or layer.metadata.get(TOOL))
    ]
    if not found:
        raise MendemError("No image layer is selected: select one or more in the layer list (Ctrl+click), and add them")
    return found
