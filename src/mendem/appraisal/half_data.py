"""Half-data validation: two halves of the data, restored apart, and down to which detail they agree.

The raw halves are independent measurements, so that their ring correlation is the resolution of the data. The restored
halves share the prior: where it makes the same error in both they agree on the error. Theirs is a consistency.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from threading import Event
from typing import Any

import numpy as np

from mendem.appraisal.resolution import RingCorrelation, pooled_correlation
from mendem.errors import Cancelled, MendemError
from mendem.image import SPATIAL_AXES, Image, VoxelSize

#: How an image is split: by what its first axis is, or as frames of one place, or as slices of a volume.
SPLITS = ("planes", "frames", "slices")
#: Pairs of neighbouring slices that are restored, around the middle.
PAIRS = 4


@dataclass(frozen=True)
class HalfData:
    """What two halves of the data agree on.

    Attributes
    ----------
    ring
        Between the raw halves: the resolution of the data.
    restored
        Between the halves that were restored apart: consistency, not resolution.
    halves
        The raw halves, (height, width) of averaged frames or (pairs, height, width) of slices, in the image's units.
    note
        What was compared, what was found, and what it must not be read as.
    restored_halves
        The restored halves; finer pixels where the task makes them.
    """

    ring: RingCorrelation
    restored: RingCorrelation
    halves: tuple[np.ndarray, np.ndarray] = field(repr=False)
    note: str
    restored_halves: tuple[np.ndarray, np.ndarray] = field(repr=False)


def half_data_validation(
    stack_image: Image,
    task: Any,
    options: Any = None,
    split: str = "planes",
    progress: Callable[[Any], None] = lambda _: None,
    cancel: Event | None = None,
    *,
    restore: Callable[..., Any],
    inputs: Mapping[str, Any] | None = None,
) -> HalfData:
    """Restore two halves of the data apart, and correlate them.

    Parameters
    ----------
    stack_image
        Repeated frames of one place, (frame, height, width), which are aligned first (`align_frames`): of those that
        belong together the even ones are averaged, and the odd ones. Or a volume (z, height, width): the even slices
        and the odd ones, `PAIRS` pairs of neighbours.
    task, options, inputs
        As for `mendem.restore`. A noise that was stated for the whole is estimated anew from averaged halves. The task
        `Frames`, which makes such averages itself, says what restores them in its place.
    split
        One of `SPLITS`.
    progress, cancel
        As for `mendem.restore`, over both halves.
    restore
        What restores a half: `mendem.restore`, which lies above this room.

    Raises
    ------
    MendemError
        Where there is no second half, as in a single image.
    Cancelled
        Once ``cancel`` is set: half of a comparison says nothing.
    """
    frames = _as_frames(stack_image, split)
    even, odd, used, said = _halves(stack_image, frames, getattr(task, "align", True))
    if np.array_equal(even, odd, equal_nan=True):
        raise MendemError(f"{_name(stack_image)}: its two halves are identical copies; give independent recordings")
    if task.merges:
        if not frames:
            raise MendemError(f"{_name(stack_image)} is a volume: the task {task.name} takes repeated frames")
        task = task.for_merged()
    if frames:
        task, inputs, noise_note = _without_stated_noise(task, dict(inputs or {}))
    else:
        noise_note = ""
    assert stack_image.voxel_size is not None
    axes = ("y", "x") if frames else ("z", "y", "x")
    size = VoxelSize(stack_image.voxel_size.values[-len(axes) :], stack_image.voxel_size.unit)
    started, answers = time.monotonic(), []
    for number, half in enumerate((even, odd)):

        def report(p: Any, number: int = number) -> None:
            share = (number + p.fraction) / 2
            left = (time.monotonic() - started) * (1 - share) / share if share else None
            progress(replace(p, block=number, blocks=2, fraction=share, seconds_left=left))

        image = Image(half, axes, size, source=stack_image.source)
        answer = restore(image, task, options=options, inputs=inputs or None, progress=report, cancel=cancel)
        if answer.partial:
            raise Cancelled
        answers.append(np.asarray(answer.image.data))
    pixel = square_pixel_nm(stack_image)
    finer = answers[0].shape[-1] / even.shape[-1]
    raw = pooled_correlation(_pairs(even, odd), pixel)
    restored = pooled_correlation(_pairs(*answers), None if pixel is None else pixel / finer)
    note = _note(raw, restored, frames, used, said + noise_note)
    return HalfData(raw, restored, (even, odd), note, (answers[0], answers[1]))


def square_pixel_nm(image: Image) -> float | None:
    """Edge of the pixels in nm; None where it is unknown, or not the same along y and x to 1 %."""
    assert image.voxel_size is not None
    height, width = image.voxel_size.nm[-2:]
    return width if height is not None and width is not None and abs(height / width - 1) < 0.01 else None


def _as_frames(image: Image, split: str) -> bool:
    """Whether the planes are repeats of one place; `MendemError` where the image has no second half."""
    if split not in SPLITS:
        raise MendemError(f"split is {split!r}, but must be one of {', '.join(SPLITS)}")
    if image.plane_count < 2:
        raise MendemError(
            f"{_name(image)}: a single image has no second half, so nothing can be said about its resolution; give "
            "repeated frames or a volume"
        )
    axis = image.axes[0]
    if len(image.shape) != 3 or (split == "planes" and axis != "frame" and axis not in SPATIAL_AXES):
        raise MendemError(
            f"{_name(image)} has the axes {', '.join(image.axes)}; halves are made of frames (frame, y, x) or of the "
            "slices of a volume (z, y, x)"
        )
    return split == "frames" or (split == "planes" and axis == "frame")


def _halves(image: Image, frames: bool, align: bool) -> tuple[np.ndarray, np.ndarray, int, str]:
    """Even and odd half, how many planes they are made of, and what to say about it.

    Pixels that one of the halves does not have are NaN in both.
    """
    if not frames:
        pairs = min(PAIRS, image.plane_count // 2)
        first = image.plane_count // 2 - pairs
        planes = [image.read(first + i) for i in range(2 * pairs)]
        return np.stack(planes[::2]), np.stack(planes[1::2]), 2 * pairs, ""
    from mendem.physics.alignment import align_frames
    from mendem.physics.frame_average import average_frames

    alignment = align_frames(image, align)
    even, odd = average_frames(image, alignment).halves
    seen = np.isfinite(even) & np.isfinite(odd)
    even, odd = (np.where(seen, half, np.nan).astype(np.float32) for half in (even, odd))
    said = f" Left out: {'; '.join(alignment.left_out)}." if alignment.left_out else ""
    return even, odd, len(alignment.frames), said


def _without_stated_noise(task: Any, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any], str]:
    """Averages of frames have less noise than what was stated for a frame, and more than what was stated for all."""
    names = {f.name for f in fields(task)}
    stated = "noise" in inputs or ("noise" in names and task.noise != "auto")
    inputs.pop("noise", None)
    if not stated:
        return task, inputs, ""
    return replace(task, noise="auto"), inputs, " The noise of each half was estimated anew."


def _pairs(a: np.ndarray, b: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(a, b)] if a.ndim == 2 else list(zip(a, b, strict=True))


def _note(raw: RingCorrelation, restored: RingCorrelation, frames: bool, used: int, noise_note: str) -> str:
    what = f"Even and odd ones of {used} frames" if frames else f"Even and odd ones of {used} neighbouring slices"
    bound = "" if frames else " or finer, since neighbouring slices differ"
    return (
        f"{what}, each half restored by itself. Resolution of the data: {raw.words()}{bound} (FRC 1/7 between the raw "
        f"halves). The restored halves agree down to {restored.words()}: this measures consistency and is no "
        f"resolution, since both share the prior and its errors.{noise_note}"
    )


def _name(image: Image) -> str:
    return image.source or "the image"
