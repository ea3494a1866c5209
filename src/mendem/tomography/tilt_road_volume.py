"""A volume of the measured tilts, and how it looks from other angles: what the tilt road starts from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.projector import Projector
from mendem.tomography.sirt import Sirt
from mendem.tomography.tv import Tv, projection_noise

#: Steps of total variation at most, and of SIRT.
TV_STEPS, SIRT_STEPS = 150, 15
#: Bytes of slices that are computed together; see `mendem.tomography.slices`.
BATCH_BYTES = {"cpu": 4 << 20}
BATCH_ON_GPU = 64 << 20
#: Slices of which the noise is measured.
NOISE_SLICES = 16


@dataclass(frozen=True)
class Reprojected:
    """How a volume looks.

    Attributes
    ----------
    base
        (angles, y, x) float32: projections of the volume with the least total variation that explains the tilts.
    smooth
        (angles, y, x) float32: projections of the volume of a few steps of SIRT.
    noise
        Standard deviation of the noise that was measured in the tilts.
    """

    base: np.ndarray
    smooth: np.ndarray
    noise: float


def reproject(
    density: np.ndarray,
    angles_deg: Sequence[float],
    seen_from_deg: Sequence[float],
    *,
    isolated: bool,
    depth: int | None = None,
    device: str = "cpu",
    check: Callable[[], None] = lambda: None,
    steps: int | None = None,
) -> Reprojected:
    """Reconstruct a volume slice by slice and project it.

    Parameters
    ----------
    density
        (tilt, y, x) float32, aligned, the tilt axis along y and in the middle.
    angles_deg
        Of these tilts.
    seen_from_deg
        Where it is looked at from; any angles.
    isolated
        An object that every tilt sees whole, on a background of 0, nowhere below it: reconstructed with positivity.
        Otherwise a slab of zero mean that goes on beyond the view.
    depth
        Voxels along z; as many as the view is wide when left out.
    check
        Called between pieces of work; raises to stop.
    steps
        Of total variation, at most; `TV_STEPS` when left out.
    """
    tilts, rows, width = density.shape
    geometry = SliceGeometry(tuple(angles_deg), (depth or width, width), width)
    if not isolated:
        geometry, _ = geometry.widened()
    there = Projector(geometry, device)
    seen = Projector(replace(geometry, angles_deg=tuple(seen_from_deg), shifts=()), device)
    chosen = np.unique(np.linspace(0, rows - 1, NOISE_SLICES).round().astype(int))
    noise = projection_noise(density[:, chosen])
    method = Tv(
        noise=max(noise, 1e-6 * float(np.abs(density).max()) + 1e-30), positive=isolated, iterations=steps or TV_STEPS
    )
    base = np.empty((len(seen_from_deg), rows, width), np.float32)
    smooth = np.empty_like(base)
    budget = BATCH_BYTES.get(there.device.type, BATCH_ON_GPU)
    step = max(1, budget // (max(geometry.shape[0], tilts) * geometry.shape[1] * 4))
    with torch.inference_mode():
        for row in range(0, rows, step):
            measured = np.ascontiguousarray(density[:, row : row + step].transpose(1, 0, 2), np.float32)
            sinograms = torch.from_numpy(measured).to(there.device)
            for slices in method.iterates(there, sinograms, check):
                volume = slices
            part = slice(row, row + len(measured))
            base[:, part] = seen.forward(volume).transpose(0, 1).cpu().numpy()
            for slices in Sirt(SIRT_STEPS, positive=isolated).iterates(there, sinograms, check):
                volume = slices
            smooth[:, part] = seen.forward(volume).transpose(0, 1).cpu().numpy()
    return Reprojected(base, smooth, noise)
