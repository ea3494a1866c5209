"""The negative control: what the same restoration makes of images in which there is nothing to find.

A window of the image, an empty field with the image's noise, and the window's power spectrum with random phases go
through the same prepared run: same task, parameters, noise model, normalisation, prior, seed and budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Event
from typing import Any

import numpy as np

from mendem.appraisal.control import (
    Endless,
    as_measured,
    conclusions,
    contrast,
    noise_field,
    random_phases,
    sharpness,
    without_defects,
)
from mendem.blocks import HALO, Block, Region, with_halo
from mendem.engine import Progress, Run, Summary, prepare
from mendem.errors import Cancelled
from mendem.execution import execute
from mendem.image import Image, VoxelSize
from mendem.options import Options
from mendem.provenance import provenance
from mendem.restoration import as_image, cancel_check
from mendem.tasks.base import Task

#: Side of the window, in pixels, at most.
WINDOW = 512
#: An image whose restoration is less sharp than this has no edges that a control could be compared with.
NO_EDGES = 0.01

IMAGE, EMPTY, PHASES = "image", "empty", "random phases"


@dataclass(frozen=True)
class Trial:
    """One input and what the restoration made of it.

    Attributes
    ----------
    name
        `IMAGE`, `EMPTY` or `PHASES`.
    input, restored, std
        The window, its restoration and its spread: (height, width), in the units of the image.
    chi2
        Of the restoration (see `mendem.slices.estimates`).
    """

    name: str
    input: np.ndarray
    restored: np.ndarray
    std: np.ndarray
    chi2: float | None

    @cached_property
    def numbers(self) -> dict[str, float | None]:
        """Contrast (standard deviation) and sharpness before and after, root-mean-square spread, chi²."""
        return {
            "input_contrast": contrast(self.input),
            "contrast": contrast(self.restored),
            "input_sharpness": sharpness(self.input),
            "sharpness": sharpness(self.restored),
            "spread": float(np.sqrt(np.mean(np.square(self.std, dtype=np.float64)))),
            "chi2": self.chi2,
        }


@dataclass(frozen=True)
class Control:
    """The window of the image and the two controls, each before and after restoration.

    Attributes
    ----------
    image, empty, phases
        The three trials.
    run, summary
        The restoration of the window of the image.
    """

    image: Trial
    empty: Trial
    phases: Trial
    run: Run = field(repr=False)
    summary: Summary = field(repr=False)

    @property
    def trials(self) -> tuple[Trial, Trial, Trial]:
        """All three, the image first."""
        return self.image, self.empty, self.phases

    @property
    def invented_contrast(self) -> float | None:
        """Contrast of the restored empty field over that of the restored image; None where the image has none."""
        return _share(self.empty.numbers["contrast"], self.image.numbers["contrast"])

    @property
    def noise_left(self) -> float | None:
        """Contrast of the empty field after restoration over that before; None without noise."""
        return _share(self.empty.numbers["contrast"], self.empty.numbers["input_contrast"])

    @property
    def invented_sharpness(self) -> float | None:
        """Sharpness of the restored texture over that of the restored image; None where the image has no edges."""
        return _share(self.phases.numbers["sharpness"], self.image.numbers["sharpness"], NO_EDGES)

    def numbers(self) -> dict[str, Any]:
        """All that was measured, as plain JSON values."""
        return {
            "region": list(self.run.region),
            "plane": self.run.planes[0],
            "invented_contrast": self.invented_contrast,
            "noise_left": self.noise_left,
            "invented_sharpness": self.invented_sharpness,
            **{trial.name.replace(" ", "_"): trial.numbers for trial in self.trials},
        }

    def sentences(self) -> tuple[str, str]:
        """What the two controls showed, in words."""
        return conclusions(self.invented_contrast, self.noise_left, self.invented_sharpness)

    def stack(self) -> Image:
        """All six pictures as channels (channel, y, x), float32; their names stand in the record's ``channels``."""
        shape = self.image.restored.shape
        pictures = {
            name: picture
            for t in self.trials
            for name, picture in ((t.name, _stretched(t.input, shape)), (f"{t.name}, restored", t.restored))
        }
        source = self.run.image
        assert source.voxel_size is not None
        record = {
            **provenance(self.run, self.summary),
            "quantity": "negative control",
            "channels": list(pictures),
            "control": self.numbers(),
        }
        return Image(
            np.stack(list(pictures.values())).astype(np.float32),
            ("channel", "y", "x"),
            VoxelSize((None, *source.voxel_size.values[-2:]), source.voxel_size.unit),
            {"mendem": record},
            source.source,
        )


