"""Noise from several looks at the same thing: repeated frames, neighbouring slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image
from mendem.physics.alignment import align_frames
from mendem.physics.frame_average import QUIET, average_frames
from mendem.physics.noise import NoiseModel
from mendem.physics.noise_windows import noise_of_windows

_PAIRS = 6


def noise_from_repeats(frames: Image | np.ndarray | Sequence[Any]) -> NoiseModel:
    """Noise from frames of one area, taken one after the other.

    The middle ones are brought onto each other (`align_frames`), brightness and contrast included, and the noise is
    read from the difference of the means of every second frame (`FrameAverage.noise`). Frames too small or too
    different to be aligned are compared as they lie.

    Parameters
    ----------
    frames
        (frames, y, x), or a sequence of equal (y, x) arrays; at least two.

    Raises
    ------
    MendemError
        If there are fewer than two frames, or their shapes differ.
    """
    stack = Image(np.stack([np.asarray(f) for f in _stack(frames, "repeats", 2)]), ("frame", "y", "x"))
    if sum(float(np.nanmax(f)) > float(np.nanmin(f)) for f in stack.data if np.isfinite(f).any()) < 2:
        return NoiseModel(0.0, method="constant frames: no noise to see")
    try:
        alignment = align_frames(stack)
    except MendemError:
        alignment = align_frames(stack, align=False)
    average = average_frames(stack, alignment)
    noise, n = average.noise(), average.most
    return replace(
        noise, offset=noise.offset * n, gain=noise.gain * n, floor=noise.floor * n, scan_line=noise.scan_line * n**0.5
    )


def noise_from_neighbours(volume: Image | np.ndarray) -> NoiseModel:
    """Noise from the slices of a volume that is finely sampled along its first axis.

    A slice less the mean of its two neighbours holds 3/2 of the noise variance and the curvature of the tissue along
    z, which is told from noise as structure, block by block (`estimate_noise`). Noise that neighbouring slices share
    is not seen.

    Parameters
    ----------
    volume
        (z, y, x), at least three slices.

    Raises
    ------
    MendemError
        If there are fewer than three slices.
    """
    slices = _stack(volume, "neighbouring slices", 3)
    differences, means = [], []
    for i in np.unique(np.linspace(1, len(slices) - 2, min(_PAIRS, len(slices) - 2)).round().astype(int)):
        below, here, above = (_filled(slices[j]) for j in (i - 1, i, i + 1))
        differences.append((here - (below + above) / 2) / np.sqrt(1.5))
        means.append((below + here + above) / 3)
    return noise_of_windows(differences, None, means, QUIET, "neighbouring slices")


def _stack(frames: Any, what: str, fewest: int) -> list[np.ndarray]:
    if isinstance(frames, Image):
        found = [frames.read(i) for i in _spread(frames.plane_count, fewest)]
    elif hasattr(frames, "shape"):
        image = Image(frames)
        found = [image.read(i) for i in _spread(image.plane_count, fewest)]
    else:
        found = [np.asarray(f) for f in frames]
    if len(found) < fewest:
        raise MendemError(f"noise from {what} needs at least {fewest} images of one area, this is {len(found)}")
    if any(f.shape != found[0].shape or f.ndim != 2 for f in found):
        raise MendemError(f"noise from {what} needs images of one shape, these have {sorted({f.shape for f in found})}")
    return [f[:1024, :1024] for f in found]


def _spread(count: int, group: int) -> list[int]:
    """All slices of a short stack, else runs of neighbours from its middle."""
    most = _PAIRS + group
    start = max(0, (count - most) // 2)
    return list(range(start, min(count, start + most)))


def _filled(frame: np.ndarray) -> np.ndarray:
    frame = np.asarray(frame, dtype=np.float64)
    good = np.isfinite(frame)
    return frame if good.all() else np.where(good, frame, np.median(frame[good]) if good.any() else 0.0)
