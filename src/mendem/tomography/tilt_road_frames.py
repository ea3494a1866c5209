"""The tilts of a series as a film with missing frames: what each shows, and what one that is missing is asked with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mendem.tomography.tilt_road_order import EACH_SIDE, Neighbour, neighbours, path_length, separation

#: What a frame can be: missing, measured, the mean of what it may be, or a sample of it.
MISSING, MEASURED, MEAN, SAMPLE = range(4)
#: Maps of a context: reprojection, smooth, place across the axis; and of each neighbour its image and what the
#: reprojection lacks there.
MAPS = 3 + 2 * 2 * EACH_SIDE
#: Numbers of a context; see `Frames.context`.
NUMBERS = 6 + 4 * 2 * EACH_SIDE


@dataclass(frozen=True)
class Context:
    """What a missing tilt is asked with.

    Attributes
    ----------
    maps
        (MAPS, y, x): the two reprojections at its angle, the distance from the tilt axis, 1 at the edge, and for each
        neighbour (the nearest below and a measured one there, and the same above) its image and what the reprojection
        lacks there.
    numbers
        NUMBERS of them, in order: isolated, cosine of the angle, degrees to the nearest measured tilt below and above
        (in units of 45°), spacing of the measured tilts (10°), ln of the noise; for each neighbour present, distance,
        generated as a mean, generated as a sample.
    mirrored
        Whether all is mirrored, so that the nearest neighbour is always below; so is the answer then.
    """

    maps: Tensor
    numbers: Tensor
    mirrored: bool


@dataclass
class Frames:
    """All tilts of a series, measured and missing, in units of the standard deviation of the measured ones.

    Attributes
    ----------
    angles
        Degrees, one for each frame, in any order.
    images
        (n, y, x): what was measured or generated; 0 where missing.
    base
        (n, y, x): reprojection of a volume that was reconstructed from the measured ones.
    smooth
        (n, y, x): that of a smoother volume.
    kinds
        For each frame MISSING, MEASURED, MEAN or SAMPLE.
    isolated
        See `mendem.tomography.tilt_road_order.separation`.
    noise
        Standard deviation of the noise of the measured ones, same units.
    """

    angles: tuple[float, ...]
    images: Tensor
    base: Tensor
    smooth: Tensor
    kinds: list[int]
    isolated: bool
    noise: float

    def context(self, frame: int) -> Context:
        """What frame number ``frame`` is asked with, from all that are not missing."""
        target = self.angles[frame]
        known = [i for i, kind in enumerate(self.kinds) if kind != MISSING]
        measured = {i for i in known if self.kinds[i] == MEASURED}
        below, above = neighbours(self.angles, known, measured, target, self.isolated)
        mirrored = bool(above) and (not below or above[0].distance < -below[0].distance)
        if mirrored:
            below, above = above, below
        maps = [self.base[frame], self.smooth[frame], self._across()]
        numbers = self._numbers(target, mirrored)
        for side in (below, above):
            for place in range(EACH_SIDE):
                if place < len(side):
                    one = side[place]
                    image, base = self._seen_from(one, target)
                    kind = self.kinds[one.index]
                    maps += [image, image - base]
                    numbers += [1.0, abs(one.distance) / 45, float(kind == MEAN), float(kind == SAMPLE)]
                else:
                    maps += [torch.zeros_like(maps[0])] * 2
                    numbers += [0.0] * 4
        stacked = torch.stack(maps)
        if mirrored:
            stacked = stacked.flip(-1)
        return Context(stacked, stacked.new_tensor(numbers), mirrored)

    def _across(self) -> Tensor:
        width = self.base.shape[-1]
        place = torch.linspace(-1, 1, width, device=self.base.device).abs()
        return place.expand(self.base.shape[-2], width)

    def _numbers(self, target: float, mirrored: bool) -> list[float]:
        """All but those of the neighbours."""
        distances = [
            separation(angle, target, self.isolated)[0]
            for angle, kind in zip(self.angles, self.kinds, strict=True)
            if kind == MEASURED
        ]
        below = min((-d for d in distances if d < 0), default=180.0)
        above = min((d for d in distances if d >= 0), default=180.0)
        if mirrored:
            below, above = above, below
        ordered = sorted(distances)
        steps = sorted(b - a for a, b in zip(ordered, ordered[1:], strict=False)) or [1.0]
        return [
            float(self.isolated),
            math.cos(math.radians(target)),
            below / 45,
            min(above, 90.0) / 45,
            steps[len(steps) // 2] / 10,
            math.log(max(self.noise, 0.01)) / 4,
        ]

    def _seen_from(self, one: Neighbour, target: float) -> tuple[Tensor, Tensor]:
        """Image and reprojection of a neighbour in the geometry of the target."""
        pair = torch.stack([self.images[one.index], self.base[one.index]])
        if one.mirrored:
            pair = pair.flip(-1)
        if not self.isolated:
            pair = stretched(pair, path_length(self.angles[one.index]) / path_length(target))
        return pair[0], pair[1]


def stretched(images: Tensor, factor: float) -> Tensor:
    """Images (n, y, x) stretched across the tilt axis by ``factor``, about the middle; at their edges they go on.

    A thin slab's points at x cos(a) are seen at x cos(b) from another angle: the factor is cos(b) / cos(a).
    """
    width = images.shape[-1]
    half = (width - 1) / 2
    place = ((torch.arange(width, device=images.device) - half) / factor + half).clamp(0, width - 1)
    low = place.floor().long().clamp(max=max(width - 2, 0))
    share = place - low
    return images[..., low] * (1 - share) + images[..., (low + 1).clamp(max=width - 1)] * share


def mirrored_back(image: Tensor, context: Context) -> Tensor:
    """An answer to a context in the frame's own geometry."""
    return image.flip(-1) if context.mirrored else image


def padded(maps: Tensor, multiple: int) -> Tensor:
    """Maps (n, c, y, x) whose sides are multiples of a network's coarsest cell; edges go on."""
    bottom, right = -maps.shape[-2] % multiple, -maps.shape[-1] % multiple
    return F.pad(maps, (0, right, 0, bottom), mode="replicate") if bottom or right else maps
