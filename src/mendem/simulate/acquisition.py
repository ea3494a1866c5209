"""What a scanning electron microscope makes of a clean picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage, signal

from mendem.errors import MendemError
from mendem.image import Image
from mendem.physics.noise import NoiseModel

#: Mean counts above which a Poisson variable is drawn as a Gaussian one.
_MANY_COUNTS = 1e6


def expose(image: Image, levels: tuple[float, float] = (30.0, 215.0)) -> Image:
    """The expected record: brightness 0…1 mapped linearly to ``levels`` (black, white); float32, same axes."""
    black, white = levels
    data = np.asarray(image.data, np.float32)
    if not (np.isfinite(data).all() and -0.01 <= data.min() and data.max() <= 1.01):
        raise MendemError(
            f"{image.source or 'image'}: simulated acquisition starts from brightness 0 to 1, "
            f"this has {data.min():g} to {data.max():g}; scale it first"
        )
    return image.with_data((black + (white - black) * data).astype(np.float32))


def acquire(
    image: Image,
    dose: float = 150.0,
    *,
    levels: tuple[float, float] = (30.0, 215.0),
    read_noise: float = 2.0,
    bandwidth: float = 0.25,
    scan_line: float = 0.6,
    line_jitter_px: float = 0.0,
    hot_pixels: float = 0.0,
    dtype: str = "uint8",
    seed: int = 0,
) -> Image:
    """Record a clean picture with the noise of a scanning electron microscope.

    The electrons detected in a pixel are Poisson distributed, the amplifier adds Gaussian noise, and both pass a
    detector of limited bandwidth, a single-pole filter along the scan direction x (Sim, Thong & Phang, Scanning
    2004, on the correlation of SEM noise). Each row has an offset of its own. The filter acts on the noise only, so
    that the expected value of the record is `expose` (image, levels), away from clipping and jitter.

    Parameters
    ----------
    image
        Brightness 0…1; rows along y, scanned along x; leading axes are recorded slice by slice.
    dose
        Mean number of detected electrons in a pixel of brightness 1.
    levels
        Recorded values of brightness 0 and 1; white above black, within the range of ``dtype``.
    read_noise
        Standard deviation of the amplifier noise, in recorded units.
    bandwidth
        Correlation of the noise between neighbours along x, 0…0.95; 0 is a fast detector.
    scan_line
        Standard deviation of the offset that a row shares, in recorded units.
    line_jitter_px
        Standard deviation of the displacement of each row along x, pixels. It is a distortion of the picture and
        not part of the noise model.
    hot_pixels
        Fraction of pixels that are saturated; not part of the noise model.
    dtype
        "uint8", "uint16" or "float32"; integers are rounded and clipped.
    seed
        Same seed and parameters: same record.

    Returns
    -------
    Image
        Axes and voxel size of the input; ``metadata["noise"]`` is the exact `NoiseModel` (``correlation`` is that
        of the noise apart from the row offsets), ``metadata["acquisition"]`` holds the parameters.

    Raises
    ------
    MendemError
        A parameter out of range, or brightness outside 0…1.
    """
    black, white = levels
    depth = {"uint8": 255.0, "uint16": 65535.0, "float32": np.inf}.get(dtype)
    if depth is None:
        raise MendemError(f"a record has dtype uint8, uint16 or float32, not '{dtype}'")
    if not 0 <= black < white <= depth:
        raise MendemError(f"levels {levels} are not an increasing pair within the range of {dtype}")
    if not (np.isfinite(dose) and dose > 0):
        raise MendemError(f"the dose is a positive number of electrons per pixel, not {dose}")
    if not 0 <= bandwidth <= 0.95:
        raise MendemError(f"the bandwidth correlation lies between 0 and 0.95, not {bandwidth}")
    if min(read_noise, scan_line, line_jitter_px, hot_pixels) < 0 or hot_pixels > 1:
        raise MendemError("read_noise, scan_line, line_jitter_px and hot_pixels are not negative, hot_pixels at most 1")

    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xACC]))
    clean = np.asarray(expose(image, levels).data)
    if line_jitter_px:
        clean = _displace_rows(clean, rng.normal(0.0, line_jitter_px, clean.shape[:-1]))
    gain = (white - black) / dose
    shot = np.clip(gain * (clean - black), 0.0, None)
    noise = _unit_noise(rng, shot / gain**2, shot, read_noise**2)
    noise = _limit_bandwidth(rng, noise, bandwidth) * np.sqrt(shot + read_noise**2)
    record = clean + noise + scan_line * rng.standard_normal((*clean.shape[:-1], 1))
    if hot_pixels:
        saturated = depth if np.isfinite(depth) else white + 5 * (white - black)
        record[rng.uniform(size=record.shape) < hot_pixels] = saturated
    integer = dtype != "float32"
    if integer:
        record = np.clip(np.rint(record), 0, depth)
    # Rounding adds the variance of a uniform distribution of width one.
    steady = read_noise**2 + scan_line**2 + (1 / 12 if integer else 0.0)
    model = NoiseModel(
        offset=steady - gain * black, gain=gain, floor=steady, correlation=(0.0, bandwidth), scan_line=scan_line,
        relative_error=0.0, method="simulated",
    )  # fmt: skip
    settings = {
        "dose": dose, "levels": tuple(levels), "read_noise": read_noise, "line_jitter_px": line_jitter_px,
        "hot_pixels": hot_pixels, "seed": seed,
    }  # fmt: skip
    metadata = {**image.metadata, "noise": model, "acquisition": settings}
    return replace(image, data=record.astype(dtype), metadata=metadata)


def _unit_noise(rng, counts: np.ndarray, shot: np.ndarray, read: float) -> np.ndarray:
    """Shot and amplifier noise together, divided by their joint standard deviation."""
    counts = counts.astype(np.float64)
    few = counts < _MANY_COUNTS
    electrons = np.where(few, rng.poisson(np.where(few, counts, 0.0)), counts)
    electrons = electrons + np.where(few, 0.0, np.sqrt(counts) * rng.standard_normal(counts.shape))
    scaled = (electrons - counts) * np.sqrt(shot / np.maximum(counts, 1e-12))
    scaled += np.sqrt(read) * rng.standard_normal(counts.shape)
    return scaled / np.sqrt(np.maximum(shot + read, 1e-12))


def _limit_bandwidth(rng, white: np.ndarray, rho: float) -> np.ndarray:
    """Unit-variance noise whose correlation along the last axis falls as ``rho ** distance``."""
    if not rho:
        return white
    # The row before the first pixel has been scanned too: start the filter in its steady state.
    before = rho * rng.standard_normal((*white.shape[:-1], 1))
    out, _ = signal.lfilter([np.sqrt(1 - rho**2)], [1.0, -rho], white, axis=-1, zi=before)
    return out


def _displace_rows(data: np.ndarray, shift_px: np.ndarray) -> np.ndarray:
    """Move each row along x by its own distance, with linear interpolation."""
    rows = data.reshape(-1, data.shape[-1])
    moved = [ndimage.shift(row, by, order=1, mode="nearest") for row, by in zip(rows, shift_px.ravel(), strict=True)]
    return np.stack(moved).reshape(data.shape)
