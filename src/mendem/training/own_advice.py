"""Whether to learn from a volume, or to take a prior as it is: what a few seconds can tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mendem.appraisal.novelty import Novelty
from mendem.errors import MendemError
from mendem.image import Image
from mendem.normalise import Normalisation
from mendem.physics.noise import NoiseModel
from mendem.physics.section_grid import SectionGrid
from mendem.priors.network_prior import NetworkPrior
from mendem.training.own_judging import judge
from mendem.training.own_planes import OwnPlanes

#: Pixels below which there is little to learn from.
FEW_PIXELS = 250_000
#: Gain over cubic interpolation, in dB, below which a prior is of little use to a volume.
LITTLE = 0.5
#: Windows that are looked at, and how many at once.
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
    """

    learn: bool
    sentence: str
    gain: float | None = None


def recommend(
    prior: NetworkPrior,
    image: Image,
    grid: SectionGrid,
    noise: NoiseModel,
    normalisation: Normalisation,
    novelty: Novelty | None = None,
) -> Advice:
    """Advice from the size of a volume, its novelty where that is known, and a test.

    The test coarsens some of the volume's own planes along y and x as the volume is along z, and compares the prior
    with cubic interpolation. Whether structure along z is like that along y and x is not known. Parameters are those of
    `mendem.training.own_volume.learn_from`.
    """
    try:
        planes = OwnPlanes(image, grid, noise, normalisation, prior.frames, prior.device)
        rng = np.random.default_rng(0)
        judged = [planes.draw(AT_ONCE, rng, held_out=i % 2 > 0) for i in range(WINDOWS // AT_ONCE)]
    except MendemError as error:
        return Advice(False, f"{error}.")
    found = judge(prior.network, judged, prior.calibration, noise.absent)
    gain = 20 * math.log10(max(found.cubic, 1e-9) / max(found.error, 1e-9))
    than = "better" if gain > 0 else "worse"
    tested = f"on the volume's own planes the prior is {abs(gain):.1f} dB {than} than cubic interpolation"
    if planes.parts.count < FEW_PIXELS:
        few = f"{planes.parts.count / 1e6:.2g} million pixels are few to learn from"
        return Advice(False, f"Take the prior as it is: {few}; {tested}.", gain)
    if novelty is not None and not novelty.familiar:
        return Advice(True, f"Learn from the volume: it is {novelty.short}; {tested}.", gain)
    if gain < LITTLE:
        return Advice(True, f"Learn from the volume: {tested}.", gain)
    familiar = "" if novelty is None else f"the volume is {novelty.short}, and "
    more = "learning from the volume for some minutes may add a few tenths of a dB"
    return Advice(False, f"The prior as it is will do: {familiar}{tested}; {more}.", gain)
