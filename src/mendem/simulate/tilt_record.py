"""A tilt series of a known volume: projections, stage, beam, dose, detector."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy import ndimage

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.simulate.tilt_beam import DarkField, PhaseContrast
from mendem.simulate.tilt_scheme import TiltScheme
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.tilt_series import TiltSeries

#: Slices that are projected at a time.
_BATCH = 32


@dataclass(frozen=True)
class Stage:
    """What the holder and the recording do to the tilts.

    Parameters
    ----------
    axis_angle_deg, axis_error_deg
        Direction of the tilt axis as the series states it, and how far the true one is from it.
    jitter_px
        Shift of each tilt, standard deviation along y and along x.
    gain_drift
        Brightness of each tilt relative to the first that was taken: standard deviation of the logarithm.
    background_drift
        What is added to each tilt, standard deviation relative to the mean of the tilt.
    """

    axis_angle_deg: float = 0.0
    axis_error_deg: float = 0.0
    jitter_px: float = 1.0
    gain_drift: float = 0.03
    background_drift: float = 0.01

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, asdict(self).values())):
            raise MendemError("a simulated stage needs finite numbers")
        if min(self.jitter_px, self.gain_drift, self.background_drift) < 0:
            raise MendemError("jitter, gain drift and background drift are not negative")


def record(
    volume: Image,
    scheme: TiltScheme,
    beam: PhaseContrast | DarkField,
    *,
    dose: float = 3.0,
    stage: Stage = Stage(),  # noqa: B008 (frozen)
    surroundings: bool | None = None,
    noise: bool = True,
    seed: int = 0,
) -> TiltSeries:
    """What a microscope records of ``volume`` (z, y, x) at the tilts of ``scheme``.

    Every tilt is a projection by `mendem.tomography.projector.Projector`, turned by the tilt axis and shifted, imaged
    by ``beam``, and counted: Poisson with the mean dose x pixel area x intensity. Gain and background follow.

    Parameters
    ----------
    volume
        Potential above ice in volts for `PhaseContrast`, brightness for `DarkField`, with a voxel size.
    dose
        For phase contrast e/Å2 of each tilt before the specimen. For HAADF electrons that are detected in a pixel of
        the brightest tilt's brightest place.
    surroundings
        Whether the specimen goes on beyond the volume, mirrored, as that of a slab does; or is isolated. Left out:
        true for phase contrast, false for HAADF.
    noise
        False: expected counts.
    seed
        Same seed and parameters: same series.

    Returns
    -------
    TiltSeries
        Not aligned: as it comes from the microscope, with the stated tilt axis. Counts, float32, axes tilt, y, x, of
        the width and height of the volume. ``image.metadata["tilts"]`` has what the microscope would state,
        ``image.metadata["truth"]`` what it does not: see `true_alignment`.

    Raises
    ------
    MendemError
        A volume without three axes, voxel size or finite values, or a dose that is not positive.
    """
    if volume.axes != ("z", "y", "x") or volume.voxel_size is None or volume.voxel_size.nm[-1] is None:
        raise MendemError("a tilt series is simulated of a volume with the axes z, y, x and a voxel size")
    if not (math.isfinite(dose) and dose > 0):
        raise MendemError(f"the dose is a positive number, not {dose}")
    data = np.asarray(volume.data, np.float32)
    if not np.isfinite(data).all():
        raise MendemError(f"{volume.source or 'the volume'} has values that are not finite; replace them first")
    pixel_nm = float(volume.voxel_size.nm[-1])
    cryo = isinstance(beam, PhaseContrast)
    extended = cryo if surroundings is None else surroundings
    rng = np.random.default_rng([seed, 0x717])
    count = len(scheme.angles)
    depth, height, width = volume.shape
    shifts = rng.normal(0, stage.jitter_px, (count, 2)) if stage.jitter_px else np.zeros((count, 2))
    gains = np.exp(rng.normal(0, stage.gain_drift, count))
    gains[scheme.order.index(0)] = 1.0
    backgrounds = rng.normal(0, stage.background_drift, count)
    axis = stage.axis_angle_deg + stage.axis_error_deg
    rim = beam.reach_px(pixel_nm) if isinstance(beam, PhaseContrast) else 3
    margin = _margin(height, width, axis, float(np.abs(shifts).max()) + rim)
    projections = _project(data, scheme.angles, margin, extended)
    frames = np.empty((count, height, width), np.float32)
    for tilt, angle in enumerate(scheme.angles):
        raw = _on_detector(projections[tilt] * np.float32(pixel_nm), axis, shifts[tilt])
        if isinstance(beam, PhaseContrast):
            bright = beam.transmitted(depth * pixel_nm, angle) * dose * (10 * pixel_nm) ** 2
            seen = bright * beam.image(raw, pixel_nm, angle, _from_axis(raw.shape, axis, shifts[tilt]) * pixel_nm)
        else:
            seen = beam.image(raw, pixel_nm)
        inner = slice(margin[0], margin[0] + height), slice(margin[1], margin[1] + width)
        frames[tilt] = np.clip(seen[inner], 0, None)
    scale = 1.0
    if isinstance(beam, DarkField):
        scale = dose / max(float(frames.max()), 1e-30)
        frames = frames * np.float32(scale) + np.float32(beam.background * dose)
    means = frames.mean((1, 2))
    if noise:
        frames = rng.poisson(frames).astype(np.float32)
    added = backgrounds * means
    frames = frames * gains[:, None, None].astype(np.float32) + added[:, None, None].astype(np.float32)
    optics = asdict(beam)
    stated = {
        "angles_deg": scheme.angles, "order": scheme.order, "axis_angle_deg": stage.axis_angle_deg,
        **({"dose_e_per_A2": (dose,) * count} if cryo else {}),
    }  # fmt: skip
    truth = {
        "axis_angle_deg": axis, "shifts_px": tuple((float(y), float(x)) for y, x in shifts),
        "gains": tuple(gains.tolist()), "backgrounds": tuple(added.tolist()),
        **({} if cryo else {"counts_per_brightness_nm": scale}),
        "surroundings": extended, "seed": seed, "dose": dose, "beam": type(beam).__name__, "optics": optics,
        "volume": volume.metadata.get("simulated", {}),
    }  # fmt: skip
    image = Image(
        frames,
        ("tilt", "y", "x"),
        VoxelSize((None, pixel_nm, pixel_nm), "nm"),
        {"tilts": stated, "truth": truth},
        f"tilt series of {volume.source or 'a simulated volume'}",
    )
    return TiltSeries(
        image,
        scheme.angles,
        stage.axis_angle_deg,
        dose=(dose,) * count if cryo else None,
        order=scheme.order,
        notes=("Simulated; the specimen is dark.",) if cryo else ("Simulated HAADF; the specimen is bright.",),
    )


def true_alignment(series: TiltSeries) -> TiltSeries:
    """A simulated series with the shifts and the tilt axis that it has in truth.

    Raises
    ------
    MendemError
        The series is not one that `record` made.
    """
    truth = series.image.metadata.get("truth")
    if truth is None:
        raise MendemError(f"{series.name} was not simulated here, so that its true alignment is not known")
    return replace(series, axis_angle=truth["axis_angle_deg"], shifts=truth["shifts_px"], aligned=True)


def _margin(height: int, width: int, axis_deg: float, more: float) -> tuple[int, int]:
    """Rows and columns beyond the image that turning it brings into it, and ``more``."""
    cosine, sine = abs(math.cos(math.radians(axis_deg))), abs(math.sin(math.radians(axis_deg)))
    return (
        math.ceil(max(0.0, (height * (cosine - 1) + width * sine) / 2) + more) + 3,
        math.ceil(max(0.0, (width * (cosine - 1) + height * sine) / 2) + more) + 3,
    )


def _project(data: np.ndarray, angles: tuple[float, ...], margin: tuple[int, int], extended: bool) -> np.ndarray:
    """Line integrals in voxels, float32 (tilts, height + 2 margin, width + 2 margin)."""
    import torch

    from mendem.tomography.projector import Projector

    depth, height, width = data.shape
    geometry = SliceGeometry(angles, (depth, width), width + 2 * margin[1])
    before = after = 0
    if extended:
        wide, inner = geometry.widened()
        before, after = inner.start, wide.shape[1] - inner.stop
        geometry = wide
    projector = Projector(geometry)
    rows = np.empty((height, len(angles), geometry.width), np.float32)
    for first in range(0, height, _BATCH):
        slices = np.ascontiguousarray(data[:, first : first + _BATCH].transpose(1, 0, 2))
        slices = np.pad(slices, ((0, 0), (0, 0), (before, after)), mode="symmetric")
        rows[first : first + _BATCH] = projector.forward(torch.from_numpy(slices)).numpy()
    out = rows.transpose(1, 0, 2)
    return np.pad(out, ((0, 0), (margin[0],) * 2, (0, 0)), mode="symmetric" if extended else "constant")


def _on_detector(projection: np.ndarray, axis_deg: float, shift: np.ndarray) -> np.ndarray:
    """The projection with the axis along y, turned and shifted to where the raw image has it (`TiltSeries`)."""
    cosine, sine = math.cos(math.radians(axis_deg)), math.sin(math.radians(axis_deg))
    upright = np.array([[cosine, -sine], [sine, cosine]])
    if not shift.any() and sine == 0 and cosine == 1:
        return projection
    middle = (np.array(projection.shape) - 1) / 2
    offset = middle - upright @ (middle + shift)
    return ndimage.affine_transform(projection, upright, offset, order=3, mode="nearest")


def _from_axis(shape: tuple[int, ...], axis_deg: float, shift: np.ndarray) -> np.ndarray:
    """(y, x) distance in pixels of each pixel from the tilt axis, the coordinate u of the aligned image."""
    y, x = (np.arange(n) - (n - 1) / 2 - s for n, s in zip(shape, shift, strict=True))
    axis = math.radians(axis_deg)
    return math.sin(axis) * y[:, None] + math.cos(axis) * x
