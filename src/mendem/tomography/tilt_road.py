"""The tilt road: missing tilts one after the other, outward from the measured ones, each new one becoming context."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mendem.device import choose_device
from mendem.errors import MendemError
from mendem.priors.tilt_prior import load_tilt_prior
from mendem.tomography.tilt_road_frames import MEAN, MEASURED, MISSING, SAMPLE, Frames
from mendem.tomography.tilt_road_order import SAME, outward, path_length
from mendem.tomography.tilt_road_trust import trust
from mendem.tomography.tilt_road_volume import reproject

#: The shipped weights.
WEIGHTS = "wedge-tilts"
#: A slab's path length is 12 times its thickness there; beyond there is nothing to see, degrees.
STEEPEST_SLAB = 85.0


@dataclass(frozen=True)
class GeneratedTilts:
    """Tilts that are finished.

    Attributes
    ----------
    angles
        Degrees, (n,).
    images
        (n, y, x) float32, density as that of the measured ones.
    std
        Its standard deviation as predicted, of the same shape.
    trust
        The part of the network's correction that counts on this specimen, see `mendem.tomography.tilt_road_trust`.
    """

    angles: tuple[float, ...]
    images: np.ndarray
    std: np.ndarray
    trust: float = 1.0


def generate_tilts(
    density: np.ndarray,
    angles_deg: Sequence[float],
    targets_deg: Sequence[float],
    *,
    at_once: int = 1,
    isolated: bool,
    weights: str = WEIGHTS,
    seed: int = 0,
    sample: bool = False,
    generated: Iterable[GeneratedTilts] = (),
    depth: int | None = None,
    device: str = "auto",
    check: Callable[[], None] = lambda: None,
) -> Iterator[GeneratedTilts]:
    """Generate missing tilts, nearest first, from the measured ones and those that were generated before.

    After MW-RaMViD (a video model that fills missing tilts, trained with random masks): but what is learned is the
    residual to the reprojection of a volume, so that what the measured tilts do say of a missing one is there from the
    start, and the network sees the nearest tilts alone. How much of its corrections counts is asked of measured tilts
    that are hidden from it. Measured tilts are context and are not changed.

    Parameters
    ----------
    density
        Measured tilts (tilt, y, x), float32, aligned: the tilt axis along y and in the middle.
    angles_deg, targets_deg
        Of these, and of the missing ones. For an isolated object any angles, which repeat every 180° as mirrors; for a
        slab up to 85°.
    at_once
        How many are generated from the same context before they become context themselves.
    isolated
        An object that every tilt sees whole on a background of 0, or a slab that fills the view.
    weights
        A shipped network or a ``.safetensors`` file.
    seed, sample
        ``sample`` draws tilts as they may have looked, reproducibly for a seed, in place of their mean.
    generated
        What an earlier run with the same arguments yielded: it is context, and generation goes on after it.
    depth
        Voxels along z of the volume; as many as the view is wide when left out.
    device
        "auto", "cpu", "cuda" or "mps".
    check
        Called between pieces of work; raises to stop.

    Yields
    ------
    ``at_once`` tilts at a time, fewer at the end, in the order of `outward`.

    Raises
    ------
    MendemError
        Counts or shapes that do not fit, numbers that are not finite, a target that was measured, or one that a slab
        does not have.
    """
    measured, targets = tuple(map(float, angles_deg)), tuple(map(float, targets_deg))
    _check(density, measured, targets, at_once, isolated)
    if not targets:
        return
    chosen = choose_device(device)
    prior = load_tilt_prior(weights, chosen)
    data, scale, level = _normalised(density, measured, isolated)
    part = trust(data, measured, prior, isolated=isolated, depth=depth, check=check)
    frames = _frames(data, measured, targets, isolated, depth, chosen, check)
    order = [len(measured) + i for i in outward(measured, targets, isolated)]
    kind = SAMPLE if sample else MEAN
    done = _put_back(frames, generated, scale, level, kind, len(measured))
    left = [i for i in order if i not in done]
    for first in range(0, len(left), at_once):
        group = left[first : first + at_once]
        images, std = prior.predict(frames, group, sample, seed, check, part)
        for i, image in zip(group, images, strict=True):
            frames.images[i], frames.kinds[i] = image, kind
        names = tuple(frames.angles[i] for i in group)
        levels = np.array([level * _length(angle, isolated) for angle in names], np.float32)[:, None, None]
        yield GeneratedTilts(names, images.cpu().numpy() * scale + levels, std.cpu().numpy() * scale, part)


def _check(
    density: np.ndarray, measured: tuple[float, ...], targets: tuple[float, ...], at_once: int, isolated: bool
) -> None:
    if density.ndim != 3 or len(density) != len(measured) or len(measured) < 2:
        raise MendemError(
            f"the tilt road needs at least two tilts and one angle for each, but got pixels of shape {density.shape} "
            f"and {len(measured)} angles"
        )
    if not np.isfinite(density).all() or not np.isfinite([*measured, *targets]).all():
        raise MendemError("a tilt or an angle has values that are not finite numbers; correct or exclude that tilt")
    if at_once < 1:
        raise MendemError(f"at least one tilt is generated at once, not {at_once}")
    for i, target in enumerate(targets):
        if not isolated and abs(target) > STEEPEST_SLAB:
            raise MendemError(
                f"a slab that fills the view has no tilt at {target:g}°: give a limit of at most {STEEPEST_SLAB:g}°, "
                "or say that the object is isolated"
            )
        if any(abs(angle - target) < SAME for angle in (*measured, *targets[:i])):
            raise MendemError(f"the tilt at {target:g}° is there already; generate only angles that are missing")


def _length(angle: float, isolated: bool) -> float:
    return 1.0 if isolated else path_length(angle)


def _normalised(density: np.ndarray, measured: tuple[float, ...], isolated: bool) -> tuple[np.ndarray, float, float]:
    """Tilts in units of their standard deviation, that unit, and a slab's level at 0°, which is taken off."""
    level = 0.0
    lengths = np.array([_length(angle, isolated) for angle in measured], np.float32)[:, None, None]
    if not isolated:
        level = float((density / lengths).mean(dtype=np.float64))
    data = density - np.float32(level) * lengths
    scale = float(data.std(dtype=np.float64))
    if not scale > 0:
        raise MendemError("the tilts are constant; there is nothing to generate from")
    return (data / np.float32(scale)).astype(np.float32), scale, level


