"""Do samples look like micrographs? Radial power against clean truths; a sheet of what the prior invents."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.settings import Settings
from mendem.priors.prior import Prior

#: Bands of the radial power, from 0 to the Nyquist frequency; and the part of it that is judged.
BANDS = 10
JUDGED = 0.6
#: Side of the pictures, levels of the white noise, evaluations and samples of each.
SIDE = 128
LEVELS = (0.1, 0.2)
EVALUATIONS, SAMPLES = 16, 2
#: Pictures of the sheet, their evaluations, and the noise level that stands for nothing known.
SHEET = (3, 4)
SHEET_EVALUATIONS, NOTHING_KNOWN = 32, 40.0


def radial_power(images: Tensor) -> np.ndarray:
    """Mean power (bands) of images (N, 1, H, W), Hann-windowed, in rings of equal width up to Nyquist."""
    pixels = images[:, 0].double().numpy()
    height, width = pixels.shape[-2:]
    window = np.hanning(height)[:, None] * np.hanning(width)
    pixels = (pixels - pixels.mean((-2, -1), keepdims=True)) * window
    power = np.abs(np.fft.fft2(pixels)) ** 2 / (window**2).sum()
    ring = 2 * BANDS * np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    return np.array([power[:, (ring >= b) & (ring < b + 1)].mean() for b in range(BANDS)])


def decibels(power: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Power over a reference, band by band."""
    return 10 * np.log10(power / reference)


def worst_decibels(power: np.ndarray, reference: np.ndarray) -> float:
    """The deviation that is largest in magnitude, with its sign, in the bands that are judged."""
    found = decibels(power, reference)[: round(JUDGED * BANDS)]
    return float(found[np.argmax(np.abs(found))])


def run(settings: Settings) -> dict:
    """Radial power of means and samples of noisy simulated tissue over that of the clean truths; the sheet is kept."""
    from benchmarks.chains import fresh_noise
    from benchmarks.pictures import simulated_tissue
    from benchmarks.samplers import Task, observe
    from mendem.device import choose_dtype
    from mendem.physics.mask import Mask
    from mendem.priors.network_prior import load_prior
    from mendem.sampling import Budget, Place, sample

    prior = load_prior(settings.prior, "cpu", choose_dtype("cpu"))
    rows = []
    for level in LEVELS:
        powers: dict[str, list[np.ndarray]] = {"observed": [], "mean": [], "sample": []}
        worst = []
        for seed, picture in enumerate(simulated_tissue(2 if settings.quick else 3)):
            case = observe(Task("white", Mask(), level), picture, SIDE, seed)
            drawn = []
            for estimate in sample(prior, case.observation, Budget(1, EVALUATIONS), SAMPLES, Place(seed)):
                drawn += [] if estimate.sample is None else [estimate.sample]
            images = {"observed": case.observation.y, "mean": estimate.mean, "sample": torch.cat(drawn)}
            truth = radial_power(case.truth)
            for name, image in images.items():
                powers[name].append(decibels(radial_power(image), truth))
            worst.append(worst_decibels(radial_power(images["sample"]), truth))
        for name, found in powers.items():
            mean = np.mean(found, axis=0)
            row: dict = {"noise": f"{100 * level:.0f} %", "image": name}
            row |= {f"{(b + 1) / BANDS:.1f}": float(mean[b]) for b in range(BANDS)}
            row["largest up to 0.6"] = float(max(mean[: round(JUDGED * BANDS)], key=abs))
            row["of any picture"] = max(worst, key=abs) if name == "sample" else None
            rows.append(row)
        settings.say(f"{100 * level:.0f} %")
    _keep_sheet(settings, invented(prior, fresh_noise((SHEET[0] * SHEET[1], 1, SIDE, SIDE), 7)()))
    return {"rows": rows, "judged": JUDGED, "evaluations": EVALUATIONS}


def invented(prior: Prior, noise: Tensor) -> Tensor:
    """Samples of the prior alone, from standard normal noise (N, 1, H, W)."""
    from benchmarks.samplers import nothing
    from mendem.priors.solver import chain, noise_levels
    from mendem.sampling import END_LEVEL

    condition = nothing(noise)
    levels = noise_levels(NOTHING_KNOWN, END_LEVEL, SHEET_EVALUATIONS)
    *_, samples = chain(lambda x, sigma: prior.denoise(x, sigma, condition)[0], levels[0] * noise, levels)
    return samples


def _keep_sheet(settings: Settings, samples: Tensor) -> None:
    """Kept in the form that `benchmarks.crops.draw` reads, as ``unconditional``."""
    panels = {f"{i // SHEET[1]}|{i % SHEET[1]}||": s[0].numpy() for i, s in enumerate(samples)}
    settings.kept.mkdir(parents=True, exist_ok=True)
    np.savez(settings.kept / "unconditional.npz", **panels)
