"""Whether to learn from a volume, or to take a prior as it is: what a few seconds can tell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mendem.appraisal.novelty import Novelty
from mendem.errors import MendemError
from mendem.image import Image
from mendem.normalise import Normalisation
from mendem.physics.noise import NoiseModel
from mendem.physics.section_grid import SectionGrid
from mendem.priors.network_prior import NetworkPrior
from mendem.priors.prior import never
from mendem.training.own_judging import judge
from mendem.training.own_planes import OwnPlanes
from mendem.training.own_volume import Learning, learn_from

#: Pixels below which there is little to learn from.
FEW_PIXELS = 250_000
#: Gain over cubic interpolation, in dB, below which a prior is of little use to a volume.
LITTLE = 0.5
#: Steps of the trial, and its gain in dB from which on learning is advised. Six volumes gained 0.18, 0.21, 0.32, 0.38,
#: 0.58 and 0.87 dB in it, and then, along z, 0.35, 0.22, 0.31, 0.45, 1.08 and 2.47 dB in one minute on one core.
TRIAL, WORTH = 40, 0.25
#: Windows on which the prior is compared with interpolation, and how many at once.
WINDOWS, AT_ONCE = 32, 8


@dataclass(frozen=True)
class Advice:
    """What to do with a volume.

    Attributes
    ----------
    learn
        Whether to learn from it.
    sentence
        Why, for the user.
    gain
        Of the prior over cubic interpolation on the volume's own planes, in dB; None where that could not be measured.
    trial
        What a short trial of learning gained on held-out planes, in dB; None where there was none.
    """

    learn: bool
    sentence: str
    gain: float | None = None
    trial: float | None = None


def recommend(
    prior: NetworkPrior,
    image: Image,
    grid: SectionGrid,
    noise: NoiseModel,
    normalisation: Normalisation,
    novelty: Novelty | None = None,
    check: Callable[[], None] = never,
) -> Advice:
    """Advice from the size of a volume, its novelty where that is known, and two tests: some ten seconds on one core.

    Some of the volume's own planes are coarsened along y and x as the volume is along z. On them the prior is compared
    with cubic interpolation, and tries to learn for `TRIAL` steps. Whether structure along z is like that along y and
    x is not known. Parameters are those of `mendem.training.own_volume.learn_from`.
    """
    try:
        planes = OwnPlanes(image, grid, noise, normalisation, prior.frames, prior.device)
        rng = np.random.default_rng(0)
        judged = [planes.draw(AT_ONCE, rng, held_out=i % 2 > 0) for i in range(WINDOWS // AT_ONCE)]
    except MendemError as error:
        return Advice(False, f"{error}.")
    check()
    found = judge(prior.network, judged, prior.calibration, noise.absent)
    gain = _decibels(found.cubic, found.error)
    than = "better" if gain > 0 else "worse"
    tested = f"on the volume's own planes the prior is {abs(gain):.1f} dB {than} than cubic interpolation"
    if planes.parts.count < FEW_PIXELS:
        few = f"{planes.parts.count / 1e6:.2g} million pixels are few to learn from"
        return Advice(False, f"Take the prior as it is: {few}; {tested}.", gain)
    seen: list[Learning] = []
    learn_from(
        prior, image, grid, noise, normalisation, minutes=60, report=seen.append, check=check,
        stop=lambda: len(seen) >= TRIAL,
    )  # fmt: skip
    trial = _decibels(*seen[-1].held_out)
    tried = f"a trial of {seen[-1].seconds:.0f} s gained {max(trial, 0.0):.2f} dB"
    if novelty is not None and not novelty.familiar:
        return Advice(True, f"Learn from the volume: it is {novelty.short}; {tested}, and {tried}.", gain, trial)
    if gain < LITTLE or trial > WORTH:
        return Advice(True, f"Learn from the volume: {tested}, and {tried}.", gain, trial)
    return Advice(False, f"The prior as it is will do: {tested}, and {tried}.", gain, trial)


def _decibels(before: float, after: float) -> float:
    return 20 * math.log10(max(before, 1e-9) / max(after, 1e-9))
