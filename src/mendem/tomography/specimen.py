"""Whether a tilt series shows an isolated object, or a slab that goes on beyond the view."""

from __future__ import annotations

import numpy as np

#: An isolated object has the same mass in all tilts, to this part (standard deviation over mean): gains drift, and the
#: simulated particles vary by 0.03, slabs of ice by 0.4 and more.
MASS = 0.15
#: Its density near the sides of the view is this part of its peak at most (root mean square): 0.01 for the particles,
#: 0.14 to 0.23 for slabs.
SIDES = 0.07
#: Part of the width on either side that counts as near it, and over which profiles are smoothed.
NEAR, SMOOTH = 0.05, 0.03


def is_isolated(sinograms: np.ndarray) -> bool:
    """Whether what tilts show has its whole mass in view at all of them, with nothing at the sides.

    Parameters
    ----------
    sinograms
        Density, float32 (slices, tilts, width), of slices spread over the series; 0 is the level of the surroundings.
    """
    profile = sinograms.mean(0, dtype=np.float64)
    mass = profile.mean(1)
    if not mass.std() <= MASS * abs(mass.mean()):
        return False
    width = profile.shape[1]
    span = max(1, round(SMOOTH * width))
    smooth = np.stack([np.convolve(row, np.ones(span) / span, "valid") for row in profile])
    side = max(1, round(NEAR * width))
    sides = np.concatenate([smooth[:, :side], smooth[:, -side:]], axis=1)
    return bool(np.sqrt((sides**2).mean()) <= SIDES * np.abs(smooth).max() and smooth.any())
