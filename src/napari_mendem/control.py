"""The negative control of a layer: the job that computes it, and the panel of layers that shows it. No Qt."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mendem.errors import Cancelled
from napari_mendem.layers import Look, Raster
from napari_mendem.viewport import Region, current_slice, full_shape, visible
from napari_mendem.workers import Preparations, Request, use_cpu_threads

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

    from mendem.engine import Progress
    from mendem.negative_control import Control

#: Marks the layers of a control in their metadata, by the name of the layer that it is about.
CONTROL = "mendem_control"

#: Side of the window in pixels, at most.
WINDOW = 512


class ControlJob:
    """One negative control: `work` computes it in the engine thread; the rest may be read meanwhile from another."""

    def __init__(self, request: Request, preparations: Preparations, cpu_threads: int = 0) -> None:
        self.request = request
        self.cancelled = threading.Event()
        self.progress: Progress | None = None
        self.control: Control | None = None
        self._preparations, self._cpu_threads = preparations, cpu_threads

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def work(self) -> ControlJob:
        """Prepare and restore; ``control`` stays None where it was cancelled."""
        from mendem.negative_control import control_of

        try:
            self.check()
            use_cpu_threads(self._cpu_threads)
            run = self._preparations.get(self.request, self.check)
            self.control = control_of(run, self._set_progress, self.check)
        except Cancelled:
            pass
        return self

    def _set_progress(self, progress: Progress) -> None:
        self.progress = progress


def window_in_view(viewer: ViewerModel, layer: ImageLayer) -> tuple[Region, tuple[int, ...]]:
    """At most 512 x 512 pixels around the middle of what is seen, and the index of the slice.

    Of the image where nothing of it is seen, and then the middle slice.
    """
    shape = full_shape(layer)
    view = visible(viewer, layer)
    top, bottom, left, right = (0, shape[-2], 0, shape[-1]) if view is None else view.region
    index = current_slice(viewer, layer) if view is None else view.index
    if index is None:
        index = tuple(n // 2 for n in shape[:-2])
    (first_row, end_row), (first_column, end_column) = (
        _around((a + b) // 2, n) for a, b, n in ((top, bottom, shape[-2]), (left, right, shape[-1]))
    )
    return (first_row, end_row, first_column, end_column), index


def _around(middle: int, length: int) -> tuple[int, int]:
    side = min(WINDOW, length)
    start = min(max(0, middle - side // 2), length - side)
    return start, start + side


def show_control(
    viewer: ViewerModel, control: Control, look: Look, index: Sequence[int], shape: tuple[int, ...]
) -> list[Layer]:
    """Lay the control out to the right of its image, and look at it; an older one of the same image goes.

    The upper row has the window, the empty field and the texture of random phases as they went in, the lower one what
    came out; all are shown as the image is, so that what was invented is seen at equal contrast.

    Parameters
    ----------
    look, shape
        Of the image layer.
    index
        Of the slice, one number for each leading axis.

    Returns
    -------
    The seven layers: one of names, and six pictures.
    """
    selected, active = set(viewer.layers.selection), viewer.layers.selection.active
    for layer in [layer for layer in viewer.layers if layer.metadata.get(CONTROL) == look.name]:
        viewer.layers.remove(layer)
    height, width = control.image.input.shape
    gap = max(height, width) // 8
    pictures = [
        (f"{trial.name}{what}", pixels, (row * (height + gap), column * (width + gap // 2)), finer)
        for column, trial in enumerate(control.trials)
        for row, (what, pixels, finer) in enumerate(
            (("", trial.input, 1), (" restored", trial.restored, control.run.scale))
        )
    ]
    top, left = control.run.region[0], shape[-1] + gap
    corners = [(*index, top + y, left + x) for _, _, (y, x), _ in pictures]
    made = [_names(viewer, look, corners, [name for name, *_ in pictures])]
    for (name, pixels, _, finer), corner in reversed(
        list(zip(pictures, corners, strict=True))
    ):  # the first on top of the list
        layer = viewer.add_image(
            pixels.reshape((1,) * len(index) + pixels.shape),
            name=f"{look.name} · control: {name}",
            metadata={CONTROL: look.name},
            rgb=False,
            multiscale=False,
            **look.at(Raster.of(corner, finer)),
            **look.display,
        )
        made.append(layer)
    viewer.layers.selection = {layer for layer in selected if layer in viewer.layers}
    viewer.layers.selection.active = active if active in viewer.layers else None
    viewer.fit_to_view(layers=made, margin=0.12)  # the last name reaches beyond its picture
    return made


def _names(viewer: ViewerModel, look: Look, corners: list[tuple[int, ...]], words: list[str]) -> Layer:
    """The names of the pictures, at their upper left corners."""
    return viewer.add_points(
        np.asarray(corners, float),
        name=f"{look.name} · control: names",
        metadata={CONTROL: look.name},
        size=0,
        face_color="transparent",
        border_color="transparent",
        text={"string": words, "anchor": "upper_left", "color": "yellow", "size": 10},
        **look.place,
    )
