"""What a volume's own planes ask of a prior: they are coarsened along y or x as the volume is along z.

The planes of a stack are sampled finely along y and x. Seen as sections along y, or along x, they are what its xz and
yz planes are, with the difference that here the truth is at hand (vEMDiffuse-a: Lu et al. 2024, EMDiffuse).

The truth is noisy, which must not be learned. Of the noise n of a plane t the mean over a section keeps A n, whose
variance is g times that of n, where a real section has n's. So e of variance 1 - g is added: y = A t + e. What is left
of n in y would teach that noise is tissue, because t has the same n. With c A⁺ e taken off the target, c = g / (1 - g),
the noises of y and of the target are uncorrelated, so that the least squares answer is the mean of the clean image
given y (recorrupted-to-recorrupted: Pang et al. 2021). Where a section is one plane g is 1, and nothing can be added:
its own rows do not count, and the noise of the others is their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mendem.errors import MendemError
from mendem.image import Image
from mendem.normalise import Normalisation
from mendem.physics.noise import NoiseModel
from mendem.physics.observation import Observation, local_mean
from mendem.physics.section_grid import SectionGrid
from mendem.physics.sections import Sections
from mendem.priors.condition import Condition
from mendem.training.own_reading import Parts, read_parts

#: Side of the windows that are asked about, in pixels, and the multiple that their sides are of.
SIDE, CELL = 96, 16
#: Shortest axis that is coarsened, in pixels and in sections.
SHORTEST, FEWEST = 32, 4
#: Largest share of a window that is not finite, and how often another one is looked for.
NOT_FINITE, TRIES = 0.05, 100
#: Share of windows with a missing section.
MISSING = 0.1
#: Above this g (see the module) the rows of a section do not count: what would be taken off the target is too large.
TOO_ALIKE = 0.7


@dataclass(frozen=True)
class Asked:
    """Windows that are seen as sections, in normalised units.

    Attributes
    ----------
    target, weight
        (N, 1, H, W) what is to be learned, and which of its pixels count (1) or not (0).
    variance
        (N, 1, H, W) of the noise in the target.
    condition
        What the network is told.
    operator, data
        The sections, and what they show, (N, 1, sections, W).
    """

    target: Tensor
    weight: Tensor
    variance: Tensor
    condition: Condition
    operator: Sections
    data: Tensor


class OwnPlanes:
    """Random windows of a volume's planes, seen as sections.

    Parameters
    ----------
    image
        A volume (Z, Y, X), coarse along z. It may be lazy and large: a bounded part of it is read, now.
    grid
        How its sections lie along z; missing ones are not looked at.
    noise, normalisation
        Of the image, in its units.
    frames
        How many neighbouring pictures the network looks at.

    Raises
    ------
    MendemError
        Too few sections, or planes that are too small to be coarsened.
    """

    def __init__(
        self,
        image: Image,
        grid: SectionGrid,
        noise: NoiseModel,
        normalisation: Normalisation,
        frames: int,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        where = f"{image.source}: " if image.source else ""
        self.shape = tuple(min(SIDE, n // CELL * CELL) for n in image.plane_shape)
        self.axes = [a for a in (0, 1) if self.shape[a] >= max(SHORTEST, FEWEST * grid.spacing)]
        if not self.axes or not all(self.shape):
            raise MendemError(
                f"{where}nothing can be learned from planes of {image.plane_shape[0]} x {image.plane_shape[1]} pixels "
                f"with sections {grid.spacing:g} planes apart; take the prior as it is"
            )
        self.parts: Parts = read_parts(image, grid.missing, normalisation, seed)
        if not self.parts.held_out:
            raise MendemError(
                f"{where}nothing can be learned from fewer than {self.parts.fewest} measured sections; take the prior "
                "as it is"
            )
        self.grid, self.frames, self.device = grid, frames, device
        self.noise = noise.affine(normalisation.centre, normalisation.scale)

    def draw(self, count: int, rng: np.random.Generator, held_out: bool = False) -> Asked:
        """``count`` windows of what is learned from, or of what is held out, with the same sections along one axis."""
        axis = int(rng.choice(self.axes))
        among = self.parts.held_out if held_out else self.parts.learned
        cut = np.stack([self._cut(among, axis, rng) for _ in range(count)])[:, None]
        operator = self._sections(cut.shape[-2], rng)
        return self._ask(torch.from_numpy(cut).to(self.device), operator, axis, int(rng.integers(2**62)))

    def _cut(self, among: list[tuple[int, int]], axis: int, rng: np.random.Generator) -> np.ndarray:
        """(height, width) of one place, rows along the axis; NaN where nothing was measured."""
        height, width = self.shape
        for _ in range(TRIES):
            section, place = among[int(rng.integers(len(among)))]
            plane = self.parts.pixels[section, place]
            top, left = int(rng.integers(plane.shape[0] - height + 1)), int(rng.integers(plane.shape[1] - width + 1))
            window = plane[top : top + height, left : left + width]
            if np.isnan(window).mean() <= NOT_FINITE:
                down, right = (1 - 2 * int(n) for n in rng.integers(2, size=2))
                return np.ascontiguousarray((window.T if axis == 1 else window)[::down, ::right])
        raise MendemError("nothing can be learned from this volume: most of it is not finite numbers")

    def _sections(self, height: int, rng: np.random.Generator) -> Sections:
        """Sections as the volume has them, from a random row on; sometimes one is missing."""
        spacing, width = self.grid.spacing, self.grid.width
        first = float(rng.uniform(0, spacing))
        if spacing == round(spacing):
            first = float(int(first))
        starts = [first + i * spacing for i in range(int((height - width - first) / spacing + 1e-6) + 1)]
        if self.grid.single:
            starts = [float(int(s + 0.5)) for s in starts if s + 0.5 < height]
        if len(starts) > FEWEST and rng.uniform() < MISSING:
            del starts[int(rng.integers(1, len(starts) - 1))]
        return Sections(tuple(starts), width, spacing, height)

    def _ask(self, target: Tensor, operator: Sections, axis: int, seed: int) -> Asked:
        finite = torch.isfinite(target)
        target, weight = torch.where(finite, target, 0.0), finite.float()
        data = operator.forward(target)
        known = (operator.forward(weight) > 0.999).float()
        inside = operator.adjoint(torch.ones_like(data)) > 0
        # A row of the scan is a row of what is coarsened along y; along x its offset is one pixel's alone.
        line = self.noise.scan_line if axis == 0 else 0.0
        noise = replace(self.noise, correlation=(0.0, self.noise.correlation[1 - axis]), scan_line=line)
        kept = share_kept(operator, self.noise.correlation[axis])
        variance = torch.zeros_like(target) if noise.absent else noise.variance(local_mean(target, weight))
        if kept > TOO_ALIKE:
            weight = weight * ~inside
        elif not noise.absent:
            std = (noise.variance(local_mean(data, known)) * (1 - kept)).sqrt()
            added = std * unit_noise(data.shape, noise, torch.Generator(self.device).manual_seed(seed))
            data = data + added
            share = kept / (1 - kept)
            spread = operator.consistent(torch.zeros_like(target), added, torch.ones_like(added))
            target, variance = target - share * spread, variance * (1 + inside * share * kept)
        data = torch.where(known > 0, data, 0.0)
        condition = Observation(data, operator, noise, known).condition().map(self._alone)
        return Asked(target, weight, variance, condition, operator, data)

    def _alone(self, middle: Tensor) -> Tensor:
        """The middle frame with nothing around it: the next section is farther than the frames that a network knows."""
        around = middle.new_zeros((len(middle), self.frames // 2, *middle.shape[-2:]))
        return torch.cat([around, middle, around], dim=1)


def share_kept(operator: Sections, correlation: float) -> float:
    """Variance of the noise in the mean over a section, relative to a pixel's, for a lag-1 correlation along rows."""
    shares = operator.forward(torch.eye(operator.height))[0].double().numpy()
    away = np.abs(np.subtract.outer(np.arange(operator.height), np.arange(operator.height)))
    return float(shares @ np.clip(correlation, 0.0, 0.99) ** away @ shares)


def unit_noise(shape: torch.Size, noise: NoiseModel, generator: torch.Generator) -> Tensor:
    """Gaussian noise of variance 1, correlated along columns as the noise is, part of it shared by whole rows."""
    device = generator.device
    field = torch.randn(shape, generator=generator, device=device)
    rho = min(max(noise.correlation[1], 0.0), 0.95)
    if rho > 0:
        f = torch.fft.rfftfreq(shape[-1], device=device)
        power = (1 - rho**2) / (1 + rho**2 - 2 * rho * torch.cos(2 * torch.pi * f))
        field = torch.fft.irfft(torch.fft.rfft(field) * power.sqrt(), n=shape[-1])
    line = min(noise.scan_line / max(noise.std_at(0.0), 1e-6), 1.0)
    rows = torch.randn((*shape[:-1], 1), generator=generator, device=device)
    return (1 - line**2) ** 0.5 * field + line * rows
