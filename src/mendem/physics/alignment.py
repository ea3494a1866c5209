"""Frames of one place brought onto each other: drift, brightness and contrast of each, and which do not belong."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image
from mendem.physics.drift import rough_drift
from mendem.physics.registration import Spectra, refined
from mendem.physics.shifts import filled

#: Frames are reduced to at most so many pixels a side for the first look.
REDUCED = 256
#: Side of the window that is looked at in full, for at most so many frames.
WINDOWS = ((1024, 64), (512, 512), (256, 1 << 30))
#: Frames smaller than this tell no drift.
SMALLEST = 64
#: Pixels of a reduced frame that the first look may be wrong by.
SEARCH = 4.0
#: A frame that has less than this share of the detail that is typical is left out.
BLURRED = 0.5
#: Contrast of a frame, relative to all, outside of which it is left out.
CONTRAST = (0.5, 2.0)
#: Frames that lie within so many pixels of each other are averaged as they lie, without interpolation.
TOGETHER = 0.1
#: Below this share of the agreement of even and odd frames, first and second half show different things.
CHANGED = 0.95


@dataclass(frozen=True)
class Alignment:
    """Where each frame lies, and how bright it is.

    Attributes
    ----------
    drift
        (y, x) in pixels for each frame: what the reference shows at p lies at p + drift there.
    contrast, brightness
        A frame is ``brightness + contrast * picture``; 0 and 1 where nothing was fitted.
    used
        Whether each frame belongs to the rest.
    reference
        The frame whose pixels the others are brought to.
    left_out
        Why frames were left out, in words.
    agreement
        Correlation of the means of the first and the second half over that of even and odd frames: 1 where nothing
        changed. None where fewer than four frames were aligned.
    """

    drift: tuple[tuple[float, float], ...]
    contrast: tuple[float, ...]
    brightness: tuple[float, ...]
    used: tuple[bool, ...]
    reference: int = 0
    left_out: tuple[str, ...] = ()
    agreement: float | None = None

    @property
    def frames(self) -> list[int]:
        """The frames that are used."""
        return [i for i, use in enumerate(self.used) if use]

    @property
    def extent(self) -> float:
        """Largest distance between two used frames, pixels."""
        places = np.array([self.drift[i] for i in self.frames])
        return float(np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)).max())

    @property
    def changed(self) -> bool:
        """Whether the frames show something that changes from the first to the last, as the slices of a volume do."""
        return self.agreement is not None and self.agreement < CHANGED


def align_frames(image: Image, align: bool = True) -> Alignment:
    """Drift, brightness and contrast of the frames (frame, height, width) of one place.

    First the reduced frames are compared in pairs (`rough_drift`), then each frame with the mean of the others, at full
    resolution, until nothing moves (`refined`). Frames are read one at a time; windows of them are kept.

    Parameters
    ----------
    align
        Without it all drifts are 0, brightness alone is fitted, and only blank frames are left out.

    Raises
    ------
    MendemError
        For fewer than two frames, and where fewer than two show the same place.
    """
    count, where = image.plane_count, f"{image.source}: " if image.source else ""
    if count < 2:
        raise MendemError(f"{where}a single frame has no repeats; give a stack of two or more, or denoise it")
    factor = max(1, -(-max(image.plane_shape) // REDUCED))
    reduced = [_reduced(image.read(i), factor) for i in range(count)]
    spread = np.array([float(r.std()) for r in reduced])
    blank = spread <= 1e-6 * max(float(spread.max()), 1e-30)
    if min(reduced[0].shape) < SMALLEST:
        return _untold(reduced, blank, where)
    drift, same = np.zeros((count, 2)), ~blank
    if align:
        window = np.outer(*(np.hanning(n + 2)[1:-1] for n in reduced[0].shape))
        spectra = np.stack([np.fft.rfft2((r - r.mean()) * window).astype(np.complex64) for r in reduced])
        drift, same = rough_drift(spectra, reduced[0].shape)
    _enough(same, where)
    part = Spectra.of(lambda i: reduced[i], drift, same, REDUCED)
    if align:
        rest = refined(part, SEARCH)
        if factor > 1:
            largest = next(n for n, most in WINDOWS if count <= most)
            part = Spectra.of(lambda i: filled(image.read(i)), part.origin + rest, same, largest, factor)
            rest = refined(part)
        contrast = part.contrast(rest)
        odd = same & (part.sharpness(rest) < BLURRED)
        odd |= same & ((contrast < CONTRAST[0]) | (contrast > CONTRAST[1]))
        if odd.any():
            same = same & ~odd
            _enough(same, where)
            part = replace(part, same=same, start=rest)
            rest = refined(part)
            contrast = part.contrast(rest)
    else:
        rest, contrast, odd = part.start, np.ones(count), np.zeros(count, bool)
    drift = part.origin + rest
    reference = int(np.flatnonzero(same)[np.argmin(((drift[same] - drift[same].mean(0)) ** 2).sum(1))])
    drift = np.where(same[:, None], drift - drift[reference], 0.0)
    if np.abs(drift).max() < TOGETHER:
        drift, reference = np.zeros((count, 2)), int(np.flatnonzero(same)[0])
    return Alignment(
        tuple((float(y), float(x)) for y, x in drift),
        tuple(np.where(same, contrast, 1.0).tolist()),
        tuple(np.where(same, part.brightness(contrast), 0.0).tolist()),
        tuple(same.tolist()),
        reference,
        _reasons(blank, same, odd),
        part.constancy(rest) if same.sum() >= 4 else None,
    )


def _reduced(frame: np.ndarray, factor: int) -> np.ndarray:
    """Means over ``factor`` pixels along both axes, float32, finite; what is left at the far edges is left out."""
    frame = filled(frame)
    height, width = (max(1, n // factor) for n in frame.shape)
    step = tuple(min(factor, n) for n in frame.shape)
    cut = frame[: height * step[0], : width * step[1]]
    return cut.reshape(height, step[0], width, step[1]).mean((1, 3))


def _untold(frames: list[np.ndarray], blank: np.ndarray, where: str) -> Alignment:
    """Frames too small to tell a drift: brightness alone is fitted."""
    same = ~blank
    _enough(same, where)
    means = np.array([float(f.mean()) for f in frames])
    brightness = np.where(same, means - means[same].mean(), 0.0)
    return Alignment(
        ((0.0, 0.0),) * len(frames),
        (1.0,) * len(frames),
        tuple(brightness.tolist()),
        tuple(same.tolist()),
        int(np.flatnonzero(same)[0]),
        _reasons(blank, same, np.zeros_like(blank)),
    )


def _enough(same: np.ndarray, where: str) -> None:
    if same.sum() < 2:
        raise MendemError(
            f"{where}no two of the {len(same)} frames could be matched: they show other places, next to nothing, or a "
            "bare lattice; look at them, or average them as they are with alignment off"
        )


def _reasons(blank: np.ndarray, same: np.ndarray, odd: np.ndarray) -> tuple[str, ...]:
    """Which frames are left out, and why."""
    groups = (
        (blank, "is blank", "are blank"),
        (odd & ~blank, "is blurred or differs from the rest", "are blurred or differ from the rest"),
        (~same & ~blank & ~odd, "does not match the rest", "do not match the rest"),
    )
    said = []
    for which, one, several in groups:
        numbers = [str(i) for i in np.flatnonzero(which)]
        if numbers:
            some = ", ".join(numbers[:8]) + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")
            said.append(f"frame{'s' if len(numbers) > 1 else ''} {some} {several if len(numbers) > 1 else one}")
    return tuple(said)
