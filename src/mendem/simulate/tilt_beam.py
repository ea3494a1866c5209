"""How a projection becomes an image: phase contrast with lens aberrations, or HAADF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from mendem.errors import MendemError
from mendem.physics.ctf import wavelength_nm

#: Largest change of the aberration's phase, radians, between two images that are blended for a gradient of defocus.
_STEP_RAD = 0.6


def interaction(kv: float) -> float:
    """Phase shift in radians for each volt and nanometre (Kirkland, Advanced Computing in Electron Microscopy)."""
    rest, charge = 510.99895, kv
    return 2 * np.pi / (wavelength_nm(kv) * 1e3 * kv) * (rest + charge) / (2 * rest + charge)


@dataclass(frozen=True)
class PhaseContrast:
    """Bright field of a thin specimen: one wave, exp((i - a) phase), that passes the lens; its intensity is recorded.

    For a weak phase this is the contrast -2 sin(chi + arcsin A) of `mendem.physics.ctf.ContrastTransfer`; strong
    objects (gold) have their fringes too. Focus varies with the place on a tilted specimen, not with its depth.

    Parameters
    ----------
    kv, cs_mm, defocus_um, amplitude
        Kilovolts, spherical aberration, underfocus at the tilt axis, amplitude contrast A.
    envelope_nm
        Length at which the Gaussian envelope of the lens and detector falls to 1/e.
    gradient
        Whether the focus follows the tilted specimen: defocus + u tan(angle) at the distance u from the axis.
    mean_free_path_nm
        What a path of this length leaves of the beam is 1/e: plural and inelastic scattering in ice, behind a filter.
    thickness_nm
        Ice that the beam crosses at 0°; 1 / cos(angle) of it elsewhere. None: that of the volume.
    """

    kv: float = 300.0
    cs_mm: float = 2.7
    defocus_um: float = 3.0
    amplitude: float = 0.08
    envelope_nm: float = 0.9
    gradient: bool = True
    mean_free_path_nm: float = 310.0
    thickness_nm: float | None = None

    def __post_init__(self) -> None:
        if not (10 <= self.kv <= 3000 and 0 <= self.amplitude < 1 and self.envelope_nm >= 0):
            raise MendemError(
                "phase contrast needs 10 to 3000 kV, an amplitude contrast of 0 to below 1, an envelope ≥ 0"
            )
        if not (self.mean_free_path_nm > 0 and np.isfinite([self.defocus_um, self.cs_mm]).all()):
            raise MendemError("phase contrast needs a positive mean free path, and finite defocus and Cs")

    def image(self, volt_nm: np.ndarray, pixel_nm: float, angle_deg: float, u_nm: np.ndarray) -> np.ndarray:
        """Intensity relative to the beam behind the ice, float32 (y, x).

        Parameters
        ----------
        volt_nm
            Projected potential, (y, x), taken to be periodic: a rim of `reach_px` is to be cut off.
        u_nm
            (y, x) distance of each pixel from the tilt axis, on the detector.
        """
        fy, fx = fft.fftfreq(volt_nm.shape[0])[:, None], fft.fftfreq(volt_nm.shape[1])[None]
        k2 = ((fy**2 + fx**2) / pixel_nm**2).astype(np.float32)
        wave = wavelength_nm(self.kv)
        slope = np.tan(np.radians(angle_deg)) if self.gradient else 0.0
        start, end = (1e3 * self.defocus_um + slope * float(u) for u in (u_nm.min(), u_nm.max()))
        band = min(0.25 / pixel_nm**2, 1 / max(self.envelope_nm, 1e-6) ** 2)
        count = 1 + int(np.ceil(np.pi * wave * band * abs(end - start) / _STEP_RAD)) if slope else 1
        loss = self.amplitude / np.sqrt(1 - self.amplitude**2)
        phase = np.float32(interaction(self.kv)) * volt_nm.astype(np.float32)
        spectrum = fft.fft2(np.exp((1j - loss) * (phase - phase.mean())).astype(np.complex64))
        fixed = (-np.pi / 2 * self.cs_mm * 1e6 * wave**3 * k2**2).astype(np.float32)
        spectrum *= np.exp(1j * fixed - np.float32(self.envelope_nm**2) * k2)
        if count == 1:
            return self._intensity(spectrum, k2, 1e3 * self.defocus_um)
        focus = np.linspace(start, end, count)
        images = np.stack([self._intensity(spectrum, k2, f) for f in focus])
        place = (1e3 * self.defocus_um + slope * u_nm - start) / (end - start) * (count - 1)
        below = np.clip(place.astype(int), 0, count - 2)
        share = (place - below).astype(np.float32)
        first, second = (np.take_along_axis(images, (below + i)[None], 0)[0] for i in (0, 1))
        return first + share * (second - first)

    def reach_px(self, pixel_nm: float) -> int:
        """How far the lens spreads what the pixels and the envelope can hold."""
        finest = max(2 * pixel_nm, self.envelope_nm)
        return int(np.ceil(wavelength_nm(self.kv) * abs(1e3 * self.defocus_um) / finest / pixel_nm)) + 2

    def _intensity(self, spectrum: np.ndarray, k2: np.ndarray, defocus_nm: float) -> np.ndarray:
        turned = np.exp(np.complex64(1j * np.pi * wavelength_nm(self.kv) * defocus_nm) * k2)
        seen = fft.ifft2(spectrum * turned)
        return (seen.real**2 + seen.imag**2).astype(np.float32)

    def transmitted(self, thickness_nm: float, angle_deg: float) -> float:
        """Share of the beam behind ice of this thickness."""
        path = (self.thickness_nm if self.thickness_nm is not None else thickness_nm) / np.cos(np.radians(angle_deg))
        return float(np.exp(-path / self.mean_free_path_nm))


@dataclass(frozen=True)
class DarkField:
    """HAADF of a scanning transmission microscope: brightness is the projected mass-thickness, blurred by the probe.

    Parameters
    ----------
    probe_nm
        Standard deviation of the probe.
    background
        Brightness of empty vacuum (the detector's dark level and stray electrons), relative to the brightest pixel.
    """

    probe_nm: float = 0.4
    background: float = 0.04

    def __post_init__(self) -> None:
        if self.probe_nm < 0 or self.background < 0:
            raise MendemError("HAADF needs a probe and a background that are not negative")

    def image(self, mass_nm: np.ndarray, pixel_nm: float) -> np.ndarray:
        """The projection as the probe sees it, float32 (y, x)."""
        return ndimage.gaussian_filter(mass_nm.astype(np.float32), self.probe_nm / pixel_nm, mode="nearest")