def _frames(
    data: np.ndarray,
    measured: tuple[float, ...],
    targets: tuple[float, ...],
    isolated: bool,
    depth: int | None,
    device: str,
    check: Callable[[], None],
) -> Frames:
    """Measured tilts, missing ones, and how a volume looks from all these angles."""
    every = (*measured, *targets)
    seen = reproject(data, measured, every, isolated=isolated, depth=depth, device=device, check=check)
    missing = np.zeros((len(targets), *data.shape[1:]), np.float32)
    arrays = np.concatenate([data, missing]), seen.base, seen.smooth
    images, base, smooth = (torch.from_numpy(a).to(device) for a in arrays)
    kinds = [MEASURED] * len(measured) + [MISSING] * len(targets)
    return Frames(every, images, base, smooth, kinds, isolated, seen.noise)


def _put_back(
    frames: Frames, generated: Iterable[GeneratedTilts], scale: float, level: float, kind: int, first: int
) -> set[int]:
    """Make tilts of an earlier run context; which frames they are."""
    done: set[int] = set()
    for some in generated:
        for angle, image in zip(some.angles, some.images, strict=True):
            found = [i for i in range(first, len(frames.angles)) if abs(frames.angles[i] - angle) < SAME]
            if not found or image.shape != tuple(frames.base.shape[1:]):
                raise MendemError(
                    f"a tilt at {angle:g}° that was generated before is none of those wanted, or of another size; "
                    "begin anew"
                )
            put = torch.from_numpy((image - level * _length(angle, frames.isolated)) / np.float32(scale))
            frames.images[found[0]] = put.to(frames.images.device)
            frames.kinds[found[0]] = kind
            done.add(found[0])
    return done
