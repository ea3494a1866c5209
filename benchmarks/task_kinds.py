"""The kinds of restoration that are compared: what is measured of a truth, and what classical methods make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from benchmarks import deconvolution, interpolation
from benchmarks.pictures import RANGE, Picture
from benchmarks.settings import Settings

if TYPE_CHECKING:
    from mendem.physics.operator import ForwardOperator
    from mendem.tasks.base import Task

#: Noise of "2 %" and "5 %": of the truth's range from 1 to 99 %, in grey levels.
LITTLE, MORE = 0.02 * RANGE, 0.05 * RANGE
#: Sides of holes: many small ones, and one in the middle.
HOLE, LARGE_HOLE = 24, 128
#: Pixels at each edge of a blurred picture that are cut off, farther than any blur here reaches.
MARGIN = 16
#: Standard deviation of a Gaussian over its full width at half maximum.
STD_PER_FWHM = 1 / np.sqrt(8 * np.log(2))


@dataclass(frozen=True)
class Measured:
    """What was measured of a truth, in grey levels.

    ``y`` are data (NaN where nothing was measured), ``std`` their white noise, ``shown`` the same on the image grid;
    ``baselines`` images by name; ``scored`` the pixels that are judged, None for all. What lies between truth and data
    is an ``operator``, which the sampler is given; or a ``task`` of the program, given to the program with the image;
    without either the program is given the noisy image alone.
    """

    truth: np.ndarray
    y: np.ndarray
    shown: np.ndarray
    baselines: dict[str, np.ndarray]
    operator: ForwardOperator | None = None
    task: Task | None = None
    std: float = 0.0
    scored: np.ndarray | None = None


@dataclass(frozen=True)
class Kind:
    """One kind: family, name, what must be gained over the best baseline (dB; None where nothing was promised).

    Pictures are cut to ``side`` pixels; those with a side below ``least`` are left out.
    """

    family: str
    name: str
    bar: float | None
    measure: Callable[[Settings, Picture, np.random.Generator], Measured] = field(repr=False)
    side: int = 192
    least: int = 0

    def of(self, settings: Settings, picture: Picture) -> Measured:
        """The same for the same picture."""
        return self.measure(
            settings, picture, np.random.default_rng(crc32(f"{picture.name} {self.family} {self.name}".encode()))
        )


def _white(std: float) -> Callable[..., Measured]:
    def measure(settings: Settings, picture: Picture, rng: np.random.Generator) -> Measured:
        y = (picture.truth + std * rng.standard_normal(picture.truth.shape)).astype(np.float32)
        found = {"not denoised": y} if settings.bm3d is None else {"BM3D, true sigma": settings.bm3d(y, std)}
        return Measured(picture.truth, y, y, found)

    return measure


def _coloured(kind: str, std: float) -> Callable[..., Measured]:
    """Noise that BM3D does not assume, against its best white sigma."""

    def measure(settings: Settings, picture: Picture, rng: np.random.Generator) -> Measured:
        from benchmarks.quality import best_bm3d, noisy

        low, high = np.percentile(picture.truth, [1, 99])
        case = (picture, kind, float(std / (high - low)))
        y = noisy(case)[0]
        found = {"not denoised": y} if settings.bm3d is None else {"BM3D, best sigma": best_bm3d(settings, case)[0]}
        return Measured(picture.truth, y, y, found)

    return measure


def _means(factors: tuple[int, int], std: float = 0.0) -> Callable[..., Measured]:
    def measure(settings: Settings, picture: Picture, rng: np.random.Generator) -> Measured:
        from mendem.physics.block_mean import BlockMean

        fy, fx = factors
        height, width = picture.truth.shape
        y = picture.truth.reshape(height // fy, fy, width // fx, fx).mean((1, 3))
        y = y + std * rng.standard_normal(y.shape)
        found = interpolation.magnified(y, factors)
        if std and settings.bm3d is not None:
            cleaned = settings.bm3d(y.astype(np.float32), std).astype(np.float64)
            found |= {f"BM3D, {name}": x for name, x in interpolation.magnified(cleaned, factors).items()}
        return Measured(picture.truth, y, y.repeat(fy, 0).repeat(fx, 1), found, BlockMean(factors), std=std)

    return measure


def _rows(step: int) -> Callable[..., Measured]:
    """The first and the last row are measured ones, so that nobody has to extrapolate."""

    def measure(settings: Settings, picture: Picture, rng: np.random.Generator) -> Measured:
        from mendem.physics.skipped_rows import SkippedRows

        count = (len(picture.truth) - 1) // step
        truth = picture.truth[: count * step + 1]
        y = truth[::step]
        shown = y[np.round(np.arange(len(truth)) / step).astype(int)]
        return Measured(truth, y, shown, interpolation.between_rows(y, step), SkippedRows(step, len(truth)))

    return measure


def _holes(settings: Settings, picture: Picture, rng: np.random.Generator) -> Measured:
    """Squares on a jittered grid, judged inside alone."""
    truth, pitch = picture.truth, 64
    hole = np.zeros(truth.shape, bool)
    for top in range(0, truth.shape[0] - pitch + 1, pitch):
        for left in range(0, truth.shape[1] - pitch + 1, pitch):
            y, x = rng.integers(8, pitch - HOLE - 7, 2)
            hole[top + y : top + y + HOLE, left + x : left + x + HOLE] = True
    return _without(truth, hole)


def _large_hole(settings: Settings, picture: Picture, rng: np.random.Generator) -> Measured:
    """One square in the middle, judged inside alone."""
    hole = np.zeros(picture.truth.shape, bool)
    top, left = ((n - LARGE_HOLE) // 2 for n in hole.shape)
    hole[top : top + LARGE_HOLE, left : left + LARGE_HOLE] = True
    return _without(picture.truth, hole)


def _without(truth: np.ndarray, hole: np.ndarray) -> Measured:
    from skimage.restoration import inpaint_biharmonic

    from mendem.physics.mask import Mask

    filled = inpaint_biharmonic(np.where(hole, 0.0, truth), hole, split_into_regions=True)
    shown = np.where(hole, truth[~hole].mean(), truth)
    return Measured(truth, np.where(hole, np.nan, truth), shown, {"biharmonic": filled}, Mask(), scored=hole)


def _blurred(fwhm: float, std: float) -> Callable[..., Measured]:
    """Blurred before it is cut out, as a micrograph is: what lies beyond the edges reaches in unknown."""

    def measure(settings: Settings, picture: Picture, rng: np.random.Generator) -> Measured:
        from scipy.ndimage import gaussian_filter

        from mendem.tasks import Deblur

        inner, width = (slice(MARGIN, -MARGIN),) * 2, fwhm * STD_PER_FWHM
        truth = picture.truth[inner]
        y = gaussian_filter(picture.truth, width, truncate=6)[inner] + std * rng.standard_normal(truth.shape)
        found = deconvolution.deconvolved(y, width, truth)
        return Measured(truth, y, y, found, task=Deblur(psf=f"gaussian:{fwhm:g}px", noise=std))

    return measure


KINDS = (
    Kind("denoise", "white 10", 0.3, _white(10.0), side=256),
    Kind("denoise", "white 25", 0.5, _white(25.0), side=256),
    Kind("denoise", "white 50", 0.7, _white(50.0), side=256),
    Kind("denoise", "correlated 0.6 px, 20", 1.0, _coloured("correlated 0.6 px", 20.0), side=256),
    Kind("denoise", "signal-dependent, 20", 1.0, _coloured("Poisson-Gaussian", 20.0), side=256),
    Kind("superres", "2x", 0.7, _means((2, 2))),
    Kind("superres", "4x", 0.7, _means((4, 4))),
    Kind("superres", "2x, 2 % noise", 0.7, _means((2, 2), LITTLE)),
    Kind("superres", "4x, 2 % noise", 0.7, _means((4, 4), LITTLE)),
    Kind("one axis", "means over 4", 0.8, _means((4, 1))),
    Kind("one axis", "means over 8", 0.8, _means((8, 1))),
    Kind("one axis", "1 row of 4", 0.5, _rows(4)),
    Kind("one axis", "1 row of 8", 0.5, _rows(8)),
    Kind("inpaint", "24 px holes", 1.0, _holes),
    Kind("inpaint", "128 px hole", None, _large_hole, side=256, least=192),
    Kind("deblur", "FWHM 3 px, 2 % noise", 0.8, _blurred(3.0, LITTLE), side=224),
    Kind("deblur", "FWHM 6 px, 2 % noise", 0.8, _blurred(6.0, LITTLE), side=224),
    Kind("deblur", "FWHM 3 px, 5 % noise", 0.8, _blurred(3.0, MORE), side=224),
    Kind("deblur", "FWHM 6 px, 5 % noise", 0.8, _blurred(6.0, MORE), side=224),
)
