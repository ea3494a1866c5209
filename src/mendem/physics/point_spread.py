"""Point-spread functions as users state them: Gaussian, disc of defocus, straight drift, contrast transfer, a picture.

Only the transfer function is ever needed; each kind has it in closed form, 1 at frequency 0 so that the mean is kept.
Lengths are in pixels, angles in degrees from the x axis towards the y axis.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import cos, radians, sin, sqrt

import numpy as np

from mendem.errors import MendemError
from mendem.physics.blur import STD_PER_FWHM
from mendem.physics.ctf import ContrastTransfer

EXAMPLES = "gaussian:6px, gaussian:12nm, disc:4px, motion:8px@30 or ctf:defocus=800nm,kv=200,cs=2.7"


@dataclass(frozen=True)
class PointSpread:
    """One point-spread function on pixels of some size.

    Attributes
    ----------
    kind
        "gaussian" (full width at half maximum), "disc" (diameter), "motion" (length, angle), "ctf" or "kernel".
    size, angle
        Length in pixels, and degrees.
    kernel
        The picture of kind "kernel": sum 1, its centroid at the middle pixel of odd sides.
    optics
        Of kind "ctf".
    pixel
        Pixels of the picture, or of the size, for each pixel of the image: 1, or less on a finer grid.
    """

    kind: str
    size: float = 0.0
    angle: float = 0.0
    kernel: np.ndarray | None = None
    optics: ContrastTransfer | None = None
    pixel: float = 1.0

    @classmethod
    def gaussian(cls, fwhm_px: float) -> PointSpread:
        return cls("gaussian", fwhm_px)

    @classmethod
    def from_kernel(cls, picture: np.ndarray) -> PointSpread:
        """From a picture of any sides; the background, its smallest value, is taken off.

        Raises
        ------
        MendemError
            For a picture that is not finite, is constant, or larger than 129 pixels a side.
        """
        x = np.asarray(picture, np.float64)
        if not np.isfinite(x).all() or np.ptp(x) == 0:
            raise MendemError("the point-spread function is constant or not finite: give a picture of one point")
        if max(x.shape) > 129:
            raise MendemError(
                f"the point-spread function has {x.shape[0]} x {x.shape[1]} pixels: cut it to the point, at most 129"
            )
        x = x - x.min()
        return cls("kernel", kernel=x / x.sum())

    @property
    def moments(self) -> tuple[float, float, float]:
        """Second moments (yy, yx, xx), pixels squared; of a contrast transfer, a rough guess."""
        if self.kind == "kernel":
            assert self.kernel is not None
            y, x = self._places()
            k = self.kernel
            yy, yx, xx = ((k * a).sum() / self.pixel**2 for a in (y[:, None] ** 2, np.outer(y, x), x[None] ** 2))
            return float(yy), float(yx), float(xx)
        size = self.size / self.pixel
        if self.kind == "motion":
            c, s, along = cos(radians(self.angle)), sin(radians(self.angle)), size**2 / 12
            return along * s * s, along * s * c, along * c * c
        variance = size**2 / 16 if self.kind == "disc" else (size * STD_PER_FWHM) ** 2
        return variance, 0.0, variance

    @property
    def radius(self) -> int:
        """Pixels beyond which nothing is spread."""
        if self.kernel is not None:
            return int(np.ceil(max(self.kernel.shape) / 2 / self.pixel))
        reach = {"gaussian": 1.4, "disc": 0.5, "motion": 0.5}.get(self.kind, 4.0)
        return int(np.ceil(reach * self.size / self.pixel)) + 1

    def binned(self, factor: float) -> PointSpread:
        """The same on pixels ``factor`` times as large."""
        return replace(self, pixel=self.pixel * factor)

    def transfer(self, shape: tuple[int, int]) -> np.ndarray:
        """(H, W // 2 + 1) at the frequencies of ``rfft2``, real, or complex for a picture that is not symmetric."""
        fy = np.fft.fftfreq(shape[0])[:, None] / self.pixel
        fx = np.fft.rfftfreq(shape[1])[None] / self.pixel
        if self.kind == "gaussian":
            return np.exp(-2 * np.pi**2 * (self.size * STD_PER_FWHM) ** 2 * (fy**2 + fx**2))
        if self.kind == "motion":
            return np.sinc(self.size * (cos(radians(self.angle)) * fx + sin(radians(self.angle)) * fy))
        if self.kind == "disc":
            from scipy.special import j1

            k = np.pi * self.size * np.hypot(fy, fx)
            return np.where(k > 1e-6, 2 * j1(k) / np.maximum(k, 1e-6), 1.0)
        if self.kind == "ctf":
            assert self.optics is not None
            return self.optics.transfer(fy, fx)
        assert self.kernel is not None
        y, x = self._places()
        rows = np.exp(-2j * np.pi * fy * y[None])  # (H, rows of the picture)
        columns = np.exp(-2j * np.pi * fx.T * x[None])
        return rows @ self.kernel @ columns.T

    def describe(self) -> str:
        """Kind and size in words."""
        size = self.size / self.pixel
        if self.kind == "gaussian":
            return f"Gaussian of {size:.3g} px full width at half maximum"
        if self.kind == "disc":
            return f"disc of {size:.3g} px"
        if self.kind == "motion":
            return f"drift over {size:.3g} px at {self.angle:g}°"
        if self.kind == "ctf":
            assert self.optics is not None
            return f"contrast transfer, {self.optics.describe()}"
        assert self.kernel is not None
        yy, _, xx = self.moments
        return (
            f"picture of {self.kernel.shape[0]} x {self.kernel.shape[1]} px, standard deviation {sqrt(yy):.2g} x "
            + (f"{sqrt(xx):.2g} px")
        )

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the picture about its centroid."""
        assert self.kernel is not None
        y, x = (np.arange(n, dtype=float) for n in self.kernel.shape)
        return y - self.kernel.sum(1) @ y, x - self.kernel.sum(0) @ x


def parse_point_spread(text: str, pixel_nm: float | None) -> PointSpread:
    """A point-spread function from words such as ``gaussian:6px``; `MendemError` where they are not understood.

    ``pixel_nm`` is the pixel size, for lengths in nm, None where it is unknown.
    """
    kind, _, rest = text.partition(":")
    if kind == "ctf":
        if pixel_nm is None:
            raise MendemError(f"{text}: a contrast transfer needs the pixel size of the image; state it")
        optics = ContrastTransfer.parse(rest, pixel_nm, text)
        return PointSpread("ctf", size=optics.spread_px, optics=optics)
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)(px|nm)(?:@(-?\d+\.?\d*))?", rest.strip())
    if match is None or kind not in ("gaussian", "disc", "motion") or (kind == "motion") != (match[3] is not None):
        raise MendemError(f"the blur {text!r} is not understood; write as in {EXAMPLES}")
    size = float(match[1])
    if match[2] == "nm":
        if pixel_nm is None:
            raise MendemError(f"{text}: the pixel size of the image is unknown; state it, or give the blur in px")
        size /= pixel_nm
    if not 0 < size <= 60:
        raise MendemError(f"{text} is {size:.3g} px; a blur must be above 0 and at most 60 px")
    return PointSpread(kind, size, float(match[3] or 0))
