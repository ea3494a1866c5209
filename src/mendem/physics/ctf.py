"""Contrast transfer of a transmission microscope: defocus, astigmatism, spherical aberration, envelope."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np

from mendem.errors import MendemError
from mendem.physics.expected_power import FALL, FLAT_TO

#: What ``ctf:`` may state: its unit, and its value when left out (None must be given).
TERMS: dict[str, tuple[str, float | None]] = {
    "defocus": ("nm", None),
    "kv": ("", 300.0),
    "cs": ("", 2.7),
    "amplitude": ("", 0.1),
    "astigmatism": ("nm", 0.0),
    "angle": ("", 0.0),
    "limit": ("nm", 0.0),
}

#: Side of the grid on which the strength is summed.
GRID = 256


def wavelength_nm(kv: float) -> float:
    """Relativistic wavelength of electrons of ``kv`` kilovolts, nm."""
    volts = 1e3 * kv
    return 1.22643 / sqrt(volts + 0.978466e-6 * volts**2)


@dataclass(frozen=True)
class ContrastTransfer:
    """The weak-phase contrast transfer, 1 at frequency 0 so that the mean is kept, elsewhere over its `strength`.

    Attributes
    ----------
    defocus, astigmatism
        Underfocus is positive; nm. ``astigmatism`` is half the difference between the two foci, ``angle`` the direction
        of the stronger, degrees from x towards y.
    kv, cs
        Voltage in kilovolts and spherical aberration in mm.
    amplitude
        Amplitude contrast, 0 to 1.
    limit
        Length in nm at which the Gaussian envelope falls to 1/e; 0 for none.
    pixel_nm
        Pixel size, nm.
    """

    defocus: float
    kv: float
    cs: float
    amplitude: float
    astigmatism: float
    angle: float
    limit: float
    pixel_nm: float

    @classmethod
    def parse(cls, text: str, pixel_nm: float, shown: str) -> ContrastTransfer:
        """From ``defocus=800nm,kv=200``; `MendemError` naming ``shown`` where that is not understood."""
        found = {}
        for part in filter(None, text.split(",")):
            match = re.fullmatch(r"\s*(\w+)\s*=\s*(-?\d+\.?\d*)\s*(nm|um|µm|mm|deg)?\s*", part)
            if match is None or match[1] not in TERMS:
                raise MendemError(f"{shown}: {part!r} is not understood; it may state {', '.join(TERMS)}")
            found[match[1]] = float(match[2]) * (1e3 if match[3] in ("um", "µm") else 1)
        values = {name: found.get(name, default) for name, (_, default) in TERMS.items()}
        if values["defocus"] is None:
            raise MendemError(f"{shown}: state the defocus, as in ctf:defocus=800nm,kv=200,cs=2.7")
        if not (10 <= values["kv"] <= 3000 and 0 <= values["amplitude"] <= 1 and values["limit"] >= 0):  # type: ignore[operator]
            raise MendemError(f"{shown}: kv must be 10 to 3000, amplitude 0 to 1, limit 0 or more")
        return cls(**values, pixel_nm=pixel_nm)  # type: ignore[arg-type]

    @property
    def spread_px(self) -> float:
        """How far a point is spread: the defocus at the angle of the resolution that the pixels hold, at most 60 px."""
        reach = wavelength_nm(self.kv) * abs(self.defocus) / (2 * self.pixel_nm)
        return min(60.0, max(1.0, 0.25 * reach / self.pixel_nm))

    @cached_property
    def strength(self) -> float:
        """Root mean square over the power spectrum that micrographs have: with it divided out, contrast is kept."""
        fy, fx = np.fft.fftfreq(GRID)[:, None], np.fft.rfftfreq(GRID)[None]
        power = (fy**2 + fx**2 + FLAT_TO**2) ** (-FALL / 2)
        power[0, 0] = 0
        return max(1e-3, float(np.sqrt((power * self._raw(fy, fx) ** 2).sum() / power.sum())))

    def transfer(self, fy: np.ndarray, fx: np.ndarray) -> np.ndarray:
        """At frequencies in cycles per pixel, broadcast; the sign is such that low frequencies keep their contrast."""
        return np.where(fy**2 + fx**2 == 0, 1.0, self._raw(fy, fx) / self.strength)

    def _raw(self, fy: np.ndarray, fx: np.ndarray) -> np.ndarray:
        wave = wavelength_nm(self.kv)
        k2 = (fy**2 + fx**2) / self.pixel_nm**2
        turned = np.cos(2 * (np.arctan2(fy, fx) - np.radians(self.angle)))
        focus = self.defocus + self.astigmatism * turned
        phase = np.pi * wave * focus * k2 - np.pi / 2 * self.cs * 1e6 * wave**3 * k2**2
        value = np.sin(phase + np.arcsin(self.amplitude))
        if self.limit:
            value = value * np.exp(-k2 * self.limit**2)
        return value

    def describe(self) -> str:
        """The optics in words."""
        return f"defocus {self.defocus:g} nm, {self.kv:g} kV, Cs {self.cs:g} mm, amplitude contrast {self.amplitude:g}"
