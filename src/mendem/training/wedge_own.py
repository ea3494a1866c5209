"""The network that fills wedges learns from one tomogram: what it knows along other directions, it is asked along z.

Filled slices are turned about the tilt axis, tilted again in the computer as the series was, and the network is to find
them back (IsoNet, Liu et al. 2022). What it is judged by in each is only what had been measured before the turn
(DeepDeWedge, Wiedemann and Heckel 2024): what it made up itself is not learned from.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from mendem.priors.wedge_filler import WedgeFiller
from mendem.priors.wedge_inputs import HALO, setting_of
from mendem.priors.wedge_network import WedgeNetwork, answer
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.wedge import wedge_mask
from mendem.tomography.wedge_judge import Verdict, hidden_tilts, judge
from mendem.training.optimiser import Optimiser
from mendem.training.wedge_draws import SIDE, Draws, Scheme, prepared, series
from mendem.training.wedge_objective import wedge_errors
from mendem.training.wedge_spool import mirrored

#: Windows of a step; steps for each new window; windows that are kept; what the averaged weights keep at each step.
BATCH, STEPS_FOR_ONE, KEPT, KEEP = 8, 4, 400, 0.99
#: Learning rate of trained weights, and of random ones; steps until it is reached.
RATE, RATE_ANEW, WARM_UP = 1e-4, 5e-4, 20
#: Steps after which the slices that are learned from are filled again.
AGAIN = 300
#: Tilts that a slab has beyond this are not used here: so far the view would have to be widened.
STEEPEST = 66.0


@dataclass(frozen=True)
class Learning:
    """How far it is.

    Attributes
    ----------
    step, seconds, fraction
        Steps, and time in seconds and in parts of what was given.
    loss
        Of this step.
    filler
        What stopping now would give.
    """

    step: int
    seconds: float
    fraction: float
    loss: float
    filler: WedgeFiller


def untrained(filler: WedgeFiller, seed: int = 0) -> WedgeFiller:
    """The same with random weights: what it learns from one tomogram is then all that it knows."""
    torch.manual_seed(seed)
    config = filler.network.config
    return replace(filler, network=WedgeNetwork(**config), name="self-supervised", spread=None, share=(1.0, 1.0))


def learn_from(
    filler: WedgeFiller,
    windows: Sequence[Tensor],
    geometry: SliceGeometry,
    seconds: float,
    *,
    anew: bool = False,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Learning]:
    """Train a copy of a filler's network on a tilt series, for some time, or until nobody asks for more.

    The tilts that `mendem.tomography.wedge_judge.judge` hides are left out, so that it can judge the result.

    Parameters
    ----------
    filler
        To begin with, ready for the series (`for_series`).
    windows
        Sinograms, float32 (HALO + n + HALO, tilts, width) each, of places of the series to learn from.
    geometry
        Of all tilts, as wide as slices are to be filled.
    seconds
        Time that is given.
    anew
        Whether the weights are random ones, which learn at a higher rate.
    check
        May raise `mendem.errors.Cancelled`.
    """
    hidden = hidden_tilts(geometry.angles_deg)
    kept = [i for i in range(len(geometry.angles_deg)) if i not in hidden]
    known = replace(
        geometry,
        angles_deg=tuple(geometry.angles_deg[i] for i in kept),
        shifts=tuple(geometry.shifts[i] for i in kept),
    )
    data = [window[:, kept].contiguous() for window in windows]
    network = copy.deepcopy(filler.network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train().requires_grad_(True)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    optimiser = Optimiser(network, RATE_ANEW if anew else RATE)
    rng = np.random.default_rng(seed)
    turned = _Turned(replace(filler, network=average), data, known, check)
    pool: list[tuple[Draws, np.ndarray]] = []
    begun, step, fill_at = clock(), 0, 0
    while (spent := clock() - begun) < seconds:
        check()
        if step % STEPS_FOR_ONE == 0 or len(pool) < BATCH:
            if step >= fill_at:
                turned.fill()
                fill_at = step + AGAIN
            pool.append(turned.draw(rng))
            del pool[:-KEPT]
            if len(pool) < BATCH:
                continue
        value = _loss(network, [pool[i] for i in rng.integers(0, len(pool), BATCH)], rng)
        network.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step(min(1.0, (step + 1) / WARM_UP))
        step += 1
        with torch.no_grad():
            keep = min(KEEP, step / (10 + step))
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - keep)
        learned = replace(filler, network=copy.deepcopy(average), name=f"{filler.name}, adapted")
        yield Learning(step, spent, spent / seconds, float(value.detach()), learned)


def judged(
    learned: WedgeFiller,
    before: WedgeFiller,
    windows: Sequence[Tensor],
    geometry: SliceGeometry,
    check: Callable[[], None] = lambda: None,
) -> Verdict:
    """Whether what was learned foresees the tilts better that it did not learn from."""
    return judge(learned, before, windows, geometry, check)


class _Turned:
    """Filled slices of a series, turned about the tilt axis and tilted again."""

    def __init__(
        self, filler: WedgeFiller, data: list[Tensor], geometry: SliceGeometry, check: Callable[[], None]
    ) -> None:
        self.filler, self.data, self.geometry, self.check = filler, data, geometry, check
        self.slices: list[np.ndarray] = []
        sample = torch.cat(data).cpu().numpy()
        self.noise = setting_of(sample, not filler.isolated).noise
        angles = geometry.angles_deg
        if not filler.isolated:
            angles = tuple(a for a in angles if abs(a) <= STEEPEST)
        self.plan = Scheme(angles, angles, (0.0,) * len(angles))

    def fill(self) -> None:
        """Fill all windows with the network as it is: (Z, n, X) each."""
        self.slices = []
        for window in self.data:
            with torch.inference_mode():
                for found in self.filler.fill(window, self.geometry, self.check):
                    mean = found.mean
            self.slices.append(mean.transpose(0, 1).cpu().numpy())

    def draw(self, rng: np.random.Generator) -> tuple[Draws, np.ndarray]:
        """One turned slice with what the network reads of it, and what of its spectrum had been measured."""
        volume = self.slices[rng.integers(len(self.slices))]
        row = int(rng.integers(HALO, volume.shape[1] - HALO)) if volume.shape[1] > 2 * HALO else 0
        rows = np.clip(np.arange(row - HALO, row + HALO + 1), 0, volume.shape[1] - 1)
        degrees = float(rng.uniform(-180, 180))
        part = _turn(rng, volume[:, rows], degrees, self.filler.isolated)
        with torch.inference_mode():
            sinograms, truth, geometry = series(
                rng, part, not self.filler.isolated, self.plan, np.array([HALO]), ideal=True
            )
            noise = torch.from_numpy(rng.standard_normal(sinograms.shape, dtype=np.float32))
            drawn = prepared(sinograms + self.noise * noise, truth, geometry, not self.filler.isolated)
        # A turn of the slice by some angle, from x towards z, turns its spectrum and its wedge by the same.
        turned = [angle + degrees for angle in self.geometry.angles_deg]
        return drawn, np.fft.ifftshift(~wedge_mask(turned, (SIDE, SIDE)))


def _turn(rng: np.random.Generator, volume: np.ndarray, degrees: float, isolated: bool) -> np.ndarray:
    """A square part of slices (Z, rows, X), turned from x towards z: (SIDE, rows, SIDE)."""
    from scipy import ndimage

    depth, rows, width = volume.shape
    middle = [(n - 1) / 2 for n in (depth, width)]
    room = [max(0.0, (n - SIDE) / 2) for n in (depth, width)]
    at = [m + rng.uniform(-r, r) for m, r in zip(middle, room, strict=True)]
    way = np.radians(degrees)
    back = np.array([[np.cos(way), -np.sin(way)], [np.sin(way), np.cos(way)]])
    offset = np.array(at) - back @ np.full(2, (SIDE - 1) / 2)
    mode = "constant" if isolated else "mirror"
    part = np.stack(
        [ndimage.affine_transform(volume[:, i], back, offset, (SIDE, SIDE), order=3, mode=mode) for i in range(rows)],
        axis=1,
    )
    if isolated:  # what lay in the corners is cut off softly: all tilts see the whole of the rest
        place = np.arange(SIDE) - (SIDE - 1) / 2
        part *= np.clip((SIDE / 2 - np.hypot(place[:, None], place)) / 3, 0, 1)[:, None, :]
    return part.astype(np.float32)


def _loss(network: nn.Module, picked: list[tuple[Draws, np.ndarray]], rng: np.random.Generator) -> Tensor:
    """Error of what had been measured before the turn, squared, and that in the wedge by its logarithm."""
    parts = []
    for drawn, measured in picked:
        z, y, x = (rng.uniform(size=3) < 0.5).tolist()
        channels, descriptor, truth, wedge = mirrored(drawn, 0, z, y, x)
        known = mirrored(replace(drawn, wedge=measured), 0, z, y, x)[3]
        parts.append((channels, descriptor, truth, wedge, known))
    device = next(network.parameters()).device
    stacked = [torch.from_numpy(np.stack(values)).to(device) for values in zip(*parts, strict=True)]
    told, tilts, wanted, missing, found = stacked
    estimate, log_variance = answer(network, told, tilts)
    error = torch.fft.ifft2(torch.fft.fft2(wanted - estimate) * found).real
    expected = log_variance.detach().exp().mean((1, 2, 3), keepdim=True)
    plain, _ = wedge_errors(error[:, 0], wanted[:, 0], (missing & found)[:, 0])
    return (error.square() / expected.clamp(min=1e-3)).mean() + (plain + 0.05).log().mean()
