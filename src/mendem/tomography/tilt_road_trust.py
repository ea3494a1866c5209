"""How far the tilt road's network is to be trusted on a specimen: asked of measured tilts that it does not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from mendem.priors.tilt_prior import TiltPrior
from mendem.tomography.tilt_road_frames import MEAN, MEASURED, MISSING, Frames
from mendem.tomography.tilt_road_order import outward
from mendem.tomography.tilt_road_volume import reproject

#: Degrees at either end of the measured range whose tilts are hidden, and rows in the middle that are judged.
HIDDEN_DEG, ROWS = 8.0, 64
#: With fewer tilts left nothing is judged.
FEWEST = 5


def trust(
    data: np.ndarray,
    angles: Sequence[float],
    prior: TiltPrior,
    *,
    isolated: bool,
    depth: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> float:
    """The part of the network's correction that serves this specimen best, 0 to 1.

    The outermost measured tilts are hidden, on 64 rows in the middle, a volume is reconstructed from the others, and
    the network is asked for the hidden ones: the part is the slope of what the reprojection truly lacks on what the
    network says that it lacks. Noise in the hidden tilts does not move it. 0 leaves the reprojection as it is.

    Parameters
    ----------
    data
        (tilt, y, x) float32 in units of its standard deviation.
    angles
        Of these tilts.
    prior, isolated, depth, check
        As of `mendem.tomography.tilt_road.generate_tilts`.
    """
    low, high = min(angles), max(angles)
    hidden = [i for i, a in enumerate(angles) if a < low + HIDDEN_DEG or a > high - HIDDEN_DEG]
    kept = [i for i in range(len(angles)) if i not in hidden]
    if len(kept) < FEWEST:
        return 1.0
    middle = max(0, (data.shape[1] - ROWS) // 2)
    part = np.ascontiguousarray(data[:, middle : middle + ROWS])
    shown, targets = [angles[i] for i in kept], [angles[i] for i in hidden]
    every = (*shown, *targets)
    seen = reproject(part[kept], shown, every, isolated=isolated, depth=depth, device=prior.device, check=check)
    images = np.concatenate([part[kept], np.zeros_like(part[hidden])])
    shown_images, base, smooth = (torch.from_numpy(a).to(prior.device) for a in (images, seen.base, seen.smooth))
    kinds = [MEASURED] * len(kept) + [MISSING] * len(hidden)
    frames = Frames(every, shown_images, base, smooth, kinds, isolated, seen.noise)
    agrees = said = 0.0
    for i in outward(shown, targets, isolated):
        frame = len(kept) + i
        image = prior.predict(frames, [frame], False, 0, check)[0][0]
        frames.images[frame], frames.kinds[frame] = image, MEAN
        correction = image - frames.base[frame]
        lacking = torch.from_numpy(part[hidden[i]]).to(prior.device) - frames.base[frame]
        agrees += float((correction * lacking).sum())
        said += float(correction.square().sum())
    return float(np.clip(agrees / said, 0.0, 1.0)) if said > 0 else 1.0
