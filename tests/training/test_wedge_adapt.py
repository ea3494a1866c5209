"""The network learns from the series whose wedge it is to fill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mendem import Image, VoxelSize
from mendem.errors import MendemError
from mendem.priors.wedge_filler import WedgeFiller
from mendem.priors.wedge_network import WedgeNetwork
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import Ellipse, EllipsePhantom
from mendem.tomography.tilt_series import TiltSeries
from mendem.training import wedge_own
from mendem.training.wedge_adapt import adapt, adapted
from mendem.wedge_filling.parameters import FillWedge
from mendem.wedge_filling.prepare import prepare

ANGLES = tuple(float(a) for a in range(-60, 61, 12))
PHANTOM = EllipsePhantom((Ellipse(1.0, 2, -3, 12, 9), Ellipse(0.7, -9, 8, 5, 7, 20)))


@pytest.fixture
def filling():
    tilts = np.repeat(PHANTOM.project(SliceGeometry(ANGLES, (48, 48), 48))[:, None], 4, axis=1)
    image = Image(tilts, ("tilt", "y", "x"), VoxelSize((None, 1.0, 1.0), "nm"))
    made = prepare(TiltSeries(image, ANGLES, aligned=True), FillWedge(filler="tv", specimen="isolated"), device="cpu")
    network = WedgeFiller(WedgeNetwork((8, 16), (1, 1)).eval(), True).for_series(made.rows.read(0, 4), made.geometry)
    return replace(made, filler=network)


def test_what_was_learned_is_taken_only_where_hidden_tilts_are_foreseen_better_and_it_is_said(filling, monkeypatch):
    monkeypatch.setattr(wedge_own, "BATCH", 2)
    ticks = iter(range(100))
    *_, learned = adapt(filling, 5, clock=lambda: float(next(ticks)))
    after = adapted(filling, learned)
    taken = after.found["adapted"]["taken"]
    assert taken == (after.found["adapted"]["gain_db"] > 0 and after.filler is learned.filler)
    assert len(after.notes) == len(filling.notes) + 1 and "learned from this series" in after.notes[-1]
    assert after.filler is (learned.filler if taken else filling.filler)


def test_total_variation_cannot_learn(filling):
    made = prepare(filling.series, FillWedge(filler="tv", specimen="isolated"), device="cpu")
    with pytest.raises(MendemError, match="only the network can learn"):
        next(adapt(made, 5))
