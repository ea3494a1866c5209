"""What tilts do to a point and to noise, measured from reconstructions and set beside theory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks.tables import table
from mendem.tomography.directions import angular_weights
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import Ellipse, EllipsePhantom
from mendem.tomography.projector import Projector
from mendem.tomography.psf import point_widths
from mendem.tomography.wbp import Wbp

#: Side of the slices, px, and highest frequency of the filter, as a share of Nyquist's: at a fifth of it neither the
#: pixels of the detector nor the interpolation between them narrow or widen a point by more than 1 %.
SIDE, CUTOFF = 255, 0.2
#: Slices of white noise whose spectra are averaged, their thickness, and the frequencies (cycles/px) looked at.
NOISES, DEPTH, FREQUENCIES = 60, 64, (0.1, 0.25)
#: Degrees between the directions at which the transfer is read.
STEP = 0.5
SCHEMES: dict[str, tuple[float, ...]] = {
    "±45°, 3°": tuple(np.arange(-45.0, 46, 3)),
    "±60°, 3°": tuple(np.arange(-60.0, 61, 3)),
    "±60°, 2°": tuple(np.arange(-60.0, 61, 2)),
    "±70°, 2°": tuple(np.arange(-70.0, 71, 2)),
    "-51° to 69°, 3°": tuple(np.arange(-51.0, 70, 3)),
}


def run() -> dict:
    """Elongation, widths and limits for each scheme, measured and in theory."""
    rows = []
    for name, angles in SCHEMES.items():
        share = outermost_half(angles)
        measured, wbp = point(angles, share), point(angles)
        widths = point_widths(angles, CUTOFF / 2)
        low, high = limits(angles, share)
        rows.append(
            {
                "scheme": name,
                "elongation": measured["elongation"], "elongation in theory": radermacher(angles[0], angles[-1]),
                "elongation of WBP": wbp["elongation"],
                "z": measured["z"], "z in theory": widths.z, "x": measured["x"], "x in theory": widths.x,
                "limits": [low, high], "limits in theory": [float(angles[0]), float(angles[-1])],
            }
        )  # fmt: skip
    return {"rows": rows}


def radermacher(low_deg: float, high_deg: float) -> float:
    """Elongation along z of tilts that fill a range (Radermacher and Hoppe 1980, for limits that may differ).

    sqrt(∫ cos² / ∫ sin²) over the range; sqrt((a + sin a cos a) / (a - sin a cos a)) for ±a.
    """
    a, b = math.radians(low_deg), math.radians(high_deg)
    oscillation = (math.sin(2 * b) - math.sin(2 * a)) / 2
    return math.sqrt((b - a + oscillation) / (b - a - oscillation))


def outermost_half(angles: Sequence[float]) -> torch.Tensor:
    """What makes the outermost tilts of WBP count half, as in the trapezoidal rule for their range: (tilts, 1)."""
    share = angular_weights(angles) / angular_weights(angles, beyond=0.5)
    return torch.from_numpy(share.astype(np.float32))[:, None]


def flat_top(count: int) -> np.ndarray:
    """1 in the inner half, falling to 0 at the ends as a cosine."""
    from scipy.signal.windows import tukey

    return tukey(count, 0.5)


def point(angles: Sequence[float], share: torch.Tensor | float = 1.0) -> dict[str, float]:
    """Elongation (ratio of the curvatures at the top) and full widths at half maximum (px) of a reconstructed point.

    A disc of half a pixel, beside the tilt axis, is projected exactly, weighed and back-projected; the slice is read
    between its pixels by its Fourier series.
    """
    geometry = SliceGeometry(tuple(angles), (SIDE, SIDE), SIDE)
    z0, x0 = 5.3, -11.6
    data = torch.from_numpy(EllipsePhantom((Ellipse(1.0, z0, x0, 0.5, 0.5),)).project(geometry))
    *_, found = Wbp("ramp", cutoff=CUTOFF).iterates(Projector(geometry), share * data)
    k = np.fft.fftfreq(SIDE)
    middle = (SIDE - 1) / 2
    # Flat around the point and 0 at the borders, where the tails of the point would else meet with a jump.
    taper = np.outer(flat_top(SIDE), flat_top(SIDE))
    spectrum = np.fft.fft2(taper * found.numpy().astype(np.float64))
    # Beyond the filter there is only what the interpolation between detector pixels leaves, and k² would multiply it.
    spectrum[np.hypot(k[:, None], k[None]) > 1.5 * CUTOFF / 2] = 0
    spectrum *= np.exp(2j * np.pi * (k[:, None] * (middle + z0) + k[None] * (middle + x0)))
    along_z, along_x = spectrum.real.sum(1), spectrum.real.sum(0)
    return {
        "elongation": float(np.sqrt((k**2 * along_x).sum() / (k**2 * along_z).sum())),
        "z": half_width(lambda d: float((spectrum.sum(1) * np.exp(2j * np.pi * k * d)).sum().real)),
        "x": half_width(lambda d: float((spectrum.sum(0) * np.exp(2j * np.pi * k * d)).sum().real)),
    }


def half_width(profile: Callable[[float], float], step: float = 0.05, most: float = 60.0) -> float:
    """Full width at half of the maximum, which is at 0, of a profile: the mean of both sides times two."""
    half, total = profile(0.0) / 2, 0.0
    for side in (-1, 1):
        before, at = 2 * half, step
        while (here := profile(side * at)) > half:
            before, at = here, at + step
            if at > most:
                return float("inf")
        total += at - step * (half - here) / (before - here)
    return total


def limits(angles: Sequence[float], share: torch.Tensor | float = 1.0) -> tuple[float, float]:
    """Directions between which reconstructions of white noise keep more than half of its Fourier coefficients."""
    width = 256
    geometry = SliceGeometry(tuple(angles), (DEPTH, width), 2 * width)
    projector, rng = Projector(geometry), np.random.default_rng(0)
    truth = torch.from_numpy(rng.normal(size=(NOISES, DEPTH, width)).astype(np.float32))
    # An empty rim: what lies at the border of the slice would leave the pixels that are compared.
    truth[:, :8] = truth[:, -8:] = truth[..., :32] = truth[..., -32:] = 0
    *_, found = Wbp("ramp").iterates(projector, share * projector.forward(truth))
    f, g = (np.fft.fft2(v.numpy(), (512, 512)) for v in (truth, found))
    kz, kx = np.meshgrid(*2 * [np.fft.fftfreq(512)], indexing="ij")
    radius, direction = np.hypot(kz, kx), np.mod(np.degrees(np.arctan2(kz, kx)) + 90, 180) - 90
    chosen = (radius > FREQUENCIES[0]) & (radius < FREQUENCIES[1])
    place = np.rint((direction[chosen] + 90) / STEP).astype(int)
    product, power = ((v.mean(0).real)[chosen] for v in (g * f.conj(), f * f.conj()))
    transfer = np.bincount(place, product) / np.bincount(place, power)
    places = np.arange(len(transfer)) * STEP - 90
    half = np.median(transfer[np.abs(places) < 0.6 * max(map(abs, angles))]) / 2
    inside = np.flatnonzero(transfer > half)
    first, last = inside[0], inside[-1]
    ends = []
    for i, j in ((first - 1, first), (last + 1, last)):
        ends.append(float(np.interp(half, transfer[[i, j]], places[[i, j]])))
    return ends[0], ends[1]


def page(result: dict) -> list[str]:
    """The part of the page."""
    rows = [
        (
            r["scheme"],
            f"{r['elongation']:.3f} ({r['elongation in theory']:.3f})",
            f"{r['elongation of WBP']:.3f}",
            *(f"{r[v]:.2f} ({r[f'{v} in theory']:.2f})" for v in ("z", "x")),
            f"{r['z'] / r['x']:.2f}",
            " to ".join(f"{v:.1f}" for v in r["limits"]),
        )
        for r in result["rows"]
    ]  # fmt: skip
    return [
        "### Point and wedge against theory",
        "A disc of half a pixel beside the tilt axis, projected exactly and reconstructed by WBP (ramp up to "
        f"{CUTOFF:g} of Nyquist's frequency, {SIDE}²), the outermost tilts counting half. *Elongation*: square root of "
        "the ratio of the curvatures at its top, beside sqrt(∫cos²/∫sin²) over the range (Radermacher and Hoppe 1980). "
        "*As WBP is*: the outermost tilts count in full, which fills half a step more on either side. *Widths*: at "
        "half of the maximum, px, beside the integral over the measured frequencies; their ratio is another measure of "
        f"the same and a little larger. *Limits*: directions between which {NOISES} slices of white noise keep more "
        f"than half of their Fourier coefficients ({FREQUENCIES[0]:g} to {FREQUENCIES[1]:g} cycles/px).",
        table(
            (
                "tilts",
                "elongation (theory)",
                "as WBP is",
                "along z (theory)",
                "along x (theory)",
                "ratio of widths",
                "limits (°)",
            ),
            rows,
        ),
    ]
