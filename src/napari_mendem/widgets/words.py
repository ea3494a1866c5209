"""Numbers as a microscopist reads them, always with their unit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mendem.image import Image, VoxelSize
from mendem.wording import judged, number

if TYPE_CHECKING:
    from mendem.engine import Region, Run
    from mendem.physics.section_grid import SectionGrid

#: A space at which no line is broken, between a number and its unit.
NO_BREAK = "\u00a0"


def unbroken(text: str) -> str:
    """The text with no line broken between a number and its unit."""
    return re.sub(r"(?<=\d) (?=%|(?:px|nm)\b)", NO_BREAK, text)


def about_image(image: Image) -> str:
    """``3.4 nm · uint16 · 2048 x 2048``."""
    voxel = image.voxel_size
    assert voxel is not None
    size = str(voxel) if voxel.known else "pixel size unknown"
    shape = " × ".join(str(n) for n in image.shape)
    return " · ".join(part.replace(" ", NO_BREAK) for part in (size, image.dtype.name, shape))


def about_grid(image: Image, grid: SectionGrid, region: Region | None = None) -> str:
    """What a volume becomes: ``becomes 8 nm · 256 × 256 × 256 (factor 4)``."""
    assert image.voxel_size is not None
    height, width = image.plane_shape
    top, bottom, left, right = region or (0, height, 0, width)
    z, y, x = image.voxel_size.values
    size = "" if z is None else f"{VoxelSize((z / grid.spacing, y, x), image.voxel_size.unit)} · "
    shape = " × ".join(str(n) for n in (grid.height, bottom - top, right - left))
    return f"becomes {size}{shape} (factor{NO_BREAK}{grid.spacing:.4g})"


def about_noise(run: Run, contrast: tuple[float, float]) -> str:
    """``6.1 ± 0.4 grey levels (2.9 % of the contrast), correlated 0.31``."""
    noise = run.plan.noise
    std = noise.std_at(run.plan.normalisation.centre)
    if std == 0:
        return "none found"
    error = f" ± {number(std * noise.relative_error, 1)}" if noise.relative_error else ""
    width = abs(contrast[1] - contrast[0])
    share = f" ({100 * std / width:.2g}{NO_BREAK}% of the contrast)" if width else ""
    together = max(noise.correlation)
    correlated = f", neighbours correlated {together:.2f}" if together > 0.05 else ", white"
    return f"{number(std, 3)}{error} grey levels{share}{correlated}"


def noise_tooltip(run: Run) -> str:
    """All that is known about the noise."""
    noise = run.plan.noise
    lines = [
        "Standard deviation of the noise at the median intensity, in the units of the image; "
        "contrast is the range between the layer's contrast limits.",
        f"Found from: {noise.method}.",
    ]
    if noise.gain:
        lines.append(f"It depends on the signal: variance = {noise.offset:.3g} + {noise.gain:.3g} × intensity.")
    rows, columns = noise.correlation
    lines.append(f"Correlation with the next pixel: {rows:.2f} along y, {columns:.2f} along x.")
    if noise.scan_line:
        lines.append(f"Offset that a whole scan line shares: {noise.scan_line:.3g} grey levels.")
    return "<qt>" + "<br>".join(lines) + "</qt>"


def duration(seconds: float) -> str:
    """``under 1 s``, ``4 s``, ``3 min``, ``2.5 h``."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """``310 MB``, ``1.8 GB``."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"


def about_chi2(chi2: float | None, pointwise: bool = True) -> str:
    """The consistency with the data, in a few words."""
    return "" if chi2 is None else f"chi² {chi2:.2f}: {judged(chi2, pointwise)}"


def about_answer(run: Run, chi2: float | None) -> str:
    """The consistency with the data, and how familiar the image is: ``chi² 1.02: … · familiar (novelty 0.3)``."""
    consistent = about_chi2(chi2, run.plan.pointwise)
    return " · ".join(part for part in (consistent, run.novelty.short if run.novelty else "") if part)


def found_out(run: Run, elsewhere: tuple[str, ...] = ()) -> str:
    """What is known before a run: its notes, a warning of an unfamiliar image among them, or that it is familiar.

    Notes that are told ``elsewhere`` are left out.
    """
    familiar = run.novelty is not None and run.novelty.familiar
    said = (f"The prior finds this image {run.novelty.short}.",) if familiar and run.novelty else ()
    return "\n".join((*(note for note in run.notes if note not in elsewhere), *said))


ANSWER_TOOLTIP = (
    "<qt>chi²: how far the result is from the measured pixels, compared with what the noise and the spread of the "
    "result predict. 1 is right. Clearly above 1, real structure was removed or the noise is underestimated; "
    "clearly below 1, noise was kept or is overestimated; of blurred or finer images anything below 1 is right.<br>"
    "Novelty: how unlike the pictures that the prior was trained on this image is, in the sizes of its structures, its "
    "edges and grain, and where the prior is unsure. Of training pictures only one in twenty exceeds 1. "
    "Risk: the novelty weighed by the error that the prior expects, which is what harm it may do.</qt>"
)
