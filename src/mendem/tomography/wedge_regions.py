"""Where in Fourier space a filled tomogram rests on measurements, and where on what filled it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mendem.tomography.wedge import band, measured_mask, wedge_mask

#: Values of the regions, and their names.
NAMES = {1: "measured", 2: "generated", 3: "blended"}
MEASURED, GENERATED, BLENDED = NAMES


def wedge_regions(angles_deg: Sequence[float], shape: tuple[int, int], thickness_px: float) -> np.ndarray:
    """Regions of the centred spectrum of a slice (Z, X), the same for every ky: uint8, 0 beyond 1/2 cycle per pixel.

    - 1, measured: within a tilt's band (`measured_mask`), in the measured range of angles.
    - 2, generated: in a missing arc, outside of all bands. Nothing here was measured.
    - 3, blended: the outermost tilts' bands where they reach into the missing arc, and what lies between the bands of
      neighbouring tilts. Measurements bear on it and do not decide it.
    """
    missing, near = wedge_mask(angles_deg, shape), measured_mask(angles_deg, shape, thickness_px)
    regions = np.full(shape, BLENDED, np.uint8)
    regions[near & ~missing] = MEASURED
    regions[missing & ~near] = GENERATED
    regions[~(band(shape) | (near & ~missing))] = 0
    return regions
