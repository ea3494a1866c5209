"""The plan of every 2-D task: noise, mask, blur and larger pixels are parts of one observation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mendem.blocks import HALO
from mendem.image import Image
from mendem.normalise import estimate_normalisation
from mendem.tasks.base import Patch, Plan
from mendem.tasks.masking import masked
from mendem.tasks.noise_choice import noise_of

if TYPE_CHECKING:
    from mendem.physics.observation import Observation
    from mendem.physics.point_spread import PointSpread

#: Farther than this a point-spread function is not followed: half of the context that a block is given.
LARGEST_MARGIN = HALO - 16


def plan(
    image: Image,
    inputs: Mapping[str, Image],
    noise: str | float,
    *,
    psf: str = "none",
    factor: int = 1,
    mask: str = "none",
    keep: bool = False,
) -> Plan:
    """What was measured of the wanted image: blurred by ``psf``, averaged over ``factor`` pixels, noisy, and with gaps.

    Parameters
    ----------
    psf
        "none", "auto", or as `mendem.physics.point_spread.parse_point_spread` reads it, unless ``inputs`` has one; in
        pixels of ``image``, or in nm.
    mask
        "none" or "auto", unless ``inputs`` has one.
    """
    from mendem.tasks.blurring import blurring_of

    gaps, said = masked(image, mask, inputs.get("mask"))
    seen = image if gaps is None else gaps
    found, alone = noise_of(seen, noise, inputs)
    normalisation = estimate_normalisation(seen)
    blurring = blurring_of(seen, psf, inputs.get("psf"))
    spread = blurring.spread
    observe = Observer(spread)
    return Plan(
        found,
        normalisation,
        observe,
        notes=(*said, *blurring.notes),
        noise_from_one_image=alone,
        image=gaps,
        margin=0 if spread is None else min(spread.radius, LARGEST_MARGIN),
        keep=keep,
        pointwise=spread is None and factor == 1,
        found=blurring.found,
    )


class Observer:
    """What was observed of each part: the operator is composed of what the plan and the part say.

    Parameters
    ----------
    spread
        Point-spread function in pixels of the image, None for a sharp one.
    """

    def __init__(self, spread: PointSpread | None = None) -> None:
        self.spread = spread

    def __call__(self, patch: Patch) -> Observation:
        import torch

        from mendem.physics.block_mean import BlockMean
        from mendem.physics.blur import Blur
        from mendem.physics.composed import Composed
        from mendem.physics.mask import Mask
        from mendem.physics.observation import Observation
        from mendem.physics.operator import ForwardOperator

        y = patch.pixels
        operator: ForwardOperator = Mask()
        if self.spread is not None:
            wanted = self.spread.binned(patch.binning / patch.scale)
            shape = y.shape[-2] * patch.scale, y.shape[-1] * patch.scale
            transfer = torch.from_numpy(wanted.transfer(shape)).to(y.device)
            transfer = transfer.to(torch.complex64 if transfer.is_complex() else torch.float32)
            operator = blur = Blur(transfer, wanted.moments)
        if patch.scale > 1:
            means = BlockMean((patch.scale, patch.scale))
            operator = means if self.spread is None else Composed(blur, means)
        return Observation(y, operator, patch.noise, patch.reliability, patch.pixel_nm)
