"""How wide the spread of generated tilts must be: asked of series that the network has not seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mendem.priors.tilt_network import TiltNetwork
from mendem.priors.tilt_prior import TiltPrior
from mendem.tomography.tilt_road_frames import MEAN
from mendem.tomography.tilt_road_trust import trust
from mendem.training.tilts_pool import KINDS, Series, draw_series
from mendem.training.tilts_stream import begin

#: Series of each kind, and their seed, which no pool has.
EACH, SEED = 3, 0x5EED
#: Standard deviations of a 90 % interval of a Gaussian.
NINETY = 1.645


def finish(network: TiltNetwork, recipe: Mapping[str, Any], pool: list[Series], data: Path) -> dict[str, Any]:
    """The factor ``spread`` with which 90 % of the pixels that differ lie within their 90 % interval.

    One tilt at a time, over new series of each kind. Pixels in empty surroundings, where nothing can be wrong, do not
    count: those whose predicted standard deviation is below a tenth of the tilt's largest.
    """
    prior = TiltPrior(network, 1.0, "new", "cpu")
    ratios = []
    for k, kind in enumerate(KINDS):
        for i in range(EACH if recipe["data"][kind] else 0):
            side, rows = recipe["data"]["side"], recipe["data"]["rows"]
            series = draw_series(np.random.default_rng([SEED, k, i]), kind, side, rows)
            ratios.append(_ratios(prior, series))
    found = np.sort(np.concatenate(ratios))
    return {"spread": round(float(found[math.floor(0.9 * len(found))]) / NINETY, 3)}


def _ratios(prior: TiltPrior, series: Series) -> np.ndarray:
    """Error over predicted standard deviation of the pixels that count, of all missing tilts."""
    data = series.measured.astype(np.float32)
    depth = None if series.isolated else data.shape[2] // 2
    part = trust(data, series.angles[: len(data)], prior, isolated=series.isolated, depth=depth)
    episode = begin(series, np.random.default_rng(0), 0.0)
    frames, found = episode.frames, []
    for frame in episode.order:
        image, std = prior.predict(frames, [frame], False, 0, trust=part)
        frames.images[frame], frames.kinds[frame] = image[0], MEAN
        counts = std[0] > 0.1 * std[0].max()
        found.append(((image[0] - episode.truth[frame]).abs() / std[0])[counts])
    return torch.cat(found).numpy()