def negative_control(
    image: Image | Any,
    task: Task,
    *,
    options: Options | None = None,
    inputs: Mapping[str, Image | Any] | None = None,
    region: Region | None = None,
    plane: int | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    cancel: Event | None = None,
    **changes: Any,
) -> Control:
    """Restore a window of an image, and two controls in which there is nothing to find.

    Parameters
    ----------
    region
        Where the window is; of a larger region its middle, `WINDOW` pixels a side. The whole slice when left out.
    plane
        The slice; the middle one when left out.
    image, task, options, inputs, progress, cancel, **changes
        As for `mendem.restore`.

    Raises
    ------
    MendemError
        As `mendem.restore` does.
    Cancelled
        Once ``cancel`` is set: an unfinished control says nothing.
    """
    options = replace(options or Options(), **changes)
    planes = None if plane is None else (plane,)
    filled = {name: as_image(data) for name, data in (inputs or {}).items()}
    return control_of(prepare(as_image(image), task, options, filled, region, planes), progress, cancel_check(cancel))


def control_of(
    run: Run, progress: Callable[[Progress], None] = lambda _: None, check: Callable[[], None] = lambda: None
) -> Control:
    """The negative control of a prepared run: in the middle of its region, and of its slices.

    ``check`` is called many times; it may raise `Cancelled`.
    """
    run = replace(run, region=middle_of(run.region), planes=(run.planes[len(run.planes) // 2],))
    patches = _patches(run)
    started = time.monotonic()
    trials, summaries = [], []
    for number, (name, (patch, corner)) in enumerate(patches.items()):

        def report(p: Progress, number: int = number) -> None:
            share = (number + p.fraction) / len(patches)
            left = (time.monotonic() - started) * (1 - share) / share
            progress(Progress(number, len(patches), share, left))

        data = run.image.data if name == IMAGE else Endless(patch, corner, run.image.shape)
        trial, summary = _trial(name, replace(run, image=run.image.with_data(data)), report, check)
        trials.append(trial)
        summaries.append(summary)
    image, empty, phases = trials
    return Control(image, empty, phases, run, summaries[0])


def middle_of(region: Region) -> Region:
    """At most `WINDOW` pixels a side in the middle of a region."""
    (top, bottom), (left, right) = (
        (a + (b - a - n) // 2, a + (b - a - n) // 2 + n)
        for a, b in (region[:2], region[2:])
        for n in (min(WINDOW, b - a),)
    )
    return top, bottom, left, right


def _patches(run: Run) -> dict[str, tuple[np.ndarray, tuple[int, int]]]:
    """The part of each image that is looked at, its context included, and where its first pixel lies."""
    height, width = run.image.plane_shape
    rows, columns = (
        with_halo(span, length, HALO * run.binning)
        for span, length in ((run.region[:2], height), (run.region[2:], width))
    )
    native = run.image.read(run.planes[0], slice(*rows), slice(*columns))
    norm, noise = run.plan.normalisation, run.plan.noise
    seeds = np.random.SeedSequence(run.options.seed).spawn(2)
    empty = norm.centre + noise_field(noise, norm.centre, native.shape, np.random.default_rng(seeds[0]))
    phases = random_phases(without_defects(native, norm, noise), np.random.default_rng(seeds[1]))
    corner = rows[0], columns[0]
    dtype = native.dtype.newbyteorder("=")
    return {
        IMAGE: (native, corner),
        EMPTY: (as_measured(empty, dtype), corner),
        PHASES: (as_measured(phases, dtype), corner),
    }


def _trial(
    name: str, run: Run, progress: Callable[[Progress], None], check: Callable[[], None]
) -> tuple[Trial, Summary]:
    arrays = np.full((len(run.channels), *run.shape), np.nan, np.float32)

    def put(block: Block, part: np.ndarray) -> None:
        arrays[:, slice(*block.rows)] = part[:, 0]

    summary = execute(run, put, progress, check)
    if summary.partial:
        raise Cancelled
    top, bottom, left, right = run.region
    measured = run.image.read(run.planes[0], slice(top, bottom), slice(left, right))
    return Trial(name, measured, arrays[run.wanted], arrays[1], summary.chi2), summary


def _stretched(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The nearest pixels on another grid of the same field of view, for tasks that change the grid."""
    y, x = (np.arange(n) * m // n for n, m in zip(shape, pixels.shape, strict=True))
    return pixels[np.ix_(y, x)]


def _share(part: float | None, whole: float | None, least: float = 0.0) -> float | None:
    return part / whole if part is not None and whole is not None and whole > least else None
