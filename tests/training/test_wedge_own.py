"""A network for the missing wedge learns from one tomogram."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mendem.errors import Cancelled
from mendem.priors.wedge_filler import WedgeFiller
from mendem.priors.wedge_network import WedgeNetwork
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import Ellipse, EllipsePhantom
from mendem.tomography.wedge import wedge_mask
from mendem.tomography.wedge_judge import hidden_tilts
from mendem.training import wedge_own
from mendem.training.wedge_draws import SIDE
from mendem.training.wedge_own import judged, learn_from, untrained

GEOMETRY = SliceGeometry(tuple(range(-60, 61, 10)), (SIDE, SIDE), SIDE)
PHANTOM = EllipsePhantom((Ellipse(1.0, 4, -6, 24, 14), Ellipse(0.7, -19, 18, 9, 14, 20)))


@pytest.fixture(scope="module")
def windows():
    return [torch.from_numpy(np.repeat(PHANTOM.project(GEOMETRY)[None], 3, axis=0))]


@pytest.fixture
def filler(windows):
    made = WedgeFiller(WedgeNetwork((8, 16), (1, 1)).eval(), True)
    return made.for_series(windows[0].numpy(), GEOMETRY)


def seconds():
    """A clock that goes one second for each look."""
    now = 0.0

    def look():
        nonlocal now
        now += 1
        return now

    return look


def test_each_step_gives_a_filler_that_can_be_taken_and_leaves_the_first_as_it_was(filler, windows, monkeypatch):
    before = [p.clone() for p in filler.network.parameters()]
    monkeypatch.setattr(wedge_own, "BATCH", 2)
    steps = list(learn_from(filler, windows, GEOMETRY, 6, anew=True, clock=seconds()))
    assert [s.step for s in steps] == list(range(1, len(steps) + 1)) and len(steps) >= 3
    assert all(np.isfinite(s.loss) for s in steps)
    assert all(torch.equal(a, b) for a, b in zip(before, filler.network.parameters(), strict=True))
    learned = steps[-1].filler
    assert any(not torch.equal(a, b) for a, b in zip(before, learned.network.parameters(), strict=True))
    assert "adapted" in learned.name and learned.setting == filler.setting
    verdict = judged(learned, filler, windows, GEOMETRY)
    assert len(verdict.chosen) == len(hidden_tilts(GEOMETRY.angles_deg))


def test_it_stops_when_asked(filler, windows):
    def check():
        raise Cancelled

    with pytest.raises(Cancelled):
        list(learn_from(filler, windows, GEOMETRY, 60, check=check))


def test_random_weights_have_the_shape_of_the_trained_ones(filler):
    new = untrained(filler)
    assert new.network.config == filler.network.config and new.name != filler.name


@pytest.mark.parametrize("degrees", [30.0, -75.0])
def test_a_slice_that_was_turned_has_its_measured_part_where_it_is_said_to_be(degrees):
    # What lies on one line of the spectrum, that of the tilt 0, lies on that of the tilt `degrees` after the turn.
    x = np.arange(SIDE) - (SIDE - 1) / 2
    stripes = np.cos(2 * np.pi * 0.2 * x)[None, None, :] * np.ones((SIDE, 3, 1))
    part = wedge_own._turn(np.random.default_rng(0), stripes.astype(np.float32), degrees, True)[:, 1]
    power = np.abs(np.fft.fftshift(np.fft.fft2(part))) ** 2
    power[SIDE // 2 - 3 : SIDE // 2 + 4, SIDE // 2 - 3 : SIDE // 2 + 4] = 0  # the disc that is cut out
    near = ~wedge_mask([degrees - 8, degrees - 4, degrees, degrees + 4, degrees + 8], (SIDE, SIDE))
    assert power[near].sum() > 0.9 * power.sum()
