"""Repeated frames of one place: brought onto each other, averaged, and restored with the noise that they show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mendem.errors import MendemError
from mendem.image import SPATIAL_AXES, Image
from mendem.normalise import estimate_normalisation
from mendem.options import parameter
from mendem.tasks.base import Check, InputSlot, Plan, Task, free
from mendem.tasks.planning import Observer

if TYPE_CHECKING:
    from mendem.physics.alignment import Alignment
    from mendem.physics.frame_average import FrameAverage


@dataclass(frozen=True)
class Frames(Task):
    """Make one restored image of repeated frames; the noise is measured from how they differ."""

    name: ClassVar[str] = "frames"
    title: ClassVar[str] = "Frames"
    summary: ClassVar[str] = "Align repeated frames of one place, average them, and restore the average."
    inputs: ClassVar[tuple[InputSlot, ...]] = ()

    align: bool = parameter(
        True, "undo the drift from frame to frame; without it the frames are averaged as they lie", label="Align"
    )

    @property
    def merges(self) -> bool:
        return True

    def for_merged(self) -> Task:
        from mendem.tasks.denoise import Denoise

        return Denoise()

    def plan(self, image: Image, inputs: Mapping[str, Image], check: Check = free, earlier: Plan | None = None) -> Plan:
        from mendem.physics.alignment import align_frames
        from mendem.physics.frame_average import average_frames

        _check_axes(image)
        alignment = align_frames(image, self.align)
        average = average_frames(image, alignment)
        return Plan(
            average.noise(),
            estimate_normalisation(average.mean),
            Observer(),
            notes=_notes(image, alignment, average, self.align),
            image=average.mean,
            weight=Image(average.reliability(), ("y", "x")),
            found={"frames": _record(alignment)},
        )


def _check_axes(image: Image) -> None:
    """`MendemError` for what is no single stack of frames."""
    name = image.source or "the image"
    if image.plane_count < 2:
        raise MendemError(f"{name} is a single image: give two or more frames of one place, or denoise it")
    if len(image.shape) != 3 or image.axes[0] == "tilt":
        raise MendemError(
            f"{name} has the axes {', '.join(image.axes)}: give one stack of repeated frames (frame, y, x)"
        )


def _notes(image: Image, alignment: Alignment, average: FrameAverage, aligned: bool) -> tuple[str, ...]:
    from mendem.physics.alignment import SMALLEST

    assert image.voxel_size is not None
    used, notes = alignment.frames, []
    if aligned and min(image.plane_shape) < SMALLEST:
        notes.append(f"Frames smaller than {SMALLEST} px are too small to tell their drift: averaged as they lie.")
        aligned = False
    drift = f", aligned to frame {alignment.reference}: they drifted over {alignment.extent:.1f} px" if aligned else ""
    notes.append(f"The mean of {len(used)} of {len(alignment.used)} frames{drift}.")
    if alignment.left_out:
        notes.append(f"Left out: {'; '.join(alignment.left_out)}.")
    contrasts = [alignment.contrast[i] for i in used]
    if max(contrasts) - min(contrasts) > 0.1:
        notes.append(f"The contrast of the frames went from {min(contrasts):.2f} to {max(contrasts):.2f} of its mean.")
    fewer = float((average.count < average.most).mean())
    if fewer > 0.005:
        notes.append(f"{100 * fewer:.2g} % of the pixels, at the edges, have fewer frames and so more noise.")
    if alignment.changed:
        notes.append(
            f"Warning: the first and the second half of the frames show different things (agreement "
            f"{alignment.agreement:.2f}, repeats have 1). Are they the slices of a volume, or did the specimen change? "
            "Then the average mixes what does not belong together."
        )
    length = image.voxel_size.nm[0]
    if image.axes[0] in SPATIAL_AXES and length is not None:
        notes.append(
            f"The file says that these are slices {length:.3g} nm apart; they were taken for frames of one place."
        )
    return tuple(notes)


def _record(alignment: Alignment) -> dict[str, Any]:
    return {
        "drift_px": [[round(d, 4) for d in pair] for pair in alignment.drift],
        "contrast": [round(c, 4) for c in alignment.contrast],
        "brightness": [float(f"{b:.6g}") for b in alignment.brightness],
        "used": list(alignment.used),
        "reference": alignment.reference,
        "agreement": alignment.agreement,
    }
