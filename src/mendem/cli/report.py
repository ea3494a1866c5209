"""How results are said: lines for people, JSON for programs."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mendem.appraisal.novelty import Novelty
    from mendem.image import Image
    from mendem.physics.noise import NoiseModel
from mendem.wording import judged, number


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 89.5:
        return f"{seconds:.0f} s"
    if seconds < 3570:
        return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def megabytes(count: int) -> str:
    """Bytes in MB or GB."""
    return f"{count / 1e9:.1f} GB" if count >= 995e6 else f"{max(1, round(count / 1e6))} MB"


def image_line(image: Image) -> str:
    """``zyx 64 x 128 x 128, uint8, 8 nm``."""
    axes = "".join(image.axes) if all(len(axis) == 1 for axis in image.axes) else ",".join(image.axes)
    return f"{axes} {' x '.join(str(n) for n in image.shape)}, {image.dtype.name}, {image.voxel_size}"


def describe_noise(noise: NoiseModel, level: float) -> str:
    """The noise at one intensity, with what else is known about it."""
    std = noise.std_at(level)
    if std == 0:
        return f"none ({noise.method})"
    error = "" if not noise.relative_error else f" ± {number(std * noise.relative_error, 1)}"
    parts = [f"standard deviation {number(std, 3)}{error} at the median intensity"]
    if abs(noise.gain) * max(abs(level), std) > 0.01 * std**2:
        parts.append(f"signal-dependent (gain {noise.gain:.3g})")
    if max(abs(c) for c in noise.correlation) > 0.05:
        parts.append("neighbours correlated {:.2f} along y, {:.2f} along x".format(*noise.correlation))
    if noise.scan_line > 0.02 * std:
        parts.append(f"scan lines {noise.scan_line:.2g}")
    return f"{', '.join(parts)} ({noise.method})"


def chi2_line(chi2: float | None, counts_spread: bool = True) -> str:
    """The consistency with the data, in words."""
    if chi2 is None:
        return "no chi², for want of noise to compare with"
    return f"chi² {chi2:.2f} ({judged(chi2, counts_spread)})"


def novelty_line(novelty: Novelty) -> str:
    """How like its training the prior finds the image; its warning, where there is one, is a note of the run."""
    return novelty.short


def plain(value: Any) -> Any:
    """The same in what strict JSON holds: no NaN, no infinity, no NumPy numbers."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def print_json(result: dict[str, Any]) -> None:
    """One object to standard output."""
    print(json.dumps(plain(result), indent=2, ensure_ascii=False, allow_nan=False))
