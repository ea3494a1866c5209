"""Which of two fillers foresees tilts that were measured and hidden from both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.tomography.filler import Filler
    from mendem.tomography.geometry import SliceGeometry

#: One in so many tilts inside the range is hidden, and this share of all at either end of it.
EVERY, OUTERMOST = 8, 1 / 24


def hidden_tilts(angles_deg: Sequence[float]) -> tuple[int, ...]:
    """Indices of the tilts to hide: the outermost at either end, and every eighth between them.

    At least three are left to reconstruct from; of fewer than six tilts none is hidden.
    """
    count = len(angles_deg)
    if count < 6:
        return ()
    order = np.argsort(angles_deg, kind="stable")
    ends = max(1, round(OUTERMOST * count))
    inner = order[ends:-ends]
    return tuple(sorted(int(i) for i in (*order[:ends], *inner[EVERY // 2 :: EVERY], *order[-ends:])))


@dataclass(frozen=True)
class Verdict:
    """How well hidden tilts are foreseen.

    Attributes
    ----------
    angles_deg
        Of the hidden tilts.
    chosen, fallback
        Mean squared difference of each from what was foreseen, over the mean square of all hidden tilts: by the filler
        that is judged, and by the one to fall back on. The noise of the tilts is in both.
    """

    angles_deg: tuple[float, ...]
    chosen: tuple[float, ...]
    fallback: tuple[float, ...]

    @property
    def worse(self) -> bool:
        """Whether the filler foresees the tilts worse, by more than the standard error over them."""
        if not self.angles_deg:
            return False
        more = np.subtract(self.chosen, self.fallback)
        return bool(more.mean() > more.std(ddof=1) / math.sqrt(len(more)))

    @property
    def gain_db(self) -> float:
        """How much better the filler is, in decibels of the mean squared difference; noise included."""
        if not self.angles_deg:
            return 0.0
        return 10 * math.log10(max(sum(self.fallback), 1e-30) / max(sum(self.chosen), 1e-30))

    @property
    def sentence(self) -> str:
        """For the user."""
        count = len(self.angles_deg)
        if not count:
            return "There are too few tilts to hide some of them and to judge the filling by them."
        if self.worse:
            return (
                f"Filled by total variation: of {count} measured tilts that were hidden it foresees more than the "
                f"network does ({-self.gain_db:.1f} dB)."
            )
        return (
            f"{count} measured tilts that were hidden are foreseen {self.gain_db:.1f} dB better by the network than by "
            "total variation."
        )


def judge(
    filler: Filler,
    fallback: Filler,
    windows: Sequence[Tensor],
    geometry: SliceGeometry,
    check: Callable[[], None] = lambda: None,
) -> Verdict:
    """Hide some of the measured tilts, fill without them, and compare the projections with what was measured.

    Parameters
    ----------
    filler, fallback
        Ready for the series, see `mendem.tomography.filler.Filler.for_series`.
    windows
        Sinograms, float32 (halo + n + halo, tilts, width) each, of some places of the series; with the halo of
        ``filler``, 1 or more.
    geometry
        Of all measured tilts, as wide as slices are to be filled.
    """
    import torch

    from mendem.tomography.projector import Projector

    hidden = hidden_tilts(geometry.angles_deg)
    if not hidden:
        return Verdict((), (), ())
    kept = [i for i in range(len(geometry.angles_deg)) if i not in hidden]
    known, unknown = (
        replace(
            geometry,
            angles_deg=tuple(geometry.angles_deg[i] for i in some),
            shifts=tuple(geometry.shifts[i] for i in some),
        )
        for some in (kept, hidden)
    )
    projector = Projector(unknown, windows[0].device)
    errors = np.zeros((2, len(hidden)))
    size = 0.0
    for window in windows:
        seen = window[filler.halo : len(window) - filler.halo]
        for total, one in zip(errors, (filler, fallback), strict=True):
            margin = filler.halo - one.halo
            with torch.inference_mode():
                for found in one.fill(window[margin : len(window) - margin][:, kept].contiguous(), known, check):
                    mean = found.mean
                total += (projector.forward(mean) - seen[:, hidden]).square().sum((0, 2)).cpu().numpy()
        size += float(seen[:, hidden].square().sum()) / len(hidden)
    chosen, other = (errors / max(size, 1e-30)).tolist()
    return Verdict(unknown.angles_deg, tuple(chosen), tuple(other))
