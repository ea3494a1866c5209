"""The mean of aligned frames, how many of them each pixel has, and its noise, measured from the frames themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mendem.image import Image, VoxelSize
from mendem.physics.alignment import Alignment
from mendem.physics.noise import NoiseModel
from mendem.physics.noise_pixels import sample_windows
from mendem.physics.noise_windows import noise_of_windows
from mendem.physics.shifts import sampled_at

#: Most blocks of a difference hold nothing but noise.
QUIET = 0.4


@dataclass(frozen=True, eq=False)
class FrameAverage:
    """Aligned frames, averaged.

    Attributes
    ----------
    mean
        (y, x) in the units of the frames, on the pixels of the reference frame; NaN where no frame has a pixel.
    halves
        The means of every second used frame, of the first, third, … and of the second, fourth, …; NaN likewise.
    counts
        Frames in each half, (height, width) each.
    """

    mean: Image
    halves: tuple[np.ndarray, np.ndarray]
    counts: tuple[np.ndarray, np.ndarray]

    @property
    def count(self) -> np.ndarray:
        """Frames that each pixel has, (height, width)."""
        return self.counts[0] + self.counts[1]

    @property
    def most(self) -> int:
        """Frames of the pixels that have most."""
        return int(self.count.max())

    def reliability(self) -> np.ndarray:
        """Weight of each pixel (height, width), float32, relative to one that all frames show: 0 to 1."""
        return (self.count / self.most).astype(np.float32)

    def noise(self) -> NoiseModel:
        """Noise of a pixel that all frames show.

        Half the difference of the two halves has it, interpolation and what the alignment left included, and nothing
        else: what little structure remains at edges is told apart block by block (`noise_of_windows`).
        """
        first, second = (c.astype(np.float32) for c in self.counts)
        seen = (first > 0) & (second > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            as_mean = 1 / np.sqrt((1 / first + 1 / second) * self.most)
            difference = np.where(seen, (self.halves[0] - self.halves[1]) * as_mean, np.nan).astype(np.float32)
        means = np.where(seen, self.mean.data, np.nan).astype(np.float32)
        differences = [w.astype(np.float64) for w in sample_windows(Image(difference), None, 0)]
        signals = [w.astype(np.float64) for w in sample_windows(Image(means), None, 0)]
        middle = float(np.nanmedian(means)) if seen.any() else 0.0
        signals = [np.where(np.isfinite(s), s, middle) for s in signals]
        return noise_of_windows(differences, None, signals, QUIET, "repeated frames")


def average_frames(image: Image, alignment: Alignment, check: Callable[[], None] = lambda: None) -> FrameAverage:
    """The mean of the frames (frame, height, width) that belong together, each brought back by its drift.

    Frames are read one after the other. Each is interpolated by a change of phase (`fourier_shift`), which keeps its
    noise as it is, and brought to common brightness and contrast.

    Parameters
    ----------
    check
        Called before each frame; may raise to stop.
    """
    exact: Any = np.float32 if image.dtype.itemsize <= 2 or image.dtype == np.float32 else np.float64
    shape = image.plane_shape
    sums = [np.zeros(shape, exact), np.zeros(shape, exact)]
    counts = [np.zeros(shape, np.int32), np.zeros(shape, np.int32)]
    base = _level(image.read(alignment.reference))  # small numbers lose nothing in float32
    for place, i in enumerate(alignment.frames):
        check()
        picture: np.ndarray = image.read(i).astype(exact)
        picture = (picture - alignment.brightness[i]) / alignment.contrast[i] - base
        values, known = sampled_at(picture, alignment.drift[i])
        sums[place % 2] += values
        counts[place % 2] += known
    with np.errstate(divide="ignore", invalid="ignore"):
        halves = tuple((s / c + base).astype(exact) for s, c in zip(sums, counts, strict=True))
        mean = ((sums[0] + sums[1]) / (counts[0] + counts[1]) + base).astype(exact)
    assert image.voxel_size is not None
    size = VoxelSize(image.voxel_size.values[-2:], image.voxel_size.unit)
    return FrameAverage(
        Image(mean, ("y", "x"), size, image.metadata, image.source), (halves[0], halves[1]), (counts[0], counts[1])
    )


def _level(frame: np.ndarray) -> float:
    good = frame[np.isfinite(frame)]
    return float(np.median(good)) if good.size else 0.0
