"""Ways to fill the missing wedge of a case, each a volume, its spread where there is one, and CPU seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.wedge_phantoms import Case

#: Rows that are filled together.
TOGETHER = 8
#: Iterations of the baseline SIRT: its error in the wedge hardly falls any more.
SIRT_ITERATIONS = 30
#: Of the baseline total variation, at most: 400 gave what 150 gave.
TV_ITERATIONS = 200
#: CPU seconds of learning from one series.
LEARNING = 60.0


@dataclass(frozen=True)
class Answer:
    """float32 (Z, rows, X); the spread is None where there is none."""

    mean: np.ndarray
    std: np.ndarray | None = None
    cpu: float = 0.0


Method = Callable[[Case], Answer]


def reconstructed(case: Case, method: Any, angles: Any = None, sinograms: np.ndarray | None = None) -> np.ndarray:
    """By a method of `mendem.tomography`; of other tilts than those of the case where they are given."""
    from mendem.tomography.slices import Reconstruction, Rows

    data = case.sinograms if sinograms is None else sinograms
    geometry = case.geometry if angles is None else replace(case.geometry, angles_deg=tuple(angles), shifts=())
    whole = Reconstruction(Rows(data.transpose(1, 0, 2)), geometry, method, "cpu", surroundings=not case.isolated)
    out = np.empty(case.truth.shape, np.float32)
    for first, block in whole.blocks():
        out[:, first : first + block.shape[1]] = block
    return out


def timed(call: Callable[[Case], Answer | np.ndarray]) -> Method:
    """The answer with the CPU seconds that it took."""

    def answer(case: Case) -> Answer:
        start = time.process_time()
        found = call(case)
        found = found if isinstance(found, Answer) else Answer(found)
        return replace(found, cpu=time.process_time() - start)

    return answer


def wbp(case: Case) -> np.ndarray:
    """Weighted back-projection as it is by default: what errors in the wedge are relative to."""
    from mendem.tomography.wbp import Wbp

    return reconstructed(case, Wbp())


def sirt(case: Case) -> np.ndarray:
    """With positivity where the object is isolated."""
    from mendem.tomography.sirt import Sirt

    return reconstructed(case, Sirt(SIRT_ITERATIONS, positive=case.isolated))


def filled(case: Case, filler: Any, sampler: Any = None) -> Answer:
    """By anything that is a `mendem.tomography.filler.Filler`, as the product runs it; with a sampler one sample."""
    import torch

    from mendem.priors.wedge_samples import SampledFiller

    geometry, inner = case.geometry, slice(None)
    if not case.isolated:
        geometry, inner = geometry.widened()
    rows = len(case.sinograms)
    chosen = np.unique(((np.arange(8) + 0.5) * rows / 8).astype(int))
    whole = filler.for_series(case.sinograms[chosen], geometry)
    padded = np.pad(case.sinograms, ((whole.halo,) * 2, (0, 0), (0, 0)), mode="edge")
    mean = np.empty(case.truth.shape, np.float32)
    std: np.ndarray | None = None
    with torch.inference_mode():
        for first in range(0, rows, TOGETHER):
            last = min(first + TOGETHER, rows)
            part = torch.from_numpy(np.ascontiguousarray(padded[first : last + 2 * whole.halo]))
            asked = whole if sampler is None else SampledFiller(whole, sampler, first)
            for found in asked.fill(part, geometry, lambda: None):
                latest = found
            mean[:, first:last] = latest.mean[..., inner].transpose(0, 1).numpy()
            if latest.std is not None:
                std = np.empty_like(mean) if std is None else std
                std[:, first:last] = latest.std[..., inner].transpose(0, 1).numpy()
    return Answer(mean, std)


def tv(case: Case) -> Answer:
    """Total variation; where the object is isolated with positivity, and nearer to its end than by default.

    By default it stops 0.2 (noise of 5 %) to 0.5 dB (2 %) short of how well it can foresee hidden tilts; of slabs it
    does not.
    """
    from mendem.tomography.filler import TvFiller
    from mendem.tomography.tv import Tv

    method = Tv(iterations=TV_ITERATIONS, tolerance=1e-4) if case.isolated else Tv(positive=False)
    return filled(case, TvFiller(method))


def missing(case: Case) -> tuple[float, ...]:
    """Angles of the tilts that are filled in; of a slab up to 80°."""
    from mendem.tomography.missing_tilts import missing_tilts

    found = missing_tilts(case.geometry.angles_deg, 90.0 if case.isolated else 80.0)
    return tuple(a for a in found if a != -90.0)  # the mirror of 90°


def nearest_tilts(case: Case, wanted: tuple[float, ...]) -> np.ndarray:
    """Each wanted tilt the nearest measured one, stretched across the axis by the ratio of the cosines for a slab.

    For an isolated object the tilts beyond ±90° are mirrors of those that were measured.
    """
    width = case.sinograms.shape[2]
    middle = (width - 1) / 2
    out = np.empty((len(case.sinograms), len(wanted), width), np.float32)
    measured = np.array(case.geometry.angles_deg)
    for i, angle in enumerate(wanted):
        away = (measured - angle + 90) % 180 - 90 if case.isolated else measured - angle
        near = int(np.argmin(np.abs(away)))
        image = case.sinograms[:, near]
        if case.isolated:
            turns = round((measured[near] - angle) / 180)
            out[:, i] = image[:, ::-1] if turns % 2 else image
        else:
            ratio = np.cos(np.radians(angle)) / np.cos(np.radians(measured[near]))
            place = np.clip((np.arange(width) - middle) / ratio + middle, 0, width - 1)
            out[:, i] = np.stack([np.interp(place, np.arange(width), row) for row in image])
    return out


def completed(case: Case, tilts: np.ndarray, method: Any) -> np.ndarray:
    """Measured and generated tilts (rows, tilts, width) together, by a method."""
    angles = (*case.geometry.angles_deg, *missing(case))
    both = np.concatenate([case.sinograms, tilts], axis=1)
    order = np.argsort(angles, kind="stable")
    return reconstructed(case, method, np.array(angles)[order], both[:, order])


def nearest(case: Case) -> np.ndarray:
    """SIRT after the missing tilts were taken from their nearest neighbours."""
    from mendem.tomography.sirt import Sirt

    return completed(case, nearest_tilts(case, missing(case)), Sirt(SIRT_ITERATIONS, positive=case.isolated))


def road_tilts(case: Case, wanted: tuple[float, ...], at_once: int = 1) -> np.ndarray:
    """Missing tilts of the tilt road at the angles that are wanted, (rows, tilts, width)."""
    from mendem.tomography.tilt_road import generate_tilts

    out = np.empty((len(case.sinograms), len(wanted), case.sinograms.shape[2]), np.float32)
    found: Iterator[Any] = generate_tilts(
        np.ascontiguousarray(case.sinograms.transpose(1, 0, 2)),
        case.geometry.angles_deg,
        wanted,
        at_once=at_once,
        isolated=case.isolated,
        depth=case.truth.shape[0],
        device="cpu",
    )
    for some in found:
        for angle, image in zip(some.angles, some.images, strict=True):
            out[:, int(np.argmin(np.abs(np.array(wanted) - angle)))] = image
    return out


def road(case: Case) -> np.ndarray:
    """Total variation of measured and generated tilts, as the program reconstructs from them."""
    from mendem.priors.wedge_inputs import setting_of, tv_of

    method = tv_of(setting_of(case.sinograms, not case.isolated))
    return completed(case, road_tilts(case, missing(case)), method)


def network(case: Case) -> Answer:
    """The volume road."""
    from mendem.priors.wedge_filler import load_filler

    return filled(case, load_filler(case.isolated))


def taken(case: Case) -> bool:
    """Whether `mendem fill-wedge` takes the network by itself: it foresees measured tilts no worse than TV does."""
    from mendem.tomography.slices import Rows
    from mendem.wedge_filling.choice import choose_filler

    geometry = case.geometry if case.isolated else case.geometry.widened()[0]
    rows = Rows(case.sinograms.transpose(1, 0, 2))
    choice = choose_filler("auto", rows, geometry, case.isolated, "cpu", lambda: None)
    return choice.filler.name == "wedge-volume"


def sample(case: Case) -> Answer:
    """One sample of the volume road; the spread that it states is that of the mean, and is left out."""
    from mendem.priors.wedge_filler import load_filler
    from mendem.priors.wedge_samples import load_sampler

    return Answer(filled(case, load_filler(case.isolated), load_sampler()).mean)


def learned(case: Case, anew: bool) -> Answer:
    """The volume road after it learned from this series alone: from its trained weights, or ``anew`` from random ones.

    The latter is the self-supervised way of IsoNet and DeepDeWedge, with this network and as many seconds.
    """
    import torch

    from mendem.priors.wedge_filler import load_filler
    from mendem.training.wedge_own import learn_from, untrained

    geometry = case.geometry if case.isolated else case.geometry.widened()[0]
    filler = load_filler(case.isolated)
    filler = (untrained(filler) if anew else filler).for_series(case.sinograms, geometry)
    window = torch.from_numpy(np.pad(case.sinograms, ((filler.halo,) * 2, (0, 0), (0, 0)), mode="edge"))
    *_, last = learn_from(filler, [window], geometry, LEARNING, anew=anew, clock=time.process_time)
    return filled(case, last.filler)


def tilts_of(answer: Answer, case: Case, angles: Any) -> np.ndarray:
    """Projections of a volume at some angles, (rows, tilts, width); a slab goes on beyond the view, mirrored."""
    import torch

    from mendem.tomography.projector import Projector

    geometry = replace(case.geometry, angles_deg=tuple(angles), shifts=())
    slices, sides = answer.mean.transpose(1, 0, 2), (0, 0)
    if not case.isolated:
        geometry, inner = geometry.widened()
        sides = inner.start, geometry.shape[1] - inner.stop
    wide = np.pad(slices, ((0, 0), (0, 0), sides), mode="symmetric")
    return Projector(geometry).forward(torch.from_numpy(np.ascontiguousarray(wide))).numpy()


#: By name. WBP comes first: errors are relative to it.
METHODS: dict[str, Method] = {
    "WBP": timed(wbp),
    "SIRT": timed(sirt),
    "TV": timed(tv),
    "nearest tilt": timed(nearest),
    "volume road": timed(network),
    "volume road, sample": timed(sample),
    "tilt road": timed(road),
    "self-supervised": timed(lambda case: learned(case, anew=True)),
    "volume road, adapted": timed(lambda case: learned(case, anew=False)),
}
#: These take minutes, and run in some cases only.
SLOW = ("self-supervised", "volume road, adapted")


def available() -> list[str]:
    """Names of `METHODS` whose weights are there."""
    from mendem.priors.checkpoint import models_folder

    needed = {
        **dict.fromkeys(("volume road", *SLOW), ("wedge-volume",)),
        "volume road, sample": ("wedge-volume", "wedge-samples"),
        "tilt road": ("wedge-tilts",),
    }
    installed = {path.parent.name for path in models_folder().glob("wedge-*/*.safetensors")}
    return [name for name in METHODS if installed.issuperset(needed.get(name, ()))]
