"""What the Missing wedge dock says about a missing wedge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_mendem.widgets.words import NO_BREAK

if TYPE_CHECKING:
    from napari_mendem.wedge_work import Answer


def missing(answer: Answer) -> str:
    """How much of Fourier space no tilt measures, and how many tilts were generated for it."""
    made = len(answer.generated)
    filled = f", filled by {made} generated {'tilt' if made == 1 else 'tilts'}" if made else ""
    return f"{100 * answer.missing_share:.0f} % of Fourier space{filled}"


def elongation(answer: Answer) -> str:
    """How much longer a point is along z, by curvature and by width."""
    long = f"{answer.elongation:.2f}" if math.isfinite(answer.elongation) else "without end"
    ratio = answer.widths.z / answer.widths.x
    half = f" (half{NO_BREAK}width{NO_BREAK}{ratio:.2f})" if math.isfinite(ratio) else ""
    return f"{long} along z{half}"


def energy(answer: Answer, record: dict[str, Any] | None = None) -> str:
    """How much of the energy lies in the wedge; of a tomogram whose wedge was filled (its provenance), before too."""
    found = answer.energy
    if not answer.arcs:
        return "nothing is missing"
    if found is None:
        return "no energy: the image is constant"
    filled = (record or {}).get("energy_in_wedge")
    before = f" ({100 * filled['back_projection']['missing']:.1f} % before it was filled)" if filled else ""
    return f"{100 * found.missing:.1f} % of energy{before}, whitened{NO_BREAK}{100 * found.whitened:.1f}{NO_BREAK}%"
