"""Before a wedge is filled, the network learns from the series itself; hidden tilts decide whether that is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from mendem.errors import MendemError
from mendem.priors.wedge_filler import WedgeFiller
from mendem.training.wedge_own import Learning, judged, learn_from
from mendem.wedge_filling.rows import around, spread

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.tomography.geometry import SliceGeometry
    from mendem.wedge_filling.plan import WedgeFilling
    from mendem.wedge_filling.volume_road import VolumeRoad

#: Places of the series that it learns from, and neighbours on either side of each that are filled too; places it is
#: judged by.
PLACES, BESIDE, JUDGED = 6, 2, 3


def adapt(
    filling: WedgeFilling,
    seconds: float,
    *,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Learning]:
    """Learn from the series of a filling for some time; whoever has had enough stops asking, and takes the last.

    Raises
    ------
    MendemError
        It is not the network that fills.
    """
    filler, geometry = _network(filling)
    rows = filling.rows
    data = [around(rows, row, BESIDE + filler.halo) for row in spread(rows.count, PLACES)]
    learning = learn_from(filler, _tensors(data, filling), geometry, seconds, seed=seed, check=check, clock=clock)
    yield from learning


def adapted(filling: WedgeFilling, learned: Learning, check: Callable[[], None] = lambda: None) -> VolumeRoad:
    """The filling with what was learned, where that foresees hidden tilts better than before; a note says which."""
    from mendem.wedge_filling.volume_road import VolumeRoad

    filler, geometry = _network(filling)
    assert isinstance(filling, VolumeRoad)
    data = [around(filling.rows, row, filler.halo) for row in spread(filling.rows.count, JUDGED)]
    verdict = judged(learned.filler, filler, _tensors(data, filling), geometry, check)
    better = verdict.gain_db > 0 and not verdict.worse
    spent = f"{learned.step} steps in {learned.seconds:.0f} s"
    said = (
        f"The network learned from this series ({spent}): hidden tilts are foreseen {verdict.gain_db:.2f} dB better."
        if better
        else f"What the network learned from this series ({spent}) was not taken: hidden tilts are not foreseen better "
        f"({verdict.gain_db:.2f} dB)."
    )
    found = {**filling.found, "adapted": {"steps": learned.step, "gain_db": verdict.gain_db, "taken": better}}
    return replace(filling, filler=learned.filler if better else filler, notes=(*filling.notes, said), found=found)


def _network(filling: WedgeFilling) -> tuple[WedgeFiller, SliceGeometry]:
    filler = getattr(filling, "filler", None)
    if not isinstance(filler, WedgeFiller):
        raise MendemError(
            f"{filling.series.name}: only the network can learn from a series, and {filling.made_by} fills it; choose "
            "the volume road and the filler network"
        )
    return filler, filling.geometry if filling.isolated else filling.geometry.widened()[0]


def _tensors(data: list[np.ndarray], filling: WedgeFilling) -> list[Tensor]:
    return [torch.from_numpy(part).to(filling.device) for part in data]
