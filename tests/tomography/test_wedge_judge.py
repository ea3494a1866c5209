"""Hidden tilts decide between two fillers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from mendem.tomography.filler import Filled, TvFiller
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import Ellipse, EllipsePhantom
from mendem.tomography.wedge_judge import hidden_tilts, judge

GEOMETRY = SliceGeometry(tuple(range(-60, 61, 6)), (48, 48), 48)
PHANTOM = EllipsePhantom((Ellipse(1.0, 2, -3, 12, 9), Ellipse(0.7, -9, 8, 5, 7, 20)))
TV = TvFiller()


@dataclass(frozen=True)
class Knows:
    """A filler that answers with the phantom, times a factor, and looks at one neighbour."""

    factor: float = 1.0
    name: str = "knows"
    halo: int = 1

    def for_series(self, sample, geometry):
        return self

    def fill(self, sinograms, geometry, check):
        assert len(geometry.angles_deg) < len(GEOMETRY.angles_deg), "nothing was hidden"
        count = len(sinograms) - 2 * self.halo
        yield Filled(self.factor * torch.from_numpy(PHANTOM.image(GEOMETRY)).expand(count, -1, -1))


@pytest.fixture(scope="module")
def windows():
    noise = np.random.default_rng(0).normal(0, 0.5, (2, 3, *PHANTOM.project(GEOMETRY).shape))
    return [torch.from_numpy((PHANTOM.project(GEOMETRY) + n).astype(np.float32)) for n in noise]


def test_the_outermost_tilts_are_hidden_and_every_eighth_between_them():
    angles = np.linspace(-60, 60, 41)
    hidden = hidden_tilts(angles)
    assert {0, 1, 39, 40} <= set(hidden) and 8 <= len(hidden) <= 9
    other_way = {float(angles[::-1][i]) for i in hidden_tilts(angles[::-1])}
    assert other_way == {float(angles[i]) for i in hidden}, "the order of the stack does not matter"
    assert hidden_tilts([0, 1, 2, 3]) == ()


def test_a_filler_that_knows_the_specimen_is_kept(windows):
    verdict = judge(Knows(), TV, windows, GEOMETRY)
    assert not verdict.worse and verdict.gain_db > 0 and "better" in verdict.sentence
    assert len(verdict.chosen) == len(verdict.fallback) == len(verdict.angles_deg)


def test_one_that_is_wrong_gives_way_to_total_variation_and_it_is_said(windows):
    verdict = judge(Knows(0.5), TV, windows, GEOMETRY)
    assert verdict.worse and "total variation" in verdict.sentence and "hidden" in verdict.sentence
    # Half of the density is missing: a quarter of the energy is the error, and the noise.
    assert 0.2 < np.mean(verdict.chosen) < 0.35


def test_of_few_tilts_nothing_is_hidden_and_nothing_is_said_for_or_against():
    few = SliceGeometry((-40.0, 0.0, 40.0), (48, 48), 48)
    verdict = judge(Knows(), TV, [torch.zeros(3, 3, 48)], few)
    assert not verdict.worse and "too few" in verdict.sentence
