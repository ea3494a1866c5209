"""What the network for the missing wedge is told of a slice: reconstructions that measure nothing in the wedge, or
guess at it, in units of the slice; and how it was tilted."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mendem.tomography.directions import missing_arcs
from mendem.tomography.sirt import Sirt
from mendem.tomography.tv import Tv, projection_noise
from mendem.tomography.wbp import Wbp

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.tomography.geometry import SliceGeometry
    from mendem.tomography.projector import Projector

#: Neighbouring slices on either side that the network sees.
HALO = 1
#: Channels: weighted back-projections of the slice and its neighbours, SIRT and total variation of the slice itself.
CHANNELS = 2 * HALO + 3
#: Numbers that describe the tilts.
DESCRIPTOR = 7
#: Which of them says whether it is a slab.
SLAB = 5
#: Iterations of SIRT, and of total variation for isolated specimens and for slabs. An isolated specimen is filled in
#: by positivity, slowly: the error in the wedge of eight noise-free slices is 0.18 after 30, 0.13 after 50 and 0.06
#: after 150 of what weighted back-projection has.
SIRT_STEPS, TV_STEPS, TV_STEPS_SLAB = 8, 150, 50
#: Part of the objective by which five steps must lower it at an isolated specimen, else they end. Most of the objective
#: is noise: with Tv's own 1e-3 total variation foresees hidden tilts 0.3 (5 % noise) to 0.5 dB (2 %) worse, and the
#: network 0.1 to 0.3 dB, though it learned from that.
TOLERANCE = 1e-4
#: Total variation takes projections for this noisy at least, relative to their rms: misalignment is noise too, and
#: without any weight of the variation the wedge would stay empty.
LEAST_NOISE = 0.01


@dataclass(frozen=True)
class Setting:
    """What is measured of a whole series.

    Attributes
    ----------
    noise
        Standard deviation of the noise in the projections.
    smoothed
        The noise that total variation is told.
    slab
        Whether the specimen goes on beyond the view; else density is nowhere negative.
    """

    noise: float
    smoothed: float
    slab: bool


def setting_of(sample: np.ndarray, slab: bool) -> Setting:
    """From sinograms (slices, tilts, width) spread over a series."""
    noise = projection_noise(sample)
    rms = float(np.sqrt(np.mean(np.square(sample, dtype=np.float64))))
    return Setting(noise, max(noise, LEAST_NOISE * rms, 1e-12), slab)


def tv_of(setting: Setting) -> Tv:
    """Total variation as the network is shown it."""
    if setting.slab:
        return Tv(noise=setting.smoothed, positive=False, iterations=TV_STEPS_SLAB)
    return Tv(noise=setting.smoothed, iterations=TV_STEPS, tolerance=TOLERANCE)


def sirt_of(projector: Projector, sinograms: Tensor, check: Callable[[], None] = lambda: None) -> Tensor:
    """A few iterations of SIRT (n, Z, X) of sinograms (n, tilts, width), as the network is shown them."""
    return deque(Sirt(iterations=SIRT_STEPS).iterates(projector, sinograms, check), maxlen=1).pop()


def view_of(geometry: SliceGeometry) -> slice:
    """Columns of a slice that the untilted detector sees; the slice of a slab goes on beyond them."""
    assert geometry.detector_axis is not None
    start = max(0, round(geometry.axis[1] - geometry.detector_axis))
    return slice(start, min(geometry.shape[1], start + geometry.width))


@dataclass(frozen=True)
class Inputs:
    """What is told of n slices.

    Attributes
    ----------
    channels
        (n, CHANNELS, Z, X) in units of the gain.
    gain
        (n, 1, 1), in the unit of the data.
    descriptor
        (n, DESCRIPTOR).
    """

    channels: Tensor
    gain: Tensor
    descriptor: Tensor


def inputs_of(
    projector: Projector, sinograms: Tensor, setting: Setting, check: Callable[[], None] = lambda: None
) -> Inputs:
    """What the network is told of slices, from sinograms (n, 2 HALO + 1, tilts, width) of each and its neighbours."""
    (wbp,) = Wbp().iterates(projector, sinograms, check)
    middle = sinograms[:, HALO].contiguous()
    tv = deque(tv_of(setting).iterates(projector, middle, check), maxlen=1).pop()
    return assembled(wbp, sirt_of(projector, middle, check), tv, projector.geometry, setting)


def assembled(wbp: Tensor, sirt: Tensor, tv: Tensor, geometry: SliceGeometry, setting: Setting) -> Inputs:
    """The same from reconstructions: (n, 2 HALO + 1, Z, X) by WBP, and (n, Z, X) by SIRT and by total variation."""
    import torch

    view = view_of(geometry)
    inside = sirt[..., view]
    # The mean value where there is something: an empty surrounding, however large, does not count.
    gain = inside.square().sum((1, 2), keepdim=True) / inside.abs().sum((1, 2), keepdim=True).clamp(min=1e-20)
    gain = gain.clamp(min=1e-20)
    channels = torch.cat([wbp[..., view], inside[:, None], tv[:, None, :, view]], 1)
    fixed = torch.tensor(_tilts(geometry, setting), device=sirt.device).expand(len(sirt), -1)
    noise = (math.log(max(setting.noise, 1e-20)) - gain[:, 0, 0].log()).clamp(-4, 4)[:, None] / 2
    return Inputs(channels / gain[:, None], gain, torch.cat([fixed, noise], 1))


def _tilts(geometry: SliceGeometry, setting: Setting) -> list[float]:
    """The widest missing arc (its middle and width), other arcs, count and step of the tilts, and whether a slab."""
    arcs = sorted(missing_arcs(geometry.angles_deg), key=lambda arc: arc[0] - arc[1])
    widths = [end - start for start, end in arcs] or [0.0]
    middle = math.remainder((arcs[0][0] + arcs[0][1]) / 2 - 90.0, 180.0) if arcs else 0.0
    count = len(geometry.angles_deg)
    step = (180.0 - sum(widths)) / max(count - 1, 1)
    return [
        middle / 20.0,
        widths[0] / 60.0,
        sum(widths[1:]) / 60.0,
        math.log(count) - 4.0,
        min(step, 15.0) / 3.0,
        float(setting.slab),
    ]
