"""Whether an image is unlike what a prior was trained on.

Some windows are restored in one evaluation, and described by `mendem.appraisal.statistics`. The novelty is their
distance to the nearest kind of training pictures (Mahalanobis, with the covariance within a kind, as in Lee et al.
2018), at the same noise level: 1 is what only one training picture in twenty exceeds.

What is unlike does no harm where the data decide everything. The risk is therefore the novelty times the squared error
that the prior expects, relative to what it expects of training pictures at the same noise level; its unit is found
alike.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.appraisal.statistics import GROUPS, NAMES, statistics

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.image import Image
    from mendem.normalise import Normalisation
    from mendem.physics.noise import NoiseModel
    from mendem.priors.prior import Prior

#: Side of a window in pixels of the prior; smaller images are mirrored beyond their edges, down to this size.
WINDOW, SMALLEST = 128, 16
#: From these values of the novelty or the risk on.
UNLIKE, VERY_UNLIKE = 1.0, 2.0


@dataclass(frozen=True)
class Novelty:
    """How unlike the training an image is.

    Attributes
    ----------
    novelty, risk
        See the module; 1 is what one training picture in twenty exceeds.
    differs
        What is most unlike, in words.
    """

    novelty: float
    risk: float
    differs: str

    @property
    def familiar(self) -> bool:
        """Whether there is nothing to warn of."""
        return max(self.novelty, self.risk) < UNLIKE

    @property
    def word(self) -> str:
        """``familiar``, ``unlike`` or ``very unlike``."""
        most = max(self.novelty, self.risk)
        return "familiar" if most < UNLIKE else "unlike" if most < VERY_UNLIKE else "very unlike"

    @property
    def short(self) -> str:
        """``familiar (novelty 0.3)``; ``unlike the training (novelty 1.4, risk 0.9)``."""
        if self.familiar:
            return f"familiar (novelty {self.novelty:.1f})"
        return f"{self.word} the training (novelty {self.novelty:.1f}, risk {self.risk:.1f})"

    @property
    def warning(self) -> str | None:
        """What to do, in one sentence; None for a familiar image."""
        if self.familiar:
            return None
        return (
            f"This image is {self.word} what the prior was trained on, most of all in {self.differs} (novelty "
            f"{self.novelty:.1f}, risk {self.risk:.1f}; one training picture in twenty exceeds 1): look at residual "
            "and spread, run the negative control, and trust no detail that the raw image does not show."
        )


@dataclass(frozen=True)
class Seen:
    """Windows as a prior sees them: statistics (N, 18), logarithm of the noise level, and of expected error / noise."""

    numbers: np.ndarray
    level: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class Reference:
    """What training pictures look like to a prior.

    Attributes
    ----------
    centres
        (kinds, 18) statistics of each kind of pictures at noise level 1 (logarithm 0).
    slopes
        (2, 18) what they change by with the logarithm of the noise level and with its square.
    scale, precision
        (18,) standard deviation within a kind, and (18, 18) inverse of the correlation within a kind.
    error
        Logarithm of the expected error over the noise as a polynomial (3,) in that logarithm, highest power first.
    levels
        Range of the logarithm of the noise level that the pictures had.
    units
        Distance and risk that count as 1.
    """

    centres: np.ndarray
    slopes: np.ndarray
    scale: np.ndarray
    precision: np.ndarray
    error: np.ndarray
    levels: np.ndarray
    units: np.ndarray

    def facts(self) -> dict[str, Any]:
        """Plain numbers with five digits, for the header of a checkpoint."""
        held = {name: _rounded(np.asarray(getattr(self, name))) for name in self.__dataclass_fields__}
        return {"statistics": list(NAMES), "window": WINDOW, **held}

    @classmethod
    def from_facts(cls, facts: dict[str, Any] | None) -> Reference | None:
        """The inverse of `facts`; None where there are none, or where they are of other statistics."""
        if not facts or facts.get("statistics") != list(NAMES) or facts.get("window") != WINDOW:
            return None
        return cls(**{name: np.asarray(facts[name], np.float64) for name in cls.__dataclass_fields__})

    def deviations(self, seen: Seen) -> np.ndarray:
        """(N, kinds, 18) from each kind at the windows' noise levels, in standard deviations."""
        level = seen.level.clip(*self.levels)[:, None]
        expected = self.centres + (level * self.slopes[0] + level**2 * self.slopes[1])[:, None]
        return (seen.numbers[:, None] - expected) / self.scale

    def distance(self, seen: Seen) -> np.ndarray:
        """(N,) root mean square of the whitened deviations from the nearest kind."""
        away = self.deviations(seen)
        return np.sqrt(np.einsum("nki,ij,nkj->nk", away, self.precision, away).min(1) / len(NAMES))

    def harm(self, seen: Seen) -> np.ndarray:
        """(N,) expected squared error relative to training pictures at the same noise level."""
        return np.exp(2 * (seen.error - np.polyval(self.error, seen.level.clip(*self.levels))))

    def judge(self, seen: Seen) -> Novelty:
        """The middle one of the windows' novelties and risks, and what differs most in the mean over them."""
        distance = self.distance(seen)
        away = self.deviations(seen)
        nearest = np.einsum("nki,ij,nkj->nk", away, self.precision, away).argmin(1)
        away = away[np.arange(len(away)), nearest]
        shares = (away * (away @ self.precision)).mean(0)
        parts = {what: sum(shares[NAMES.index(n)] for n in names) / len(names) for what, names in GROUPS.items()}
        return Novelty(
            float(np.median(distance) / self.units[0]),
            float(np.median(distance * self.harm(seen)) / self.units[1]),
            max(parts, key=lambda what: parts[what]),
        )


