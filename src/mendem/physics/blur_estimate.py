"""What is known of a blur once it was estimated or measured: its width, how sure that is, and the words for a task."""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, sqrt
from typing import Any

import numpy as np

from mendem.physics.point_spread import PointSpread

#: Relative errors up to which the confidence is called high, and fair.
HIGH, FAIR = 0.1, 0.2
#: A blur of less than this many pixels, or than so many standard errors, is none.
LEAST, SIGNIFICANT = 1.5, 2.0
#: An estimate counts as near where it is within this share of the truth.
NEAR = 0.15


@dataclass(frozen=True)
class BlurEstimate:
    """A Gaussian blur with its standard error.

    Attributes
    ----------
    fwhm_px, std_px
        Full width at half maximum in pixels of the image, and its standard error. Of a blur that is not round, the
        geometric mean of its largest and its smallest width.
    method
        How it was found, in words.
    picture
        The point-spread function, odd sides, sum 1, where it is not round; None where it is.
    """

    fwhm_px: float
    std_px: float
    method: str
    picture: np.ndarray | None = None

    @property
    def significant(self) -> bool:
        """Whether there is a blur that can be told from none."""
        return self.fwhm_px >= max(LEAST, SIGNIFICANT * self.std_px)

    @property
    def near(self) -> float:
        """Probability that the width is within 15 % of the truth, for an error that is normal."""
        return erf(NEAR * self.fwhm_px / (sqrt(2) * self.std_px)) if self.std_px > 0 else 1.0

    @property
    def confidence(self) -> str:
        """``high``, ``fair`` or ``low``: a standard error of at most 10 %, at most 20 %, or more."""
        share = self.std_px / max(self.fwhm_px, 1e-9)
        return "high" if share <= HIGH else "fair" if share <= FAIR else "low"

    @property
    def spread(self) -> PointSpread:
        """The point-spread function that operators take."""
        return PointSpread.gaussian(self.fwhm_px) if self.picture is None else PointSpread.from_kernel(self.picture)

    @property
    def text(self) -> str:
        """The round Gaussian of this width as the parameter ``psf`` of a task takes it: ``gaussian:5.8px``."""
        return f"gaussian:{self.fwhm_px:.3g}px"

    def describe(self) -> str:
        """``Gaussian of 5.8 ± 0.4 px full width at half maximum (confidence high)``."""
        digits = 1 if self.std_px >= 0.095 else 2
        return (
            f"Gaussian of {self.fwhm_px:.{digits}f} ± {self.std_px:.{digits}f} px full width at half maximum "
            f"(confidence {self.confidence}: {100 * self.near:.0f} % that it is within {100 * NEAR:.0f} % of the truth)"
        )

    def record(self) -> dict[str, Any]:
        """Plain JSON values for the provenance."""
        return {
            "kind": "gaussian",
            "fwhm_px": self.fwhm_px,
            "std_px": self.std_px,
            "confidence": self.confidence,
            "significant": self.significant,
            "method": self.method,
        }
