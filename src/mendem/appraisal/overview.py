"""What a restoration did to an image, from the two pictures and the record alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mendem.appraisal.consistency import Band, residual_bands
from mendem.appraisal.measurements import Measurements, measure_both
from mendem.appraisal.pair import Pair
from mendem.appraisal.power_spectrum import Octave, octave_changes, radial_power
from mendem.image import Image
from mendem.physics.noise import NoiseModel


@dataclass(frozen=True)
class Overview:
    """What changed, and whether what was taken away looks like noise.

    Attributes
    ----------
    before, after
        Measurements on the coarser grid, same pixels, same threshold.
    octaves
        Change of power in each octave of frequency.
    bands
        Power of the residual over the noise's, by band (see `mendem.appraisal.consistency`).
    no_bands
        Why there are none; empty where there are.
    chi2
        As recorded when the image was restored; None where it was not.
    noise
        Where the noise came from.
    """

    before: Measurements
    after: Measurements
    octaves: list[Octave]
    bands: list[Band]
    no_bands: str
    chi2: float | None
    noise: str


def overview(pair: Pair, record: dict[str, Any], threshold: float | None = None, dark: bool | None = None) -> Overview:
    """All that two images tell without a second half. ``record`` is the provenance of the restored one."""
    before, after = measure_both(pair.before, pair.after, pair.pixel_nm, threshold, dark)
    known = np.isfinite(pair.before) & np.isfinite(pair.after)
    octaves = octave_changes(*(radial_power(np.where(known, u, np.nan)) for u in (pair.before, pair.after)))
    noise, source, why = _noise(pair, record)
    bands = [] if noise is None else residual_bands(pair.before, pair.after, noise)
    if noise is not None and not bands:
        why = "no noise was found in the raw image, or fewer than 64 x 64 pixels were measured"
    chi2 = record.get("chi2")
    return Overview(before, after, octaves, bands, why, chi2 if isinstance(chi2, int | float) else None, source)


def _noise(pair: Pair, record: dict[str, Any]) -> tuple[NoiseModel | None, str, str]:
    """The noise for the residual, where it came from; or why the residual tells nothing."""
    parameters = record["task"].get("parameters") if record else None
    parameters = parameters if isinstance(parameters, dict) else {}
    if pair.factor < 0:
        return None, "", "the raw image has the finer pixels"
    if parameters.get("psf", "none") != "none":
        return None, "", "the task undid a blur, which the two files alone do not tell"
    if parameters.get("keep_measured"):
        return None, "", "the task kept what was measured as it was"
    if record:
        try:
            return NoiseModel(**record["noise"]), "as the restoration assumed it", ""
        except (KeyError, TypeError):
            return None, "", "the record of the restored image is damaged"
    from mendem.physics.noise_estimation import estimate_noise

    return estimate_noise(Image(pair.before)), "estimated here from the raw image", ""
