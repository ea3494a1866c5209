"""The public way in: `restore` for images in memory, `restore_file` from disk to disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

import numpy as np

from mendem.appraisal.consistency import Band, residual_bands
from mendem.blocks import Block, Region
from mendem.engine import Progress, Run, prepare
from mendem.errors import Cancelled, MendemError
from mendem.execution import execute
from mendem.image import Image
from mendem.measured import fitted_rows, in_dtype, residual_rows, section_residual, volume_in_dtype
from mendem.options import Options
from mendem.outcome import Outcome, outcome
from mendem.physics.noise import NoiseModel
from mendem.provenance import provenance
from mendem.tasks.base import Task


@dataclass(frozen=True)
class Restoration:
    """A restored image and what is needed to judge it.

    Attributes
    ----------
    image
        The result in the input's intensity units: the posterior mean, or one sample. float32; the input's own type
        where measured pixels are kept.
    std
        Its spread: standard deviation of what the data leaves open, in the same units.
    samples
        The samples that were asked for.
    residual
        What was measured less what would have been measured of the result, on the input's grid.
    provenance
        See `mendem.provenance`.
    partial
        True where the run was cancelled; what was not reached is NaN.
    chi2
        Consistency with the data: 1 is right (see `mendem.engine.estimates`).
    fitted
        What would have been measured of the result, on the input's grid; None where that is the result itself.
    """

    image: Image
    std: Image
    samples: tuple[Image, ...]
    residual: Image
    provenance: dict[str, Any] = field(repr=False)
    partial: bool
    chi2: float | None
    notes: tuple[str, ...]
    fitted: Image | None = None

    @property
    def bands(self) -> list[Band]:
        """The whitened residual of the middle slice by frequency band (see `mendem.appraisal.consistency`)."""
        pictures = self.fitted or self.image, self.residual
        fitted, residual = (np.asarray(i.read(i.plane_count // 2), np.float64) for i in pictures)
        return residual_bands(fitted + residual, fitted, NoiseModel(**self.provenance["noise"]))


def as_image(data: Image | Any) -> Image:
    """An `Image` as it is, an array as an image of unknown voxel size; an array of colours is refused."""
    if isinstance(data, Image):
        return data
    try:
        array = data if hasattr(data, "ndim") else np.asarray(data)
    except ValueError as error:
        raise MendemError(f"this is not an array of pixels: {error}") from error
    if array.ndim == 3 and array.shape[-1] in (3, 4) and min(array.shape[:2]) > 4:
        raise MendemError(
            f"the shape {array.shape} is that of a colour image; give one channel, or an Image if it is a narrow stack"
        )
    return Image(array)


def cancel_check(cancel: Event | None) -> Callable[[], None]:
    """A check that raises `Cancelled` once the event is set."""

    def check() -> None:
        if cancel is not None and cancel.is_set():
            raise Cancelled

    return check


def restore(
    image: Image | Any,
    task: Task,
    *,
    options: Options | None = None,
    inputs: Mapping[str, Image | Any] | None = None,
    region: Region | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    cancel: Event | None = None,
    **changes: Any,
) -> Restoration:
    """Restore an image.

    Parameters
    ----------
    image
        `Image` or array (…, height, width) of real numbers; slices are restored one by one.
    task
        What to do, for example ``Denoise()``.
    options, **changes
        How to compute it: an `Options`, or its fields by name (``samples=8, budget="best"``).
    inputs
        What fills the task's input slots, by name.
    region
        (first row, end row, first column, end column) to restore, in pixels of the image; the noise is still
        estimated from the whole image. The whole slice when left out.
    progress
        Called after each evaluation of the prior.
    cancel
        Set this event from any thread to stop; the restoration then is ``partial``.

    Raises
    ------
    MendemError
        With one sentence about what is wrong and what to do.

    Examples
    --------
    >>> import mendem
    >>> result = mendem.restore(mendem.read("micrograph.tif"), mendem.Denoise(), budget="best")  # doctest: +SKIP
    >>> mendem.write("restored.tif", result.image)  # doctest: +SKIP
    """
    options = replace(options or Options(), **changes)
    run = prepare(as_image(image), task, options, {k: as_image(v) for k, v in (inputs or {}).items()}, region)
    return collect(run, progress, cancel)


def collect(
    run: Run, progress: Callable[[Progress], None] = lambda _: None, cancel: Event | None = None
) -> Restoration:
    """Carry out a prepared run in memory."""
    arrays = np.full((len(run.channels), run.result_planes, *run.shape), np.nan, np.float32)

    def put(block: Block, part: np.ndarray) -> None:
        arrays[:, run.places(block), slice(*block.rows), slice(*block.columns)] = part

    summary = execute(run, put, progress, cancel_check(cancel))
    record = provenance(run, summary)
    metadata = {**run.given.metadata, "mendem": record}
    will_be = outcome(run.given, run.task, run.region, run.planes)

    on_data = outcome(run.given, run.task, run.region, run.planes, 1)

    def wrap(stack: np.ndarray, like: Outcome = will_be) -> Image:
        return Image(stack.reshape(like.shape), like.axes, like.voxel_size, metadata, run.given.source)

    whole = Block((0, run.result_planes), (0, run.shape[0]), (0, run.shape[1]))
    if run.grid is None:
        result = np.stack(
            [in_dtype(run, p, 0, a, run.dtype) for p, a in zip(run.planes, arrays[run.wanted], strict=True)]
        )
        residual = np.stack([residual_rows(run, p, 0, arrays[:, i]) for i, p in enumerate(run.planes)])
    else:
        result = volume_in_dtype(run, whole, arrays[run.wanted], run.dtype)
        residual = section_residual(run, arrays[run.wanted])
    return Restoration(
        wrap(result),
        wrap(arrays[1]),
        tuple(wrap(a) for a in arrays[2 : 2 + run.options.samples]),
        wrap(residual, on_data),
        record,
        summary.partial,
        summary.chi2,
        tuple(record["notes"]),
        None if run.plan.pointwise or run.grid is not None else wrap(fitted_rows(run, arrays), on_data),
    )