def assess(
    image: Image, noise: NoiseModel, norm: Normalisation, prior: Prior, device: str, factor: int = 1
) -> Novelty | None:
    """How unlike the prior's training an image is; None where that cannot be told.

    Parameters
    ----------
    image, norm
        The image and its normalisation; at most four windows of its middle slice are looked at.
    noise
        Of the image's pixels after means over ``factor`` x ``factor`` of them, in units of the image.
    prior, device
        A conditional prior, and where it runs. One without a reference knows nothing of its training.
    """
    reference = getattr(prior, "familiar", None)
    windows = read_windows(image, factor) if isinstance(reference, Reference) and prior.conditional else None
    if windows is None:
        return None
    assert isinstance(reference, Reference)
    seen = look(norm.apply(windows), noise.affine(norm.centre, norm.scale), prior, device)
    verdict = reference.judge(seen)
    return verdict if np.isfinite([verdict.novelty, verdict.risk]).all() else None


def read_windows(image: Image, factor: int = 1) -> np.ndarray | None:
    """(N, 128, 128) float64 of the middle slice after means over ``factor`` pixels; None where it is too small."""
    plane, size = image.plane_count // 2, WINDOW * factor
    if min(image.plane_shape) < SMALLEST * factor:
        return None

    def starts(length: int) -> list[int]:
        if length < 1.5 * size:
            return [max(0, length - size) // 2]
        return [round(share * (length - size)) for share in (0.15, 0.85)]

    found = []
    for y in starts(image.plane_shape[0]):
        for x in starts(image.plane_shape[1]):
            pixels = image.read(plane, slice(y, y + size), slice(x, x + size)).astype(np.float64)
            height, width = (n // factor * factor for n in pixels.shape)
            cut = pixels[:height, :width].reshape(height // factor, factor, width // factor, factor).mean((1, 3))
            found.append(np.pad(cut, [(0, WINDOW - n) for n in cut.shape], mode="symmetric"))
    usable = [w for w in found if np.isfinite(w).mean() > 0.9]
    return np.stack(usable) if usable else None


def look(windows: np.ndarray, noise: NoiseModel, prior: Prior, device: str) -> Seen:
    """Restore normalised windows (N, 128, 128) in one evaluation, and describe the result.

    The spread is taken as the network gives it: its calibration is fitted later, and apart.
    """
    import torch

    from mendem.physics.defects import reliable
    from mendem.physics.mask import Mask
    from mendem.physics.observation import Observation
    from mendem.priors.calibration import IDENTITY
    from mendem.priors.condition import NOISE_FLOOR

    u = torch.from_numpy(windows.astype(np.float32))[:, None].to(device)
    kept = reliable(u, max(noise.std_at(0.0), NOISE_FLOOR))
    u = torch.where(kept > 0, u, torch.zeros_like(u)).clamp(-30, 30)
    condition = Observation(u, Mask(), noise, kept).condition()
    raw = copy(prior)
    if hasattr(raw, "calibration"):
        raw.calibration = IDENTITY
    mean, variance = raw.denoise(None, None, condition)
    noise_variance = condition.noise_std.clamp(min=NOISE_FLOOR).square().mean((1, 2, 3))

    def array(t: Tensor) -> np.ndarray:
        return t.float().cpu().numpy()

    return Seen(
        statistics(array(mean[:, 0]), array(variance[:, 0].sqrt())),
        0.5 * np.log(array(noise_variance).astype(np.float64)),
        0.5 * np.log(array(variance.mean((1, 2, 3)) / noise_variance).astype(np.float64)),
    )


def _rounded(x: np.ndarray) -> Any:
    if x.ndim:
        return [_rounded(row) for row in x]
    return float(f"{float(x):.5g}")
