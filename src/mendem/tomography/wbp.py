"""Weighted back-projection: filter each projection, then sum what each tilt has at a pixel's place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mendem.options import check_parameters, parameter
from mendem.tomography.directions import angular_weights

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.tomography.projector import Projector


def ramp(length: int) -> np.ndarray:
    """Transfer function |k| of the discrete ramp at the ``length // 2 + 1`` frequencies of a real FFT.

    The transform of the band-limited ramp sampled in space (Kak and Slaney 1988, eq. 3.61); |k| sampled in Fourier
    space would set the mean to zero and bend flat regions.
    """
    n = np.fft.fftfreq(length, 1 / length)
    odd = n % 2 == 1
    kernel = np.where(odd, -1 / np.where(odd, np.pi * n, 1.0) ** 2, 0.0)
    kernel[0] = 0.25
    return np.fft.rfft(kernel).real


def sirt_like(k: np.ndarray, path: float, arc: float, iterations: int) -> np.ndarray:
    """What ``iterations`` of SIRT leave of the ramp at frequencies ``k`` (cycles per pixel).

    SIRT of a slice with rays of about ``path`` pixels, from tilts spread evenly over ``arc`` radians, multiplies the
    error at k by 1 - 1 / (arc path |k|) in each iteration (Fourier slice theorem: the density of lines at k is
    1 / (arc |k|)). What was reached after n of them is 1 - (1 - 1 / (arc path |k|))^n.
    """
    step = 1 / np.maximum(arc * path * np.abs(k), 1.0)
    return 1 - (1 - step) ** iterations


WINDOWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ramp": np.ones_like,
    "shepp-logan": lambda s: np.sinc(s / 2),
    "cosine": lambda s: np.cos(np.pi * s / 2),
    "hamming": lambda s: 0.54 + 0.46 * np.cos(np.pi * s),
    "hann": lambda s: 0.5 + 0.5 * np.cos(np.pi * s),
}


@dataclass(frozen=True)
class Wbp:
    """Weighted back-projection. Fast and linear; noisy at high frequencies, with streaks where tilts are few."""

    iterative: ClassVar[bool] = False

    filter: str = parameter(
        "hann",
        "how high frequencies are damped: ramp not at all, hann most; sirt-like looks like a few iterations of SIRT",
        choices=(*WINDOWS, "sirt-like"),
    )
    cutoff: float = parameter(
        1.0, "highest frequency that is kept, as a share of the Nyquist frequency", low=0.05, high=1.0
    )
    iterations: int = parameter(
        15, "iterations of SIRT that the sirt-like filter stands for", low=1, high=1000, advanced=True
    )

    def __post_init__(self) -> None:
        check_parameters(self)

    def transfer(self, length: int, path: float, arc: float) -> np.ndarray:
        """Transfer function at the frequencies of a real FFT of ``length``; ``path`` and ``arc`` as for `sirt_like`."""
        k = np.fft.rfftfreq(length)
        relative = 2 * k / self.cutoff
        if self.filter == "sirt-like":
            window = sirt_like(k, path, arc, self.iterations)
        else:
            window = WINDOWS[self.filter](np.minimum(relative, 1.0))
        return ramp(length) * window * (relative <= 1.0)

    def iterates(
        self, projector: Projector, sinograms: Tensor, check: Callable[[], None] = lambda: None
    ) -> Iterator[Tensor]:
        """The reconstruction of sinograms (…, tilts, width), once: slices (…, Z, X)."""
        import torch

        geometry = projector.geometry
        # A power of two that leaves room for the tail of the kernel: no wrapping at all.
        length = 2 ** math.ceil(math.log2(max(2 * geometry.width, 64)))
        # The outermost tilts count in full: a projection is better used than halved.
        weights = angular_weights(geometry.angles_deg, beyond=0.5)
        transfer = self.transfer(length, float(geometry.shape[0]), float(weights.sum()))
        both = torch.from_numpy((weights[:, None] * transfer).astype(np.float32)).to(sinograms.device)
        check()
        filtered = torch.fft.irfft(torch.fft.rfft(sinograms, length) * both, length)[..., : geometry.width]
        check()
        yield projector.adjoint(filtered)
