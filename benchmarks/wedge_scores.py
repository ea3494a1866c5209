"""How well a missing wedge was filled: in Fourier space, of shapes, of intervals, of tilts."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.wedge_methods import Answer
from benchmarks.wedge_phantoms import Case, Ellipsoids
from mendem.appraisal.fourier_region import in_region, part_in_region, without_margin
from mendem.tomography.wedge import wedge_mask

#: Shells of the correlation.
SHELLS = 16
#: Standard deviations on either side of the mean that hold 90 % of a normal distribution.
NINETY = 1.6449
#: Voxels of the truth, or of its surroundings of so many voxels, in which intervals are judged; density that counts.
AROUND, THERE = 2, 0.05


def region_of(case: Case) -> np.ndarray:
    """The missing wedge of the case, one frequency of margin left out."""
    return without_margin(wedge_mask(case.geometry.angles_deg, case.geometry.shape))


def taper_of(case: Case) -> np.ndarray | float:
    """1 for isolated objects; for slabs flat in the middle half of x and 0 at its ends."""
    if case.isolated:
        return 1.0
    from scipy.signal.windows import tukey

    return tukey(case.truth.shape[2], 0.5)


def scored(answer: Answer, case: Case, reference: Answer) -> dict[str, Any]:
    """Errors in the wedge over those of ``reference`` (WBP) and over the truth's power, power, FSC, coverage."""
    region, taper = region_of(case), taper_of(case)
    found, base = (in_region(a.mean, case.truth, region, SHELLS, taper) for a in (answer, reference))
    row = {
        "error": found.error / base.error,
        "error over truth": found.error,
        "power": found.power,
        "reach": found.reach,
        "frequency": found.frequency.tolist(),
        "FSC": [None if np.isnan(c) else float(c) for c in found.correlation],
        "rms": float(np.sqrt(np.mean((answer.mean - case.truth) ** 2) / np.mean(case.truth**2))),
        "cpu": answer.cpu,
    }
    if answer.std is not None:
        row |= covered(answer, case, region)
    return row


def covered(answer: Answer, case: Case, region: np.ndarray) -> dict[str, float]:
    """Shares of voxels whose error is within 90 % intervals: 1.645 of the stated standard deviation.

    ``covered`` counts the voxels of the specimen and of its surroundings of two voxels; ``covered in all`` every voxel,
    most of which are empty and easy; ``covered in wedge`` compares the part of the error that lies in the missing
    wedge, on the former voxels, with the same intervals, which are for the whole error: it is the higher one.
    """
    from scipy import ndimage

    assert answer.std is not None
    error = answer.mean - case.truth
    largest = float(np.abs(case.truth).max())
    there = ndimage.binary_dilation(np.abs(case.truth) > THERE * largest, iterations=AROUND)
    if not case.isolated:
        there &= np.abs(np.arange(case.truth.shape[2]) - (case.truth.shape[2] - 1) / 2) < case.truth.shape[2] / 4
    inside = np.abs(error) <= NINETY * answer.std
    in_wedge = np.abs(part_in_region(error, region)) <= NINETY * answer.std
    return {
        "covered": float(inside[there].mean()),
        "covered in all": float(inside.mean()),
        "covered in wedge": float(in_wedge[there].mean()),
    }


def axial_ratios(volume: np.ndarray, objects: Ellipsoids) -> np.ndarray:
    """Axial ratio z to x of each ellipsoid as it looks: from second moments of what is above half of its own level.

    The level is the 90th percentile inside of the true object, half of it from the median of all. Only what is
    connected with the middle and nearer than twice the largest half axis counts.
    """
    from scipy import ndimage

    found = []
    background = float(np.median(volume))
    grid = np.ogrid[tuple(slice(0, n) for n in volume.shape)]
    for middle, half in zip(objects.middles, objects.halves, strict=True):
        away = sum(((g - m) / h) ** 2 for g, m, h in zip(grid, middle, half, strict=True))
        level = float(np.percentile(volume[away <= 1], 90))
        near = sum((g - m) ** 2 for g, m in zip(grid, middle, strict=True)) <= (2 * half.max()) ** 2
        above = (volume > (level + background) / 2) & near
        labels, _ = ndimage.label(above)
        inside = labels[away <= 1]
        label = np.bincount(inside[inside > 0]).argmax() if (inside > 0).any() else 0
        if not label:
            found.append(np.nan)
            continue
        z, _, x = np.nonzero(labels == label)
        found.append(float(np.std(z) / max(np.std(x), 1e-9)))
    return np.array(found)


def slope(measured: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Regression of measured on true axial ratios: slope and its standard error, and the mean of their ratio."""
    known = np.isfinite(measured)
    x, y = true[known], measured[known]
    a, b = np.polyfit(x, y, 1)
    left = y - (a * x + b)
    error = np.sqrt((left**2).sum() / max(len(x) - 2, 1) / ((x - x.mean()) ** 2).sum())
    return {
        "slope": float(a), "standard error": float(error), "elongation": float((y / x).mean()), "objects": len(x)
    }  # fmt: skip


def tilt_scores(tilts: np.ndarray, truth: np.ndarray) -> dict[str, list[float]]:
    """PSNR (peak: the range of all true tilts) and SSIM of each of them: both (rows, tilts, width)."""
    from skimage.metrics import structural_similarity

    span = float(np.ptp(truth))
    psnr, ssim = [], []
    for found, true in zip(tilts.transpose(1, 0, 2), truth.transpose(1, 0, 2), strict=True):
        error = float(np.mean((found - true) ** 2))
        psnr.append(10 * np.log10(span**2 / max(error, 1e-30)))
        ssim.append(float(structural_similarity(true, found, data_range=span)))
    return {"PSNR": psnr, "SSIM": ssim}
